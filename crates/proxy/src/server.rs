//! The running gateway: worker threads over one shared plan, from binding the sockets to the last drained connection.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use gwanmun_telemetry::access::AccessLog;
use gwanmun_telemetry::exceptions::Exceptions;
use gwanmun_telemetry::metrics::Metrics;
use gwanmun_telemetry::tracer::Tracer;
use tokio::runtime::{Builder, Handle, LocalOptions};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::drain::Doorway;
use crate::listen::accept::accept;
use crate::listen::bind::Socketed;
use crate::listen::bound::{Bound, BoundListener};
use crate::plan::Plan;
use crate::worker::Worker;

/// What workers share.
pub(crate) struct Shared {
    pub(crate) plan: ArcSwap<Plan>,
    pub(crate) metrics: Metrics,
    pub(crate) access_log: AccessLog,
    pub(crate) exceptions: Exceptions,
    pub(crate) tracer: Tracer,
}

/// Where a gateway tells what it does.
#[derive(Debug, Clone)]
pub struct Tellers {
    /// Numbers.
    pub metrics: Metrics,
    /// A line per request.
    pub access_log: AccessLog,
    /// Panics and other mistakes of our own.
    pub exceptions: Exceptions,
    /// Spans of sampled requests.
    pub tracer: Tracer,
}

/// A running gateway. Dropped, it stops at once.
pub struct Server {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<io::Result<()>>>,
    orders: watch::Sender<Orders>,
    /// Listeners that were removed, until their last connection has ended.
    leaving: Vec<Arc<BoundListener>>,
    /// Plans that a worker may still follow. Kept, so that the work of freeing one is not a worker's.
    retired: Vec<Arc<Plan>>,
}

/// What the workers are to do.
#[derive(Clone)]
struct Orders {
    phase: Phase,
    /// Where they accept.
    listeners: Arc<[Arc<BoundListener>]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serve,
    /// Accept nothing more, finish what runs, until then.
    Drain(Instant),
    Stop,
}

/// Why the gateway could not start, or not take over a plan.
#[derive(Debug)]
pub struct StartError {
    /// What was being done: `listener edge at 0.0.0.0:8443`.
    pub what: String,
    /// Why it failed.
    pub why: io::Error,
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

impl std::error::Error for StartError {}

impl Server {
    /// Binds every listener of `plan` and starts the workers.
    ///
    /// # Errors
    /// A listener that cannot be bound, a thread that cannot be started.
    pub fn start(mut plan: Plan, workers: usize, tellers: Tellers) -> Result<Self, StartError> {
        let workers = workers.max(1);
        let bound = Bound::of(&plan.listeners, &[], &[], workers)?;
        plan.label(bound.names(&[]));
        let Tellers { metrics, access_log, exceptions, tracer } = tellers;
        let shared = Arc::new(Shared { plan: ArcSwap::from_pointee(plan), metrics, access_log, exceptions, tracer });
        let (orders, given) = watch::channel(Orders { phase: Phase::Serve, listeners: bound.listeners.into() });
        let mut server = Self { shared, threads: Vec::new(), orders, leaving: Vec::new(), retired: Vec::new() };
        for number in 0..workers {
            let (shared, given) = (Arc::clone(&server.shared), given.clone());
            let thread = std::thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || run(&shared, number, given))
                .map_err(|why| StartError { what: format!("worker {number} cannot be started"), why })?;
            server.threads.push(thread);
        }
        server.orders.borrow().listeners.iter().for_each(|bound| tell_of(bound));
        Ok(server)
    }

    /// The listeners' names and real addresses.
    pub fn listening(&self) -> Vec<(Arc<str>, String)> {
        let place = |bound: &Arc<BoundListener>| (Arc::clone(&bound.listener.load().name), bound.place.clone());
        self.orders.borrow().listeners.iter().map(place).collect()
    }

    /// A handle to the plan that requests follow now.
    pub fn plans(&self) -> impl Fn() -> Arc<Plan> + Send + use<> {
        let shared = Arc::clone(&self.shared);
        move || shared.plan.load_full()
    }

    /// Lets new requests follow `plan`; running ones end as they began. Listeners that are there already keep their
    /// sockets, new ones are bound before anything else happens, and the connections of removed ones are told to finish.
    ///
    /// # Errors
    /// A listener that cannot be bound; then everything stays as it is.
    pub fn replace(&mut self, mut plan: Plan) -> Result<(), StartError> {
        self.tidy();
        let present = Arc::clone(&self.orders.borrow().listeners);
        let bound = Bound::of(&plan.listeners, &present, &self.leaving, self.threads.len())?;
        let is_in = |list: &[Arc<BoundListener>], wanted: &Arc<BoundListener>| {
            list.iter().any(|bound| Arc::ptr_eq(bound, wanted))
        };
        for removed in present.iter().filter(|before| !is_in(&bound.listeners, before)) {
            removed.look_for_heirs(&bound.listeners);
            self.leaving.push(Arc::clone(removed));
        }
        plan.label(bound.names(&self.leaving));
        bound.put_in_force();
        // The plan comes first: who accepts at a new listener finds it there.
        self.retired.push(self.shared.plan.swap(Arc::new(plan)));
        self.orders.send_modify(|orders| orders.listeners = bound.listeners.into());
        for bound in self.orders.borrow().listeners.iter().filter(|bound| !is_in(&present, bound)) {
            tell_of(bound);
        }
        for bound in self.leaving.iter().filter(|bound| is_in(&present, bound)) {
            bound.clear_away();
            let name = Arc::clone(&bound.listener.load().name);
            tracing::info!(event = "listener-removed", listener = %name, address = %bound.place, "a listener was removed");
        }
        Ok(())
    }

    /// Frees earlier plans that no request follows any more, and forgets removed listeners without connections. Whether
    /// some are left: to be asked again after a while.
    pub fn tidy(&mut self) -> bool {
        // Whoever else holds one can only let go of it.
        self.retired.retain(|plan| Arc::strong_count(plan) > 1);
        self.leaving.retain(|bound| Arc::strong_count(bound) > 1);
        !self.retired.is_empty() || !self.leaving.is_empty()
    }

    /// Closes the listeners, finishes what runs within `limit`, and ends. Blocks until then.
    pub fn drain(mut self, limit: Duration) {
        self.order(Phase::Drain(Instant::now() + limit));
        self.join();
    }

    /// A handle that ends a running drain at once.
    pub fn stopper(&self) -> impl Fn() + Send + use<> {
        let orders = self.orders.clone();
        move || orders.send_modify(|orders| orders.phase = Phase::Stop)
    }

    fn order(&self, phase: Phase) {
        self.orders.send_modify(|orders| orders.phase = phase);
    }

    fn join(&mut self) {
        for thread in self.threads.drain(..) {
            match thread.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(event = "worker-failed", %error, "a worker ended with an error"),
                Err(_) => tracing::error!(event = "worker-failed", "a worker panicked"),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.order(Phase::Stop);
        self.join();
    }
}

/// Says where a new listener is.
fn tell_of(bound: &BoundListener) {
    let name = Arc::clone(&bound.listener.load().name);
    tracing::info!(event = "listening", listener = %name, address = %bound.place, "listening");
}

/// A worker thread's life.
fn run(shared: &Arc<Shared>, number: usize, mut orders: watch::Receiver<Orders>) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().event_interval(61).build_local(LocalOptions::default())?;
    runtime.block_on(async {
        shared.metrics.runtimes().add(&format!("worker-{number}"), &Handle::current());
        let worker = Worker::new(Arc::clone(shared));
        let mut doorways = JoinSet::new();
        let house = tokio::task::spawn_local({
            let worker = Rc::clone(&worker);
            async move { worker.keep_house().await }
        });
        let phase = loop {
            let Orders { phase, listeners } = orders.borrow_and_update().clone();
            if phase != Phase::Serve {
                break phase;
            }
            // Also lets go of the plan before, if no request comes.
            worker.plan();
            worker.drain.keep(|present| listeners.iter().any(|wanted| std::ptr::eq(&**wanted, present)));
            for bound in listeners.iter() {
                if let Some(socket) = bound.take_socket(number) {
                    let doorway = worker.drain.doorway(Arc::clone(bound));
                    doorways.spawn_local(accept_all(Rc::clone(&worker), doorway, socket));
                }
            }
            drop(listeners);
            // What has ended by itself was told.
            while doorways.try_join_next().is_some() {}
            if orders.changed().await.is_err() {
                break Phase::Stop;
            }
        };
        house.abort();
        if let Phase::Drain(until) = phase {
            worker.drain.begin();
            doorways.join_all().await;
            let stopped = async {
                let _ = orders.wait_for(|orders| orders.phase == Phase::Stop).await;
            };
            tokio::select! {
                () = worker.drain.finished() => {}
                () = tokio::time::sleep_until(until.into()) => {
                    tracing::warn!(event = "drain-timeout", open = worker.drain.open(), "connections were cut at the end of the drain");
                }
                () = stopped => {}
            }
        }
    });
    Ok(())
}

async fn accept_all(worker: Rc<Worker>, doorway: Rc<Doorway>, socket: Socketed) {
    if let Err(error) = accept(worker, Rc::clone(&doorway), socket).await {
        let name = Arc::clone(&doorway.bound.listener.load().name);
        tracing::error!(event = "listener-failed", listener = %name, %error, "a worker cannot accept connections");
    }
}
