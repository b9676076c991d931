//! `header`: a header, or one with a value of a certain form.

use gwanmun_proxy::{Condition, Exchange, Invalid, Parts, Predicate, PredicateSpec};
use http::header::{HOST, HeaderName, HeaderValue};
use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::regexp;

/// Matches requests that have a header; with a regular expression, one whose whole value matches it. Where the header
/// has several values, as several lines or separated by commas, one of them is enough.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HeaderSpec {
    /// The header's name; case does not matter.
    header: String,
    /// What the whole value must look like; without it the header only has to be there.
    #[serde(default)]
    regexp: Option<String>,
}

impl PredicateSpec for HeaderSpec {
    const NAME: &'static str = "header";
    const EXAMPLE: &'static str = r#"
routes:
  - id: numbered
    predicates:
      - header: {header: X-Request-Id, regexp: '\d+'}
    upstream: http://127.0.0.1:9001
tests:
  - request: {method: GET, path: /, headers: {x-request-id: "42"}}
    upstream-response: {status: 200}
    expect: {route: numbered, status: 200}
  - request: {method: GET, path: /, headers: {x-request-id: "42a"}}
    expect: {status: 404}
"#;

    fn build(self, _: &Parts<'_>) -> Result<Condition, Invalid> {
        let name = HeaderName::try_from(&self.header)
            .map_err(|_| Invalid::at("header", format!("found '{}', wanted the name of a header", self.header)))?;
        let regexp = self
            .regexp
            .filter(|regexp| !regexp.is_empty())
            .map(|regexp| regexp::whole("regexp", &regexp))
            .transpose()?;
        Ok(Condition::Test(Box::new(Header { name, regexp })))
    }
}

struct Header {
    name: HeaderName,
    regexp: Option<Regex>,
}

impl Predicate for Header {
    fn holds(&self, exchange: &Exchange) -> bool {
        let host = exchange.host.as_ref().filter(|_| self.name == HOST);
        host.into_iter().chain(exchange.request.headers.get_all(&self.name)).any(|value| self.takes(value))
    }
}

impl Header {
    fn takes(&self, value: &HeaderValue) -> bool {
        let Some(regexp) = &self.regexp else { return true };
        let value = String::from_utf8_lossy(value.as_bytes());
        regexp.is_match(&value) || elements(&value).any(|element| regexp.is_match(element))
    }
}

/// The elements of a list (RFC 9110 section 5.6.1); a comma in quotes does not separate, quotes around an element do not
/// belong to it.
fn elements(value: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    value
        .split(move |c: char| {
            quoted ^= c == '"';
            c == ',' && !quoted
        })
        .map(str::trim)
        .map(|element| element.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(element))
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::fixture::{Fixture, exchange, exchange_with};
    use crate::predicate::tests::holds;

    fn with(values: &[&str]) -> Exchange {
        let fields: Vec<_> = values.iter().map(|value| ("x-id", *value)).collect();
        exchange_with(Method::GET, "/", &fields)
    }

    #[test]
    fn without_an_expression_the_header_has_to_be_there() {
        let condition = Fixture::new().predicate::<HeaderSpec>("X-Id").unwrap();
        assert!(holds(&condition, &with(&[""])));
        assert!(!holds(&condition, &exchange("/")));
    }

    #[test]
    fn the_whole_value_has_to_match() {
        let condition = Fixture::new().predicate::<HeaderSpec>("{header: X-Id, regexp: '\\d+'}").unwrap();
        assert!(holds(&condition, &with(&["42"])));
        assert!(!holds(&condition, &with(&["42a"])));
        assert!(!holds(&condition, &with(&["a42"])));
    }

    #[test]
    fn one_of_several_values_is_enough() {
        let condition = Fixture::new().predicate::<HeaderSpec>("{header: X-Id, regexp: '\\d+'}").unwrap();
        assert!(holds(&condition, &with(&["a", "42"])));
        assert!(holds(&condition, &with(&["a, 42,b"])));
        assert!(holds(&condition, &with(&["\"42\", a"])));
        assert!(!holds(&condition, &with(&["\"a,42\""])), "the comma stands in quotes");
    }

    #[test]
    fn an_expression_may_span_commas() {
        let condition = Fixture::new().predicate::<HeaderSpec>("{header: X-Id, regexp: 'a, b'}").unwrap();
        assert!(holds(&condition, &with(&["a, b"])));
    }

    #[test]
    fn host_counts_as_a_header() {
        let condition = Fixture::new().predicate::<HeaderSpec>("{header: Host, regexp: 'shop\\..*'}").unwrap();
        assert!(holds(&condition, &exchange("/")));
    }

    #[test]
    fn bad_names_and_expressions_are_refused() {
        let refusal = Fixture::new().predicate::<HeaderSpec>("X Id").err().unwrap();
        assert!(refusal.contains("found 'X Id', wanted the name of a header"), "{refusal}");
        let refusal = Fixture::new().predicate::<HeaderSpec>("{header: X-Id, regexp: '[a'}").err().unwrap();
        assert!(refusal.contains("unclosed character class"), "{refusal}");
    }
}
