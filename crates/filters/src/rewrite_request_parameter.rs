//! `rewrite-request-parameter`: another value for a parameter that is there.

use gwanmun_proxy::{Exchange, Filter, FilterSpec, Invalid, Parts, Step, Template, Verdict};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::query_string;

/// Replaces the value of a parameter, if the query has it. Where it is there several times, the first place gets the new
/// value and the others go. The other parameters keep their bytes and order.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RewriteRequestParameterSpec {
    /// The parameter's name, not encoded.
    name: String,
    /// The new value, not encoded; `{name}` is a variable of the route's predicates.
    replacement: String,
}

struct RewriteRequestParameter {
    name: String,
    replacement: Template,
}

impl FilterSpec for RewriteRequestParameterSpec {
    const NAME: &'static str = "rewrite-request-parameter";
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
routes:
  - id: search
    predicates:
      - path: /search
    filters:
      - rewrite-request-parameter: {name: campaign, replacement: none}
    upstream: http://127.0.0.1:9001
tests:
  - request: {method: GET, path: "/search?campaign=spring&q=tea"}
    expect: {route: search, upstream-path: "/search?campaign=none&q=tea"}
"#;

    fn build(self, parts: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        query_string::check_name("name", &self.name)?;
        let replacement = Template::parse(&self.replacement, parts).map_err(|invalid| invalid.or_at("replacement"))?;
        Ok(Box::new(RewriteRequestParameter { name: self.name, replacement }))
    }
}

impl Filter for RewriteRequestParameter {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        let Some(query) = exchange.request.query() else { return Ok(Step::Next) };
        let value = self.replacement.render(&exchange.variables);
        if let Some(query) = query_string::with_replaced(query, &self.name, &value) {
            exchange.request.set_query(Some(&query))?;
        }
        Ok(Step::Next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{refusal, target_after};

    #[test]
    fn one_parameter_remains_and_the_others_stay() {
        assert_eq!(
            target_after::<RewriteRequestParameterSpec>("{name: a, replacement: new}", "/p?b=%7E&%61=1&c&a=2"),
            "/p?b=%7E&a=new&c"
        );
        assert_eq!(target_after::<RewriteRequestParameterSpec>("{name: a, replacement: 'x&y'}", "/p?a"), "/p?a=x%26y");
    }

    #[test]
    fn a_missing_parameter_is_not_added() {
        assert_eq!(target_after::<RewriteRequestParameterSpec>("{name: a, replacement: new}", "/p?b=1"), "/p?b=1");
        assert_eq!(target_after::<RewriteRequestParameterSpec>("{name: a, replacement: new}", "/p"), "/p");
    }

    #[test]
    fn bad_arguments_are_refused() {
        assert!(refusal::<RewriteRequestParameterSpec>("{name: a}").contains("replacement"));
        assert!(refusal::<RewriteRequestParameterSpec>("{name: '', replacement: b}").contains("name"));
        assert!(refusal::<RewriteRequestParameterSpec>("{name: a, replacement: '{b'}").contains("closed"));
    }
}
