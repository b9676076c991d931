//! `add-request-parameter`: one more parameter in the query.

use gwanmun_proxy::{Exchange, Filter, FilterSpec, Invalid, Parts, Step, Template, Verdict};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::query_string;

/// Adds a parameter at the end of the query. Parameters of the same name stay, and the others keep their bytes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AddRequestParameterSpec {
    /// The parameter's name, not encoded.
    name: String,
    /// Its value, not encoded: `a b&c` arrives as these five characters. `{name}` is a variable of the route's predicates.
    value: String,
}

struct AddRequestParameter {
    name: String,
    value: Template,
}

impl FilterSpec for AddRequestParameterSpec {
    const NAME: &'static str = "add-request-parameter";
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
routes:
  - id: search
    predicates:
      - path: "/{shop}/search"
    filters:
      - add-request-parameter: {name: shop, value: "{shop}"}
    upstream: http://127.0.0.1:9001
tests:
  - request: {method: GET, path: "/books/search?q=tea"}
    expect: {route: search, upstream-path: "/books/search?q=tea&shop=books"}
"#;

    fn build(self, parts: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        query_string::check_name("name", &self.name)?;
        let value = Template::parse(&self.value, parts).map_err(|invalid| invalid.or_at("value"))?;
        Ok(Box::new(AddRequestParameter { name: self.name, value }))
    }
}

impl Filter for AddRequestParameter {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        let value = self.value.render(&exchange.variables);
        let query = query_string::with_added(exchange.request.query(), &self.name, &value);
        exchange.request.set_query(Some(&query))?;
        Ok(Step::Next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Fixture, exchange_capturing, pass, refusal, target_after};

    #[test]
    fn the_parameter_comes_last_and_the_others_stay() {
        assert_eq!(target_after::<AddRequestParameterSpec>("{name: a, value: b}", "/p"), "/p?a=b");
        assert_eq!(target_after::<AddRequestParameterSpec>("{name: a, value: b}", "/p?a=%7E&c"), "/p?a=%7E&c&a=b");
    }

    #[test]
    fn a_value_cannot_bring_in_another_parameter() {
        assert_eq!(target_after::<AddRequestParameterSpec>("{name: a, value: 'b&c=d#e'}", "/p"), "/p?a=b%26c%3Dd%23e");
        let fixture = Fixture::new().with_variables(&["id"]);
        let filter = fixture.filter::<AddRequestParameterSpec>("{name: a, value: '{id}'}").unwrap();
        let mut exchange = exchange_capturing("/p", &[("id", "7&admin=1\r\n")]);
        pass(&*filter, &mut exchange).unwrap();
        assert_eq!(exchange.request.query(), Some("a=7%26admin%3D1%0D%0A"));
    }

    #[test]
    fn bad_arguments_are_refused() {
        assert!(refusal::<AddRequestParameterSpec>("{name: a}").contains("value"));
        assert!(refusal::<AddRequestParameterSpec>("{name: '', value: b}").contains("name"));
        assert!(refusal::<AddRequestParameterSpec>("{name: a, value: '{id}'}").contains("{id}"));
    }
}
