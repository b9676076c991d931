//! How the latest calls went: a ring of outcomes that knows its failures without counting them again.

use std::collections::VecDeque;

/// The outcomes of the latest calls, at most `size` of them.
#[derive(Debug)]
pub(crate) struct Window {
    /// `true` where a call failed; the oldest first.
    failed: VecDeque<bool>,
    failures: usize,
    size: usize,
    minimum: usize,
}

impl Window {
    /// Looks at `size` calls (at least one) and judges when there are `minimum` of them.
    pub(crate) fn new(size: usize, minimum: usize) -> Self {
        let size = size.max(1);
        Self { failed: VecDeque::new(), failures: 0, size, minimum: minimum.clamp(1, size) }
    }

    /// Takes in one more outcome; the oldest goes when there are too many.
    pub(crate) fn record(&mut self, failed: bool) {
        if self.failed.len() == self.size && self.failed.pop_front() == Some(true) {
            self.failures -= 1;
        }
        self.failed.push_back(failed);
        self.failures += usize::from(failed);
    }

    /// Whether `percent` or more of the calls failed; nothing while there are too few to tell.
    pub(crate) fn is_bad(&self, percent: u8) -> Option<bool> {
        let calls = self.failed.len();
        (calls >= self.minimum).then(|| self.failures.saturating_mul(100) >= calls.saturating_mul(usize::from(percent)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_ring_judges_as_a_count_of_the_latest_would(
            size in 1usize..20, minimum in 0usize..25, percent in 1u8..=100, outcomes in prop::collection::vec(any::<bool>(), 0..80),
        ) {
            let mut window = Window::new(size, minimum);
            for (count, &failed) in outcomes.iter().enumerate() {
                window.record(failed);
                let latest = &outcomes[(count + 1).saturating_sub(size)..=count];
                let failures = latest.iter().filter(|&&failed| failed).count();
                let enough = latest.len() >= minimum.clamp(1, size);
                let bad = failures * 100 >= latest.len() * usize::from(percent);
                prop_assert_eq!(window.is_bad(percent), enough.then_some(bad));
            }
        }
    }
}
