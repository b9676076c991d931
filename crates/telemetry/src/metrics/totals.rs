//! The cells of many workers and plans added up by their labels.

use std::collections::BTreeMap;
use std::sync::Arc;

use gwanmun_core::{Abort, Code, Reason};

use super::RouteLabels;
use super::series::{BUCKETS, RouteSeries};
use super::worker::WorkerMetrics;
use crate::sanitized::What;

/// Sums by label, sorted as they are printed.
#[derive(Debug, Clone, Default)]
pub(super) struct Totals {
    /// Requests by status.
    pub(super) requests: BTreeMap<RouteLabels, BTreeMap<u16, u64>>,
    /// By route.
    pub(super) durations: BTreeMap<Arc<str>, Durations>,
    pub(super) faults: BTreeMap<Code, u64>,
    pub(super) sanitized: BTreeMap<What, u64>,
    pub(super) reasons: BTreeMap<(Code, Reason), u64>,
    pub(super) retries: BTreeMap<Reason, u64>,
    /// By listener.
    pub(super) aborts: BTreeMap<(Arc<str>, Abort), u64>,
    /// By listener.
    pub(super) in_flight: BTreeMap<Arc<str>, u64>,
    /// Refused connections by listener and reason.
    pub(super) refused: BTreeMap<(Arc<str>, &'static str), u64>,
    /// Active and idle ones by upstream.
    pub(super) connections: BTreeMap<Arc<str>, [u64; 2]>,
}

/// How long the requests of a route took.
#[derive(Debug, Clone, Default)]
pub(super) struct Durations {
    pub(super) buckets: [u64; BUCKETS],
    pub(super) nanos: u64,
}

impl Totals {
    /// Adds what a worker counted. Routes not seen before are added under `other` once there are `max_routes`.
    pub(super) fn add(&mut self, worker: &WorkerMetrics, max_routes: usize) {
        for (labels, series) in worker.routes() {
            let labels = match labels {
                None => RouteLabels { route: "".into(), upstream: "".into() },
                Some(labels) if self.requests.len() < max_routes || self.requests.contains_key(labels) => {
                    labels.clone()
                }
                Some(_) => RouteLabels { route: "other".into(), upstream: "other".into() },
            };
            self.add_route(labels, series);
        }
        for (code, count) in worker.faults() {
            *self.faults.entry(code).or_default() += count;
        }
        for (what, count) in worker.sanitizings() {
            *self.sanitized.entry(what).or_default() += count;
        }
        for (pair, count) in worker.reasons() {
            *self.reasons.entry(pair).or_default() += count;
        }
        for (reason, count) in worker.retries() {
            *self.retries.entry(reason).or_default() += count;
        }
        for ((listener, why), count) in worker.aborts() {
            *self.aborts.entry((Arc::clone(listener), why)).or_default() += count;
        }
        for (listener, count) in worker.listeners() {
            let sum = self.in_flight.entry(Arc::clone(listener)).or_default();
            *sum = sum.wrapping_add(count);
        }
        for (listener, why, count) in worker.refusals() {
            *self.refused.entry((Arc::clone(listener), why.name())).or_default() += count;
        }
        for (upstream, counts) in worker.upstreams() {
            let sums = self.connections.entry(Arc::clone(upstream)).or_default();
            for (sum, count) in sums.iter_mut().zip(counts) {
                *sum = sum.wrapping_add(count);
            }
        }
    }

    /// Keeps only what never goes down, and of a listener that may not be there any more only what was counted.
    pub(super) fn forget_gauges(&mut self) {
        self.refused.retain(|_, count| *count > 0);
        self.in_flight.clear();
        self.connections.clear();
    }

    fn add_route(&mut self, labels: RouteLabels, series: &RouteSeries) {
        let durations = self.durations.entry(Arc::clone(&labels.route)).or_default();
        durations.nanos = durations.nanos.saturating_add(series.nanos());
        for (sum, count) in durations.buckets.iter_mut().zip(series.buckets()) {
            *sum += count;
        }
        let statuses = self.requests.entry(labels).or_default();
        for (status, count) in series.statuses() {
            *statuses.entry(status).or_default() += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Shape;
    use super::*;

    #[test]
    fn routes_beyond_the_bound_are_added_up_and_none_is_lost() {
        let mut totals = Totals::default();
        for plan in 0..10 {
            let route = |index| RouteLabels { route: format!("{plan}-{index}").into(), upstream: "x".into() };
            let shape = Shape { routes: (0..10).map(route).collect(), ..Shape::default() };
            let worker = WorkerMetrics::new(Arc::new(shape));
            for route in 0..10 {
                worker.request(Some(route), 200, Duration::ZERO);
            }
            totals.add(&worker, 15);
        }
        assert_eq!(totals.requests.len(), 16);
        assert_eq!(totals.requests.values().map(|statuses| statuses[&200]).sum::<u64>(), 100);
        assert_eq!(totals.durations["other"].buckets[0], 85);
    }
}
