//! How a collector does: what it took, what was thrown away, and what went wrong last. Said in the log where it changes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use gwanmun_core::{Clock, Tallies, Tally};

/// How many characters of a failure are kept; it may be the collector who said it.
const WORDS: usize = 200;

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

/// The book about one collector.
pub(super) struct Ledger {
    signal: &'static str,
    target: Arc<str>,
    clock: Arc<dyn Clock>,
    sent: AtomicU64,
    dropped: AtomicU64,
    sent_total: Arc<AtomicU64>,
    full_total: Arc<AtomicU64>,
    dropped_total: Tally,
    latest: Mutex<Latest>,
    is_failing: AtomicBool,
}

#[derive(Default)]
struct Latest {
    success: Option<SystemTime>,
    failure: Option<(SystemTime, Box<str>)>,
}

impl Ledger {
    pub(super) fn new(signal: &'static str, target: &str, clock: Arc<dyn Clock>, tallies: &Tallies) -> Self {
        let sent = "What collectors took: spans, exceptions, pushes of metrics.";
        let sent = tallies.tally("gwanmun_telemetry_sent_total", sent, &["signal"]);
        let dropped = "What was thrown away on its way to a collector, by why.";
        let dropped = tallies.tally("gwanmun_telemetry_dropped_total", dropped, &["signal", "reason"]);
        Self {
            signal,
            target: Arc::from(target),
            clock,
            sent: AtomicU64::default(),
            dropped: AtomicU64::default(),
            sent_total: sent.cell(&[signal]),
            full_total: dropped.cell(&[signal, "full"]),
            dropped_total: dropped,
            latest: Mutex::default(),
            is_failing: AtomicBool::default(),
        }
    }

    /// What an attempt came to: what the collector took, if it answered, and what went wrong.
    pub(super) fn attempted(&self, taken: Option<u64>, failure: Option<&str>) {
        let now = self.clock.wall();
        let failure: Option<Box<str>> = failure.map(|why| why.chars().take(WORDS).collect());
        if let Some(count) = taken {
            self.sent.fetch_add(count, Ordering::Relaxed);
            self.sent_total.fetch_add(count, Ordering::Relaxed);
        }
        let (signal, target) = (self.signal, &*self.target);
        match (self.is_failing.swap(failure.is_some(), Ordering::Relaxed), &failure) {
            (false, Some(why)) => {
                tracing::warn!(event = "collector-failing", signal, target, why = &**why, "collector fails");
            }
            (true, None) => tracing::info!(event = "collector-back", signal, target, "collector is back"),
            _ => {}
        }
        let mut latest = self.latest();
        if taken.is_some() {
            latest.success = Some(now);
        }
        latest.failure = failure.map(|why| (now, why));
    }

    /// There was no room for one.
    pub(super) fn overflowed(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        self.full_total.fetch_add(1, Ordering::Relaxed);
    }

    /// So many were thrown away.
    pub(super) fn dropped(&self, count: u64, reason: &'static str) {
        if count > 0 {
            self.dropped.fetch_add(count, Ordering::Relaxed);
            self.dropped_total.cell(&[self.signal, reason]).fetch_add(count, Ordering::Relaxed);
        }
    }

    pub(super) fn collector(&self, queued: usize) -> Collector {
        let latest = self.latest();
        let state = CollectorState {
            last_success: latest.success,
            last_failure: latest.failure.clone(),
            sent: self.sent.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            queued: u64::try_from(queued).unwrap_or(u64::MAX),
        };
        Collector { signal: self.signal, target: Arc::clone(&self.target), state }
    }

    fn latest(&self) -> MutexGuard<'_, Latest> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
