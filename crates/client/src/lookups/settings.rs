//! How much is remembered, and for how long.

use std::time::Duration;

/// How much a [`Lookups`](crate::Lookups) remembers. How long each value is good is said by who fetches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookupSettings {
    /// How many keys are known, at most.
    pub capacity: usize,
    /// How many callers may wait for fetches, all together.
    pub waiting: usize,
    /// How long a fetch may take.
    pub timeout: Duration,
    /// How long an expired value may still be served where a fetch fails.
    pub stale: Duration,
    /// How long before its end a value is fetched anew while it is served; half its life at most. Zero: never.
    pub refresh_ahead: Duration,
    /// How long a failed fetch is not repeated.
    pub cool_down: Duration,
    /// How long after a fetch a fresh value is not renewed, whatever it lacks.
    pub renew_after: Duration,
}

impl Default for LookupSettings {
    fn default() -> Self {
        Self {
            capacity: 10_000,
            waiting: 20_000,
            timeout: Duration::from_secs(10),
            stale: Duration::ZERO,
            refresh_ahead: Duration::ZERO,
            cool_down: Duration::from_secs(1),
            renew_after: Duration::from_secs(1),
        }
    }
}
