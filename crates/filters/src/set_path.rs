//! `set-path`: another path, made of what the predicates captured.

use gwanmun_proxy::{Exchange, Filter, FilterSpec, Invalid, Parts, Step, Verdict};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::new_path;
use crate::path_template::PathTemplate;

/// Replaces the path by a template; the query stays. Values of variables are percent-encoded, so that they stay within
/// their segment; what `{*rest}` captured keeps its slashes. A value that makes a `..` segment is refused with 400.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SetPathSpec {
    /// The new path, beginning with a slash; `{name}` is a variable of the route's predicates.
    template: String,
}

struct SetPath {
    template: PathTemplate,
}

impl FilterSpec for SetPathSpec {
    const NAME: &'static str = "set-path";
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
routes:
  - id: orders
    predicates:
      - path: "/shops/{shop}/orders/{*rest}"
    filters:
      - set-path: "/orders{rest}"
    upstream: http://127.0.0.1:9001
tests:
  - request: {method: GET, path: "/shops/books/orders/7/lines?page=2"}
    expect: {route: orders, upstream-path: "/orders/7/lines?page=2"}
"#;

    fn build(self, parts: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        Ok(Box::new(SetPath { template: PathTemplate::parse("template", &self.template, parts)? }))
    }
}

impl Filter for SetPath {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        let path = self.template.render(exchange)?;
        new_path::replace(&mut exchange.request, &path)?;
        Ok(Step::Next)
    }
}

#[cfg(test)]
mod tests {
    use gwanmun_core::{Code, Fault};

    use super::*;
    use crate::fixture::{Fixture, exchange_capturing, pass, refusal};

    fn set(template: &str, before: &str, variables: &[(&str, &str)]) -> Result<String, Fault> {
        let names: Vec<_> = variables.iter().map(|&(name, _)| name).collect();
        let filter = Fixture::new().with_variables(&names).filter::<SetPathSpec>(template).unwrap();
        let mut exchange = exchange_capturing(before, variables);
        pass(&*filter, &mut exchange)?;
        Ok(exchange.request.target().to_string())
    }

    #[test]
    fn the_path_is_replaced_and_the_query_stays() {
        assert_eq!(set("/new", "/old?q=1", &[]).unwrap(), "/new?q=1");
        assert_eq!(set("'/x/{id}'", "/7?q=1", &[("id", "7")]).unwrap(), "/x/7?q=1");
        assert_eq!(set("'/x{rest}'", "/a/b", &[("rest", "/a/b")]).unwrap(), "/x/a/b");
    }

    #[test]
    fn a_value_never_becomes_a_query_a_header_or_another_directory() {
        assert_eq!(set("'/x/{id}'", "/a%3Fb", &[("id", "a?b#c\r\nd")]).unwrap(), "/x/a%3Fb%23c%0D%0Ad");
        assert_eq!(set("'/x/{id}/y'", "/%2Fa%2Fb", &[("id", "/a/b")]).unwrap(), "/x/%2Fa%2Fb/y");
        let fault = set("'/x/{id}'", "/%2e%2e%2fadmin", &[("id", "../admin")]).unwrap_err();
        assert_eq!(fault.code(), Code::MalformedRequest);
    }

    #[test]
    fn bad_arguments_are_refused() {
        assert!(refusal::<SetPathSpec>("new").contains("'/'"));
        assert!(refusal::<SetPathSpec>("'/x/{id}'").contains("{id}"));
        assert!(refusal::<SetPathSpec>("/x/../y").contains("dot segment"));
        assert!(refusal::<SetPathSpec>("").contains("template"));
    }
}
