//! What may happen a thousand times a second is told once a second, with a count.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Between two lines about the same.
const PAUSE: Duration = Duration::from_secs(1);

/// Counts what is not told.
#[derive(Debug, Default)]
pub(crate) struct Seldom {
    told: Cell<Option<Instant>>,
    untold: Cell<u64>,
}

impl Seldom {
    /// It has happened at `now`: how often since it was told, if it is to be told again.
    pub(crate) fn happened(&self, now: Instant) -> Option<u64> {
        let count = self.untold.get() + 1;
        if self.told.get().is_some_and(|told| now.saturating_duration_since(told) < PAUSE) {
            self.untold.set(count);
            return None;
        }
        self.told.set(Some(now));
        self.untold.set(0);
        Some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_at_once_and_the_others_once_a_second() {
        let (seldom, begin) = (Seldom::default(), Instant::now());
        let at = |millis| seldom.happened(begin + Duration::from_millis(millis));
        assert_eq!([at(0), at(1), at(500), at(999), at(1000), at(1500)], [Some(1), None, None, None, Some(4), None]);
        assert_eq!(at(9000), Some(2));
    }
}
