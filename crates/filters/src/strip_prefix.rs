//! `strip-prefix`: the first segments of the path are the gateway's affair.

use std::num::NonZeroUsize;

use gwanmun_proxy::{Exchange, Filter, FilterSpec, Invalid, Parts, Step, Verdict};
use schemars::JsonSchema;
use serde::Deserialize;

/// Takes the first segments off the path: with `1`, `/api/orders/7` becomes `/orders/7`. Where nothing remains the path is
/// `/`. What was taken off goes to the upstream in `X-Forwarded-Prefix`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StripPrefixSpec {
    /// How many segments.
    #[serde(default = "one")]
    parts: NonZeroUsize,
}

fn one() -> NonZeroUsize {
    NonZeroUsize::MIN
}

struct StripPrefix {
    parts: usize,
}

impl FilterSpec for StripPrefixSpec {
    const NAME: &'static str = "strip-prefix";
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
routes:
  - id: orders
    predicates:
      - path: /api/orders/**
    filters:
      - strip-prefix: 1
    upstream: http://127.0.0.1:9001
tests:
  - request: {method: GET, path: /api/orders/7}
    expect: {route: orders, upstream-path: /orders/7, upstream-headers: {x-forwarded-prefix: /api}}
"#;

    fn build(self, _: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        Ok(Box::new(StripPrefix { parts: self.parts.get() }))
    }
}

impl Filter for StripPrefix {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        let path = exchange.request.path();
        if !path.starts_with('/') {
            return Ok(Step::Next);
        }
        let mut stripped = String::new();
        let mut rest = path;
        for _ in 0..self.parts {
            let (segment, after) = first_segment(rest);
            if !segment.is_empty() {
                stripped.push('/');
                stripped.push_str(segment);
            }
            rest = after;
        }
        let rest = if rest.is_empty() { "/".to_owned() } else { rest.to_owned() };
        exchange.request.set_path(&rest)?;
        if !stripped.is_empty() {
            exchange.stripped_prefix.get_or_insert_default().push_str(&stripped);
        }
        Ok(Step::Next)
    }
}

/// The first segment that is not empty, and what follows, beginning with one slash.
fn first_segment(path: &str) -> (&str, &str) {
    let path = path.trim_start_matches('/');
    let (segment, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
    let slashes = rest.len() - rest.trim_start_matches('/').len();
    (segment, rest.get(slashes.saturating_sub(1)..).unwrap_or(rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{exchange, filter, pass, refusal};

    fn stripped(parts: &str, before: &str) -> (String, Option<String>) {
        let filter = filter::<StripPrefixSpec>(parts);
        let mut exchange = exchange(before);
        pass(&*filter, &mut exchange).unwrap();
        (exchange.request.target().to_string(), exchange.stripped_prefix)
    }

    #[test]
    fn the_first_segments_go_and_the_query_stays() {
        assert_eq!(stripped("1", "/a/b/c?q=/x"), ("/b/c?q=/x".to_owned(), Some("/a".to_owned())));
        assert_eq!(stripped("{parts: 2}", "/a/b/c/"), ("/c/".to_owned(), Some("/a/b".to_owned())));
        assert_eq!(stripped("1", "/%2Fa%20/b"), ("/b".to_owned(), Some("/%2Fa%20".to_owned())));
    }

    #[test]
    fn where_nothing_remains_the_path_is_a_slash() {
        assert_eq!(stripped("1", "/a"), ("/".to_owned(), Some("/a".to_owned())));
        assert_eq!(stripped("1", "/a/?q"), ("/?q".to_owned(), Some("/a".to_owned())));
        assert_eq!(stripped("5", "/a/b"), ("/".to_owned(), Some("/a/b".to_owned())));
        assert_eq!(stripped("1", "/"), ("/".to_owned(), None));
    }

    #[test]
    fn what_remains_never_begins_with_two_slashes() {
        assert_eq!(stripped("1", "/a//evil.example/x").0, "/evil.example/x");
        assert_eq!(stripped("1", "//a/b").0, "/b");
    }

    #[test]
    fn without_a_number_it_is_one_segment() {
        assert_eq!(stripped("", "/a/b/c").0, "/b/c");
    }

    #[test]
    fn a_second_filter_continues_the_prefix() {
        let filter = filter::<StripPrefixSpec>("1");
        let mut exchange = exchange("/a/b/c");
        pass(&*filter, &mut exchange).unwrap();
        pass(&*filter, &mut exchange).unwrap();
        assert_eq!(exchange.request.path(), "/c");
        assert_eq!(exchange.stripped_prefix.as_deref(), Some("/a/b"));
    }

    #[test]
    fn a_request_for_the_whole_server_stays() {
        assert_eq!(stripped("1", "*"), ("*".to_owned(), None));
    }

    #[test]
    fn bad_arguments_are_refused() {
        assert!(refusal::<StripPrefixSpec>("0").contains('0'));
        assert!(refusal::<StripPrefixSpec>("-1").contains("-1"));
        assert!(refusal::<StripPrefixSpec>("one").contains("one"));
    }
}
