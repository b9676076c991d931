//! One thread, one runtime: its connections, its pools, its counters. Workers share the plan and nothing else that is hot.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Duration;

use gwanmun_core::{Code, Fault};
use gwanmun_telemetry::access::{AccessBuffer, Entry, Pushed};
use gwanmun_telemetry::exceptions::Exceptions;
use gwanmun_telemetry::metrics::WorkerMetrics;
use http::Uri;

use crate::drain::{Doorway, Drain, OpenConnection};
use crate::exchange::Exchange;
use crate::filter::Response;
use crate::handle::{Forward, Target};
use crate::listen::seldom::Seldom;
use crate::plan::Plan;
use crate::server::Shared;
use crate::upstream::state::UpstreamState;
use crate::upstream::{Upstream, origin, send};

/// Lines of the access log wait at most so long for company.
const LOG_FLUSH: Duration = Duration::from_millis(10);
/// Idle connections are looked through this often.
const SWEEP: Duration = Duration::from_secs(5);
/// Upstreams named by filters at run time that are remembered.
const MAX_NAMED: usize = 256;
/// Once it should finish, a connection that has said nothing yet may still begin to speak for so long.
const LAST_WORDS: Duration = Duration::from_secs(1);

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
    /// Connections that began without a good PROXY header.
    pub(crate) strangers: Seldom,
    /// TLS handshakes refused for the client's certificate.
    pub(crate) unproven: Seldom,
}

/// The plan, with this worker's connections and counters for it.
pub(crate) struct WorkerPlan {
    pub(crate) plan: Arc<Plan>,
    pub(crate) metrics: Arc<WorkerMetrics>,
    upstreams: Vec<Rc<UpstreamState>>,
    named: RefCell<HashMap<String, Rc<UpstreamState>>>,
}

impl Worker {
    /// A worker without connections.
    pub(crate) fn new(shared: Arc<Shared>) -> Rc<Self> {
        let current = Rc::new(WorkerPlan::new(shared.plan.load_full(), &shared, &[], HashMap::new()));
        let log = RefCell::new(shared.access_log.buffer());
        Rc::new(Self {
            shared,
            drain: Drain::default(),
            current: RefCell::new(current),
            log,
            strangers: Seldom::default(),
            unproven: Seldom::default(),
        })
    }

    /// The plan as it stands now; taken once per request.
    pub(crate) fn plan(&self) -> Rc<WorkerPlan> {
        let latest = self.shared.plan.load();
        let mut current = self.current.borrow_mut();
        if !Arc::ptr_eq(&latest, &current.plan) {
            let named = current.named.take();
            let next = WorkerPlan::new(Arc::clone(&latest), &self.shared, &current.upstreams, named);
            current.retire(&next);
            *current = Rc::new(next);
        }
        Rc::clone(&current)
    }

    /// Where panics and other mistakes of our own go.
    pub(crate) fn exceptions(&self) -> &Exceptions {
        &self.shared.exceptions
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
            plan.upstreams.iter().for_each(|upstream| upstream.sweep());
            plan.named.borrow().values().for_each(|named| named.sweep());
        }
    }
}

impl WorkerPlan {
    /// Upstreams that are the same in `before` go on with their connections, and so do those that filters have `named`.
    fn new(
        plan: Arc<Plan>,
        shared: &Shared,
        before: &[Rc<UpstreamState>],
        named: HashMap<String, Rc<UpstreamState>>,
    ) -> Self {
        let metrics = shared.metrics.worker(&plan.shape);
        let known: HashMap<&str, &Rc<UpstreamState>> =
            before.iter().map(|state| (&*state.upstream.name, state)).collect();
        let state = |(index, upstream): (usize, &Arc<Upstream>)| {
            let counted = (index, Arc::clone(&metrics));
            match known.get(&*upstream.name).filter(|state| state.upstream.is_the_same_as(upstream)) {
                Some(state) => {
                    state.count_as(counted);
                    Rc::clone(state)
                }
                None => Rc::new(UpstreamState::new(Arc::clone(upstream), Some(counted))),
            }
        };
        let upstreams = plan.upstreams.iter().enumerate().map(state).collect();
        Self { plan, metrics, upstreams, named: RefCell::new(named) }
    }

    /// Closes the connections that `next` does not go on with. What is under way ends as it began, but a long stream
    /// must not keep idle connections open.
    fn retire(&self, next: &Self) {
        let kept: HashSet<*const UpstreamState> = next.upstreams.iter().map(Rc::as_ptr).collect();
        self.upstreams.iter().filter(|state| !kept.contains(&Rc::as_ptr(state))).for_each(|state| state.retire());
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
    open: OpenConnection,
}

impl ConnectionPermit {
    /// A permit, unless the listener has `limit` connections already.
    pub(crate) fn take(worker: &Worker, doorway: &Rc<Doorway>, limit: usize) -> Option<Self> {
        let count = &doorway.bound.connections;
        if count.fetch_add(1, Ordering::Relaxed) >= limit {
            count.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Self { open: worker.drain.enter(doorway) })
    }

    /// Has this task woken when the connection should finish.
    pub(crate) fn wake(&self, waker: &Waker) {
        self.open.wake(waker);
    }

    /// Whether the next answer is to be the last: the worker drains, or the listener was removed.
    pub(crate) fn should_finish(&self) -> bool {
        self.open.should_finish()
    }

    /// What a client begins with, if it comes within `patience`; when the connection should finish, within `LAST_WORDS`.
    pub(crate) async fn expect<T>(&self, patience: Duration, beginning: impl Future<Output = T>) -> io::Result<T> {
        let dismissed = async {
            self.open.doorway().closed().await;
            tokio::time::sleep(LAST_WORDS).await;
        };
        tokio::select! {
            biased;
            begun = tokio::time::timeout(patience, beginning) => Ok(begun?),
            () = dismissed => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.open.doorway().bound.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
