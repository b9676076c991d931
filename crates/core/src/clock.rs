//! Time is handed in, so that tests own it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Tells the wall-clock time.
pub trait Clock: Send + Sync + 'static {
    /// The present moment, as the world counts it.
    fn wall(&self) -> SystemTime;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// A clock that moves only when told to.
#[derive(Debug)]
pub struct ManualClock {
    nanos_since_epoch: AtomicU64,
}

impl ManualClock {
    /// A clock that stands at `start`; moments before 1970 count as 1970.
    pub fn at(start: SystemTime) -> Self {
        let since_epoch = start.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { nanos_since_epoch: AtomicU64::new(nanos(since_epoch)) }
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.nanos_since_epoch.fetch_add(nanos(by), Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn wall(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.nanos_since_epoch.load(Ordering::Relaxed))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::at(UNIX_EPOCH + Duration::from_secs(5));
        assert_eq!(clock.wall(), UNIX_EPOCH + Duration::from_secs(5));
        clock.advance(Duration::from_millis(1));
        assert_eq!(clock.wall(), UNIX_EPOCH + Duration::from_millis(5001));
    }
}
