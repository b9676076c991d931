//! `remove-response-header`: a field that does not pass.

use gwanmun_proxy::{Exchange, Filter, FilterSpec, Invalid, Parts, Response, Step, Verdict};
use http::header::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::header_name;

/// Removes a header from the response, every copy of it that the upstream sent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RemoveResponseHeaderSpec {
    /// The header's name.
    name: String,
}

struct RemoveResponseHeader {
    name: HeaderName,
}

impl FilterSpec for RemoveResponseHeaderSpec {
    const NAME: &'static str = "remove-response-header";
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
routes:
  - id: orders
    predicates:
      - path: /orders/**
    filters:
      - remove-response-header: X-Powered-By
    upstream: http://127.0.0.1:9001
tests:
  - request: {method: GET, path: /orders/7}
    upstream-response: {status: 200, headers: {x-powered-by: a-framework}}
    expect: {route: orders, status: 200, headers: {x-powered-by: null}}
"#;

    fn build(self, _: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        Ok(Box::new(RemoveResponseHeader { name: header_name::changeable("name", &self.name)? }))
    }
}

impl Filter for RemoveResponseHeader {
    fn response<'a>(&'a self, _: &'a mut Exchange, response: &'a mut Response) -> Verdict<'a> {
        response.headers_mut().remove(&self.name);
        Ok(Step::Next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{exchange, filter, pass_back, refusal, response};

    #[test]
    fn every_copy_is_removed() {
        let filter = filter::<RemoveResponseHeaderSpec>("{name: X-A}");
        let mut response = response(&[("x-a", "1"), ("x-b", "2"), ("X-A", "3")]);
        pass_back(&*filter, &mut exchange("/"), &mut response).unwrap();
        assert!(!response.headers().contains_key("x-a"));
        assert!(response.headers().contains_key("x-b"));
    }

    #[test]
    fn bad_arguments_are_refused() {
        assert!(refusal::<RemoveResponseHeaderSpec>("").contains("name"));
        assert!(refusal::<RemoveResponseHeaderSpec>("'X A'").contains("'X A'"));
        assert!(refusal::<RemoveResponseHeaderSpec>("[X-A, X-B]").contains("expected a string"));
        assert!(refusal::<RemoveResponseHeaderSpec>("Transfer-Encoding").contains("transfer-encoding"));
    }
}
