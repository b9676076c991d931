//! `preserve-host-header`: the upstream sees the host that the client asked for.

use gwanmun_proxy::{Exchange, Filter, FilterSpec, Invalid, Parts, Step, UpstreamHost, Verdict};
use schemars::JsonSchema;
use serde::Deserialize;

/// Sends the client's `Host` to the upstream. Without it the upstream gets its own name, the one in its URL.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PreserveHostHeaderSpec {}

struct PreserveHostHeader;

impl FilterSpec for PreserveHostHeaderSpec {
    const NAME: &'static str = "preserve-host-header";
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
routes:
  - id: shops
    predicates:
      - host: "{shop}.example.com"
    filters:
      - preserve-host-header
    upstream: http://127.0.0.1:9001
tests:
  - request: {method: GET, path: /, headers: {host: books.example.com}}
    expect: {route: shops, upstream-headers: {host: books.example.com}}
"#;

    fn build(self, _: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        Ok(Box::new(PreserveHostHeader))
    }
}

impl Filter for PreserveHostHeader {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        exchange.upstream_host = UpstreamHost::Client;
        Ok(Step::Next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{exchange, filter, pass, refusal};

    #[test]
    fn the_clients_host_is_asked_for() {
        let mut exchange = exchange("/");
        assert_eq!(exchange.upstream_host, UpstreamHost::Endpoint);
        pass(&*filter::<PreserveHostHeaderSpec>(""), &mut exchange).unwrap();
        assert_eq!(exchange.upstream_host, UpstreamHost::Client);
    }

    #[test]
    fn arguments_are_refused() {
        assert!(refusal::<PreserveHostHeaderSpec>("{host: a}").contains("host"));
        assert!(!refusal::<PreserveHostHeaderSpec>("true").is_empty());
    }
}
