//! Until when a request must be answered: what its caller says is left, or what the service allows, whichever is less. It
//! bounds the handler, and calls to other services pass on what is left of it.

use std::cell::Cell;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

use crate::problem::Problem;

/// How many milliseconds are left for the answer, in decimal digits. The gateway lets none in from outside.
pub const DEADLINE: HeaderName = HeaderName::from_static("x-gwanmun-deadline");

/// More than this is as good as none: 49 days.
const MOST_MILLISECONDS: u64 = u32::MAX as u64;

thread_local! {
    static CURRENT: Cell<Option<Deadline>> = const { Cell::new(None) };
}

/// When the answer is worth nothing any more. An extractor, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// As long from now; none where that is beyond all time.
    pub fn after(left: Duration) -> Option<Self> {
        Instant::now().checked_add(left).map(Self)
    }

    /// That of the request which this thread works on just now. Tasks that a handler spawns have none.
    pub fn current() -> Option<Self> {
        CURRENT.get()
    }

    /// What a caller says is left, counted from now. What cannot be read, or was said twice, counts as not said.
    pub fn of_caller(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(DEADLINE).iter();
        let only = values.next().filter(|_| values.next().is_none())?;
        let digits = only.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
        let left = digits.parse().ok().filter(|left| *left <= MOST_MILLISECONDS)?;
        Self::after(Duration::from_millis(left))
    }

    /// What is left; zero when it has passed.
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether nothing is left.
    pub fn has_passed(self) -> bool {
        self.0 <= Instant::now()
    }

    /// The time itself, for `tokio::time::timeout_at`.
    pub fn instant(self) -> Instant {
        self.0
    }

    /// What is left as the value of [`DEADLINE`].
    pub fn header(self) -> HeaderValue {
        HeaderValue::from(u64::try_from(self.left().as_millis()).unwrap_or(MOST_MILLISECONDS).min(MOST_MILLISECONDS))
    }

    /// This thread works until `deadline`, until the guard is dropped.
    pub(crate) fn enter(deadline: Option<Self>) -> Entered {
        Entered { before: CURRENT.replace(deadline) }
    }
}

/// While it lives, this thread works until a deadline. Not to be held over an `await`.
#[derive(Debug)]
#[must_use = "dropping it at once leaves the deadline again"]
pub(crate) struct Entered {
    before: Option<Deadline>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.before);
    }
}

impl<S: Sync> FromRequestParts<S> for Deadline {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let deadline = parts.extensions.get::<Self>().copied().or_else(Self::current);
        deadline.ok_or_else(|| Problem::internal_because("a handler asks for the deadline of a request that has none"))
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Deadline {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get::<Self>().copied().or_else(Self::current))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[&str]) -> Option<Duration> {
        let headers = values.iter().map(|value| (DEADLINE, HeaderValue::from_str(value).unwrap()));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value);
        }
        Deadline::of_caller(&map).map(Deadline::left)
    }

    /// A little less than what was said, for time goes on.
    fn about(seconds: u64, left: Duration) -> bool {
        let wanted = Duration::from_secs(seconds);
        left <= wanted && left + Duration::from_secs(60) > wanted
    }

    #[test]
    fn a_caller_says_what_is_left_in_milliseconds() {
        assert!(about(1000, of(&["1000000"]).unwrap()));
        assert_eq!(of(&["0"]), Some(Duration::ZERO));
        assert!(about(4_294_968, of(&["4294967295"]).unwrap()));
        for bad in [&[][..], &[""], &["-1"], &["+1"], &["1.5"], &["1s"], &["1 0"], &["4294967296"], &["1", "1"]] {
            assert_eq!(of(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn what_is_left_is_passed_on_and_gets_less() {
        let deadline = Deadline::after(Duration::from_secs(1000)).unwrap();
        let passed_on: u64 = deadline.header().to_str().unwrap().parse().unwrap();
        assert!(passed_on <= 1_000_000 && passed_on > 940_000 && !deadline.has_passed());
        let passed = Deadline::after(Duration::ZERO).unwrap();
        assert_eq!((passed.header(), passed.has_passed()), (HeaderValue::from(0), true));
    }

    #[test]
    fn a_deadline_holds_while_it_is_entered() {
        let deadline = Deadline::after(Duration::from_secs(2));
        let entered = Deadline::enter(deadline);
        assert_eq!(Deadline::current(), deadline);
        drop(entered);
        assert_eq!(Deadline::current(), None);
    }

    proptest! {
        #[test]
        fn any_value_is_a_time_or_none(value in "[ -~]{0,30}") {
            if let Some(left) = of(&[&value]) {
                prop_assert!(value.parse::<u64>().unwrap() >= u64::try_from(left.as_millis()).unwrap());
            }
        }
    }
}
