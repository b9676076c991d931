//! `rewrite-response-header`: another value, made by a regular expression.

use gwanmun_core::{Code, Fault};
use gwanmun_proxy::template::TemplatePiece;
use gwanmun_proxy::{Exchange, Filter, FilterSpec, Invalid, Parts, Response, Step, Template, Verdict};
use http::header::{HeaderName, HeaderValue};
use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{header_name, regexp};

/// Replaces every part of a response header that a regular expression matches, in each value that the header has.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RewriteResponseHeaderSpec {
    /// The header's name.
    name: String,
    /// The regular expression: linear-time, without look-around and back-references.
    regexp: String,
    /// What each match becomes: `$1`, `{group}` and Spring's `$\{group}` are groups of the expression, `{name}` also a
    /// variable of the route's predicates.
    replacement: String,
}

struct RewriteResponseHeader {
    name: HeaderName,
    regexp: Regex,
    replacement: Template,
}

impl FilterSpec for RewriteResponseHeaderSpec {
    const NAME: &'static str = "rewrite-response-header";
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
routes:
  - id: orders
    predicates:
      - path: /orders/**
    filters:
      - rewrite-response-header: {name: X-Query, regexp: "password=[^&]+", replacement: "password=***"}
    upstream: http://127.0.0.1:9001
tests:
  - request: {method: GET, path: /orders/7}
    upstream-response: {status: 200, headers: {x-query: "user=ford&password=omg&flag=true"}}
    expect: {route: orders, status: 200, headers: {x-query: "user=ford&password=***&flag=true"}}
"#;

    fn build(self, parts: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        let name = header_name::changeable("name", &self.name)?;
        let regexp = regexp::anywhere("regexp", &self.regexp)?;
        let replacement = Template::parse_replacement(&self.replacement, &regexp, parts)
            .map_err(|invalid| invalid.or_at("replacement"))?;
        for piece in replacement.pieces() {
            if matches!(piece, TemplatePiece::Text(text) if HeaderValue::from_bytes(text.as_bytes()).is_err()) {
                let found = self.replacement.escape_debug();
                return Err(Invalid::at("replacement", format!("found '{found}', wanted no control characters")));
            }
        }
        Ok(Box::new(RewriteResponseHeader { name, regexp, replacement }))
    }
}

impl Filter for RewriteResponseHeader {
    fn response<'a>(&'a self, exchange: &'a mut Exchange, response: &'a mut Response) -> Verdict<'a> {
        let http::header::Entry::Occupied(mut values) = response.headers_mut().entry(&self.name) else {
            return Ok(Step::Next);
        };
        for value in values.iter_mut() {
            // What is not text cannot be matched.
            let Ok(text) = std::str::from_utf8(value.as_bytes()) else { continue };
            let rewritten = self.replacement.replace_all(&self.regexp, text, &exchange.variables);
            *value = HeaderValue::from_bytes(rewritten.as_bytes()).map_err(|_| {
                Fault::new(Code::MalformedRequest, "a path variable has a character that no header value may have")
            })?;
        }
        Ok(Step::Next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Fixture, exchange, exchange_capturing, filter, pass_back, refusal, response, values};

    fn rewritten(arguments: &str, fields: &[(&str, &str)]) -> Vec<String> {
        let filter = filter::<RewriteResponseHeaderSpec>(arguments);
        let mut response = response(fields);
        pass_back(&*filter, &mut exchange("/"), &mut response).unwrap();
        values(response.headers(), "x-a").into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn every_match_in_every_value_is_replaced() {
        let fields = [("x-a", "a=1&a=2"), ("x-a", "a=3"), ("x-a", "b")];
        assert_eq!(
            rewritten("{name: X-A, regexp: 'a=(.)', replacement: 'c=$1$1'}", &fields),
            ["c=11&c=22", "c=33", "b"]
        );
    }

    #[test]
    fn a_missing_header_stays_missing() {
        assert!(rewritten("{name: X-A, regexp: '.*', replacement: x}", &[("x-b", "1")]).is_empty());
    }

    #[test]
    fn a_variable_cannot_bring_in_another_header() {
        let fixture = Fixture::new().with_variables(&["id"]);
        let filter =
            fixture.filter::<RewriteResponseHeaderSpec>("{name: X-A, regexp: b, replacement: '{id}'}").unwrap();
        let mut exchange = exchange_capturing("/", &[("id", "\r\nset-cookie: a=b")]);
        assert!(pass_back(&*filter, &mut exchange, &mut response(&[("x-a", "b")])).is_err());
    }

    #[test]
    fn bad_arguments_are_refused() {
        assert!(refusal::<RewriteResponseHeaderSpec>("{name: X-A, regexp: '[', replacement: a}").contains("regular"));
        assert!(
            refusal::<RewriteResponseHeaderSpec>("{name: X-A, regexp: '(a)\\1', replacement: a}").contains("back-ref")
        );
        assert!(
            refusal::<RewriteResponseHeaderSpec>("{name: X-A, regexp: a, replacement: \"\\n\"}").contains("control")
        );
        assert!(refusal::<RewriteResponseHeaderSpec>("{name: Upgrade, regexp: a, replacement: b}").contains("upgrade"));
    }
}
