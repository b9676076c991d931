//! The running gateway: worker threads over one shared plan, from binding the sockets to the last drained connection.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use gwanmun_telemetry::access::AccessLog;
use gwanmun_telemetry::metrics::Metrics;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::watch;

use crate::listen::accept;
use crate::listen::bind::{Socketed, bind};
use crate::plan::{ListenAddress, Listener, Plan};
use crate::worker::Worker;

/// What workers share.
pub(crate) struct Shared {
    pub(crate) plan: ArcSwap<Plan>,
    pub(crate) metrics: Metrics,
    pub(crate) access_log: AccessLog,
    /// Open connections, per listener.
    pub(crate) connections: Vec<AtomicUsize>,
}

/// A running gateway. Dropped, it stops at once.
pub struct Server {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<io::Result<()>>>,
    phase: watch::Sender<Phase>,
    listening: Vec<(Arc<str>, String)>,
}

/// What the workers are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serve,
    /// Accept nothing more, finish what runs, until then.
    Drain(Instant),
    Stop,
}

/// Why the gateway could not start.
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
    pub fn start(plan: Plan, workers: usize, metrics: Metrics, access_log: AccessLog) -> Result<Self, StartError> {
        let workers = workers.max(1);
        let mut sockets: Vec<Vec<(usize, Socketed)>> = (0..workers).map(|_| Vec::new()).collect();
        let mut listening = Vec::new();
        for (index, listener) in plan.listeners.iter().enumerate() {
            let (bound, address) = bind(&listener.address, workers)
                .map_err(|why| StartError { what: format!("{} cannot be bound", place(listener)), why })?;
            for (worker, socket) in sockets.iter_mut().zip(bound) {
                worker.push((index, socket));
            }
            listening.push((Arc::clone(&listener.name), address));
        }
        let connections = plan.listeners.iter().map(|_| AtomicUsize::new(0)).collect();
        let shared = Arc::new(Shared { plan: ArcSwap::from_pointee(plan), metrics, access_log, connections });
        let (phase, orders) = watch::channel(Phase::Serve);
        let mut server = Self { shared, threads: Vec::new(), phase, listening };
        for (number, sockets) in sockets.into_iter().enumerate() {
            let (shared, orders) = (Arc::clone(&server.shared), orders.clone());
            let thread = std::thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || run(&shared, sockets, orders))
                .map_err(|why| StartError { what: format!("worker {number} cannot be started"), why })?;
            server.threads.push(thread);
        }
        for (name, address) in &server.listening {
            tracing::info!(event = "listening", listener = %name, address = %address, "listening");
        }
        Ok(server)
    }

    /// The listeners' names and real addresses.
    pub fn listening(&self) -> &[(Arc<str>, String)] {
        &self.listening
    }

    /// A handle to the plan that requests follow now.
    pub fn plans(&self) -> impl Fn() -> Arc<Plan> + Send + use<> {
        let shared = Arc::clone(&self.shared);
        move || shared.plan.load_full()
    }

    /// Whether `plan` has the listeners that are bound.
    pub fn can_take(&self, plan: &Plan) -> bool {
        let bound = self.shared.plan.load();
        let places = |plan: &Plan| {
            plan.listeners
                .iter()
                .map(|listener| (Arc::clone(&listener.name), listener.address.clone()))
                .collect::<Vec<_>>()
        };
        places(&bound) == places(plan)
    }

    /// Lets new requests follow `plan`; running ones end as they began. The listeners stay as they are.
    pub fn replace(&self, plan: Plan) {
        self.shared.plan.store(Arc::new(plan));
    }

    /// Closes the listeners, finishes what runs within `limit`, and ends. Blocks until then.
    pub fn drain(mut self, limit: Duration) {
        self.phase.send_replace(Phase::Drain(Instant::now() + limit));
        self.join();
    }

    /// A handle that ends a running drain at once.
    pub fn stopper(&self) -> impl Fn() + Send + use<> {
        let phase = self.phase.clone();
        move || {
            phase.send_replace(Phase::Stop);
        }
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
        self.phase.send_replace(Phase::Stop);
        self.join();
    }
}

/// What a listener is called, and where it is if that does not say so.
fn place(listener: &Listener) -> String {
    let address = match &listener.address {
        ListenAddress::Tcp(text) => text.clone(),
        ListenAddress::Unix(path) => format!("unix:{}", path.display()),
    };
    if *listener.name == *address {
        format!("listener {address}")
    } else {
        format!("listener {} at {address}", listener.name)
    }
}

/// A worker thread's life.
fn run(shared: &Arc<Shared>, sockets: Vec<(usize, Socketed)>, mut orders: watch::Receiver<Phase>) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().event_interval(61).build_local(LocalOptions::default())?;
    runtime.block_on(async {
        let worker = Worker::new(Arc::clone(shared));
        let mut tasks = Vec::new();
        for (index, socket) in sockets {
            tasks.push(tokio::task::spawn_local(accept::accept(std::rc::Rc::clone(&worker), index, socket)));
        }
        let house = tokio::task::spawn_local({
            let worker = std::rc::Rc::clone(&worker);
            async move { worker.keep_house().await }
        });
        let phase = orders.wait_for(|phase| *phase != Phase::Serve).await.map_or(Phase::Stop, |phase| *phase);
        house.abort();
        if let Phase::Drain(until) = phase {
            worker.drain.begin();
            for task in tasks {
                if let Ok(Err(error)) = task.await {
                    tracing::error!(event = "listener-failed", %error, "a listener had ended with an error");
                }
            }
            let stopped = async {
                let _ = orders.wait_for(|phase| *phase == Phase::Stop).await;
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
