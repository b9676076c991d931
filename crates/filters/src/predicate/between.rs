//! `between`: requests within a span of time.

use std::sync::Arc;
use std::time::SystemTime;

use gwanmun_core::Clock;
use gwanmun_proxy::{Condition, Exchange, Invalid, Parts, Predicate, PredicateSpec};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::predicate::datetime::moment;

/// Matches requests that arrive after one moment and before another: a maintenance window.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BetweenSpec {
    /// The beginning: RFC 3339 with an offset, `2017-01-20T17:42:47.789-07:00[America/Denver]`.
    datetime1: String,
    /// The end, later than `datetime1`.
    datetime2: String,
}

impl PredicateSpec for BetweenSpec {
    const NAME: &'static str = "between";
    const EXAMPLE: &'static str = r#"
routes:
  - id: this-millennium
    predicates:
      - path: /now
      - between: {datetime1: "2001-01-01T00:00:00Z", datetime2: "3001-01-01T00:00:00Z"}
    upstream: http://127.0.0.1:9001
  - id: window
    predicates:
      - path: /maintenance
      - between:
          datetime1: 2017-01-20T17:42:47.789-07:00[America/Denver]
          datetime2: 2017-01-21T17:42:47.789-07:00[America/Denver]
    upstream: http://127.0.0.1:9001
tests:
  - request: {method: GET, path: /now}
    upstream-response: {status: 200}
    expect: {route: this-millennium, status: 200}
  - request: {method: GET, path: /maintenance}
    expect: {status: 404}
"#;

    fn build(self, parts: &Parts<'_>) -> Result<Condition, Invalid> {
        let begin = moment(&self.datetime1, "datetime1")?;
        let end = moment(&self.datetime2, "datetime2")?;
        if end <= begin {
            return Err(Invalid::at(
                "datetime2",
                format!("found '{}', wanted a moment after datetime1, '{}'", self.datetime2, self.datetime1),
            ));
        }
        Ok(Condition::Test(Box::new(Between { clock: Arc::clone(parts.clock), begin, end })))
    }
}

struct Between {
    clock: Arc<dyn Clock>,
    begin: SystemTime,
    end: SystemTime,
}

impl Predicate for Between {
    fn holds(&self, _: &Exchange) -> bool {
        let now = self.clock.wall();
        now > self.begin && now < self.end
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
    fn it_holds_within_the_span_only() {
        let clock = Arc::new(ManualClock::at(UNIX_EPOCH + Duration::from_secs(10)));
        let fixture = Fixture::new().with_clock(clock.clone());
        let arguments = "datetime1: 1970-01-01T00:00:10Z\ndatetime2: 1970-01-01T00:00:12Z";
        let condition = fixture.predicate::<BetweenSpec>(arguments).unwrap();
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(holds(&condition, &exchange("/")));
            clock.advance(Duration::from_secs(1));
        }
        assert_eq!(held, [false, true, false]);
    }

    #[test]
    fn an_end_before_the_beginning_is_refused() {
        let arguments = "datetime1: 1970-01-01T00:00:10Z\ndatetime2: 1970-01-01T00:00:10Z";
        let refusal = Fixture::new().predicate::<BetweenSpec>(arguments).err().unwrap();
        assert!(refusal.contains("wanted a moment after datetime1"), "{refusal}");
    }

    #[test]
    fn a_missing_end_is_refused() {
        let refusal = Fixture::new().predicate::<BetweenSpec>("datetime1: 1970-01-01T00:00:10Z").err().unwrap();
        assert!(refusal.contains("datetime2"), "{refusal}");
    }
}
