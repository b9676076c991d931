//! One thread, one runtime: its connections, its pools, its counters. Workers share the plan and nothing else that is hot.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Duration;

use gwanmun_core::{Code, Fault};
use gwanmun_telemetry::access::{AccessBuffer, Entry, Pushed};
use gwanmun_telemetry::metrics::WorkerMetrics;
use http::Uri;

use crate::drain::{Drain, OpenConnection};
use crate::exchange::Exchange;
use crate::filter::Response;
use crate::forward;
use crate::handle::{Forward, Target};
use crate::plan::Plan;
use crate::server::Shared;
use crate::upstream::state::UpstreamState;
use crate::upstream::{origin, send};

/// Lines of the access log wait at most so long for company.
const LOG_FLUSH: Duration = Duration::from_millis(10);
/// Idle connections are looked through this often.
const SWEEP: Duration = Duration::from_secs(5);
/// Upstreams named by filters at run time that are remembered.
const MAX_NAMED: usize = 256;

/// Runs futures on the thread they were made on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LocalExecutor;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// A worker's own.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) drain: Drain,
    current: RefCell<Rc<WorkerPlan>>,
    log: RefCell<AccessBuffer>,
}

/// The plan, with this worker's connections and counters for it.
pub(crate) struct WorkerPlan {
    pub(crate) plan: Arc<Plan>,
    pub(crate) metrics: Arc<WorkerMetrics>,
    upstreams: Vec<UpstreamState>,
    named: RefCell<HashMap<String, Rc<UpstreamState>>>,
}

impl Worker {
    /// A worker without connections.
    pub(crate) fn new(shared: Arc<Shared>) -> Rc<Self> {
        let current = Rc::new(WorkerPlan::new(shared.plan.load_full(), &shared));
        let log = RefCell::new(shared.access_log.buffer());
        Rc::new(Self { shared, drain: Drain::default(), current: RefCell::new(current), log })
    }

    /// The plan as it stands now; taken once per request.
    pub(crate) fn plan(&self) -> Rc<WorkerPlan> {
        let latest = self.shared.plan.load();
        let mut current = self.current.borrow_mut();
        if !Arc::ptr_eq(&latest, &current.plan) {
            *current = Rc::new(WorkerPlan::new(Arc::clone(&latest), &self.shared));
        }
        Rc::clone(&current)
    }

    pub(crate) fn log_is_off(&self) -> bool {
        self.shared.access_log.is_off()
    }

    /// Writes a line of the access log, soon.
    pub(crate) fn log(self: &Rc<Self>, entry: &Entry<'_>) {
        if let Pushed::FirstInBuffer = self.log.borrow_mut().push(entry) {
            let worker = Rc::clone(self);
            tokio::task::spawn_local(async move {
                tokio::time::sleep(LOG_FLUSH).await;
                worker.log.borrow_mut().flush();
            });
        }
    }

    /// Closes idle connections now and then, for ever.
    pub(crate) async fn keep_house(&self) {
        let mut beat = tokio::time::interval(SWEEP);
        loop {
            beat.tick().await;
            let plan = self.plan();
            plan.upstreams.iter().for_each(UpstreamState::sweep);
            plan.named.borrow().values().for_each(|named| named.sweep());
        }
    }
}

impl WorkerPlan {
    fn new(plan: Arc<Plan>, shared: &Shared) -> Self {
        let metrics = shared.metrics.worker(&plan.shape());
        let upstreams = plan
            .upstreams
            .iter()
            .enumerate()
            .map(|(index, upstream)| UpstreamState::new(Arc::clone(upstream), Some((index, Arc::clone(&metrics)))))
            .collect();
        Self { plan, metrics, upstreams, named: RefCell::default() }
    }

    /// The upstream that a filter named: kept, so that its connections are used again.
    fn named(&self, uri: &Uri) -> Result<Rc<UpstreamState>, Fault> {
        let url = origin(uri)?;
        if let Some(known) = self.named.borrow().get(&url) {
            return Ok(Rc::clone(known));
        }
        let state = Rc::new(UpstreamState::new(Arc::new(self.plan.upstream_at(&url)?), None));
        let mut named = self.named.borrow_mut();
        if named.len() >= MAX_NAMED {
            named.clear();
        }
        named.insert(url, Rc::clone(&state));
        Ok(state)
    }
}

impl Forward for WorkerPlan {
    async fn forward(&self, _: &Plan, exchange: &mut Exchange, target: Target<'_>) -> Result<Response, Fault> {
        forward::prepare(exchange);
        match target {
            Target::Upstream(index, upstream) => {
                exchange.record.upstream = Some(Arc::clone(&upstream.name));
                let state = self
                    .upstreams
                    .get(index)
                    .ok_or_else(|| Fault::new(Code::Internal, "an upstream without its state"))?;
                send::send(state, exchange).await
            }
            Target::Uri(uri) => {
                let state = self.named(&uri)?;
                exchange.record.upstream = Some(Arc::clone(&state.upstream.name));
                send::send(&state, exchange).await
            }
        }
    }
}

/// An open connection: counted among those of its listener, over all workers, and waited for by draining. Dropped, it is
/// closed.
pub(crate) struct ConnectionPermit {
    shared: Arc<Shared>,
    listener: usize,
    open: OpenConnection,
}

impl ConnectionPermit {
    /// A permit, unless `listener` has `limit` connections already.
    pub(crate) fn take(worker: &Worker, listener: usize, limit: usize) -> Option<Self> {
        let shared = Arc::clone(&worker.shared);
        let count = shared.connections.get(listener)?;
        if count.fetch_add(1, Ordering::Relaxed) >= limit {
            count.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Self { shared, listener, open: worker.drain.enter() })
    }

    /// Has this task woken when draining begins.
    pub(crate) fn wake(&self, waker: &Waker) {
        self.open.wake(waker);
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        if let Some(count) = self.shared.connections.get(self.listener) {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
