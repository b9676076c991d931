//! `host`: the host that the client asks for.

use gwanmun_config::OneOrMany;
use gwanmun_proxy::route::HostPatterns;
use gwanmun_proxy::{Condition, Invalid, Parts, PredicateSpec};
use schemars::JsonSchema;
use serde::Deserialize;

/// Matches requests by the host they ask for (`Host` or `:authority`). Case does not matter.
///
/// In a pattern `*` is one label or a part of one, `**` any number of labels, also none, so that `**.example.com` takes
/// `example.com` too; `{sub}` captures a label, or a part of one, for use in filters, `{sub:regexp}` only what the
/// expression matches as a whole. Captured values are lower-case. A pattern with a port (`example.com:8443`) wants that
/// port, one without takes any.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HostSpec {
    /// Patterns; one of them has to match. Write those that begin with `*` or `{` in quotes.
    patterns: OneOrMany<String>,
}

impl PredicateSpec for HostSpec {
    const NAME: &'static str = "host";
    const EXAMPLE: &'static str = r#"
routes:
  - id: tenants
    predicates:
      - host: ["{tenant}.example.com", "**.example.org"]
    upstream: http://127.0.0.1:9001
tests:
  - request: {method: GET, path: /, headers: {host: a.example.com}}
    upstream-response: {status: 200}
    expect: {route: tenants, status: 200}
  - request: {method: GET, path: /, headers: {host: a.b.example.com}}
    expect: {status: 404}
"#;

    fn build(self, _: &Parts<'_>) -> Result<Condition, Invalid> {
        let patterns = HostPatterns::parse(self.patterns.iter().map(String::as_str));
        patterns.map(Condition::Host).map_err(|invalid| invalid.or_at("patterns"))
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::fixture::{Fixture, exchange_with};
    use crate::predicate::tests::holds;

    fn held(arguments: &str, host: &str) -> bool {
        let condition = Fixture::new().predicate::<HostSpec>(arguments).unwrap();
        holds(&condition, &exchange_with(Method::GET, "/", &[("host", host)]))
    }

    #[test]
    fn one_of_the_patterns_has_to_match() {
        assert!(held("['**.somehost.org', '**.anotherhost.org']", "beta.anotherhost.org"));
        assert!(!held("['**.somehost.org', '**.anotherhost.org']", "beta.else.org"));
    }

    #[test]
    fn case_and_port_do_not_matter() {
        assert!(held("www.example.com", "WWW.Example.COM:8080"));
    }

    #[test]
    fn bad_patterns_are_refused() {
        let refusal = Fixture::new().predicate::<HostSpec>("https://example.com").err().unwrap();
        assert!(refusal.contains("without a scheme (write 'example.com')"), "{refusal}");
        let refusal = Fixture::new().predicate::<HostSpec>("[]").err().unwrap();
        assert!(refusal.contains("wanted at least one pattern"), "{refusal}");
    }
}
