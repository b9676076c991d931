//! `prefix-path`: the upstream keeps its service below a folder.

use gwanmun_proxy::{Exchange, Filter, FilterSpec, Invalid, Parts, Step, Verdict};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::path_template::PathTemplate;

/// Puts a prefix before the path: with `/v1`, `/orders/7` becomes `/v1/orders/7`. Several of these filters add up, the
/// last one in front.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PrefixPathSpec {
    /// The prefix, beginning with a slash; `{name}` is a variable of the route's predicates.
    prefix: String,
}

struct PrefixPath {
    prefix: PathTemplate,
}

impl FilterSpec for PrefixPathSpec {
    const NAME: &'static str = "prefix-path";
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
routes:
  - id: orders
    predicates:
      - path: /orders/**
    filters:
      - prefix-path: /v1
    upstream: http://127.0.0.1:9001
tests:
  - request: {method: GET, path: /orders/7}
    expect: {route: orders, upstream-path: /v1/orders/7}
"#;

    fn build(self, parts: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        Ok(Box::new(PrefixPath { prefix: PathTemplate::parse("prefix", &self.prefix, parts)? }))
    }
}

impl Filter for PrefixPath {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        if exchange.request.path().starts_with('/') {
            let mut path = self.prefix.render(exchange)?;
            path.truncate(path.trim_end_matches('/').len());
            path.push_str(exchange.request.path());
            exchange.request.set_path(&path)?;
        }
        Ok(Step::Next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Fixture, exchange, exchange_capturing, filter, pass, refusal};

    fn prefixed(prefix: &str, before: &str) -> String {
        let filter = filter::<PrefixPathSpec>(prefix);
        let mut exchange = exchange(before);
        pass(&*filter, &mut exchange).unwrap();
        exchange.request.target().to_string()
    }

    #[test]
    fn the_prefix_and_the_path_join_with_one_slash() {
        assert_eq!(prefixed("/v1", "/a?q"), "/v1/a?q");
        assert_eq!(prefixed("/v1/", "/a"), "/v1/a");
        assert_eq!(prefixed("{prefix: /v1}", "/"), "/v1/");
        assert_eq!(prefixed("/", "/a"), "/a");
    }

    #[test]
    fn a_variable_stays_within_its_segment() {
        let filter = Fixture::new().with_variables(&["shop"]).filter::<PrefixPathSpec>("'/{shop}'").unwrap();
        let mut exchange = exchange_capturing("/a", &[("shop", "x/../y?")]);
        assert!(pass(&*filter, &mut exchange).is_err());
        let mut exchange = exchange_capturing("/a", &[("shop", "x/y?")]);
        pass(&*filter, &mut exchange).unwrap();
        assert_eq!(exchange.request.path(), "/x%2Fy%3F/a");
    }

    #[test]
    fn a_request_for_the_whole_server_stays() {
        assert_eq!(prefixed("/v1", "*"), "*");
    }

    #[test]
    fn bad_arguments_are_refused() {
        assert!(refusal::<PrefixPathSpec>("v1").contains("'/'"));
        assert!(refusal::<PrefixPathSpec>("/v1?x=1").contains('?'));
        assert!(refusal::<PrefixPathSpec>("'/{shop}'").contains("{shop}"));
        assert!(refusal::<PrefixPathSpec>("{path: /v1}").contains("path"));
    }
}
