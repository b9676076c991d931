//! `method`: the request's method.

use gwanmun_config::OneOrMany;
use gwanmun_proxy::{Condition, Exchange, Invalid, Parts, Predicate, PredicateSpec};
use http::Method;
use schemars::JsonSchema;
use serde::Deserialize;

/// Matches requests with one of the methods.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MethodSpec {
    /// Methods, as HTTP spells them: `GET`, `POST`. `GET` does not include `HEAD`.
    methods: OneOrMany<String>,
}

impl PredicateSpec for MethodSpec {
    const NAME: &'static str = "method";
    const EXAMPLE: &'static str = r#"
routes:
  - id: reads
    predicates:
      - method: [GET, HEAD]
    upstream: http://127.0.0.1:9001
tests:
  - request: {method: GET, path: /}
    upstream-response: {status: 200}
    expect: {route: reads, status: 200}
  - request: {method: POST, path: /}
    expect: {status: 404}
"#;

    fn build(self, _: &Parts<'_>) -> Result<Condition, Invalid> {
        if self.methods.is_empty() {
            return Err(Invalid::at("methods", "found an empty list, wanted at least one method"));
        }
        let methods: Vec<_> = self.methods.iter().map(|method| parse(method)).collect::<Result<_, _>>()?;
        Ok(Condition::Test(Box::new(OneOf { methods })))
    }
}

fn parse(text: &str) -> Result<Method, Invalid> {
    let refused = || Invalid::at("methods", format!("found '{text}', wanted a method of HTTP"));
    let upper = text.to_ascii_uppercase();
    if upper != text && STANDARD.contains(&upper.as_str()) {
        return Err(refused().with_hint(format!("methods are case-sensitive: write '{upper}'")));
    }
    text.parse().map_err(|_| refused())
}

/// RFC 9110 section 9 and RFC 5789; others are taken as they are spelled.
const STANDARD: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

struct OneOf {
    methods: Vec<Method>,
}

impl Predicate for OneOf {
    fn holds(&self, exchange: &Exchange) -> bool {
        self.methods.contains(&exchange.request.method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Fixture, exchange_with};
    use crate::predicate::tests::holds;

    #[test]
    fn the_method_has_to_be_among_the_named() {
        let condition = Fixture::new().predicate::<MethodSpec>("[GET, PURGE]").unwrap();
        let with = |method| exchange_with(method, "/", &[]);
        assert!(holds(&condition, &with(Method::GET)));
        assert!(holds(&condition, &with(Method::from_bytes(b"PURGE").unwrap())));
        assert!(!holds(&condition, &with(Method::HEAD)));
    }

    #[test]
    fn one_method_may_stand_alone() {
        assert!(Fixture::new().predicate::<MethodSpec>("POST").is_ok());
    }

    #[test]
    fn lower_case_and_nonsense_are_refused() {
        let refusal = Fixture::new().predicate::<MethodSpec>("get").err().unwrap();
        assert!(refusal.contains("write 'GET'"), "{refusal}");
        let refusal = Fixture::new().predicate::<MethodSpec>("'GE T'").err().unwrap();
        assert!(refusal.contains("wanted a method of HTTP"), "{refusal}");
        let refusal = Fixture::new().predicate::<MethodSpec>("[]").err().unwrap();
        assert!(refusal.contains("wanted at least one method"), "{refusal}");
    }
}
