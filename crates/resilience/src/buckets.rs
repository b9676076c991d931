//! A token bucket for every caller, for all threads. The number of buckets is bounded: full ones are forgotten when there
//! is no room, since a new one would be full too. Where all are in use, newcomers share one: nobody who has emptied a bucket
//! gets a new one by having others crowd it out.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use gwanmun_core::Clock;

use crate::bucket::{Allowance, Bucket, Exhausted, Left};

/// Parts with a lock of their own.
const SHARDS: usize = 64;

/// Buckets that may be looked at for each newcomer, on average, to find those that can be forgotten.
const LOOKED_AT_FOR_EACH: usize = 8;

/// The buckets of callers who are told apart by a `K`.
pub struct Buckets<K> {
    allowance: Allowance,
    clock: Arc<dyn Clock>,
    /// Keyed at random, so that nobody can choose callers who meet in one shard.
    hasher: RandomState,
    shards: Box<[Mutex<Shard<K>>]>,
    /// Buckets in a shard.
    most: usize,
}

struct Shard<K> {
    buckets: HashMap<K, Bucket>,
    /// Of those for whom there is no room, once there was one.
    shared: Option<Bucket>,
    /// Since the full ones were last forgotten.
    newcomers: usize,
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged {
    /// Whether it was granted.
    pub outcome: Result<Left, Exhausted>,
    /// By which bucket.
    pub whose: Whose,
}

/// Whose bucket it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The caller's.
    Own,
    /// One for callers for whom there was no room.
    Shared,
}

impl<K: Hash + Eq> Buckets<K> {
    /// For at most `most` callers at a time, about: they are dealt out to shards.
    pub fn new(allowance: Allowance, most: usize, clock: Arc<dyn Clock>) -> Self {
        let shard = || Mutex::new(Shard { buckets: HashMap::new(), shared: None, newcomers: 0 });
        let shards = std::iter::repeat_with(shard).take(SHARDS).collect();
        Self { allowance, clock, hasher: RandomState::new(), shards, most: most.div_ceil(SHARDS).max(1) }
    }

    /// How often each may ask.
    pub fn allowance(&self) -> &Allowance {
        &self.allowance
    }

    /// Takes what a request costs from the bucket of `key`.
    pub fn take(&self, key: K) -> Judged {
        let mut shard = self.shard(&key);
        // The time is asked for under the lock, so that it never goes back for a bucket.
        let now = self.clock.wall();
        if let Some(bucket) = shard.buckets.get_mut(&key) {
            return Judged { outcome: self.allowance.take(bucket, now), whose: Whose::Own };
        }
        if shard.has_room(self.most, &self.allowance, now) {
            let mut bucket = self.allowance.full(now);
            let outcome = self.allowance.take(&mut bucket, now);
            shard.buckets.insert(key, bucket);
            return Judged { outcome, whose: Whose::Own };
        }
        let bucket = shard.shared.get_or_insert_with(|| self.allowance.full(now));
        Judged { outcome: self.allowance.take(bucket, now), whose: Whose::Shared }
    }

    /// What is left for `key`.
    pub fn left(&self, key: &K) -> Left {
        let now = self.clock.wall();
        let full = self.allowance.full(now);
        let shard = self.shard(key);
        let shared = shard.shared.as_ref().filter(|_| shard.buckets.len() >= self.most);
        self.allowance.left(shard.buckets.get(key).or(shared).unwrap_or(&full), now)
    }

    /// How many buckets there are.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).buckets.len()).sum()
    }

    /// Whether nobody has asked so far.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, Shard<K>> {
        let place = usize::try_from(self.hasher.hash_one(key) >> 32).unwrap_or(0) % SHARDS;
        #[expect(clippy::indexing_slicing, reason = "there are SHARDS of them, and the remainder is below that")]
        lock(&self.shards[place])
    }
}

impl<K> fmt::Debug for Buckets<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buckets").field("allowance", &self.allowance).finish_non_exhaustive()
    }
}

impl<K: Hash + Eq> Shard<K> {
    /// Whether a newcomer can have a bucket. Looking for full ones is put off until enough newcomers have come for whom it
    /// is done, so that a flood of them costs little each.
    fn has_room(&mut self, most: usize, allowance: &Allowance, now: SystemTime) -> bool {
        self.newcomers = self.newcomers.saturating_add(1);
        if self.buckets.len() < most {
            return true;
        }
        if self.newcomers.saturating_mul(LOOKED_AT_FOR_EACH) < self.buckets.len() {
            return false;
        }
        self.newcomers = 0;
        self.buckets.retain(|_, bucket| !allowance.is_full(bucket, now));
        self.buckets.len() < most
    }
}

fn lock<K>(shard: &Mutex<Shard<K>>) -> MutexGuard<'_, Shard<K>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::{Duration, UNIX_EPOCH};

    use gwanmun_core::ManualClock;
    use proptest::prelude::*;

    use super::*;

    /// `capacity` requests at once, one more in a second.
    fn buckets(capacity: u32, most: usize) -> (Buckets<u32>, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(UNIX_EPOCH + Duration::from_secs(1_000_000)));
        let one = NonZeroU32::MIN;
        let allowance = Allowance::new(one, NonZeroU32::new(capacity).unwrap(), one).unwrap();
        (Buckets::new(allowance, most, Arc::clone(&clock) as _), clock)
    }

    fn is_granted(buckets: &Buckets<u32>, key: u32) -> bool {
        buckets.take(key).outcome.is_ok()
    }

    #[test]
    fn every_caller_has_a_bucket_of_its_own() {
        let (buckets, clock) = buckets(2, 1000);
        assert_eq!([1, 1, 1, 2].map(|key| is_granted(&buckets, key)), [true, true, false, true]);
        assert_eq!((buckets.left(&1).requests, buckets.left(&2).requests, buckets.left(&3).requests), (0, 1, 2));
        clock.advance(Duration::from_secs(1));
        assert!(is_granted(&buckets, 1));
        assert!(!is_granted(&buckets, 1));
    }

    #[test]
    fn a_flood_of_callers_lets_nobody_out_of_an_empty_bucket() {
        let (buckets, clock) = buckets(1, 640);
        assert!(is_granted(&buckets, 0) && !is_granted(&buckets, 0));
        let shared = (1..100_000).filter(|&key| buckets.take(key).whose == Whose::Shared).count();
        assert!(shared > 99_000, "{shared}");
        assert!(!is_granted(&buckets, 0));
        assert_eq!(buckets.len(), 640);
        clock.advance(Duration::from_millis(999));
        (100_000..200_000).for_each(|key| assert_eq!(buckets.take(key).whose, Whose::Shared));
        assert!(!is_granted(&buckets, 0));
    }

    #[test]
    fn newcomers_without_room_share_what_one_caller_may() {
        let (buckets, _clock) = buckets(5, SHARDS);
        let granted = |keys: std::ops::Range<u32>| {
            let judged = keys.map(|key| buckets.take(key)).filter(|judged| judged.outcome.is_ok());
            judged.fold((0, 0), |(own, shared), judged| match judged.whose {
                Whose::Own => (own + 1, shared),
                Whose::Shared => (own, shared + 1),
            })
        };
        assert_eq!(granted(0..100_000), (SHARDS, 5 * SHARDS));
    }

    #[test]
    fn full_buckets_make_room() {
        let (buckets, clock) = buckets(1, 64);
        let own = (0..10_000).filter(|&key| buckets.take(key).whose == Whose::Own).count();
        assert_eq!(own, 64);
        assert_eq!(buckets.take(77_777).whose, Whose::Shared);
        clock.advance(Duration::from_secs(1));
        let own = (10_000..20_000).filter(|&key| buckets.take(key).whose == Whose::Own).count();
        assert_eq!(own, 64);
    }

    #[test]
    fn the_clock_of_many_threads_grants_no_more_than_that_of_one() {
        let (buckets, _clock) = buckets(1000, 1000);
        let granted = std::thread::scope(|scope| {
            let ask = || (0..1000).filter(|_| is_granted(&buckets, 7)).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        });
        assert_eq!(granted, 1000);
    }

    proptest! {
        /// Whatever is asked by whom, the table stays within its bound, and nobody gets more than the allowance.
        #[test]
        fn the_table_is_bounded_and_nobody_gets_more_than_the_allowance(
            steps in prop::collection::vec((0_u32..300, 0_u64..400), 1..600),
        ) {
            let (buckets, clock) = buckets(3, SHARDS);
            let mut granted: HashMap<u32, Vec<u64>> = HashMap::new();
            let mut now = 0;
            for (key, wait) in steps {
                now += wait;
                clock.advance(Duration::from_millis(wait));
                if is_granted(&buckets, key) {
                    granted.entry(key).or_default().push(now);
                }
                prop_assert!(buckets.len() <= SHARDS);
            }
            for times in granted.values() {
                for (first, from) in times.iter().enumerate() {
                    for (last, until) in times.iter().enumerate().skip(first) {
                        // A bucket of its own and a share of a common one.
                        prop_assert!((last - first + 1) as u64 <= 2 * (3 + (until - from) / 1000 + 1));
                    }
                }
            }
        }
    }
}
