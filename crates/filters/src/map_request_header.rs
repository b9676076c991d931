//! `map-request-header`: the values of one field again under another name.

use gwanmun_proxy::{Exchange, Filter, FilterSpec, Invalid, Parts, Step, Verdict};
use http::header::{HOST, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::header_name;

/// Copies every value of one header of the request to another. Values that the other already has stay; if the first
/// header is missing, nothing happens.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MapRequestHeaderSpec {
    /// The header that is read; it stays. `Host` is what the client asked for.
    from_header: String,
    /// The header that gets its values.
    to_header: String,
}

struct MapRequestHeader {
    from: HeaderName,
    to: HeaderName,
}

impl FilterSpec for MapRequestHeaderSpec {
    const NAME: &'static str = "map-request-header";
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
routes:
  - id: orders
    predicates:
      - path: /orders/**
    filters:
      - map-request-header: {from-header: X-Color, to-header: X-Colour}
    upstream: http://127.0.0.1:9001
tests:
  - request: {method: GET, path: /orders/7, headers: {x-color: red}}
    expect: {route: orders, upstream-headers: {x-color: red, x-colour: red}}
"#;

    fn build(self, _: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        let from = header_name::readable("from-header", &self.from_header)?;
        let to = header_name::settable_in_request("to-header", &self.to_header)?;
        if from == to {
            return Err(Invalid::at("to-header", format!("found '{to}' twice, wanted two different headers")));
        }
        Ok(Box::new(MapRequestHeader { from, to }))
    }
}

impl Filter for MapRequestHeader {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        let values: Vec<HeaderValue> = if self.from == HOST {
            exchange.host.iter().cloned().collect()
        } else {
            exchange.request.headers.get_all(&self.from).iter().cloned().collect()
        };
        for value in values {
            exchange.request.headers.append(&self.to, value);
        }
        Ok(Step::Next)
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::fixture::{exchange_with, filter, pass, refusal, values};

    fn mapped(arguments: &str, fields: &[(&str, &str)]) -> Vec<String> {
        let filter = filter::<MapRequestHeaderSpec>(arguments);
        let mut exchange = exchange_with(Method::GET, "/", fields);
        pass(&*filter, &mut exchange).unwrap();
        values(&exchange.request.headers, "x-b").into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn every_value_is_copied_behind_those_that_are_there() {
        let fields = [("x-a", "1"), ("x-b", "0"), ("x-a", "2")];
        assert_eq!(mapped("{from-header: X-A, to-header: X-B}", &fields), ["0", "1", "2"]);
    }

    #[test]
    fn a_missing_header_changes_nothing() {
        assert_eq!(mapped("{from-header: X-A, to-header: X-B}", &[("x-b", "0")]), ["0"]);
    }

    #[test]
    fn the_host_can_be_read() {
        assert_eq!(mapped("{from-header: Host, to-header: X-B}", &[("host", "shop.example")]), ["shop.example"]);
    }

    #[test]
    fn bad_arguments_are_refused() {
        assert!(refusal::<MapRequestHeaderSpec>("{from-header: X-A}").contains("to-header"));
        assert!(refusal::<MapRequestHeaderSpec>("{from-header: X-A, to-header: x-a}").contains("twice"));
        assert!(refusal::<MapRequestHeaderSpec>("{from-header: X-A, to-header: Host}").contains("host"));
        assert!(refusal::<MapRequestHeaderSpec>("{from-header: X-A, to-header: Txn-Token}").contains("txn-token"));
    }
}
