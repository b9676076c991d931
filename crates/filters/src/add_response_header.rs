//! `add-response-header`: one more field on the way to the client.

use gwanmun_proxy::{Exchange, Filter, FilterSpec, HeaderTemplate, Invalid, Parts, Response, Step, Verdict};
use http::header::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::header_name;

/// Adds a header to the response. Fields of the same name that the upstream sent stay; `set-response-header` replaces
/// them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AddResponseHeaderSpec {
    /// The header's name.
    name: String,
    /// Its value; `{name}` is a variable of the route's predicates.
    value: String,
    /// Whether it is added also where the upstream sent a value of its own. With `false` it is added only where the
    /// header is missing or blank.
    #[serde(default = "always")]
    r#override: bool,
}

fn always() -> bool {
    true
}

struct AddResponseHeader {
    name: HeaderName,
    value: HeaderTemplate,
    when: When,
}

enum When {
    Always,
    Missing,
}

impl FilterSpec for AddResponseHeaderSpec {
    const NAME: &'static str = "add-response-header";
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
routes:
  - id: orders
    predicates:
      - path: "/orders/{id}"
    filters:
      - add-response-header: {name: X-Order, value: "{id}"}
      - add-response-header: {name: X-Served-By, value: gateway, override: false}
    upstream: http://127.0.0.1:9001
tests:
  - request: {method: GET, path: /orders/7}
    upstream-response: {status: 200, headers: {x-served-by: orders}}
    expect: {route: orders, status: 200, headers: {x-order: "7", x-served-by: orders}}
"#;

    fn build(self, parts: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        Ok(Box::new(AddResponseHeader {
            name: header_name::settable_in_response("name", &self.name)?,
            value: HeaderTemplate::parse(&self.value, parts).map_err(|invalid| invalid.or_at("value"))?,
            when: if self.r#override { When::Always } else { When::Missing },
        }))
    }
}

impl Filter for AddResponseHeader {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        self.value.check(&exchange.variables)?;
        Ok(Step::Next)
    }

    fn response<'a>(&'a self, exchange: &'a mut Exchange, response: &'a mut Response) -> Verdict<'a> {
        let missing = || header_name::is_missing_or_blank(response.headers(), &self.name);
        if matches!(self.when, When::Always) || missing() {
            let value = self.value.render(&exchange.variables)?;
            response.headers_mut().append(&self.name, value);
        }
        Ok(Step::Next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Fixture, exchange, exchange_capturing, filter, pass, pass_back, refusal, response, values};

    fn added(arguments: &str, fields: &[(&str, &str)]) -> Vec<String> {
        let filter = filter::<AddResponseHeaderSpec>(arguments);
        let mut response = response(fields);
        pass_back(&*filter, &mut exchange("/"), &mut response).unwrap();
        values(response.headers(), "x-a").into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn the_value_joins_those_that_are_there() {
        assert_eq!(added("{name: X-A, value: new}", &[("x-a", "old")]), ["old", "new"]);
        assert_eq!(added("{name: X-A, value: new}", &[]), ["new"]);
    }

    #[test]
    fn without_override_the_upstreams_value_wins() {
        assert_eq!(added("{name: X-A, value: new, override: false}", &[("x-a", "old")]), ["old"]);
        assert_eq!(added("{name: X-A, value: new, override: false}", &[("x-a", " ")]).last().unwrap(), "new");
        assert_eq!(added("{name: X-A, value: new, override: false}", &[]), ["new"]);
    }

    #[test]
    fn a_variable_that_no_header_can_hold_stops_the_request_before_the_upstream() {
        let filter = Fixture::new()
            .with_variables(&["id"])
            .filter::<AddResponseHeaderSpec>("{name: X-A, value: '{id}'}")
            .unwrap();
        pass(&*filter, &mut exchange_capturing("/", &[("id", "7")])).unwrap();
        assert!(pass(&*filter, &mut exchange_capturing("/", &[("id", "7\r\nset-cookie: a=b")])).is_err());
    }

    #[test]
    fn bad_arguments_are_refused() {
        assert!(refusal::<AddResponseHeaderSpec>("{name: X-A, value: a, override: perhaps}").contains("perhaps"));
        assert!(refusal::<AddResponseHeaderSpec>("{name: Connection, value: close}").contains("connection"));
        assert!(refusal::<AddResponseHeaderSpec>("X-A").contains("needs name and value, found a single value"));
    }
}
