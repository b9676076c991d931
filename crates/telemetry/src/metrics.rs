//! Numbers for Prometheus. Every worker counts in cells that only it writes, so that counting costs a load and a store;
//! a scrape adds the cells of all workers up by their labels. What a worker counted under an earlier plan is kept when
//! the plan goes, so that totals never go backwards.

mod cells;
mod render;
mod series;
mod totals;
mod worker;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use worker::{ConnectionState, InFlight, UpstreamConnection, WorkerMetrics};

use totals::Totals;

/// `Content-Type` of what `Metrics::render` returns.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Routes that are remembered after their plan has gone; those beyond are added up under the name `other`.
const MAX_RETIRED_ROUTES: usize = 20_000;

/// The labels that indices stand for. Made once per plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shape {
    /// By the plan's route number.
    pub routes: Vec<RouteLabels>,
    /// Names by the plan's listener number.
    pub listeners: Vec<Arc<str>>,
    /// Names by the plan's upstream number.
    pub upstreams: Vec<Arc<str>>,
}

/// How a route appears in metrics.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouteLabels {
    /// The route's id.
    pub route: Arc<str>,
    /// The name of its upstream; empty where it has none.
    pub upstream: Arc<str>,
}

/// How a reload ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// The new plan is in use.
    Success,
    /// The old plan was kept.
    Failure,
}

/// All numbers of the process; clones are the same numbers.
#[derive(Clone, Default)]
pub struct Metrics {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    registry: Mutex<Registry>,
    reloads: [AtomicU64; 2],
}

#[derive(Default)]
struct Registry {
    workers: Vec<Arc<WorkerMetrics>>,
    retired: Totals,
    dropped: Vec<Box<dyn Fn() -> u64 + Send>>,
}

impl Metrics {
    /// Numbers that start at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cells for one worker thread, to be written by that thread only. After a reload the worker asks anew; what it still
    /// holds of the earlier cells (requests in flight, connections) goes on counting.
    pub fn worker(&self, shape: &Shape) -> Arc<WorkerMetrics> {
        let mut registry = self.registry();
        registry.retire();
        let known = registry.workers.iter().map(|worker| worker.shape()).find(|known| ***known == *shape);
        let shape = known.map_or_else(|| Arc::new(shape.clone()), Arc::clone);
        let worker = Arc::new(WorkerMetrics::new(shape));
        registry.workers.push(Arc::clone(&worker));
        worker
    }

    /// Counts a reload.
    pub fn reload(&self, result: Reload) {
        let [success, failure] = &self.shared.reloads;
        let cell = match result {
            Reload::Success => success,
            Reload::Failure => failure,
        };
        cell.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds a source of `gwanmun_log_dropped_total`, asked at each scrape: `move || log.dropped()`. The sources are added
    /// up, so a log that was closed keeps its share.
    pub fn add_dropped_source(&self, source: impl Fn() -> u64 + Send + 'static) {
        self.registry().dropped.push(Box::new(source));
    }

    /// Everything in Prometheus' text format, to be sent with `CONTENT_TYPE`. With thousands of busy routes this takes
    /// milliseconds: not for a worker's thread.
    pub fn render(&self) -> String {
        let [success, failure] = &self.shared.reloads;
        let reloads = [success.load(Ordering::Relaxed), failure.load(Ordering::Relaxed)];
        let (totals, dropped) = {
            let mut registry = self.registry();
            registry.retire();
            let mut totals = registry.retired.clone();
            for worker in &registry.workers {
                totals.add(worker, usize::MAX);
            }
            (totals, registry.dropped.iter().map(|source| source()).sum())
        };
        render::text(&totals, reloads, dropped)
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.shared.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Registry {
    /// Keeps the totals of the cells that nobody can write any more, and frees the cells.
    fn retire(&mut self) {
        let Self { workers, retired, .. } = self;
        workers.retain_mut(|worker| match Arc::get_mut(worker) {
            Some(worker) => {
                retired.add(worker, MAX_RETIRED_ROUTES);
                retired.forget_gauges();
                false
            }
            None => true,
        });
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use gwanmun_core::{Code, Reason};

    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    fn shape(routes: &[(&str, &str)]) -> Shape {
        let routes = routes
            .iter()
            .map(|(route, upstream)| RouteLabels { route: Arc::from(*route), upstream: Arc::from(*upstream) });
        Shape { routes: routes.collect(), listeners: vec!["edge".into()], upstreams: vec!["orders".into()] }
    }

    fn value(metrics: &Metrics, series: &str) -> u64 {
        let text = metrics.render();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().unwrap()
    }

    #[test]
    fn workers_are_added_up() {
        let metrics = Metrics::new();
        let shape = shape(&[("a", "orders"), ("b", "orders")]);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let worker = metrics.worker(&shape);
                    for _ in 0..1000 {
                        worker.request(Some(0), 200, MILLISECOND);
                    }
                    worker.request(None, 404, MILLISECOND);
                    worker.fault(Code::NoRoute, None);
                    worker.fault(Code::UpstreamTimeout, Some(Reason::HeadStalled));
                });
            }
        });
        assert_eq!(value(&metrics, r#"gwanmun_requests_total{route="a",upstream="orders",status="200"}"#), 2000);
        assert_eq!(value(&metrics, r#"gwanmun_requests_total{route="",upstream="",status="404"}"#), 2);
        assert_eq!(value(&metrics, r#"gwanmun_request_duration_seconds_count{route="a"}"#), 2000);
        assert_eq!(value(&metrics, r#"gwanmun_faults_total{code="no-route"}"#), 2);
        let stalled = r#"gwanmun_fault_reasons_total{code="upstream-timeout",reason="head-stalled"}"#;
        assert_eq!(value(&metrics, stalled), 2);
        assert!(!metrics.render().contains(r#"route="b""#), "a route without a request has no series");
    }

    #[test]
    fn totals_do_not_go_backwards_when_the_plan_changes() {
        let metrics = Metrics::new();
        let old = metrics.worker(&shape(&[("a", "orders"), ("b", "orders")]));
        old.request(Some(0), 200, MILLISECOND);
        old.request(Some(1), 200, MILLISECOND);
        let in_flight = old.in_flight(0);
        drop(old);

        let new = metrics.worker(&shape(&[("b", "orders"), ("c", "orders")]));
        new.request(Some(0), 200, MILLISECOND);
        let b = r#"gwanmun_requests_total{route="b",upstream="orders",status="200"}"#;
        assert_eq!(value(&metrics, b), 2);
        assert_eq!(value(&metrics, r#"gwanmun_in_flight{listener="edge"}"#), 1);

        drop(in_flight);
        assert_eq!(value(&metrics, b), 2, "the old cells are retired");
        assert_eq!(metrics.registry().workers.len(), 1);
        assert_eq!(value(&metrics, r#"gwanmun_requests_total{route="a",upstream="orders",status="200"}"#), 1);
        assert_eq!(value(&metrics, r#"gwanmun_in_flight{listener="edge"}"#), 0);
        new.request(Some(0), 200, MILLISECOND);
        assert_eq!(value(&metrics, b), 3);
    }

    #[test]
    fn a_route_that_changes_its_upstream_keeps_its_durations() {
        let metrics = Metrics::new();
        metrics.worker(&shape(&[("a", "orders")])).request(Some(0), 200, MILLISECOND);
        metrics.worker(&shape(&[("a", "bills")])).request(Some(0), 200, MILLISECOND);
        assert_eq!(value(&metrics, r#"gwanmun_request_duration_seconds_count{route="a"}"#), 2);
        assert_eq!(value(&metrics, r#"gwanmun_requests_total{route="a",upstream="bills",status="200"}"#), 1);
    }

    #[test]
    fn gauges_follow_their_guards() {
        let metrics = Metrics::new();
        let worker = metrics.worker(&shape(&[]));
        let other = metrics.worker(&shape(&[]));
        let [active, idle] = ["active", "idle"]
            .map(|state| format!(r#"gwanmun_upstream_connections{{upstream="orders",state="{state}"}}"#));
        assert!(!metrics.render().contains(&active), "an upstream never connected to has no series");

        let mut first = worker.upstream_connection(0, ConnectionState::Active);
        let second = other.upstream_connection(0, ConnectionState::Active);
        assert_eq!((value(&metrics, &active), value(&metrics, &idle)), (2, 0));
        first.set(ConnectionState::Idle);
        first.set(ConnectionState::Idle);
        assert_eq!((value(&metrics, &active), value(&metrics, &idle)), (1, 1));
        drop((first, second));
        assert_eq!((value(&metrics, &active), value(&metrics, &idle)), (0, 0));

        let requests = [worker.in_flight(0), other.in_flight(0)];
        assert_eq!(value(&metrics, r#"gwanmun_in_flight{listener="edge"}"#), 2);
        drop(requests);
        assert_eq!(value(&metrics, r#"gwanmun_in_flight{listener="edge"}"#), 0);
    }

    #[test]
    fn numbers_outside_the_shape_do_no_harm() {
        let metrics = Metrics::new();
        let worker = metrics.worker(&Shape::default());
        worker.request(Some(7), 200, MILLISECOND);
        drop((worker.in_flight(7), worker.upstream_connection(7, ConnectionState::Idle)));
        assert_eq!(value(&metrics, r#"gwanmun_requests_total{route="",upstream="",status="200"}"#), 1);
    }

    #[test]
    fn reloads_and_lost_lines_are_told() {
        let metrics = Metrics::new();
        metrics.reload(Reload::Success);
        metrics.reload(Reload::Success);
        metrics.reload(Reload::Failure);
        metrics.add_dropped_source(|| 2);
        metrics.add_dropped_source(|| 3);
        assert_eq!(value(&metrics, r#"gwanmun_config_reloads_total{result="success"}"#), 2);
        assert_eq!(value(&metrics, r#"gwanmun_config_reloads_total{result="failure"}"#), 1);
        assert_eq!(value(&metrics, "gwanmun_log_dropped_total"), 5);
    }

    #[test]
    fn workers_of_the_same_plan_share_its_labels() {
        let metrics = Metrics::new();
        let (one, two) = (metrics.worker(&shape(&[("a", "x")])), metrics.worker(&shape(&[("a", "x")])));
        assert!(Arc::ptr_eq(one.shape(), two.shape()));
        assert!(!Arc::ptr_eq(one.shape(), metrics.worker(&shape(&[("b", "x")])).shape()));
    }
}
