//! `weight`: a share of the requests, for routes that split traffic. The router draws; here only the arguments are read.

use gwanmun_proxy::{Condition, Invalid, Parts, PredicateSpec};
use schemars::JsonSchema;
use serde::Deserialize;

/// Splits requests among the routes of a group: for each request one route of the group is drawn, in proportion to the
/// weights, and the predicate holds for that route only. The draw does not look at the other predicates: give the routes
/// of a group the same ones. A weight of 0 is never drawn; one weight of the group has to be above 0.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WeightSpec {
    /// The name of the group.
    group: String,
    /// This route's weight, a whole number.
    weight: u32,
}

impl PredicateSpec for WeightSpec {
    const NAME: &'static str = "weight";
    const EXAMPLE: &'static str = r#"
routes:
  - id: stable
    predicates:
      - path: /shop/**
      - weight: {group: shop, weight: 10}
    upstream: http://127.0.0.1:9001
  - id: canary
    predicates:
      - path: /shop/**
      - weight: {group: shop, weight: 0}
    upstream: http://127.0.0.1:9002
tests:
  - request: {method: GET, path: /shop/cart}
    upstream-response: {status: 200}
    expect: {route: stable, status: 200}
  - request: {method: GET, path: /cart}
    expect: {status: 404}
"#;

    fn build(self, _: &Parts<'_>) -> Result<Condition, Invalid> {
        if self.group.is_empty() {
            return Err(Invalid::at("group", "found nothing, wanted the name of a group"));
        }
        Ok(Condition::Weight { group: self.group, weight: self.weight })
    }
}

#[cfg(test)]
mod tests {
    use gwanmun_proxy::route::{Matcher, Router};

    use super::*;
    use crate::fixture::{Fixture, exchange};

    #[test]
    fn a_route_with_all_the_weight_takes_every_request() {
        let matcher = |weight: &str| {
            let arguments = format!("{{group: g, weight: {weight}}}");
            Matcher::leaf("weight", &arguments, Fixture::new().predicate::<WeightSpec>(&arguments).unwrap())
        };
        let router = Router::build(vec![matcher("0"), matcher("7")]).unwrap();
        assert_eq!(router.find(&exchange("/")).map(|(place, _)| place), Some(1));
    }

    #[test]
    fn a_negative_weight_and_a_nameless_group_are_refused() {
        let refusal = Fixture::new().predicate::<WeightSpec>("{group: g, weight: -1}").err().unwrap();
        assert!(refusal.contains("-1"), "{refusal}");
        let refusal = Fixture::new().predicate::<WeightSpec>("{group: '', weight: 1}").err().unwrap();
        assert!(refusal.contains("wanted the name of a group"), "{refusal}");
    }
}
