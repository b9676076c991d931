//! The store of a gateway, of which features open spaces; its clones are the same store.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use gwanmun_core::{Clock, Tallies, Tally};
use tokio::runtime::Handle;

use crate::address::{Address, Credentials};
use crate::memory::Memory;
use crate::on_store_error::OnStoreError;
use crate::operation::Operation;
use crate::redis::{Redis, TlsError, TlsSettings};
use crate::space::Space;

/// State that outlives a request.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    redis: Option<Redis>,
    bounds: Bounds,
    clock: Arc<dyn Clock>,
    memories: Mutex<BTreeMap<String, Arc<Memory>>>,
    operations: Tally,
    succeeded: [OnceLock<Arc<AtomicU64>>; Operation::KINDS],
    evictions: Tally,
}

/// Where the store is and how much it may take. Who finds the same settings as before keeps the store: what is in memory
/// would be lost with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where it is.
    pub address: Address,
    /// Whom to trust and who we are, where the address says TLS.
    pub tls: TlsSettings,
    /// What sentinels know us by, where they ask.
    pub sentinel: Credentials,
    /// The longest an operation takes; 500 ms.
    pub limit: Duration,
    /// How many operations may wait for Redis at a time; 1024. One more is refused at once as `overloaded`.
    pub waiting: usize,
    /// How much memory holds, where the store is in memory or memory stands in for Redis.
    pub bounds: Bounds,
}

/// How much the memory of one space holds; what comes beyond lets go of what has expired, then of the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Keys.
    pub entries: usize,
    /// Bytes of keys and values with what they need around them.
    pub bytes: usize,
}

impl Store {
    /// A store in this process.
    pub fn memory(bounds: Bounds, clock: Arc<dyn Clock>, tallies: &Tallies) -> Self {
        Self::of(None, bounds, clock, tallies)
    }

    /// The store that `settings` describe. Connections live on `outbound`, a runtime with I/O and time that lasts as long as
    /// the store; they are made in the background, so that a gateway starts without its Redis. `clock` is for what is in
    /// memory; Redis has its own.
    ///
    /// # Errors
    /// When the certificates or keys for TLS are unusable.
    pub fn open(
        settings: Settings,
        outbound: &Handle,
        clock: Arc<dyn Clock>,
        tallies: &Tallies,
    ) -> Result<Self, TlsError> {
        let bounds = settings.bounds;
        Ok(Self::of(Redis::open(settings, outbound)?, bounds, clock, tallies))
    }

    fn of(redis: Option<Redis>, bounds: Bounds, clock: Arc<dyn Clock>, tallies: &Tallies) -> Self {
        let help = "Operations of the store, by outcome: `ok`, `local` when memory stood in, or the name of an error.";
        let operations = tallies.tally("gwanmun_store_operations_total", help, &["operation", "outcome"]);
        let help = "Unexpired keys that memory let go of because it was full.";
        let evictions = tallies.tally("gwanmun_store_evictions_total", help, &["space"]);
        let (memories, succeeded) = (Mutex::default(), Default::default());
        Self(Arc::new(Inner { redis, bounds, clock, memories, operations, succeeded, evictions }))
    }

    /// The keys of one feature, apart from all others; `namespace` is our own word or comes from the configuration. Spaces of
    /// the same namespace are the same keys, also in other processes if the store is in Redis.
    pub fn space(&self, namespace: &str, on_error: OnStoreError) -> Space {
        let mut memories = self.0.memories.lock().unwrap_or_else(PoisonError::into_inner);
        let memory = memories.entry(namespace.to_owned()).or_insert_with(|| {
            let evictions = self.0.evictions.cell(&[namespace]);
            Arc::new(Memory::new(self.0.bounds, Arc::clone(&self.0.clock), evictions))
        });
        Space::new(self.clone(), namespace, on_error, Arc::clone(memory))
    }

    /// Whether replicas share it.
    pub fn is_shared(&self) -> bool {
        self.0.redis.is_some()
    }

    pub(crate) fn redis(&self) -> Option<&Redis> {
        self.0.redis.as_ref()
    }

    pub(crate) fn count(&self, operation: &Operation, outcome: &'static str) {
        match self.0.succeeded.get(operation.kind()) {
            Some(cell) if outcome == "ok" => {
                let cell = cell.get_or_init(|| self.0.operations.cell(&[operation.name(), outcome]));
                cell.fetch_add(1, Ordering::Relaxed);
            }
            _ => self.0.operations.count(&[operation.name(), outcome]),
        }
    }
}

impl Settings {
    /// Everything but the address as it is by default.
    pub fn at(address: Address) -> Self {
        Self {
            address,
            tls: TlsSettings::default(),
            sentinel: Credentials::default(),
            limit: Duration::from_millis(500),
            waiting: 1024,
            bounds: Bounds::default(),
        }
    }
}

impl Default for Bounds {
    /// 100 000 keys in 64 MiB.
    fn default() -> Self {
        Self { entries: 100_000, bytes: 64 << 20 }
    }
}
