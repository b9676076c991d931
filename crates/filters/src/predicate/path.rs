//! `path`: the request's path.

use gwanmun_config::OneOrMany;
use gwanmun_proxy::route::{PathPatterns, TrailingSlash};
use gwanmun_proxy::{Condition, Invalid, Parts, PredicateSpec};
use schemars::JsonSchema;
use serde::Deserialize;

/// Matches requests by their path, with Spring's path patterns. Case matters.
///
/// In a pattern `?` is one character, `*` a segment or a part of one, `/**` at the end any number of further segments,
/// also none. `{name}` captures a segment, or a part of one, for use in filters, `{name:regexp}` only what the
/// expression matches as a whole; `{*name}` at the end captures all that follows with its leading slash, and nothing if
/// nothing follows. A path is compared segment by segment and decoded: `%2F` never separates. Captured values are
/// decoded. In literal parts of a pattern `%2A` is a star, `%3F` a question mark, `%7B` a brace.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PathSpec {
    /// Patterns; one of them has to match. In a flow list (`[…]`), write those with braces in quotes.
    patterns: OneOrMany<String>,
    /// Whether a slash more at the end of the path does not matter, as `/orders/` for the pattern `/orders`. As in
    /// Spring it does not, unless you say `false`.
    #[serde(default = "yes")]
    match_trailing_slash: bool,
}

fn yes() -> bool {
    true
}

impl PredicateSpec for PathSpec {
    const NAME: &'static str = "path";
    const EXAMPLE: &'static str = r#"
routes:
  - id: orders
    predicates:
      - path: ["/orders/{id}/**", "/baskets/{id:[0-9]+}"]
    upstream: http://127.0.0.1:9001
  - id: exact
    predicates:
      - path: {patterns: /exact, match-trailing-slash: false}
    upstream: http://127.0.0.1:9001
tests:
  - request: {method: GET, path: /orders/7/items/1}
    upstream-response: {status: 200}
    expect: {route: orders, status: 200}
  - request: {method: GET, path: /baskets/mine}
    expect: {status: 404}
  - request: {method: GET, path: /exact/}
    expect: {status: 404}
"#;

    fn build(self, _: &Parts<'_>) -> Result<Condition, Invalid> {
        let slash = if self.match_trailing_slash { TrailingSlash::Optional } else { TrailingSlash::Exact };
        let patterns = PathPatterns::parse(self.patterns.iter().map(String::as_str), slash);
        patterns.map(Condition::Path).map_err(|invalid| invalid.or_at("patterns"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Fixture, exchange};
    use crate::predicate::tests::holds;

    fn held(arguments: &str, path: &str) -> bool {
        holds(&Fixture::new().predicate::<PathSpec>(arguments).unwrap(), &exchange(path))
    }

    #[test]
    fn one_of_the_patterns_has_to_match() {
        assert!(held("['/red/{segment}', '/blue/{segment}']", "/blue/green"));
        assert!(!held("['/red/{segment}', '/blue/{segment}']", "/green/blue"));
    }

    #[test]
    fn a_trailing_slash_is_optional_unless_told_otherwise() {
        assert!(held("/red/*", "/red/1/"));
        assert!(held("{patterns: /red, match-trailing-slash: true}", "/red/"));
        assert!(!held("{patterns: /red, match-trailing-slash: false}", "/red/"));
    }

    #[test]
    fn bad_patterns_are_refused() {
        let refusal = Fixture::new().predicate::<PathSpec>("/a/**/b").err().unwrap();
        assert!(refusal.contains("found '**' in '/a/**/b', wanted it as the last segment only"), "{refusal}");
        let refusal = Fixture::new().predicate::<PathSpec>("orders").err().unwrap();
        assert!(refusal.contains("begins with '/' (write '/orders')"), "{refusal}");
        let refusal = Fixture::new().predicate::<PathSpec>("[]").err().unwrap();
        assert!(refusal.contains("wanted at least one pattern"), "{refusal}");
        let refusal = Fixture::new().predicate::<PathSpec>("{pattern: /a}").err().unwrap();
        assert!(refusal.contains("patterns"), "{refusal}");
    }
}
