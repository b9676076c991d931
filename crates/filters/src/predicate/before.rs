//! `before`: requests until a moment.

use std::sync::Arc;
use std::time::SystemTime;

use gwanmun_core::Clock;
use gwanmun_proxy::{Condition, Exchange, Invalid, Parts, Predicate, PredicateSpec};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::predicate::datetime::moment;

/// Matches requests that arrive before a moment: an offer that ends, an API that is switched off.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BeforeSpec {
    /// The moment: RFC 3339 with an offset, and as in Spring a zone in brackets if you like,
    /// `2017-01-20T17:42:47.789-07:00[America/Denver]`. The offset decides.
    datetime: String,
}

impl PredicateSpec for BeforeSpec {
    const NAME: &'static str = "before";
    const EXAMPLE: &'static str = r#"
routes:
  - id: still-there
    predicates:
      - path: /v1/**
      - before: 2999-01-01T00:00:00Z
    upstream: http://127.0.0.1:9001
  - id: switched-off
    predicates:
      - path: /v0/**
      - before: 2017-01-20T17:42:47.789-07:00[America/Denver]
    upstream: http://127.0.0.1:9001
tests:
  - request: {method: GET, path: /v1/items}
    upstream-response: {status: 200}
    expect: {route: still-there, status: 200}
  - request: {method: GET, path: /v0/items}
    expect: {status: 404}
"#;

    fn build(self, parts: &Parts<'_>) -> Result<Condition, Invalid> {
        let moment = moment(&self.datetime, "datetime")?;
        Ok(Condition::Test(Box::new(Before { clock: Arc::clone(parts.clock), moment })))
    }
}

struct Before {
    clock: Arc<dyn Clock>,
    moment: SystemTime,
}

impl Predicate for Before {
    fn holds(&self, _: &Exchange) -> bool {
        self.clock.wall() < self.moment
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use gwanmun_core::ManualClock;

    use super::*;
    use crate::fixture::{Fixture, exchange};
    use crate::predicate::tests::holds;

    #[test]
    fn it_holds_until_the_moment_comes() {
        let clock = Arc::new(ManualClock::at(UNIX_EPOCH + Duration::from_secs(9)));
        let fixture = Fixture::new().with_clock(clock.clone());
        let condition = fixture.predicate::<BeforeSpec>("{datetime: \"1970-01-01T00:00:10Z\"}").unwrap();
        assert!(holds(&condition, &exchange("/")));
        clock.advance(Duration::from_secs(1));
        assert!(!holds(&condition, &exchange("/")), "the moment itself is not before it");
    }

    #[test]
    fn a_datetime_without_offset_is_refused() {
        let refusal = Fixture::new().predicate::<BeforeSpec>("1970-01-01T00:00:10").err().unwrap();
        assert!(refusal.contains("offset from UTC"), "{refusal}");
    }
}
