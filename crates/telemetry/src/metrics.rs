//! Numbers for Prometheus. Every worker counts in cells that only it writes, so that counting costs a load and a store;
//! a scrape adds the cells of all workers up by their labels. What a worker counted under an earlier plan is kept when
//! the plan goes, so that totals never go backwards.

mod cells;
mod families;
mod family;
mod http;
mod instruments;
mod numbers;
mod process;
mod runtimes;
mod series;
mod text;
mod totals;
mod worker;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use gwanmun_core::Tallies;

pub use family::{Family, Kind, Sample, Source, Value, Word};
pub use http::{ActiveRequest, HttpCalls, HttpServer};
pub use instruments::{
    Counter, CounterCell, Gauge, GaugeCell, Histogram, HistogramCell, Instruments, InvalidInstrument,
};
pub use numbers::Numbers;
pub(crate) use process::process_start;
pub use process::{gateway_build, process, service_build};
pub use runtimes::Runtimes;
pub use worker::{ConnectionState, InFlight, Refusal, UpstreamConnection, WorkerMetrics};

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
    /// Names by the listener's number, which is its own over reloads.
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
    runtimes: Runtimes,
    others: Numbers,
}

#[derive(Default)]
struct Shared {
    registry: Mutex<Registry>,
    reloads: Reloads,
}

/// What has become of configurations.
#[derive(Default)]
struct Reloads {
    succeeded: AtomicU64,
    failed: AtomicU64,
    last_failed: AtomicBool,
    /// When a configuration was taken over last, in seconds.
    taken: AtomicU64,
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
    pub fn worker(&self, shape: &Arc<Shape>) -> Arc<WorkerMetrics> {
        let worker = Arc::new(WorkerMetrics::new(Arc::clone(shape)));
        let mut registry = self.registry();
        registry.retire();
        registry.workers.push(Arc::clone(&worker));
        worker
    }

    /// The first configuration is in use since `now`.
    pub fn started(&self, now: SystemTime) {
        self.shared.reloads.taken.store(seconds(now), Ordering::Relaxed);
    }

    /// Counts a reload that ended at `now`.
    pub fn reload(&self, result: Reload, now: SystemTime) {
        let reloads = &self.shared.reloads;
        let cell = match result {
            Reload::Success => {
                reloads.taken.store(seconds(now), Ordering::Relaxed);
                &reloads.succeeded
            }
            Reload::Failure => &reloads.failed,
        };
        cell.fetch_add(1, Ordering::Relaxed);
        reloads.last_failed.store(result == Reload::Failure, Ordering::Relaxed);
    }

    /// Adds a source of `gwanmun_log_dropped_total`, asked at each scrape: `move || log.dropped()`. The sources are added
    /// up, so a log that was closed keeps its share.
    pub fn add_dropped_source(&self, source: impl Fn() -> u64 + Send + 'static) {
        self.registry().dropped.push(Box::new(source));
    }

    /// Shows these counters too.
    pub fn add_tallies(&self, tallies: Tallies) {
        self.others.add_tallies(tallies);
    }

    /// Shows what `source` has counted too.
    pub fn add_source(&self, source: Source) {
        self.others.add(source);
    }

    /// The runtimes that are shown.
    pub fn runtimes(&self) -> &Runtimes {
        &self.runtimes
    }

    /// Everything. With thousands of busy routes this takes milliseconds: not for a worker's thread.
    pub fn families(&self) -> Vec<Family> {
        let (totals, dropped) = {
            let mut registry = self.registry();
            registry.retire();
            let mut totals = registry.retired.clone();
            for worker in &registry.workers {
                totals.add(worker, usize::MAX);
            }
            (totals, registry.dropped.iter().map(|source| source()).sum())
        };
        let mut families = families::of(totals, &self.shared.reloads, dropped);
        families.extend(self.runtimes.families());
        families.extend(self.others.families());
        family::merged(families)
    }

    /// The same in Prometheus' text format, to be sent with `CONTENT_TYPE`.
    pub fn render(&self) -> String {
        text::text(&self.families())
    }

    /// The same for who exports it.
    pub fn source(&self) -> Source {
        let metrics = self.clone();
        Arc::new(move || metrics.families())
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.shared.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
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

    fn shape(routes: &[(&str, &str)]) -> Arc<Shape> {
        let routes = routes
            .iter()
            .map(|(route, upstream)| RouteLabels { route: Arc::from(*route), upstream: Arc::from(*upstream) });
        Arc::new(Shape { routes: routes.collect(), listeners: vec!["edge".into()], upstreams: vec!["orders".into()] })
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
        let worker = metrics.worker(&Arc::default());
        worker.request(Some(7), 200, MILLISECOND);
        drop((worker.in_flight(7), worker.upstream_connection(7, ConnectionState::Idle)));
        assert_eq!(value(&metrics, r#"gwanmun_requests_total{route="",upstream="",status="200"}"#), 1);
    }

    #[test]
    fn reloads_and_lost_lines_are_told() {
        let metrics = Metrics::new();
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let last = || {
            ["successful", "success_timestamp_seconds"]
                .map(|what| value(&metrics, &format!("gwanmun_config_last_reload_{what}")))
        };
        metrics.started(at(10));
        assert_eq!(last(), [1, 10]);
        metrics.reload(Reload::Success, at(20));
        metrics.reload(Reload::Success, at(30));
        metrics.reload(Reload::Failure, at(40));
        assert_eq!(last(), [0, 30]);
        metrics.add_dropped_source(|| 2);
        metrics.add_dropped_source(|| 3);
        assert_eq!(value(&metrics, r#"gwanmun_config_reloads_total{result="success"}"#), 2);
        assert_eq!(value(&metrics, r#"gwanmun_config_reloads_total{result="failure"}"#), 1);
        assert_eq!(value(&metrics, "gwanmun_log_dropped_total"), 5);
        metrics.reload(Reload::Success, at(50));
        assert_eq!(last(), [1, 50]);
    }

    #[test]
    fn refused_connections_are_counted_over_reloads() {
        let metrics = Metrics::new();
        let series = r#"gwanmun_connections_refused_total{listener="edge",reason="connections"}"#;
        let old = metrics.worker(&shape(&[]));
        assert_eq!(value(&metrics, series), 0);
        old.refused(0, Refusal::Connections);
        old.refused(9, Refusal::Connections);
        drop(old);
        metrics.worker(&shape(&[("a", "orders")])).refused(0, Refusal::Connections);
        assert_eq!(value(&metrics, series), 2);
    }
}
