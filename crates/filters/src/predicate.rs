//! The predicates that a route may name, one file each, with Spring Cloud Gateway's names and semantics.

mod after;
mod before;
mod between;
mod claim;
mod client_cert;
mod cookie;
mod datetime;
mod header;
mod host;
mod listener;
mod method;
mod path;
mod query;
mod remote_addr;
mod version;
mod weight;
mod x_forwarded_remote_addr;

pub use after::AfterSpec;
pub use before::BeforeSpec;
pub use between::BetweenSpec;
pub use claim::ClaimSpec;
pub use client_cert::ClientCertSpec;
pub use cookie::CookieSpec;
pub use header::HeaderSpec;
pub use host::HostSpec;
pub use listener::ListenerSpec;
pub use method::MethodSpec;
pub use path::PathSpec;
pub use query::QuerySpec;
pub use remote_addr::RemoteAddrSpec;
pub use version::VersionSpec;
pub use weight::WeightSpec;
pub use x_forwarded_remote_addr::XForwardedRemoteAddrSpec;

/// Adds every predicate to `catalog`.
pub fn register(catalog: &mut gwanmun_proxy::Catalog) {
    catalog.add_predicate::<AfterSpec>();
    catalog.add_predicate::<BeforeSpec>();
    catalog.add_predicate::<BetweenSpec>();
    catalog.add_predicate::<ClaimSpec>();
    catalog.add_predicate::<ClientCertSpec>();
    catalog.add_predicate::<CookieSpec>();
    catalog.add_predicate::<HeaderSpec>();
    catalog.add_predicate::<HostSpec>();
    catalog.add_predicate::<ListenerSpec>();
    catalog.add_predicate::<MethodSpec>();
    catalog.add_predicate::<PathSpec>();
    catalog.add_predicate::<QuerySpec>();
    catalog.add_predicate::<RemoteAddrSpec>();
    catalog.add_predicate::<VersionSpec>();
    catalog.add_predicate::<WeightSpec>();
    catalog.add_predicate::<XForwardedRemoteAddrSpec>();
}

#[cfg(test)]
pub(crate) mod tests {
    use gwanmun_proxy::{Catalog, Condition, Exchange, Variables};

    use super::*;

    /// Whether `condition` holds for `exchange`.
    pub(crate) fn holds(condition: &Condition, exchange: &Exchange) -> bool {
        let port = exchange.connection.scheme.default_port();
        match condition {
            Condition::Path(patterns) => patterns.matches(exchange.request.path(), &mut Variables::default()),
            Condition::Host(patterns) => patterns.matches(exchange.host_name(), port, &mut Variables::default()),
            Condition::Test(predicate) => predicate.holds(exchange),
            _ => panic!("only the router knows"),
        }
    }

    #[test]
    fn every_example_shows_its_predicate() {
        let mut catalog = Catalog::default();
        register(&mut catalog);
        assert_eq!(catalog.predicates().count(), 16);
        for item in catalog.predicates() {
            assert!(item.example.contains(&format!("      - {}:", item.name)), "{}", item.name);
            assert!(item.example.contains("status: 404"), "{} never fails", item.name);
        }
    }
}
