//! `set-request-host-header`: the upstream sees a host that the operator chose.

use gwanmun_core::{Code, Fault};
use gwanmun_proxy::{
    Exchange, Filter, FilterSpec, HeaderTemplate, Invalid, Parts, Step, Template, UpstreamHost, Verdict,
};
use http::header::HeaderValue;
use http::uri::Authority;
use schemars::JsonSchema;
use serde::Deserialize;

/// Sets the `Host` that the upstream gets. Where the request goes does not change; `set-request-uri` changes that.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SetRequestHostHeaderSpec {
    /// The host, with a port if it is to have one; `{name}` is a variable of the route's predicates.
    host: String,
}

struct SetRequestHostHeader {
    host: HeaderTemplate,
}

impl FilterSpec for SetRequestHostHeaderSpec {
    const NAME: &'static str = "set-request-host-header";
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
routes:
  - id: shops
    predicates:
      - path: "/{shop}/**"
    filters:
      - set-request-host-header: "{shop}.internal"
    upstream: http://127.0.0.1:9001
tests:
  - request: {method: GET, path: /books/7}
    expect: {route: shops, upstream-headers: {host: books.internal}}
"#;

    fn build(self, parts: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        let template = Template::parse(&self.host, parts).map_err(|invalid| invalid.or_at("host"))?;
        if template.constant().is_some_and(|text| !is_host(text.as_bytes())) {
            let found = self.host.escape_debug();
            return Err(Invalid::at("host", format!("found '{found}', wanted a host or host:port"))
                .with_hint("a host has no scheme and no path"));
        }
        let host = HeaderTemplate::parse(&self.host, parts).map_err(|invalid| invalid.or_at("host"))?;
        Ok(Box::new(SetRequestHostHeader { host }))
    }
}

impl Filter for SetRequestHostHeader {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        exchange.upstream_host = UpstreamHost::Given(checked(self.host.render(&exchange.variables)?)?);
        Ok(Step::Next)
    }
}

fn checked(host: HeaderValue) -> Result<HeaderValue, Fault> {
    if is_host(host.as_bytes()) {
        return Ok(host);
    }
    Err(Fault::new(Code::MalformedRequest, "a path variable has a value that may not stand in a host"))
}

/// `host` or `host:port` (RFC 9110 section 7.2), without user information.
fn is_host(text: &[u8]) -> bool {
    !text.contains(&b'@') && Authority::try_from(text).is_ok_and(|authority| !authority.host().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Fixture, exchange, exchange_capturing, filter, pass, refusal};

    #[test]
    fn the_host_is_given() {
        let mut exchange = exchange("/");
        pass(&*filter::<SetRequestHostHeaderSpec>("shop.internal:8443"), &mut exchange).unwrap();
        assert_eq!(exchange.upstream_host, UpstreamHost::Given(HeaderValue::from_static("shop.internal:8443")));
        assert_eq!(exchange.host.unwrap(), "shop.example");
    }

    #[test]
    fn a_variable_stays_a_part_of_the_host() {
        let filter =
            Fixture::new().with_variables(&["x"]).filter::<SetRequestHostHeaderSpec>("'{x}.internal'").unwrap();
        let mut exchange = exchange_capturing("/", &[("x", "books")]);
        pass(&*filter, &mut exchange).unwrap();
        assert_eq!(exchange.upstream_host, UpstreamHost::Given(HeaderValue::from_static("books.internal")));
        for value in ["evil.example/", "a b", "u@h", "a\r\nb", "évil", "a?b"] {
            assert!(pass(&*filter, &mut exchange_capturing("/", &[("x", value)])).is_err(), "{value}");
        }
    }

    #[test]
    fn bad_arguments_are_refused() {
        for host in ["''", "http://a", "a/b", "u@h", "'a b'", "':80'"] {
            assert!(refusal::<SetRequestHostHeaderSpec>(host).contains("host:port"), "{host}");
        }
        assert!(refusal::<SetRequestHostHeaderSpec>("'{x}'").contains("{x}"));
    }
}
