//! Origins (RFC 6454): whose page made a browser send a request, and whether it is one of the gateway's own.

use gwanmun_proxy::Exchange;
use http::header::{HeaderName, ORIGIN};
use http::{HeaderMap, HeaderValue};

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// `https://shop.example:8443`, in its parts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub(crate) scheme: &'a str,
    pub(crate) host: &'a str,
    /// Absent where it goes without saying.
    pub(crate) port: Option<u16>,
}

/// How often a field came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field<'a> {
    Absent,
    Once(&'a HeaderValue),
    Several,
}

impl<'a> Field<'a> {
    pub(crate) fn of(headers: &'a HeaderMap, name: &HeaderName) -> Self {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Self::Absent,
            (Some(value), None) => Self::Once(value),
            (Some(_), Some(_)) => Self::Several,
        }
    }

    /// What `Origin` says.
    pub(crate) fn origin(exchange: &'a Exchange) -> Self {
        Self::of(&exchange.request.headers, &ORIGIN)
    }
}

impl<'a> Origin<'a> {
    /// Reads an origin as browsers write it. `null` is none, nor is a list.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        let (host, port) = host_and_port(authority)?;
        let port = port.filter(|port| Some(*port) != usual_port(scheme));
        is_scheme.then_some(Self { scheme, host, port })
    }

    /// The same of a field; `None` if it is none.
    pub(crate) fn of(value: &'a HeaderValue) -> Option<Self> {
        Self::parse(value.to_str().ok()?)
    }

    /// Whether the request went to this origin: the host is what the client asked for, or what a trusted proxy in front
    /// says that it asked for.
    pub(crate) fn is_asked_by(self, exchange: &Exchange) -> bool {
        let headers = &exchange.request.headers;
        let told = |name| if exchange.trusted { first_of(headers.get(name)) } else { None };
        let hosts = [exchange.host.as_ref().and_then(|host| host.to_str().ok()), told(X_FORWARDED_HOST)];
        let port_before = told(X_FORWARDED_PORT).and_then(|port| port.parse().ok());
        let scheme = exchange.scheme().as_str();
        hosts.into_iter().flatten().filter_map(host_and_port).any(|(host, port)| {
            let port = port.or(port_before).filter(|port| Some(*port) != usual_port(scheme));
            self == Origin { scheme, host, port }
        })
    }
}

impl PartialEq for Origin<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.port == other.port
            && self.scheme.eq_ignore_ascii_case(other.scheme)
            && self.host.eq_ignore_ascii_case(other.host)
    }
}

/// What is wrong with an origin that the operator wrote, and what may have been meant.
pub(crate) fn mistake(text: &str) -> (String, Option<String>) {
    let message = format!("found '{text}', wanted an origin like https://app.example or http://localhost:3000");
    let hint = match text {
        "null" => Some("'null' is the origin of every sandboxed frame and local file".to_owned()),
        _ if text.contains('*') => None,
        _ => match text.split_once("://") {
            None => Some(format!("with its scheme: https://{text}")),
            Some((scheme, rest)) => rest.split_once('/').map(|(host, _)| format!("without a path: {scheme}://{host}")),
        },
    };
    (message, hint)
}

/// A host and perhaps a port, as they stand in `Host` and in origins. An empty port goes without saying.
pub(crate) fn host_and_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (authority, ""),
    };
    let port = match port {
        "" => None,
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
        _ => return None,
    };
    is_host(host).then_some((host, port))
}

fn is_host(host: &str) -> bool {
    let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match inner {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)),
    }
}

fn usual_port(scheme: &str) -> Option<u16> {
    [("http", 80), ("https", 443)]
        .into_iter()
        .find(|(known, _)| scheme.eq_ignore_ascii_case(known))
        .map(|(_, port)| port)
}

/// The first of a list that proxies continue: what the client asked the outermost one for.
fn first_of(value: Option<&HeaderValue>) -> Option<&str> {
    value?.to_str().ok()?.split(',').next().map(str::trim)
}

#[cfg(test)]
mod tests {
    use http::Method;
    use proptest::prelude::*;

    use super::*;
    use crate::fixture::exchange_with;

    fn is_own(origin: &str, is_trusted: bool, fields: &[(&str, &str)]) -> bool {
        let mut exchange = exchange_with(Method::POST, "/", fields);
        exchange.trusted = is_trusted;
        Origin::parse(origin).unwrap().is_asked_by(&exchange)
    }

    #[test]
    fn origins_are_read_and_nothing_else() {
        for good in
            ["https://a.example", "http://a:3000", "https://[::1]:8443", "chrome-extension://abc", "http://10.0.0.1"]
        {
            assert!(Origin::parse(good).is_some(), "{good}");
        }
        for bad in [
            "null",
            "",
            "a.example",
            "https://",
            "https://a/",
            "https://a?b",
            "https://u@a",
            "https://a b",
            "https://a,b",
            "https://a:b",
            "https://a:99999",
            "https://[::1",
            "https://a https://b",
            "://a",
            "1a://b",
            "https://*.a",
        ] {
            assert!(Origin::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_port_that_goes_without_saying_does() {
        assert_eq!(Origin::parse("https://A.example:443"), Origin::parse("https://a.example"));
        assert_ne!(Origin::parse("http://a.example:443"), Origin::parse("http://a.example"));
        assert_ne!(Origin::parse("http://a.example"), Origin::parse("https://a.example"));
    }

    #[test]
    fn the_own_origin_is_what_the_client_asked_for() {
        assert!(is_own("http://shop.example", false, &[]));
        assert!(is_own("http://shop.example:8080", false, &[("host", "Shop.example:8080")]));
        assert!(!is_own("http://shop.example:8080", false, &[("host", "shop.example")]));
        assert!(!is_own("https://shop.example", false, &[]), "another scheme");
        assert!(!is_own("http://evil.example", false, &[]));
        assert!(!is_own("http://shop.example.evil.example", false, &[]));
    }

    #[test]
    fn only_trusted_proxies_say_what_the_client_asked_for() {
        let told = [
            ("host", "gateway.internal"),
            ("x-forwarded-host", "shop.example, inner.example"),
            ("x-forwarded-proto", "https"),
        ];
        assert!(is_own("https://shop.example", true, &told));
        assert!(!is_own("https://inner.example", true, &told));
        assert!(!is_own("https://shop.example", false, &told));
        let with_port = [("host", "shop.example"), ("x-forwarded-proto", "https"), ("x-forwarded-port", "8443")];
        assert!(is_own("https://shop.example:8443", true, &with_port));
        assert!(!is_own("https://shop.example", true, &with_port));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic_and_what_is_read_is_what_was_written(text in "[ -~]{0,30}") {
            if let Some(origin) = Origin::parse(&text) {
                let port = origin.port.map_or(String::new(), |port| format!(":{port}"));
                let written = format!("{}://{}{port}", origin.scheme, origin.host);
                prop_assert_eq!(Origin::parse(&written), Some(origin));
            }
            let _ = mistake(&text);
        }
    }
}
