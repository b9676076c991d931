//! `remove-request-header`: a field that does not pass.

use gwanmun_proxy::{Exchange, Filter, FilterSpec, Invalid, Parts, Step, Verdict};
use http::header::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::header_name;

/// Removes a header from the request, every copy of it that the client sent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RemoveRequestHeaderSpec {
    /// The header's name.
    name: String,
}

struct RemoveRequestHeader {
    name: HeaderName,
}

impl FilterSpec for RemoveRequestHeaderSpec {
    const NAME: &'static str = "remove-request-header";
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
routes:
  - id: orders
    predicates:
      - path: /orders/**
    filters:
      - remove-request-header: X-Internal
    upstream: http://127.0.0.1:9001
tests:
  - request: {method: GET, path: /orders/7, headers: {x-internal: forged}}
    expect: {route: orders, upstream-headers: {x-internal: null}}
"#;

    fn build(self, _: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        Ok(Box::new(RemoveRequestHeader { name: header_name::removable_from_request("name", &self.name)? }))
    }
}

impl Filter for RemoveRequestHeader {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        exchange.request.headers.remove(&self.name);
        Ok(Step::Next)
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::fixture::{exchange_with, filter, pass, refusal};

    #[test]
    fn every_copy_is_removed() {
        let filter = filter::<RemoveRequestHeaderSpec>("X-A");
        let mut exchange = exchange_with(Method::GET, "/", &[("x-a", "1"), ("x-b", "2"), ("X-A", "3")]);
        pass(&*filter, &mut exchange).unwrap();
        assert!(!exchange.request.headers.contains_key("x-a"));
        assert!(exchange.request.headers.contains_key("x-b"));
    }

    #[test]
    fn bad_arguments_are_refused() {
        assert!(refusal::<RemoveRequestHeaderSpec>("").contains("name"));
        assert!(refusal::<RemoveRequestHeaderSpec>("'X A'").contains("'X A'"));
        assert!(refusal::<RemoveRequestHeaderSpec>("[X-A, X-B]").contains("expected a string"));
        assert!(refusal::<RemoveRequestHeaderSpec>("Transfer-Encoding").contains("transfer-encoding"));
    }
}
