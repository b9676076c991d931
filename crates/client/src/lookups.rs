//! The memory that everything which asks others uses: one fetch per key however many wait for it, on whatever thread;
//! what it found is kept for a time, "no" as well, and is served past its time where a fetch fails. A failed fetch is not
//! repeated for a while. Fetches run on [`Outbound`], so that who gives up waiting cancels nothing.

mod flight;
mod kept;
mod settings;
mod shard;

use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use gwanmun_core::Clock;

use self::flight::Flight;
use self::kept::{Age, Kept, Span};
use self::shard::{Failure, Shard, Slot};
use crate::call_error::CallError;
use crate::outbound::Outbound;

pub use self::flight::{Found, State};
pub use self::kept::Fetched;
pub use self::settings::LookupSettings;

/// Parts of the memory, each with its own lock, so that workers seldom meet.
const SHARDS: usize = 16;

/// Below this many keys a part is not worth while.
const SMALLEST_SHARD: usize = 64;

/// A bounded memory of what was looked up. `E` is what a fetch fails with; everybody who waited gets a clone. Clones of
/// this are the same memory.
pub struct Lookups<K, V, E = CallError> {
    outbound: Outbound,
    memory: Arc<Memory<K, V, E>>,
}

struct Memory<K, V, E> {
    settings: LookupSettings,
    clock: Arc<dyn Clock>,
    hasher: RandomState,
    shards: Vec<Mutex<Shard<K, V, E>>>,
    waiting: AtomicUsize,
    counts: Counts,
}

/// `gwanmun_client_lookups_total` of one memory; what is served fresh is not counted.
struct Counts {
    fetched: Arc<AtomicU64>,
    negative: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
    stale: Arc<AtomicU64>,
    cooling: Arc<AtomicU64>,
    overloaded: Arc<AtomicU64>,
}

/// What is to be done for who asks.
enum Step<V, E> {
    Found(Found<V>),
    Failed(E),
    Wait(Arc<Flight<V, E>>),
    /// Fetch; who asks is served with what there is.
    Refresh(Arc<Flight<V, E>>, Found<V>),
    /// Fetch, and wait for it.
    Fetch(Arc<Flight<V, E>>),
    Full,
}

/// A place among those who wait.
struct Waiting<'a>(&'a AtomicUsize);

/// Whatever becomes of a fetch, those who wait are told.
struct Landing<K: Eq + Hash + Clone, V, E: Clone + From<CallError>> {
    memory: Arc<Memory<K, V, E>>,
    key: K,
    flight: Arc<Flight<V, E>>,
    outcome: Option<Result<Fetched<V>, E>>,
}

impl<K, V, E> Lookups<K, V, E>
where
    K: Eq + Hash + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
    E: Clone + From<CallError> + Send + Sync + 'static,
{
    /// An empty memory called `name` in metrics, a word of ours or of the configuration.
    pub fn new(outbound: &Outbound, name: &str, settings: LookupSettings) -> Self {
        let memory = Memory::new(outbound, name, settings);
        Self { outbound: outbound.clone(), memory: Arc::new(memory) }
    }

    /// What is known about `key` without waiting. Nothing where [`Self::get`] has something to do, be it only to fetch
    /// anew in good time.
    pub fn peek(&self, key: &K) -> Option<Found<V>> {
        let found = self.memory.peek(key)?;
        self.memory.count_served(&found);
        Some(found)
    }

    /// What is known about `key`; fetched if need be. `fetch` is called at most once, and not at all when another fetch
    /// for the key is under way.
    ///
    /// # Errors
    /// The fetch's own, also while it is not repeated; [`CallError::Overloaded`] when too many wait,
    /// [`CallError::Timeout`] and [`CallError::Interrupted`] when the fetch did not end or panicked.
    pub async fn get<F>(&self, key: &K, fetch: impl FnOnce() -> F) -> Result<Found<V>, E>
    where
        F: Future<Output = Result<Fetched<V>, E>> + Send + 'static,
    {
        let step = self.memory.look(key);
        self.follow(step, key, fetch).await
    }

    /// As [`Self::get`], but the caller gives up after `limit` and takes a stale value if there is one. The fetch goes on.
    ///
    /// # Errors
    /// As [`Self::get`]; [`CallError::Timeout`] when the caller gave up.
    pub async fn get_within<F>(&self, key: &K, limit: Duration, fetch: impl FnOnce() -> F) -> Result<Found<V>, E>
    where
        F: Future<Output = Result<Fetched<V>, E>> + Send + 'static,
    {
        // What is known needs no timer.
        if let Some(found) = self.peek(key) {
            return Ok(found);
        }
        match tokio::time::timeout(limit, self.get(key, fetch)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let found = self.memory.usable(key).ok_or_else(|| E::from(CallError::Timeout(limit)))?;
                self.memory.count_served(&found);
                Ok(found)
            }
        }
    }

    /// Fetches though a fresh value is kept, since it lacks something: a key set without the key. Not within `renew_after`
    /// of the last fetch, nor within `cool_down` of one that failed: then it gives what there is. If the fetch fails, also.
    ///
    /// # Errors
    /// As [`Self::get`], where nothing usable is kept.
    pub async fn renew<F>(&self, key: &K, fetch: impl FnOnce() -> F) -> Result<Found<V>, E>
    where
        F: Future<Output = Result<Fetched<V>, E>> + Send + 'static,
    {
        let step = self.memory.look_anew(key);
        self.follow(step, key, fetch).await
    }

    /// Forgets what is known about `key`: it was revoked, it was refused. A fetch under way is not waited for by those who
    /// ask from now on, and what it finds is not kept.
    pub fn forget(&self, key: &K) {
        self.memory.shard(key).remove(key);
    }

    async fn follow<F>(&self, step: Step<V, E>, key: &K, fetch: impl FnOnce() -> F) -> Result<Found<V>, E>
    where
        F: Future<Output = Result<Fetched<V>, E>> + Send + 'static,
    {
        let memory = &*self.memory;
        let found = match step {
            Step::Found(found) => Ok(found),
            Step::Failed(error) => {
                memory.counts.cooling.fetch_add(1, Ordering::Relaxed);
                Err(error)
            }
            Step::Refresh(flight, found) => {
                self.launch(key, flight, fetch);
                Ok(found)
            }
            Step::Fetch(flight) => {
                self.launch(key, Arc::clone(&flight), fetch);
                memory.wait(&flight).await
            }
            Step::Wait(flight) => memory.wait(&flight).await,
            Step::Full => Err(memory.overloaded()),
        }?;
        memory.count_served(&found);
        Ok(found)
    }

    /// Begins the fetch, without any lock held: where it cannot even begin, it lands here.
    fn launch<F>(&self, key: &K, flight: Arc<Flight<V, E>>, fetch: impl FnOnce() -> F)
    where
        F: Future<Output = Result<Fetched<V>, E>> + Send + 'static,
    {
        let memory = Arc::clone(&self.memory);
        let limit = memory.settings.timeout;
        let landing = Landing { memory, key: key.clone(), flight, outcome: None };
        match self.outbound.handle() {
            Err(error) => landing.bring(Err(E::from(error))),
            Ok(runtime) => {
                let fetch = fetch();
                runtime.spawn(async move {
                    let outcome = tokio::time::timeout(limit, fetch).await;
                    landing.bring(outcome.unwrap_or_else(|_| Err(E::from(CallError::Timeout(limit)))));
                });
            }
        }
    }
}

impl<K, V, E> Clone for Lookups<K, V, E> {
    fn clone(&self) -> Self {
        Self { outbound: self.outbound.clone(), memory: Arc::clone(&self.memory) }
    }
}

impl<K, V, E> fmt::Debug for Lookups<K, V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookups").field("settings", &self.memory.settings).finish_non_exhaustive()
    }
}

impl<K: Eq + Hash + Clone, V, E: Clone + From<CallError>> Memory<K, V, E> {
    fn new(outbound: &Outbound, name: &str, settings: LookupSettings) -> Self {
        let capacity = settings.capacity.max(1);
        let count = (capacity / SMALLEST_SHARD).clamp(1, SHARDS);
        let hasher = RandomState::new();
        let shard = |place: usize| {
            let capacity = capacity / count + usize::from(place < capacity % count);
            Mutex::new(Shard::new(capacity, hasher.clone()))
        };
        Self {
            settings,
            clock: outbound.clock(),
            shards: (0..count).map(shard).collect(),
            hasher,
            waiting: AtomicUsize::new(0),
            counts: Counts::new(outbound, name),
        }
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, Shard<K, V, E>> {
        // The upper half of the hash: the map in the shard goes by the lower one.
        let hash = usize::try_from(self.hasher.hash_one(key) >> 32).unwrap_or_default();
        #[expect(clippy::indexing_slicing, reason = "there is at least one, and the remainder is below their number")]
        let shard = &self.shards[hash % self.shards.len()];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn peek(&self, key: &K) -> Option<Found<V>> {
        let now = self.clock.wall();
        let mut shard = self.shard(key);
        let slot = shard.find(key)?;
        slot.is_used = true;
        match slot.age(now) {
            Age::Fresh => slot.found(State::Fresh),
            Age::Due if slot.flight.is_some() || slot.is_cooling(now) => slot.found(State::Fresh),
            Age::Stale if slot.is_cooling(now) => slot.found(State::Stale),
            Age::Due | Age::Stale | Age::Gone => None,
        }
    }

    fn usable(&self, key: &K) -> Option<Found<V>> {
        let now = self.clock.wall();
        self.shard(key).find(key)?.usable(now)
    }

    fn look(&self, key: &K) -> Step<V, E> {
        let now = self.clock.wall();
        let mut shard = self.shard(key);
        let Some(slot) = shard.enter(key) else { return Step::Full };
        slot.is_used |= slot.kept.is_some();
        let is_cooling = slot.is_cooling(now);
        let found = slot.usable(now);
        match (slot.age(now), found, &slot.flight) {
            (Age::Fresh, Some(found), _) => Step::Found(found),
            (Age::Due, Some(found), flight) if is_cooling || flight.is_some() => Step::Found(found),
            (Age::Due, Some(found), _) => Step::Refresh(slot.take_off(), found),
            (_, _, Some(flight)) => Step::Wait(Arc::clone(flight)),
            (_, found, None) => slot.cooled(now, found).unwrap_or_else(|| Step::Fetch(slot.take_off())),
        }
    }

    fn look_anew(&self, key: &K) -> Step<V, E> {
        let now = self.clock.wall();
        let mut shard = self.shard(key);
        let Some(slot) = shard.enter(key) else { return Step::Full };
        if let Some(flight) = &slot.flight {
            return Step::Wait(Arc::clone(flight));
        }
        let found = slot.usable(now);
        let is_young = slot.kept.as_ref().is_some_and(|kept| kept.is_younger(now, self.settings.renew_after));
        match found {
            Some(found) if is_young && found.state != State::Stale => Step::Found(found),
            found => slot.cooled(now, found).unwrap_or_else(|| Step::Fetch(slot.take_off())),
        }
    }

    async fn wait(&self, flight: &Flight<V, E>) -> Result<Found<V>, E> {
        let _waiting = Waiting::enter(&self.waiting, self.settings.waiting).ok_or_else(|| self.overloaded())?;
        flight.landed().await
    }

    /// A fetch has ended: keeps what it found, unless the key was forgotten meanwhile, and tells those who wait.
    fn land(&self, key: &K, flight: &Arc<Flight<V, E>>, outcome: Result<Fetched<V>, E>) {
        let now = self.clock.wall();
        let outcome = outcome.and_then(|fetched| self.keepable(fetched, now));
        self.count_fetch(&outcome);
        let mut shard = self.shard(key);
        let slot = shard.find(key).filter(|slot| slot.is_flying(flight));
        let outcome = match (slot, outcome) {
            (None, Ok(kept)) => Ok(kept.found(State::Fresh)),
            (None, Err(error)) => Err(error),
            (Some(slot), Ok(kept)) => {
                let found = kept.found(State::Fresh);
                slot.flight = None;
                slot.failure = None;
                slot.kept = Some(kept);
                Ok(found)
            }
            (Some(slot), Err(error)) => {
                slot.flight = None;
                slot.failure = Some(Failure { error: error.clone(), span: Span::new(now, self.settings.cool_down) });
                slot.usable(now).ok_or(error)
            }
        };
        drop(shard);
        flight.land(outcome);
    }

    /// What was over before it came is a failure: nobody may use it.
    fn keepable(&self, fetched: Fetched<V>, now: SystemTime) -> Result<Kept<V>, E> {
        if fetched.not_after.is_some_and(|end| now >= end) {
            return Err(E::from(CallError::Malformed("it had expired when it came".into())));
        }
        Ok(Kept::new(fetched, now, self.settings.stale, self.settings.refresh_ahead))
    }

    fn overloaded(&self) -> E {
        self.counts.overloaded.fetch_add(1, Ordering::Relaxed);
        E::from(CallError::Overloaded)
    }

    fn count_fetch(&self, outcome: &Result<Kept<V>, E>) {
        let count = match outcome {
            Ok(kept) if kept.is_negative => &self.counts.negative,
            Ok(_) => &self.counts.fetched,
            Err(_) => &self.counts.failed,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn count_served(&self, found: &Found<V>) {
        if found.state == State::Stale {
            self.counts.stale.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Counts {
    fn new(outbound: &Outbound, name: &str) -> Self {
        let help = "What lookups came to: fetches, and what was served instead.";
        let tally = outbound.tallies().tally("gwanmun_client_lookups_total", help, &["lookup", "outcome"]);
        let cell = |outcome| tally.cell(&[name, outcome]);
        Self {
            fetched: cell("fetched"),
            negative: cell("negative"),
            failed: cell("failed"),
            stale: cell("stale"),
            cooling: cell("cooling-down"),
            overloaded: cell("overloaded"),
        }
    }
}

impl<V> Kept<V> {
    fn found(&self, state: State) -> Found<V> {
        let state = if self.is_negative { State::Negative } else { state };
        Found { value: Arc::clone(&self.value), state }
    }
}

impl<K, V, E: Clone> Slot<K, V, E> {
    fn age(&self, now: SystemTime) -> Age {
        self.kept.as_ref().map_or(Age::Gone, |kept| kept.age(now))
    }

    fn found(&self, state: State) -> Option<Found<V>> {
        self.kept.as_ref().map(|kept| kept.found(state))
    }

    /// What may be served when nothing newer can be had.
    fn usable(&self, now: SystemTime) -> Option<Found<V>> {
        match self.age(now) {
            Age::Fresh | Age::Due => self.found(State::Fresh),
            Age::Stale => self.found(State::Stale),
            Age::Gone => None,
        }
    }

    fn is_cooling(&self, now: SystemTime) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.span.holds(now))
    }

    /// What is served, `found` at best, while a failed fetch is not repeated.
    fn cooled(&self, now: SystemTime, found: Option<Found<V>>) -> Option<Step<V, E>> {
        let failure = self.failure.as_ref().filter(|failure| failure.span.holds(now))?;
        Some(found.map_or_else(|| Step::Failed(failure.error.clone()), Step::Found))
    }

    fn is_flying(&self, flight: &Arc<Flight<V, E>>) -> bool {
        self.flight.as_ref().is_some_and(|own| Arc::ptr_eq(own, flight))
    }
}

impl<K, V, E: Clone + From<CallError>> Slot<K, V, E> {
    fn take_off(&mut self) -> Arc<Flight<V, E>> {
        Arc::clone(self.flight.insert(Arc::default()))
    }
}

impl<'a> Waiting<'a> {
    fn enter(waiting: &'a AtomicUsize, limit: usize) -> Option<Self> {
        let place = Self(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < limit).then_some(place)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<K: Eq + Hash + Clone, V, E: Clone + From<CallError>> Landing<K, V, E> {
    fn bring(mut self, outcome: Result<Fetched<V>, E>) {
        self.outcome = Some(outcome);
    }
}

impl<K: Eq + Hash + Clone, V, E: Clone + From<CallError>> Drop for Landing<K, V, E> {
    fn drop(&mut self) {
        let outcome = self.outcome.take().unwrap_or_else(|| Err(E::from(CallError::Interrupted)));
        self.memory.land(&self.key, &self.flight, outcome);
    }
}

#[cfg(test)]
mod tests;
