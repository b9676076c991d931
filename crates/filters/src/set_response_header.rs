//! `set-response-header`: one field with one value, whatever the upstream sent.

use gwanmun_proxy::{Exchange, Filter, FilterSpec, HeaderTemplate, Invalid, Parts, Response, Step, Verdict};
use http::header::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::header_name;

/// Sets a header of the response: every field of that name that the upstream sent is replaced by this one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SetResponseHeaderSpec {
    /// The header's name.
    name: String,
    /// Its value; `{name}` is a variable of the route's predicates.
    value: String,
}

struct SetResponseHeader {
    name: HeaderName,
    value: HeaderTemplate,
}

impl FilterSpec for SetResponseHeaderSpec {
    const NAME: &'static str = "set-response-header";
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
routes:
  - id: orders
    predicates:
      - path: /orders/**
    filters:
      - set-response-header: {name: Cache-Control, value: no-store}
    upstream: http://127.0.0.1:9001
tests:
  - request: {method: GET, path: /orders/7}
    upstream-response: {status: 200, headers: {cache-control: public}}
    expect: {route: orders, status: 200, headers: {cache-control: no-store}}
"#;

    fn build(self, parts: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        Ok(Box::new(SetResponseHeader {
            name: header_name::settable_in_response("name", &self.name)?,
            value: HeaderTemplate::parse(&self.value, parts).map_err(|invalid| invalid.or_at("value"))?,
        }))
    }
}

impl Filter for SetResponseHeader {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        self.value.check(&exchange.variables)?;
        Ok(Step::Next)
    }

    fn response<'a>(&'a self, exchange: &'a mut Exchange, response: &'a mut Response) -> Verdict<'a> {
        let value = self.value.render(&exchange.variables)?;
        response.headers_mut().insert(&self.name, value);
        Ok(Step::Next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Fixture, exchange, exchange_capturing, filter, pass, pass_back, refusal, response, values};

    #[test]
    fn every_copy_that_the_upstream_sent_is_replaced() {
        let filter = filter::<SetResponseHeaderSpec>("{name: X-A, value: ours}");
        let mut response = response(&[("x-a", "1"), ("x-a", "2"), ("x-b", "3")]);
        pass_back(&*filter, &mut exchange("/"), &mut response).unwrap();
        assert_eq!(values(response.headers(), "x-a"), ["ours"]);
        assert_eq!(values(response.headers(), "x-b"), ["3"]);
    }

    #[test]
    fn a_variable_that_no_header_can_hold_stops_the_request_before_the_upstream() {
        let filter = Fixture::new()
            .with_variables(&["id"])
            .filter::<SetResponseHeaderSpec>("{name: X-A, value: '{id}'}")
            .unwrap();
        pass(&*filter, &mut exchange_capturing("/", &[("id", "7")])).unwrap();
        assert!(pass(&*filter, &mut exchange_capturing("/", &[("id", "7\r\nset-cookie: a=b")])).is_err());
    }

    #[test]
    fn bad_arguments_are_refused() {
        assert!(refusal::<SetResponseHeaderSpec>("{name: X-A}").contains("value"));
        assert!(refusal::<SetResponseHeaderSpec>("{name: Content-Length, value: '0'}").contains("content-length"));
        assert!(refusal::<SetResponseHeaderSpec>("{name: X-A, value: '{nobody}'}").contains("{nobody}"));
    }
}
