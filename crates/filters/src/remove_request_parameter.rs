//! `remove-request-parameter`: a parameter that does not pass.

use gwanmun_proxy::{Exchange, Filter, FilterSpec, Invalid, Parts, Step, Verdict};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::query_string;

/// Removes every parameter of that name from the query, in whatever spelling (`%61` is `a`). The others keep their bytes
/// and order.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RemoveRequestParameterSpec {
    /// The parameter's name, not encoded.
    name: String,
}

struct RemoveRequestParameter {
    name: String,
}

impl FilterSpec for RemoveRequestParameterSpec {
    const NAME: &'static str = "remove-request-parameter";
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
routes:
  - id: search
    predicates:
      - path: /search
    filters:
      - remove-request-parameter: debug
    upstream: http://127.0.0.1:9001
tests:
  - request: {method: GET, path: "/search?q=tea&debug=1&page=2"}
    expect: {route: search, upstream-path: "/search?q=tea&page=2"}
"#;

    fn build(self, _: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        query_string::check_name("name", &self.name)?;
        Ok(Box::new(RemoveRequestParameter { name: self.name }))
    }
}

impl Filter for RemoveRequestParameter {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        if let Some(query) = exchange.request.query().and_then(|query| query_string::without(query, &self.name)) {
            exchange.request.set_query(query.as_deref())?;
        }
        Ok(Step::Next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{refusal, target_after};

    #[test]
    fn every_copy_in_every_spelling_is_removed() {
        assert_eq!(target_after::<RemoveRequestParameterSpec>("a", "/p?a=1&b=%7E&%61=2&a"), "/p?b=%7E");
        assert_eq!(target_after::<RemoveRequestParameterSpec>("a", "/p?a=1"), "/p");
    }

    #[test]
    fn other_queries_stay() {
        assert_eq!(target_after::<RemoveRequestParameterSpec>("a", "/p"), "/p");
        assert_eq!(target_after::<RemoveRequestParameterSpec>("a", "/p?A=1&ab=2&c=a"), "/p?A=1&ab=2&c=a");
    }

    #[test]
    fn bad_arguments_are_refused() {
        assert!(refusal::<RemoveRequestParameterSpec>("").contains("name"));
        assert!(refusal::<RemoveRequestParameterSpec>("''").contains("name"));
        assert!(refusal::<RemoveRequestParameterSpec>("{name: a, value: b}").contains("value"));
    }
}
