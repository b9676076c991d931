//! `query`: a query parameter, or one with a value of a certain form.

use gwanmun_proxy::route::escape::query_decoded;
use gwanmun_proxy::{Condition, Exchange, Invalid, Parts, Predicate, PredicateSpec};
use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::regexp;

/// Matches requests that have a query parameter; with a regular expression, one whose whole value matches it. Where the
/// parameter occurs more than once, one of them is enough. Names and values are compared decoded.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct QuerySpec {
    /// The parameter's name; case matters.
    param: String,
    /// What the whole value must look like; without it the parameter only has to be there. A parameter without `=` has
    /// no value.
    #[serde(default)]
    regexp: Option<String>,
}

impl PredicateSpec for QuerySpec {
    const NAME: &'static str = "query";
    const EXAMPLE: &'static str = r#"
routes:
  - id: colours
    predicates:
      - query: {param: colour, regexp: "gree.|blue"}
    upstream: http://127.0.0.1:9001
tests:
  - request: {method: GET, path: "/?colour=green"}
    upstream-response: {status: 200}
    expect: {route: colours, status: 200}
  - request: {method: GET, path: "/?colour=greenish"}
    expect: {status: 404}
"#;

    fn build(self, _: &Parts<'_>) -> Result<Condition, Invalid> {
        if self.param.is_empty() {
            return Err(Invalid::at("param", "found nothing, wanted the name of a query parameter"));
        }
        let regexp = self
            .regexp
            .filter(|regexp| !regexp.is_empty())
            .map(|regexp| regexp::whole("regexp", &regexp))
            .transpose()?;
        Ok(Condition::Test(Box::new(Query { param: self.param, regexp })))
    }
}

struct Query {
    param: String,
    regexp: Option<Regex>,
}

impl Predicate for Query {
    fn holds(&self, exchange: &Exchange) -> bool {
        exchange.request.query().is_some_and(|query| {
            query.split('&').any(|pair| {
                let (name, value) = match pair.split_once('=') {
                    Some((name, value)) => (name, Some(value)),
                    None => (pair, None),
                };
                query_decoded(name) == self.param && self.takes(value)
            })
        })
    }
}

impl Query {
    fn takes(&self, value: Option<&str>) -> bool {
        match (&self.regexp, value) {
            (None, _) => true,
            (Some(regexp), Some(value)) => regexp.is_match(&query_decoded(value)),
            (Some(_), None) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Fixture, exchange};
    use crate::predicate::tests::holds;

    fn held(arguments: &str, target: &str) -> bool {
        holds(&Fixture::new().predicate::<QuerySpec>(arguments).unwrap(), &exchange(target))
    }

    #[test]
    fn without_an_expression_the_parameter_has_to_be_there() {
        assert!(held("green", "/?green"));
        assert!(held("green", "/?a=b&green="));
        assert!(!held("green", "/?greens=1&a=green"));
        assert!(!held("green", "/green"));
    }

    #[test]
    fn the_whole_value_has_to_match() {
        assert!(held("{param: red, regexp: gree.}", "/?red=green"));
        assert!(!held("{param: red, regexp: gree.}", "/?red=greens"));
        assert!(!held("{param: red, regexp: '.*'}", "/?red"), "there is no value");
    }

    #[test]
    fn one_of_several_values_is_enough() {
        assert!(held("{param: a, regexp: x}", "/?a=y&a=x"));
    }

    #[test]
    fn names_and_values_are_compared_decoded() {
        assert!(held("{param: full name, regexp: 'Ada L.?velace'}", "/?full+name=Ada%20L%6Fvelace"));
        assert!(!held("{param: a, regexp: x}", "/?b=1%26a=x"), "an encoded ampersand does not separate");
    }

    #[test]
    fn an_empty_name_and_a_bad_expression_are_refused() {
        let refusal = Fixture::new().predicate::<QuerySpec>("''").err().unwrap();
        assert!(refusal.contains("wanted the name of a query parameter"), "{refusal}");
        let refusal = Fixture::new().predicate::<QuerySpec>("{param: a, regexp: '*'}").err().unwrap();
        assert!(refusal.contains("not usable as a regular expression"), "{refusal}");
    }
}
