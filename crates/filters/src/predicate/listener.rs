//! `listener`: the door that a request came in by.

use gwanmun_config::{OneOrMany, did_you_mean};
use gwanmun_proxy::{Condition, Exchange, Invalid, Parts, Predicate, PredicateSpec};
use schemars::JsonSchema;
use serde::Deserialize;

/// Matches requests that came in by one of the named listeners. A listener without a name is called by its address.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ListenerSpec {
    /// Names of listeners.
    names: OneOrMany<String>,
}

impl PredicateSpec for ListenerSpec {
    const NAME: &'static str = "listener";
    const EXAMPLE: &'static str = r#"
listeners:
  - {name: public, address: "127.0.0.1:8080"}
  - {name: internal, address: "127.0.0.1:8081"}
routes:
  - id: shop
    predicates:
      - path: /shop
      - listener: [public]
    upstream: http://127.0.0.1:9001
  - id: admin
    predicates:
      - path: /admin
      - listener: [internal]
    upstream: http://127.0.0.1:9001
# Tests come in by the first listener.
tests:
  - request: {method: GET, path: /shop}
    upstream-response: {status: 200}
    expect: {route: shop, status: 200}
  - request: {method: GET, path: /admin}
    expect: {status: 404}
"#;

    fn build(self, parts: &Parts<'_>) -> Result<Condition, Invalid> {
        if self.names.is_empty() {
            return Err(Invalid::at("names", "found an empty list, wanted at least one listener"));
        }
        if let Some(unknown) = self.names.iter().find(|name| !parts.listeners.contains(*name)) {
            let hint = match did_you_mean(unknown, parts.listeners.iter().map(String::as_str)) {
                Some(close) => format!("did you mean '{close}'?"),
                None => {
                    let known: Vec<_> = parts.listeners.iter().map(|name| format!("'{name}'")).collect();
                    format!("the listeners are {}", known.join(", "))
                }
            };
            return Err(Invalid::at("names", format!("no listener is called '{unknown}'")).with_hint(hint));
        }
        Ok(Condition::Test(Box::new(Listener { names: self.names.0 })))
    }
}

struct Listener {
    names: Vec<String>,
}

impl Predicate for Listener {
    fn holds(&self, exchange: &Exchange) -> bool {
        self.names.iter().any(|name| **name == *exchange.connection.listener)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Fixture, exchange};
    use crate::predicate::tests::holds;

    #[test]
    fn the_listener_has_to_be_among_the_names() {
        let fixture = Fixture::new().with_listeners(&["main", "edge"]);
        let here = fixture.predicate::<ListenerSpec>("[edge, main]").unwrap();
        let elsewhere = fixture.predicate::<ListenerSpec>("edge").unwrap();
        assert!(holds(&here, &exchange("/")));
        assert!(!holds(&elsewhere, &exchange("/")));
    }

    #[test]
    fn an_unknown_listener_is_refused_with_the_likely_one() {
        let fixture = Fixture::new().with_listeners(&["main", "edge"]);
        let refusal = fixture.predicate::<ListenerSpec>("egde").err().unwrap();
        assert_eq!(refusal, "no listener is called 'egde' (did you mean 'edge'?)");
        let refusal = fixture.predicate::<ListenerSpec>("nothing-like-it").err().unwrap();
        assert!(refusal.contains("the listeners are 'edge', 'main'"), "{refusal}");
    }
}
