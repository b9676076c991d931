//! `rewrite-path`: another path, made by a regular expression.

use std::borrow::Cow;

use gwanmun_proxy::{Exchange, Filter, FilterSpec, Invalid, Parts, Step, Template, Verdict};
use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{encode, new_path, regexp};

/// Replaces every part of the path that a regular expression matches; the query stays. The expression sees the path
/// percent-encoded. A replacement that makes a `..` segment is refused with 400.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RewritePathSpec {
    /// The regular expression: linear-time, without look-around and back-references.
    regexp: String,
    /// What each match becomes: `$1`, `{group}` and Spring's `$\{group}` are groups of the expression, `{name}` also a
    /// variable of the route's predicates.
    replacement: String,
}

struct RewritePath {
    regexp: Regex,
    replacement: Template,
}

impl FilterSpec for RewritePathSpec {
    const NAME: &'static str = "rewrite-path";
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
routes:
  - id: orders
    predicates:
      - path: /shop/**
    filters:
      - rewrite-path: {regexp: '/shop/?(?<segment>.*)', replacement: '/$\{segment}'}
    upstream: http://127.0.0.1:9001
tests:
  - request: {method: GET, path: /shop/orders/7}
    expect: {route: orders, upstream-path: /orders/7}
"#;

    fn build(self, parts: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        let regexp = regexp::anywhere("regexp", &self.regexp)?;
        let replacement = Template::parse_replacement(&self.replacement, &regexp, parts);
        Ok(Box::new(RewritePath { replacement: replacement.map_err(|invalid| invalid.or_at("replacement"))?, regexp }))
    }
}

impl Filter for RewritePath {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        let original = exchange.original.path();
        let encode = |value: &str, out: &mut String| encode::path_value(value, original, out);
        let path = exchange.request.path();
        let rewritten = self.replacement.replace_all_with(&self.regexp, path, &exchange.variables, encode);
        if let Cow::Owned(path) = rewritten {
            new_path::replace(&mut exchange.request, &path)?;
        }
        Ok(Step::Next)
    }
}

#[cfg(test)]
mod tests {
    use gwanmun_core::Fault;

    use super::*;
    use crate::fixture::{Fixture, exchange_capturing, pass, refusal};

    fn rewritten(arguments: &str, before: &str) -> Result<String, Fault> {
        let filter = Fixture::new().with_variables(&["id"]).filter::<RewritePathSpec>(arguments).unwrap();
        let mut exchange = exchange_capturing(before, &[("id", "7/../?")]);
        pass(&*filter, &mut exchange)?;
        Ok(exchange.request.target().to_string())
    }

    #[test]
    fn springs_example_does_what_it_does_there() {
        let arguments = r"{regexp: '/red/?(?<segment>.*)', replacement: '/$\{segment}'}";
        assert_eq!(rewritten(arguments, "/red/blue?q=/red/").unwrap(), "/blue?q=/red/");
        assert_eq!(rewritten(arguments, "/red").unwrap(), "/");
    }

    #[test]
    fn every_match_is_replaced_and_others_stay() {
        assert_eq!(rewritten("{regexp: a, replacement: b}", "/aXa").unwrap(), "/bXb");
        assert_eq!(rewritten("{regexp: x, replacement: b}", "/a%2Fa").unwrap(), "/a%2Fa");
        assert_eq!(rewritten("{regexp: '^/(\\w+)/(\\w+)', replacement: '/$2/$1'}", "/a/b/c").unwrap(), "/b/a/c");
    }

    #[test]
    fn the_pieces_of_a_path_cannot_be_put_together_to_another_directory() {
        assert!(rewritten("{regexp: '^/x(.*)/y', replacement: '/$1'}", "/x../y").is_err());
        assert!(rewritten("{regexp: '25', replacement: ''}", "/%252e%252e").is_err());
        assert!(rewritten("{regexp: '^/x/.*', replacement: '/{id}'}", "/x/7").is_err());
        assert_eq!(
            rewritten("{regexp: '^/red/(.*)', replacement: '/$1'}", "/red//evil.example").unwrap(),
            "/evil.example"
        );
    }

    #[test]
    fn a_replacement_cannot_reach_the_query() {
        assert_eq!(rewritten("{regexp: '^/x', replacement: '/y?admin=1'}", "/x?q").unwrap(), "/y%3Fadmin=1?q");
    }

    #[test]
    fn bad_arguments_are_refused() {
        assert!(refusal::<RewritePathSpec>("{regexp: '(', replacement: a}").contains("regular expression"));
        assert!(refusal::<RewritePathSpec>("{regexp: 'a(?=b)', replacement: a}").contains("look-around"));
        assert!(refusal::<RewritePathSpec>("{regexp: '(a)', replacement: $2}").contains("$2"));
        assert!(refusal::<RewritePathSpec>("{regexp: a, replacement: '{b}'}").contains("{b}"));
        assert!(refusal::<RewritePathSpec>("/a").contains("needs regexp and replacement, found a single value"));
    }
}
