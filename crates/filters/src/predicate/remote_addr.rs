//! `remote-addr`: the other end of the connection.

use std::net::IpAddr;

use gwanmun_config::OneOrMany;
use gwanmun_proxy::{Condition, Exchange, Invalid, Parts, Predicate, PredicateSpec};
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;

/// Matches requests whose connection comes from one of the address blocks: the socket's other end. Behind a load balancer
/// that is the load balancer; `x-forwarded-remote-addr` looks at the client.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RemoteAddrSpec {
    /// Address blocks (`192.168.0.0/16`, `2001:db8::/32`) or addresses.
    sources: OneOrMany<String>,
}

impl PredicateSpec for RemoteAddrSpec {
    const NAME: &'static str = "remote-addr";
    const EXAMPLE: &'static str = r#"
routes:
  - id: this-machine
    predicates:
      - path: /admin
      - remote-addr: [127.0.0.0/8, "::1"]
    upstream: http://127.0.0.1:9001
  - id: office
    predicates:
      - path: /office
      - remote-addr: 198.51.100.0/24
    upstream: http://127.0.0.1:9001
# Tests come from 127.0.0.1.
tests:
  - request: {method: GET, path: /admin}
    upstream-response: {status: 200}
    expect: {route: this-machine, status: 200}
  - request: {method: GET, path: /office}
    expect: {status: 404}
"#;

    fn build(self, _: &Parts<'_>) -> Result<Condition, Invalid> {
        let sources = Sources::parse(&self.sources)?;
        Ok(Condition::Test(Box::new(RemoteAddr { sources })))
    }
}

/// Address blocks.
pub(crate) struct Sources(Vec<IpNet>);

impl Sources {
    /// Parses the argument `sources`.
    pub(crate) fn parse(texts: &[String]) -> Result<Self, Invalid> {
        if texts.is_empty() {
            return Err(Invalid::at("sources", "found an empty list, wanted at least one address block"));
        }
        texts.iter().map(|text| block(text)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether `address` is in one of them; an IPv4 address written as IPv6 counts as what it is.
    pub(crate) fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|block| block.contains(&address))
    }
}

fn block(text: &str) -> Result<IpNet, Invalid> {
    text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).map_err(|_| {
        Invalid::at("sources", format!("found '{text}', wanted an address or an address block"))
            .with_hint("like 192.168.0.0/16, 10.0.0.7 or 2001:db8::/32")
    })
}

struct RemoteAddr {
    sources: Sources,
}

impl Predicate for RemoteAddr {
    fn holds(&self, exchange: &Exchange) -> bool {
        exchange.connection.peer.is_some_and(|peer| self.sources.contain(peer.ip()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Fixture, exchange};
    use crate::predicate::tests::holds;

    /// The connection of an exchange comes from 192.0.2.1.
    fn held(arguments: &str) -> bool {
        holds(&Fixture::new().predicate::<RemoteAddrSpec>(arguments).unwrap(), &exchange("/"))
    }

    #[test]
    fn the_peer_of_the_socket_has_to_be_in_a_block() {
        assert!(held("[10.0.0.0/8, 192.0.2.0/24]"));
        assert!(!held("203.0.113.0/24"), "that is the client, not the peer");
    }

    #[test]
    fn a_block_may_be_written_by_any_of_its_addresses() {
        assert!(held("192.0.2.77/24"));
    }

    #[test]
    fn a_bare_address_is_itself_only() {
        assert!(held("192.0.2.1"));
        assert!(!held("192.0.2.2"));
    }

    #[test]
    fn an_address_of_ipv4_within_ipv6_is_what_it_is() {
        let sources = Sources::parse(&["192.0.2.0/24".to_owned()]).unwrap();
        assert!(sources.contain("::ffff:192.0.2.1".parse().unwrap()));
        assert!(!sources.contain("::1".parse().unwrap()));
    }

    #[test]
    fn something_that_is_no_block_is_refused() {
        for bad in ["localhost", "10.0.0.0/33", "10.0.0", "[]"] {
            let refusal = Fixture::new().predicate::<RemoteAddrSpec>(bad).err().unwrap();
            assert!(refusal.contains("wanted a"), "{bad}: {refusal}");
        }
    }
}
