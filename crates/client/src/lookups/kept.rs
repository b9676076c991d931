//! What was fetched and how long it may be used: the rules of time, without any locks.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// No answer is kept for longer, whatever its sender says.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// How far the clock may step back without making what is kept useless. Threads read it a little apart, too.
const SLACK: Duration = Duration::from_secs(5);

/// What a fetch found, and how long it may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched<V> {
    pub(crate) value: V,
    pub(crate) ttl: Duration,
    pub(crate) not_after: Option<SystemTime>,
    pub(crate) is_negative: bool,
}

impl<V> Fetched<V> {
    /// A value that may be used for `ttl`.
    pub fn new(value: V, ttl: Duration) -> Self {
        Self { value, ttl, not_after: None, is_negative: false }
    }

    /// A "no" that is remembered for `ttl`: not there, refused. It is never served stale.
    pub fn negative(value: V, ttl: Duration) -> Self {
        Self { is_negative: true, ..Self::new(value, ttl) }
    }

    /// Must not be used from `moment` on, not even stale.
    #[must_use]
    pub fn not_after(self, moment: SystemTime) -> Self {
        Self { not_after: Some(moment), ..self }
    }
}

/// A span of time that a clock which steps back does not prolong.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    since: SystemTime,
    until: SystemTime,
}

impl Span {
    pub(crate) fn new(since: SystemTime, length: Duration) -> Self {
        Self { since, until: later(since, length) }
    }

    pub(crate) fn holds(&self, now: SystemTime) -> bool {
        now < self.until && !is_before(now, self.since)
    }
}

/// How old a kept value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    /// To be used.
    Fresh,
    /// To be used, and about to expire: time to fetch anew.
    Due,
    /// Expired; to be used only when nothing newer can be had.
    Stale,
    /// Not to be used.
    Gone,
}

/// A value and the moments at which it grows old.
#[derive(Debug)]
pub(crate) struct Kept<V> {
    pub(crate) value: Arc<V>,
    pub(crate) is_negative: bool,
    since: SystemTime,
    due: SystemTime,
    until: SystemTime,
    stale_until: SystemTime,
}

impl<V> Kept<V> {
    /// Keeps what was fetched at `now`.
    pub(crate) fn new(fetched: Fetched<V>, now: SystemTime, stale: Duration, ahead: Duration) -> Self {
        let cap = |moment: SystemTime| fetched.not_after.map_or(moment, |end| moment.min(end));
        let until = cap(later(now, fetched.ttl));
        let lifetime = until.duration_since(now).unwrap_or_default();
        let due = later(now, lifetime.saturating_sub(ahead.min(lifetime / 2)));
        let stale_until = if fetched.is_negative { until } else { cap(later(until, stale)) };
        let is_negative = fetched.is_negative;
        Self { value: Arc::new(fetched.value), is_negative, since: now, due, until, stale_until }
    }

    /// How old it is.
    pub(crate) fn age(&self, now: SystemTime) -> Age {
        if is_before(now, self.since) || now >= self.stale_until {
            Age::Gone
        } else if now >= self.until {
            Age::Stale
        } else if now >= self.due {
            Age::Due
        } else {
            Age::Fresh
        }
    }

    /// Whether it was fetched less than `span` ago.
    pub(crate) fn is_younger(&self, now: SystemTime, span: Duration) -> bool {
        Span::new(self.since, span).holds(now)
    }
}

fn later(moment: SystemTime, by: Duration) -> SystemTime {
    moment.checked_add(by.min(LONGEST)).unwrap_or(moment)
}

fn is_before(now: SystemTime, since: SystemTime) -> bool {
    since.duration_since(now).is_ok_and(|back| back > SLACK)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    const NOW: SystemTime = UNIX_EPOCH;

    fn at(seconds: u64) -> SystemTime {
        NOW + Duration::from_secs(1_000 + seconds)
    }

    fn ages(fetched: Fetched<()>, stale: u64, ahead: u64, moments: &[u64]) -> Vec<Age> {
        let kept = Kept::new(fetched, at(0), Duration::from_secs(stale), Duration::from_secs(ahead));
        moments.iter().map(|&moment| kept.age(at(moment))).collect()
    }

    const TEN: Duration = Duration::from_secs(10);

    #[test]
    fn a_value_is_fresh_then_due_then_stale_then_gone() {
        let moments = [0, 6, 7, 9, 10, 14, 15];
        let expected = [Age::Fresh, Age::Fresh, Age::Due, Age::Due, Age::Stale, Age::Stale, Age::Gone];
        assert_eq!(ages(Fetched::new((), TEN), 5, 3, &moments), expected);
    }

    #[test]
    fn what_expires_soon_is_due_after_half_its_life() {
        assert_eq!(ages(Fetched::new((), TEN), 0, 60, &[4, 5]), [Age::Fresh, Age::Due]);
    }

    #[test]
    fn nothing_outlives_its_hard_end() {
        let ends = Fetched::new((), TEN).not_after(at(12));
        assert_eq!(ages(ends, 5, 0, &[9, 11, 12]), [Age::Fresh, Age::Stale, Age::Gone]);
        assert_eq!(ages(Fetched::new((), TEN).not_after(at(4)), 5, 0, &[3, 4]), [Age::Fresh, Age::Gone]);
        assert_eq!(ages(Fetched::new((), TEN).not_after(NOW), 5, 0, &[0]), [Age::Gone]);
    }

    #[test]
    fn a_no_is_never_stale() {
        assert_eq!(ages(Fetched::negative((), TEN), 5, 0, &[9, 10]), [Age::Fresh, Age::Gone]);
    }

    #[test]
    fn a_clock_that_steps_back_far_makes_it_useless() {
        let kept = Kept::new(Fetched::new((), TEN), at(100), TEN, Duration::ZERO);
        assert_eq!(kept.age(at(96)), Age::Fresh);
        assert_eq!(kept.age(at(90)), Age::Gone);
    }

    #[test]
    fn a_lifetime_out_of_this_world_is_cut() {
        assert_eq!(ages(Fetched::new((), Duration::MAX), 0, 0, &[0, 367 * 86_400]), [Age::Fresh, Age::Gone]);
    }
}
