//! One place where a service listens: `http://host:port`, `https://…`, `h2c://…`, `unix:/path`, `dns+http://name:port`.

use std::path::PathBuf;
use std::sync::Arc;

use http::HeaderValue;
use http::uri::Authority;

use crate::exchange::Scheme;
use crate::upstream::resolve::Resolved;
use crate::upstream::tls::ClientTls;

/// Where to connect and what to speak there.
#[derive(Debug)]
pub struct Endpoint {
    /// As operators wrote it: for logs.
    pub label: Arc<str>,
    /// Its share relative to the other endpoints'.
    pub weight: u32,
    pub(crate) protocol: Protocol,
    pub(crate) address: Address,
    /// What `Host` says.
    pub(crate) authority: HeaderValue,
    pub(crate) tls: Option<ClientTls>,
}

/// What is spoken to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    /// HTTP/2 if the other side chooses it (ALPN), else HTTP/1.1.
    Negotiated,
    /// HTTP/2 by prior knowledge.
    Http2,
}

/// What to connect to.
#[derive(Debug, Clone)]
pub(crate) enum Address {
    /// The first address that answers.
    Host(Arc<Resolved>),
    /// Every address is an endpoint of its own.
    EachOf(Arc<Resolved>),
    Unix(PathBuf),
}

/// Why a URL is no endpoint: what was found and what was wanted; and what to do about it, where that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidEndpoint(pub String, pub Option<String>);

impl Endpoint {
    /// Reads `url`; `tls` is what `https` endpoints of this upstream use.
    ///
    /// # Errors
    /// [`InvalidEndpoint`] with a sentence.
    pub(crate) fn parse(
        url: &str,
        weight: u32,
        tls: impl FnOnce(&str) -> Result<ClientTls, String>,
    ) -> Result<Self, InvalidEndpoint> {
        let label: Arc<str> = url.into();
        if let Some(path) = url.strip_prefix("unix:") {
            if !path.starts_with('/') {
                return Err(InvalidEndpoint(format!("found '{url}', wanted unix: and an absolute path"), None));
            }
            let address = Address::Unix(path.into());
            return Ok(Self {
                label,
                weight,
                protocol: Protocol::Http1,
                address,
                authority: HeaderValue::from_static("localhost"),
                tls: None,
            });
        }
        let wanted = || {
            let wanted = "http://host:port, https://…, h2c://…, dns+http://name:port or unix:/path";
            InvalidEndpoint(format!("found '{url}', wanted {wanted}"), near(url))
        };
        let (scheme, rest) = url.split_once("://").ok_or_else(wanted)?;
        let (each, scheme) = scheme.strip_prefix("dns+").map_or((false, scheme), |scheme| (true, scheme));
        let (protocol, transport) = match scheme {
            "http" => (Protocol::Http1, Scheme::Http),
            "h2c" => (Protocol::Http2, Scheme::Http),
            "https" => (Protocol::Negotiated, Scheme::Https),
            _ => return Err(wanted()),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '@']) {
            let message = format!("found '{url}', wanted no path, query or user in an endpoint");
            return Err(InvalidEndpoint(message, None));
        }
        let parsed: Authority = authority.parse().map_err(|_| wanted())?;
        if parsed.host().is_empty() {
            return Err(wanted());
        }
        if authority.len() > parsed.host().len() && parsed.port_u16().is_none() {
            return Err(InvalidEndpoint(format!("found '{url}', wanted a port from 1 to 65535"), None));
        }
        let host = parsed.host().trim_start_matches('[').trim_end_matches(']');
        let resolved = Arc::new(Resolved::new(host, parsed.port_u16().unwrap_or(transport.default_port())));
        let address = if each { Address::EachOf(resolved) } else { Address::Host(resolved) };
        let tls = match transport {
            Scheme::Https => Some(tls(host).map_err(|why| InvalidEndpoint(why, None))?),
            Scheme::Http => None,
        };
        let authority = HeaderValue::from_str(authority).map_err(|_| wanted())?;
        Ok(Self { label, weight, protocol, address, authority, tls })
    }
}

impl Endpoint {
    /// Whether connections to `other` are good for this one too, if the files behind their TLS settings are the same.
    pub(crate) fn is_the_same_as(&self, other: &Self) -> bool {
        // The label says what the address is.
        let Self { label, weight, protocol, address: _, authority, tls } = self;
        let name = |tls: &Option<ClientTls>| tls.as_ref().map(|tls| tls.name.clone());
        *label == other.label
            && *weight == other.weight
            && *protocol == other.protocol
            && *authority == other.authority
            && name(tls) == name(&other.tls)
    }
}

/// What to write in the place of something that is no URL.
fn near(text: &str) -> Option<String> {
    if let Some(name) = text.strip_prefix("lb://") {
        return Some(format!("service discovery is not there yet; dns+http://{name}:PORT asks DNS for every address"));
    }
    let (host, port) = text.rsplit_once(':')?;
    let is_bare = !text.contains('/') && !host.is_empty() && port.parse::<u16>().is_ok();
    is_bare.then(|| format!("write http://{text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Endpoint, InvalidEndpoint> {
        Endpoint::parse(url, 1, |_| Err("no TLS here".to_owned()))
    }

    #[test]
    fn urls_say_what_is_spoken() {
        assert_eq!(parse("http://a:1").unwrap().protocol, Protocol::Http1);
        assert_eq!(parse("h2c://a:1/").unwrap().protocol, Protocol::Http2);
        assert!(matches!(parse("dns+http://a:1").unwrap().address, Address::EachOf(_)));
        assert!(matches!(parse("unix:/run/a.sock").unwrap().address, Address::Unix(_)));
        assert_eq!(parse("http://[::1]:80").unwrap().authority, "[::1]:80");
    }

    #[test]
    fn what_is_nearly_an_endpoint_gets_a_hint() {
        let hint = |url| parse(url).unwrap_err().1;
        assert_eq!(hint("127.0.0.1:9001").as_deref(), Some("write http://127.0.0.1:9001"));
        assert!(hint("lb://orders").unwrap().starts_with("service discovery is not there yet; dns+http://orders:"));
        assert_eq!(hint("ftp://a"), None);
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        for url in [
            "a:1",
            "ftp://a",
            "http://",
            "http://a:x",
            "http://a:99999",
            "http://a/path",
            "http://u@a",
            "unix:rel",
            "http://a?q",
            "dns+ftp://a",
        ] {
            assert!(parse(url).is_err(), "{url}");
        }
    }
}
