//! `after`: requests from a moment on.

use std::sync::Arc;
use std::time::SystemTime;

use gwanmun_core::Clock;
use gwanmun_proxy::{Condition, Exchange, Invalid, Parts, Predicate, PredicateSpec};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::predicate::datetime::moment;

/// Matches requests that arrive after a moment: a launch, the end of a freeze.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AfterSpec {
    /// The moment: RFC 3339 with an offset, and as in Spring a zone in brackets if you like,
    /// `2017-01-20T17:42:47.789-07:00[America/Denver]`. The offset decides.
    datetime: String,
}

impl PredicateSpec for AfterSpec {
    const NAME: &'static str = "after";
    const EXAMPLE: &'static str = r#"
routes:
  - id: launched
    predicates:
      - path: /shop
      - after: 2017-01-20T17:42:47.789-07:00[America/Denver]
    upstream: http://127.0.0.1:9001
  - id: not-yet
    predicates:
      - path: /preview
      - after: 2999-01-01T00:00:00Z
    upstream: http://127.0.0.1:9001
tests:
  - request: {method: GET, path: /shop}
    upstream-response: {status: 200}
    expect: {route: launched, status: 200}
  - request: {method: GET, path: /preview}
    expect: {status: 404}
"#;

    fn build(self, parts: &Parts<'_>) -> Result<Condition, Invalid> {
        let moment = moment(&self.datetime, "datetime")?;
        Ok(Condition::Test(Box::new(After { clock: Arc::clone(parts.clock), moment })))
    }
}

struct After {
    clock: Arc<dyn Clock>,
    moment: SystemTime,
}

impl Predicate for After {
    fn holds(&self, _: &Exchange) -> bool {
        self.clock.wall() > self.moment
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
    fn it_holds_once_the_moment_has_passed() {
        let clock = Arc::new(ManualClock::at(UNIX_EPOCH + Duration::from_secs(10)));
        let fixture = Fixture::new().with_clock(clock.clone());
        let condition = fixture.predicate::<AfterSpec>("1970-01-01T00:00:10Z").unwrap();
        assert!(!holds(&condition, &exchange("/")), "the moment itself is not after it");
        clock.advance(Duration::from_millis(1));
        assert!(holds(&condition, &exchange("/")));
    }

    #[test]
    fn something_that_is_no_datetime_is_refused() {
        let refusal = Fixture::new().predicate::<AfterSpec>("tomorrow").err().unwrap();
        assert!(refusal.contains("found 'tomorrow', wanted a date and time"), "{refusal}");
    }

    #[test]
    fn an_unknown_argument_is_refused() {
        let refusal = Fixture::new().predicate::<AfterSpec>("{date-time: 1970-01-01T00:00:10Z}").err().unwrap();
        assert!(refusal.contains("date-time"), "{refusal}");
    }
}
