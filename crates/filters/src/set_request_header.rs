//! `set-request-header`: one field with one value, whatever the client sent.

use gwanmun_proxy::{Exchange, Filter, FilterSpec, HeaderTemplate, Invalid, Parts, Step, Verdict};
use http::header::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::header_name;

/// Sets a header of the request: every field of that name that the client sent is replaced by this one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SetRequestHeaderSpec {
    /// The header's name.
    name: String,
    /// Its value; `{name}` is a variable of the route's predicates.
    value: String,
}

struct SetRequestHeader {
    name: HeaderName,
    value: HeaderTemplate,
}

impl FilterSpec for SetRequestHeaderSpec {
    const NAME: &'static str = "set-request-header";
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
routes:
  - id: orders
    predicates:
      - path: /orders/**
    filters:
      - set-request-header: {name: X-Channel, value: web}
    upstream: http://127.0.0.1:9001
tests:
  - request: {method: GET, path: /orders/7, headers: {x-channel: forged}}
    expect: {route: orders, upstream-headers: {x-channel: web}}
"#;

    fn build(self, parts: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        Ok(Box::new(SetRequestHeader {
            name: header_name::settable_in_request("name", &self.name)?,
            value: HeaderTemplate::parse(&self.value, parts).map_err(|invalid| invalid.or_at("value"))?,
        }))
    }
}

impl Filter for SetRequestHeader {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        let value = self.value.render(&exchange.variables)?;
        exchange.request.headers.insert(&self.name, value);
        Ok(Step::Next)
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::fixture::{Fixture, exchange_capturing, exchange_with, filter, pass, refusal, values};

    #[test]
    fn every_copy_that_the_client_sent_is_replaced() {
        let filter = filter::<SetRequestHeaderSpec>("{name: X-A, value: ours}");
        let mut exchange = exchange_with(Method::GET, "/", &[("x-a", "1"), ("x-b", "2"), ("x-a", "3")]);
        pass(&*filter, &mut exchange).unwrap();
        assert_eq!(values(&exchange.request.headers, "x-a"), ["ours"]);
        assert_eq!(values(&exchange.request.headers, "x-b"), ["2"]);
    }

    #[test]
    fn a_value_that_cannot_be_rendered_stops_the_request() {
        let filter =
            Fixture::new().with_variables(&["id"]).filter::<SetRequestHeaderSpec>("{name: X-A, value: '{id}'}");
        let filter = filter.unwrap();
        assert!(pass(&*filter, &mut exchange_capturing("/", &[("id", "a\nb")])).is_err());
    }

    #[test]
    fn bad_arguments_are_refused() {
        assert!(refusal::<SetRequestHeaderSpec>("{value: a}").contains("name"));
        assert!(refusal::<SetRequestHeaderSpec>("{name: Host, value: a}").contains("set-request-host-header"));
        assert!(refusal::<SetRequestHeaderSpec>("{name: Txn-Token, value: a}").contains("txn-token"));
        assert!(refusal::<SetRequestHeaderSpec>("{name: X-A, value: \"a\\nb\"}").contains("control"));
    }
}
