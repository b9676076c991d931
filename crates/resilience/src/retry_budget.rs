//! How many calls may be made again: a share of those that are made, and a few in each second for who makes few. When
//! everything fails, retries then add their share to the load and no more.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use gwanmun_core::Clock;

/// Parts of a retry that are counted: a call earns `percent` hundredths, a nanosecond `per_second` billionths.
const WHOLE: u64 = 1_000_000_000;

/// How many calls may be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryBudgetSettings {
    /// So many retries to a hundred calls.
    pub percent: u8,
    /// And so many in each second, however few calls there are.
    pub per_second: u32,
    /// So many may be saved up.
    pub most: u32,
}

impl Default for RetryBudgetSettings {
    fn default() -> Self {
        Self { percent: 20, per_second: 10, most: 100 }
    }
}

/// What is left for retries.
pub struct RetryBudget {
    settings: RetryBudgetSettings,
    clock: Arc<dyn Clock>,
    saved: Mutex<Saved>,
}

#[derive(Debug, Clone, Copy)]
struct Saved {
    /// In billionths of a retry.
    level: u64,
    at: SystemTime,
}

impl RetryBudget {
    /// One with the retries of one second saved up.
    pub fn new(settings: RetryBudgetSettings, clock: Arc<dyn Clock>) -> Self {
        let level = u64::from(settings.per_second.min(settings.most)).saturating_mul(WHOLE);
        let at = clock.wall();
        Self { settings, clock, saved: Mutex::new(Saved { level, at }) }
    }

    /// A call is made for the first time.
    pub fn earn(&self) {
        self.change(|level| (level.saturating_add(u64::from(self.settings.percent) * (WHOLE / 100)), ()));
    }

    /// Whether a call may be made again; if so, that is paid for.
    #[must_use]
    pub fn spend(&self) -> bool {
        self.change(|level| match level.checked_sub(WHOLE) {
            Some(rest) => (rest, true),
            None => (level, false),
        })
    }

    /// A clock that was set back earns nothing and loses nothing.
    fn change<T>(&self, change: impl FnOnce(u64) -> (u64, T)) -> T {
        let now = self.clock.wall();
        let most = u64::from(self.settings.most).saturating_mul(WHOLE);
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = u64::try_from(now.duration_since(saved.at).unwrap_or_default().as_nanos()).unwrap_or(u64::MAX);
        let level = saved.level.saturating_add(passed.saturating_mul(self.settings.per_second.into())).min(most);
        let (level, outcome) = change(level);
        *saved = Saved { level: level.min(most), at: now };
        outcome
    }
}

impl fmt::Debug for RetryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryBudget").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use gwanmun_core::ManualClock;
    use proptest::prelude::*;

    use super::*;

    fn budget(percent: u8, per_second: u32, most: u32) -> (RetryBudget, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(UNIX_EPOCH + Duration::from_secs(1_800_000_000)));
        let settings = RetryBudgetSettings { percent, per_second, most };
        (RetryBudget::new(settings, Arc::clone(&clock) as Arc<dyn Clock>), clock)
    }

    fn spent(budget: &RetryBudget) -> usize {
        (0..10_000).take_while(|_| budget.spend()).count()
    }

    #[test]
    fn five_calls_earn_a_retry_at_twenty_percent() {
        let (budget, _) = budget(20, 0, 100);
        assert!(!budget.spend(), "nothing is earned yet");
        (0..4).for_each(|_| budget.earn());
        assert!(!budget.spend());
        budget.earn();
        assert!(budget.spend());
        assert!(!budget.spend());
    }

    #[test]
    fn who_makes_few_calls_has_some_retries_in_each_second() {
        let (budget, clock) = budget(20, 3, 100);
        assert_eq!(spent(&budget), 3);
        clock.advance(Duration::from_millis(333));
        assert_eq!(spent(&budget), 0);
        clock.advance(Duration::from_millis(1));
        assert_eq!(spent(&budget), 1);
        clock.advance(Duration::from_secs(2));
        assert_eq!(spent(&budget), 6);
    }

    #[test]
    fn what_is_saved_up_has_an_end() {
        let (budget, clock) = budget(100, 10, 25);
        clock.advance(Duration::from_secs(3600));
        (0..1_000).for_each(|_| budget.earn());
        assert_eq!(spent(&budget), 25);
    }

    #[test]
    fn a_clock_that_is_set_back_earns_nothing_and_loses_nothing() {
        struct Dial(Mutex<SystemTime>);
        impl Clock for Dial {
            fn wall(&self) -> SystemTime {
                *self.0.lock().unwrap()
            }
        }
        let dial = Arc::new(Dial(Mutex::new(UNIX_EPOCH + Duration::from_secs(1_800_000_000))));
        let settings = RetryBudgetSettings { percent: 20, per_second: 2, most: 100 };
        let budget = RetryBudget::new(settings, Arc::clone(&dial) as Arc<dyn Clock>);
        *dial.0.lock().unwrap() -= Duration::from_secs(3600);
        assert_eq!(spent(&budget), 2);
        *dial.0.lock().unwrap() += Duration::from_secs(1);
        assert_eq!(spent(&budget), 2);
    }

    proptest! {
        #[test]
        fn retries_are_never_more_than_their_share(steps in prop::collection::vec((any::<bool>(), 0u64..50_000_000), 1..400)) {
            let (budget, clock) = budget(20, 5, 1_000);
            let (mut calls, mut retries, mut passed) = (0u64, 0u64, Duration::ZERO);
            for (is_call, nanos) in steps {
                passed += Duration::from_nanos(nanos);
                clock.advance(Duration::from_nanos(nanos));
                if is_call {
                    calls += 1;
                    budget.earn();
                } else if budget.spend() {
                    retries += 1;
                }
            }
            let most = 5.0 + passed.as_secs_f64() * 5.0 + f64::from(u32::try_from(calls).unwrap()) * 0.2;
            prop_assert!(f64::from(u32::try_from(retries).unwrap()) <= most + 1e-6);
        }
    }
}
