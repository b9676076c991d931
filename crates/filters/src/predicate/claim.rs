//! `claim`: what is known about who calls decides the route.

use gwanmun_proxy::{Condition, Exchange, Invalid, Parts, Predicate, PredicateSpec};
use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Number, Value};

use crate::regexp;

/// Who proves who calls.
const AUTHENTICATE: &str = "authenticate";

/// Matches requests of callers of whom a claim is known; with `value` or `regexp`, one that is this or looks like this.
/// Texts are compared as they are, numbers and booleans as JSON writes them; of a list one element is enough; null is
/// nothing. Only claims are looked at, not the subject, roles or scopes. Who calls must be known before a route is looked
/// for: `authenticate` stands among the door's `filters`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ClaimSpec {
    /// Where it is among the caller's claims: a JSON pointer (RFC 6901), like `/tenant` or `/address/country`.
    name: String,
    /// What it must be.
    #[serde(default)]
    value: Option<String>,
    /// What the whole of it must look like.
    #[serde(default)]
    regexp: Option<String>,
}

impl PredicateSpec for ClaimSpec {
    const NAME: &'static str = "claim";
    const EXAMPLE: &'static str = r#"
identity:
  issuers:
    corp: {issuer: "https://idp.example", jwks: "https://idp.example/jwks", audiences: [gateway], algorithms: [ES256]}
filters:
  - authenticate: {any: [{jwt: corp}]}
routes:
  - id: acme
    predicates:
      - claim: {name: /tenant, value: acme}
    upstream: http://127.0.0.1:9001
tests:
  - request: {path: /, principal: {subject: ann, claims: {tenant: acme}}}
    expect: {route: acme, status: 200}
  - request: {path: /, principal: {subject: bob, claims: {tenant: other}}}
    expect: {status: 404}
"#;

    fn build(self, parts: &Parts<'_>) -> Result<Condition, Invalid> {
        let path = pointer(&self.name)?;
        let wanted = match (self.value, self.regexp) {
            (None, None) => Wanted::Anything,
            (Some(value), None) => Wanted::Value { number: serde_json::from_str(&value).ok(), text: value.into() },
            (None, Some(text)) => Wanted::Form(regexp::whole("regexp", &text)?),
            (Some(_), Some(_)) => return Err(Invalid::new("found value and regexp, wanted one of them")),
        };
        if !parts.door.contains(AUTHENTICATE) {
            let message = "nobody is known when routes are looked for: this needs 'authenticate' at the door";
            return Err(Invalid::new(message).with_hint(
                "put `authenticate` into the list `filters` at the top; a route's own filters run after it is chosen",
            ));
        }
        Ok(Condition::Test(Box::new(Claim { path, wanted })))
    }
}

struct Claim {
    /// Names and places, from the outermost; at least one.
    path: Vec<Box<str>>,
    wanted: Wanted,
}

enum Wanted {
    Anything,
    Value { text: Box<str>, number: Option<Number> },
    Form(Regex),
}

impl Predicate for Claim {
    fn holds(&self, exchange: &Exchange) -> bool {
        let Some(principal) = &exchange.principal else { return false };
        match self.find(&principal.claims) {
            None => false,
            Some(Value::Array(elements)) => elements.iter().any(|element| self.wanted.takes(element)),
            Some(value) => self.wanted.takes(value),
        }
    }
}

impl Claim {
    fn find<'c>(&self, claims: &'c Map<String, Value>) -> Option<&'c Value> {
        let (first, rest) = self.path.split_first()?;
        rest.iter().try_fold(claims.get(&**first)?, |value, step| match value {
            Value::Object(members) => members.get(&**step),
            Value::Array(elements) => elements.get(place(step)?),
            _ => None,
        })
    }
}

impl Wanted {
    fn takes(&self, value: &Value) -> bool {
        match (self, value) {
            (_, Value::Null) => false,
            (Self::Anything, _) => true,
            (Self::Value { text, .. }, Value::String(found)) => **text == **found,
            (Self::Value { number, .. }, Value::Number(found)) => number.as_ref() == Some(found),
            (Self::Value { text, .. }, Value::Bool(found)) => **text == *truth(*found),
            (Self::Form(form), Value::String(found)) => form.is_match(found),
            (Self::Form(form), Value::Number(found)) => form.is_match(&found.to_string()),
            (Self::Form(form), Value::Bool(found)) => form.is_match(truth(*found)),
            (Self::Value { .. } | Self::Form(_), Value::Array(_) | Value::Object(_)) => false,
        }
    }
}

fn truth(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// A place in a list (RFC 6901 section 4): digits without leading zeros.
fn place(step: &str) -> Option<usize> {
    let is_number = step.bytes().all(|byte| byte.is_ascii_digit()) && (step == "0" || !step.starts_with('0'));
    step.parse().ok().filter(|_| is_number)
}

/// The steps of a JSON pointer into claims.
fn pointer(text: &str) -> Result<Vec<Box<str>>, Invalid> {
    let invalid = |wanted: &str| Invalid::at("name", format!("found '{text}', wanted {wanted}"));
    let Some(steps) = text.strip_prefix('/') else {
        let invalid = invalid("a JSON pointer, which begins with a slash");
        return Err(if text.is_empty() { invalid } else { invalid.with_hint(format!("write /{text}")) });
    };
    if text.split('~').skip(1).any(|after| !after.starts_with(['0', '1'])) {
        return Err(invalid("~0 for a tilde and ~1 for a slash in a name"));
    }
    Ok(steps.split('/').map(|step| step.replace("~1", "/").replace("~0", "~").into()).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gwanmun_core::{Level, Principal};
    use serde_json::json;

    use super::*;
    use crate::fixture::{Fixture, exchange};
    use crate::predicate::tests::holds;

    fn fixture() -> Fixture {
        Fixture::new().with_door(&["authenticate"])
    }

    fn caller(claims: Value) -> Exchange {
        let mut exchange = exchange("/");
        let mut principal = Principal::new("ann", "jwt:corp", Level::High);
        principal.roles = vec!["ops".to_owned()];
        principal.claims = claims.as_object().unwrap().clone();
        exchange.principal = Some(Arc::new(principal));
        exchange
    }

    #[track_caller]
    fn check(arguments: &str, good: &[Value], bad: &[Value]) {
        let condition = fixture().predicate::<ClaimSpec>(arguments).unwrap();
        for claims in good {
            assert!(holds(&condition, &caller(claims.clone())), "{arguments} {claims}");
        }
        for claims in bad {
            assert!(!holds(&condition, &caller(claims.clone())), "{arguments} {claims}");
        }
        assert!(!holds(&condition, &exchange("/")), "nobody is authenticated");
    }

    #[test]
    fn without_a_value_the_claim_has_to_be_there() {
        check("/tenant", &[json!({"tenant": ""}), json!({"tenant": {}})], &[json!({}), json!({"tenant": null})]);
        check("/tenant", &[json!({"tenant": [false]})], &[json!({"tenant": []}), json!({"tenant": [null]})]);
    }

    #[test]
    fn a_value_is_compared_with_texts_numbers_and_booleans() {
        let bad = [json!({"tenant": "acme2"}), json!({"tenant": "Acme"}), json!({"tenant": {"acme": 1}}), json!({})];
        check("{name: /tenant, value: acme}", &[json!({"tenant": "acme"})], &bad);
        check("{name: /n, value: 7}", &[json!({"n": 7}), json!({"n": "7"})], &[json!({"n": 7.5}), json!({"n": 77})]);
        check("{name: /n, value: true}", &[json!({"n": true}), json!({"n": "true"})], &[json!({"n": false})]);
        check("{name: /n, value: ''}", &[json!({"n": ""})], &[json!({"n": null}), json!({"n": false})]);
        check("{name: /n, value: 'null'}", &[json!({"n": "null"})], &[json!({"n": null})]);
    }

    #[test]
    fn of_a_list_one_element_is_enough_but_not_one_within_an_element() {
        let good = [json!({"groups": ["a", "ops"]}), json!({"groups": "ops"})];
        let bad = [json!({"groups": ["a"]}), json!({"groups": [["ops"]]}), json!({"groups": ["a,ops"]})];
        check("{name: /groups, value: ops}", &good, &bad);
        check("{name: /groups/1, value: ops}", &good[..1], &bad);
    }

    #[test]
    fn an_expression_matches_the_whole_value() {
        let good = [json!({"n": "a1"}), json!({"n": ["x", "a2"]})];
        check("{name: /n, regexp: 'a\\d'}", &good, &[json!({"n": "a12"}), json!({"n": "xa1"}), json!({"n": null})]);
        check("{name: /n, regexp: '\\d+|true'}", &[json!({"n": 42}), json!({"n": true})], &[json!({"n": -4})]);
    }

    #[test]
    fn pointers_lead_into_claims_as_rfc_6901_says() {
        check("{name: /a/b/0, value: x}", &[json!({"a": {"b": ["x"]}})], &[json!({"a": {"b": ["y", "x"]}})]);
        check("{name: '/https:~1~1x~0/r', value: y}", &[json!({"https://x~": {"r": "y"}})], &[]);
        check("{name: /a/00}", &[json!({"a": {"00": 1}})], &[json!({"a": [1]})]);
        check("{name: /a/+0}", &[], &[json!({"a": [1]})]);
        check("{name: /, value: x}", &[json!({"": "x"})], &[json!({"a": "x"})]);
    }

    #[test]
    fn only_claims_are_looked_at() {
        check("{name: /subject, value: ann}", &[json!({"subject": "ann"})], &[json!({})]);
        check("{name: /roles, value: ops}", &[], &[json!({})]);
    }

    #[test]
    fn bad_arguments_are_refused() {
        let refusal = |arguments: &str| fixture().predicate::<ClaimSpec>(arguments).err().unwrap();
        assert!(refusal("tenant").contains("begins with a slash (write /tenant)"));
        assert!(refusal("{name: ''}").contains("begins with a slash"));
        assert!(refusal("{name: /a~b}").contains("~0 for a tilde"));
        assert!(refusal("{name: /a, value: b, regexp: c}").contains("one of them"));
        assert!(refusal("{name: /a, regexp: '('}").contains("unclosed group"));
    }

    #[test]
    fn without_authenticate_at_the_door_nobody_would_be_known() {
        let refused = Fixture::new().with_door(&["secure-headers"]).predicate::<ClaimSpec>("/tenant").err().unwrap();
        assert!(refused.contains("'authenticate' at the door (put `authenticate` into"), "{refused}");
    }
}
