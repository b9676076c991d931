//! The counters of one route on one worker: how many requests by status, and how long they took. Made at the route's
//! first request, so that ten thousand quiet routes cost two pointers each.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::cells::add;

/// Upper bounds of the buckets of durations.
pub(super) const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// The same in nanoseconds.
const BOUNDS: [u64; 14] = [
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];
/// The bounds and infinity.
pub(super) const BUCKETS: usize = BOUNDS.len() + 1;
/// Stands for the statuses that found no place of their own; sorts behind them.
pub(super) const OTHER_STATUS: u16 = u16::MAX;

/// Statuses with a place of their own, per route and worker.
const STATUSES: usize = 7;
/// A place holds the status above its count.
const STATUS_SHIFT: u32 = 48;

/// Counters written by one thread. What every request writes lies in the first cache line, the buckets behind it.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(super) struct RouteSeries {
    nanos: AtomicU64,
    statuses: [AtomicU64; STATUSES],
    other_statuses: AtomicU64,
    buckets: [AtomicU64; BUCKETS],
}

impl RouteSeries {
    pub(super) fn record(&self, status: u16, duration: Duration) {
        self.count(status);
        let nanos = duration.as_secs().saturating_mul(1_000_000_000).saturating_add(duration.subsec_nanos().into());
        add(&self.nanos, nanos);
        if let Some(bucket) = self.buckets.get(BOUNDS.partition_point(|bound| *bound < nanos)) {
            add(bucket, 1);
        }
    }

    /// Each status seen with its count; those without a place come last, as `OTHER_STATUS`.
    pub(super) fn statuses(&self) -> impl Iterator<Item = (u16, u64)> {
        let placed = self.statuses.iter().map(|place| {
            let place = place.load(Ordering::Relaxed);
            (u16::try_from(place >> STATUS_SHIFT).unwrap_or(OTHER_STATUS), place & ((1 << STATUS_SHIFT) - 1))
        });
        let others = (OTHER_STATUS, self.other_statuses.load(Ordering::Relaxed));
        placed.chain([others]).filter(|(_, count)| *count > 0)
    }

    /// Requests by the bucket they fell into, not added up.
    pub(super) fn buckets(&self) -> [u64; BUCKETS] {
        self.buckets.each_ref().map(|bucket| bucket.load(Ordering::Relaxed))
    }

    /// Time spent on all requests together.
    pub(super) fn nanos(&self) -> u64 {
        self.nanos.load(Ordering::Relaxed)
    }

    fn count(&self, status: u16) {
        for place in &self.statuses {
            let held = place.load(Ordering::Relaxed);
            if held == 0 {
                place.store((u64::from(status) << STATUS_SHIFT) | 1, Ordering::Relaxed);
                return;
            }
            if held >> STATUS_SHIFT == u64::from(status) {
                place.store(held + 1, Ordering::Relaxed);
                return;
            }
        }
        add(&self.other_statuses, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_beyond_the_places_are_added_up() {
        let series = RouteSeries::default();
        for status in [200, 404, 200, 201, 301, 302, 500, 502, 503, 504, 418] {
            series.record(status, Duration::ZERO);
        }
        let seen: Vec<_> = series.statuses().collect();
        assert_eq!(seen.len(), 8);
        assert_eq!((seen[0], seen[1], seen[7]), ((200, 2), (404, 1), (OTHER_STATUS, 3)));
    }

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let series = RouteSeries::default();
        for nanos in [0, 500_000, 500_001, 10_000_000_000, 10_000_000_001] {
            series.record(200, Duration::from_nanos(nanos));
        }
        let buckets = series.buckets();
        assert_eq!((buckets[0], buckets[1], buckets[BUCKETS - 2], buckets[BUCKETS - 1]), (2, 1, 1, 1));
        assert_eq!(series.nanos(), 20_001_000_002);
    }

    #[test]
    fn bounds_agree_in_both_units() {
        assert_eq!(SECONDS.map(Duration::from_secs_f64), BOUNDS.map(Duration::from_nanos));
    }
}
