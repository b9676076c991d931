//! `x-forwarded-remote-addr`: the client behind trusted proxies.

use gwanmun_config::OneOrMany;
use gwanmun_proxy::{Condition, Exchange, Invalid, Parts, Predicate, PredicateSpec};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::predicate::remote_addr::Sources;

/// Matches requests whose client comes from one of the address blocks. The client is found by reading `Forwarded` or
/// `X-Forwarded-For` from right to left for as long as the addresses belong to `trusted-proxies`; what others wrote is
/// not believed. Without trusted proxies it is the socket's other end.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct XForwardedRemoteAddrSpec {
    /// Address blocks (`192.168.0.0/16`, `2001:db8::/32`) or addresses.
    sources: OneOrMany<String>,
}

impl PredicateSpec for XForwardedRemoteAddrSpec {
    const NAME: &'static str = "x-forwarded-remote-addr";
    const EXAMPLE: &'static str = r#"
trusted-proxies: [127.0.0.1/32]
routes:
  - id: office
    predicates:
      - x-forwarded-remote-addr: 198.51.100.0/24
    upstream: http://127.0.0.1:9001
# Tests come from 127.0.0.1, the trusted proxy.
tests:
  - request: {method: GET, path: /, headers: {x-forwarded-for: "10.1.1.1, 198.51.100.7"}}
    upstream-response: {status: 200}
    expect: {route: office, status: 200}
  - request: {method: GET, path: /, headers: {x-forwarded-for: "198.51.100.7, 10.1.1.1"}}
    expect: {status: 404}
"#;

    fn build(self, _: &Parts<'_>) -> Result<Condition, Invalid> {
        let sources = Sources::parse(&self.sources)?;
        Ok(Condition::Test(Box::new(XForwardedRemoteAddr { sources })))
    }
}

struct XForwardedRemoteAddr {
    sources: Sources,
}

impl Predicate for XForwardedRemoteAddr {
    fn holds(&self, exchange: &Exchange) -> bool {
        exchange.client.is_some_and(|client| self.sources.contain(client))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Fixture, exchange};
    use crate::predicate::tests::holds;

    #[test]
    fn the_resolved_client_has_to_be_in_a_block() {
        let held = |arguments| {
            holds(&Fixture::new().predicate::<XForwardedRemoteAddrSpec>(arguments).unwrap(), &exchange("/"))
        };
        assert!(held("203.0.113.0/24"));
        assert!(!held("192.0.2.0/24"), "that is the socket's peer");
    }

    #[test]
    fn a_client_without_an_address_never_matches() {
        let condition = Fixture::new().predicate::<XForwardedRemoteAddrSpec>("[0.0.0.0/0, '::/0']").unwrap();
        let mut exchange = exchange("/");
        exchange.client = None;
        assert!(!holds(&condition, &exchange));
    }

    #[test]
    fn something_that_is_no_block_is_refused() {
        let refusal = Fixture::new().predicate::<XForwardedRemoteAddrSpec>("office").err().unwrap();
        assert!(refusal.contains("found 'office', wanted an address"), "{refusal}");
    }
}
