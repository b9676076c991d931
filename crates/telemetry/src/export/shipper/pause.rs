//! How long a shipper waits before it tries a collector again that was not there: twice as long each time, within bounds,
//! and never all replicas at the same moment.

use std::time::Duration;

/// After the first failure.
const FIRST: Duration = Duration::from_millis(500);
/// However often it failed.
const LONGEST: Duration = Duration::from_secs(10);
/// However long the collector asks for.
const LONGEST_ASKED_FOR: Duration = Duration::from_secs(60);

/// The pauses between attempts.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    failures: u32,
}

impl Pauses {
    /// The pause after one more failure; `asked` is what the collector asked for.
    pub(super) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let doubled = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        let grown = FIRST.saturating_mul(doubled).min(LONGEST);
        self.failures = self.failures.saturating_add(1).min(30);
        let pause = grown.mul_f64(0.75 + fastrand::f64() / 4.0);
        pause.max(asked.unwrap_or_default().min(LONGEST_ASKED_FOR))
    }

    /// The collector was there.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_within_bounds_and_begin_anew() {
        let mut pauses = Pauses::default();
        let mut low = Duration::from_millis(375);
        for _ in 0..100 {
            let pause = pauses.next(None);
            assert!(pause >= low && pause <= LONGEST, "{pause:?}");
            low = (low * 2).min(LONGEST.mul_f64(0.75));
        }
        pauses.reset();
        assert!(pauses.next(None) <= FIRST);
    }

    #[test]
    fn a_collector_may_ask_for_more_time_but_not_for_ever() {
        let mut pauses = Pauses::default();
        assert_eq!(pauses.next(Some(Duration::from_secs(20))), Duration::from_secs(20));
        assert_eq!(pauses.next(Some(Duration::MAX)), LONGEST_ASKED_FOR);
        assert!(pauses.next(Some(Duration::ZERO)) >= FIRST);
    }
}
