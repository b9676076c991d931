//! A worker without listening sockets: connections are handed to it, on whatever runtime its caller drives.

use std::rc::Rc;
use std::sync::Arc;

use arc_swap::ArcSwap;
use gwanmun_telemetry::access::{AccessLog, Sink};
use gwanmun_telemetry::exceptions::Exceptions;
use gwanmun_telemetry::metrics::Metrics;
use gwanmun_telemetry::tracer::Tracer;
use tokio::net::UnixStream;

use crate::drain::Doorway;
use crate::listen::accept::Arrived;
use crate::listen::bound::BoundListener;
use crate::plan::Plan;
use crate::serve;
use crate::server::Shared;
use crate::worker::{ConnectionPermit, Worker};

/// The first listener of a plan. It wants a runtime that can spawn local tasks.
pub struct Door {
    worker: Rc<Worker>,
    doorway: Rc<Doorway>,
}

impl Door {
    /// A door that writes no access log; `None` where the plan has no listener, or the log cannot be switched off.
    pub fn new(plan: Arc<Plan>) -> Option<Self> {
        let listener = plan.listeners.first()?.clone();
        let access_log = AccessLog::open(Sink::Off).ok()?;
        let shared = Shared {
            plan: ArcSwap::new(plan),
            metrics: Metrics::new(),
            access_log,
            exceptions: Exceptions::default(),
            tracer: Tracer::off(),
        };
        let worker = Worker::new(Arc::new(shared));
        let doorway = worker.drain.doorway(Arc::new(BoundListener::unbound(listener)));
        Some(Self { worker, doorway })
    }

    /// Serves one connection to its end, which may be an error.
    pub async fn serve(&self, stream: UnixStream) {
        let listener = self.doorway.bound.listener.load_full();
        let Some(permit) = ConnectionPermit::take(&self.worker, &self.doorway, listener.limits.connections) else {
            return;
        };
        let (number, permit) = (self.doorway.bound.number, Rc::new(permit));
        let _ = serve::connection(&self.worker, number, &listener, Arrived::Unix(stream), permit).await;
    }

    /// Whether every exchange has come to its end: each holds the worker until its record is written.
    pub fn is_quiet(&self) -> bool {
        Rc::strong_count(&self.worker) == 1
    }
}
