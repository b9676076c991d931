//! The store in this process: what [`Operation`] says, on sharded maps with the times of a [`Clock`]. Bounded by entries and
//! bytes; when it is full, what has expired goes first, then what was written longest ago.

mod shard;

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use gwanmun_core::Clock;

use crate::error::StoreError;
use crate::operation::{Answer, Operation};
use crate::store::Bounds;
use shard::Shard;

/// How many shards a large memory has.
const SHARDS: usize = 16;

/// Below this many entries one shard is enough, and the bounds are exact.
const WORTH_SHARDING: usize = 4096;

/// Keys with their values in this process.
pub(crate) struct Memory {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    clock: Arc<dyn Clock>,
    evictions: Arc<AtomicU64>,
    /// Whether it has stood in for Redis since it was last emptied.
    stood_in: AtomicBool,
}

impl Memory {
    /// An empty memory, which adds what it had to evict unexpired to `evictions`.
    pub(crate) fn new(bounds: Bounds, clock: Arc<dyn Clock>, evictions: Arc<AtomicU64>) -> Self {
        let count = if bounds.entries < WORTH_SHARDING { 1 } else { SHARDS };
        let share = Bounds { entries: bounds.entries.div_ceil(count), bytes: bounds.bytes.div_ceil(count) };
        let shards = (0..count).map(|_| Mutex::new(Shard::new(share))).collect();
        Self { shards, hasher: RandomState::new(), clock, evictions, stood_in: AtomicBool::new(false) }
    }

    /// Does it at once.
    pub(crate) fn perform(&self, key: &str, operation: &Operation) -> Result<Answer, StoreError> {
        let now = self.clock.wall().duration_since(UNIX_EPOCH).as_ref().map_or(0, Duration::as_millis);
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        let spread = usize::try_from(self.hasher.hash_one(key) >> 32).unwrap_or(0);
        let Some(shard) = self.shards.get(spread % self.shards.len().max(1)) else {
            return Ok(Answer::Value(None));
        };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = shard.perform(key, operation, now);
        let evicted = shard.evicted();
        drop(shard);
        if evicted > 0 {
            self.evictions.fetch_add(evicted, Ordering::Relaxed);
        }
        outcome
    }

    /// Does it in place of Redis.
    pub(crate) fn stand_in(&self, key: &str, operation: &Operation) -> Result<Answer, StoreError> {
        self.stood_in.store(true, Ordering::Release);
        self.perform(key, operation)
    }

    /// Redis is back: forgets what was kept meanwhile, so that the next time nothing turns up that is no longer so.
    pub(crate) fn stand_back(&self) {
        if self.stood_in.load(Ordering::Acquire) && self.stood_in.swap(false, Ordering::AcqRel) {
            for shard in &self.shards {
                shard.lock().unwrap_or_else(PoisonError::into_inner).clear();
            }
        }
    }
}
