//! `dedupe-response-header`: one of several values that upstream and gateway both sent.

use gwanmun_config::OneOrMany;
use gwanmun_proxy::{Exchange, Filter, FilterSpec, Invalid, Parts, Response, Step, Verdict};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::header_name;

/// Removes repeated values of response headers, such as the `Access-Control-Allow-Origin` that both the upstream and the
/// gateway set. Each header field counts as one value.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DedupeResponseHeaderSpec {
    /// Names of headers, separated by spaces or as a list.
    name: OneOrMany<String>,
    /// Which value stays: `RETAIN_FIRST`, `RETAIN_LAST`, or every different one in order (`RETAIN_UNIQUE`).
    #[serde(default)]
    #[schemars(schema_with = "strategies")]
    strategy: Strategy,
}

/// Which value stays.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
enum Strategy {
    #[default]
    #[serde(rename = "retain-first", alias = "RETAIN_FIRST")]
    First,
    #[serde(rename = "retain-last", alias = "RETAIN_LAST")]
    Last,
    #[serde(rename = "retain-unique", alias = "RETAIN_UNIQUE")]
    Unique,
}

fn strategies(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "enum": ["retain-first", "retain-last", "retain-unique", "RETAIN_FIRST", "RETAIN_LAST", "RETAIN_UNIQUE"],
        "default": "retain-first"
    })
}

struct DedupeResponseHeader {
    names: Vec<HeaderName>,
    strategy: Strategy,
}

impl FilterSpec for DedupeResponseHeaderSpec {
    const NAME: &'static str = "dedupe-response-header";
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
routes:
  - id: orders
    predicates:
      - path: /orders/**
    filters:
      - dedupe-response-header: {name: Vary X-Served-By, strategy: RETAIN_LAST}
      - add-response-header: {name: X-Served-By, value: gateway}
    upstream: http://127.0.0.1:9001
tests:
  - request: {method: GET, path: /orders/7}
    upstream-response: {status: 200, headers: {x-served-by: orders}}
    expect: {route: orders, status: 200, headers: {x-served-by: gateway}}
"#;

    fn build(self, _: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        let names = self.name.iter().flat_map(|names| names.split_whitespace());
        let names = names.map(|name| header_name::changeable("name", name)).collect::<Result<Vec<_>, _>>()?;
        if names.is_empty() {
            return Err(Invalid::at("name", "found nothing, wanted names of headers"));
        }
        Ok(Box::new(DedupeResponseHeader { names, strategy: self.strategy }))
    }
}

impl Filter for DedupeResponseHeader {
    fn response<'a>(&'a self, _: &'a mut Exchange, response: &'a mut Response) -> Verdict<'a> {
        for name in &self.names {
            self.strategy.apply(response.headers_mut(), name);
        }
        Ok(Step::Next)
    }
}

impl Strategy {
    fn apply(self, headers: &mut HeaderMap, name: &HeaderName) {
        if headers.get_all(name).iter().nth(1).is_none() {
            return;
        }
        let mut values = headers.get_all(name).iter();
        let kept: Vec<HeaderValue> = match self {
            Self::First => values.next().cloned().into_iter().collect(),
            Self::Last => values.next_back().cloned().into_iter().collect(),
            Self::Unique => {
                let mut kept: Vec<HeaderValue> = Vec::new();
                for value in values {
                    if !kept.contains(value) {
                        kept.push(value.clone());
                    }
                }
                kept
            }
        };
        headers.remove(name);
        for value in kept {
            headers.append(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{exchange, filter, pass_back, refusal, response, values};

    const FIELDS: [(&str, &str); 6] =
        [("x-a", "1"), ("x-b", "9"), ("x-a", "2"), ("x-a", "1"), ("x-b", "9"), ("x-a", "3")];

    fn deduped(arguments: &str, name: &str) -> Vec<String> {
        let filter = filter::<DedupeResponseHeaderSpec>(arguments);
        let mut response = response(&FIELDS);
        pass_back(&*filter, &mut exchange("/"), &mut response).unwrap();
        values(response.headers(), name).into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn the_first_value_stays_by_default() {
        assert_eq!(deduped("X-A", "x-a"), ["1"]);
        assert_eq!(deduped("{name: X-A, strategy: RETAIN_FIRST}", "x-a"), ["1"]);
    }

    #[test]
    fn the_last_value_stays() {
        assert_eq!(deduped("{name: X-A, strategy: RETAIN_LAST}", "x-a"), ["3"]);
        assert_eq!(deduped("{name: X-A, strategy: retain-last}", "x-a"), ["3"]);
    }

    #[test]
    fn every_different_value_stays_in_order() {
        assert_eq!(deduped("{name: X-A, strategy: RETAIN_UNIQUE}", "x-a"), ["1", "2", "3"]);
    }

    #[test]
    fn several_names_are_separated_by_spaces_or_listed() {
        assert_eq!(deduped("'X-A  X-B'", "x-b"), ["9"]);
        assert_eq!(deduped("[X-A, X-B]", "x-b"), ["9"]);
        assert_eq!(deduped("X-A", "x-b"), ["9", "9"]);
    }

    #[test]
    fn bad_arguments_are_refused() {
        assert!(refusal::<DedupeResponseHeaderSpec>("''").contains("nothing"));
        assert!(refusal::<DedupeResponseHeaderSpec>("{name: X-A, strategy: RETAIN_MOST}").contains("RETAIN_MOST"));
        assert!(refusal::<DedupeResponseHeaderSpec>("'X-A, X-B'").contains("X-A,"));
    }
}
