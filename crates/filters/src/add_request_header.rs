//! `add-request-header`: one more field on the way to the upstream.

use gwanmun_proxy::{Exchange, Filter, FilterSpec, HeaderTemplate, Invalid, Parts, Step, Verdict};
use http::header::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::header_name;

/// Adds a header to the request. Fields of the same name that the client sent stay; `set-request-header` replaces them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AddRequestHeaderSpec {
    /// The header's name.
    name: String,
    /// Its value; `{name}` is a variable of the route's predicates.
    value: String,
}

struct AddRequestHeader {
    name: HeaderName,
    value: HeaderTemplate,
}

impl FilterSpec for AddRequestHeaderSpec {
    const NAME: &'static str = "add-request-header";
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
routes:
  - id: orders
    predicates:
      - path: "/orders/{id}"
    filters:
      - add-request-header: {name: X-Order, value: "order-{id}"}
    upstream: http://127.0.0.1:9001
tests:
  - request: {method: GET, path: /orders/7}
    expect: {route: orders, upstream-headers: {x-order: order-7}}
"#;

    fn build(self, parts: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        Ok(Box::new(AddRequestHeader {
            name: header_name::settable_in_request("name", &self.name)?,
            value: HeaderTemplate::parse(&self.value, parts).map_err(|invalid| invalid.or_at("value"))?,
        }))
    }
}

impl Filter for AddRequestHeader {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        let value = self.value.render(&exchange.variables)?;
        exchange.request.headers.append(&self.name, value);
        Ok(Step::Next)
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::fixture::{Fixture, exchange_capturing, exchange_with, filter, pass, refusal, values};

    #[test]
    fn the_value_joins_those_that_are_there() {
        let filter = filter::<AddRequestHeaderSpec>("{name: X-A, value: new}");
        let mut exchange = exchange_with(Method::GET, "/", &[("x-a", "old")]);
        pass(&*filter, &mut exchange).unwrap();
        assert_eq!(values(&exchange.request.headers, "x-a"), ["old", "new"]);
    }

    #[test]
    fn variables_are_filled_in() {
        let filter =
            Fixture::new().with_variables(&["id"]).filter::<AddRequestHeaderSpec>("{name: X-A, value: 'n-{id}'}");
        let filter = filter.unwrap();
        let mut exchange = exchange_capturing("/", &[("id", "7")]);
        pass(&*filter, &mut exchange).unwrap();
        assert_eq!(values(&exchange.request.headers, "x-a"), ["n-7"]);
    }

    #[test]
    fn a_variable_cannot_bring_in_another_header() {
        let filter =
            Fixture::new().with_variables(&["id"]).filter::<AddRequestHeaderSpec>("{name: X-A, value: '{id}'}");
        let filter = filter.unwrap();
        let mut exchange = exchange_capturing("/7%0d%0aX-Admin:%201", &[("id", "7\r\nX-Admin: 1")]);
        assert!(pass(&*filter, &mut exchange).is_err());
        assert!(exchange.request.headers.is_empty());
    }

    #[test]
    fn bad_arguments_are_refused() {
        assert!(refusal::<AddRequestHeaderSpec>("{name: X-A}").contains("value"));
        assert!(refusal::<AddRequestHeaderSpec>("{name: X-A, value: a, valeu: b}").contains("valeu"));
        assert!(refusal::<AddRequestHeaderSpec>("{name: 'X A', value: a}").contains("'X A'"));
        assert!(refusal::<AddRequestHeaderSpec>("{name: Host, value: a}").contains("set-request-host-header"));
        assert!(
            refusal::<AddRequestHeaderSpec>("{name: Transfer-Encoding, value: chunked}").contains("transfer-encoding")
        );
        assert!(refusal::<AddRequestHeaderSpec>("{name: X-A, value: '{id}'}").contains("{id}"));
    }
}
