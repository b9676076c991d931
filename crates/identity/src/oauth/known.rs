//! What an OAuth server has said yes to, by hash. Only yeses come in here, so that nobody who guesses can put out what
//! others use; what is used stays. Bounded in number and bytes.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// What something is known by: a hash.
pub(crate) type Key = [u8; 32];

/// Parts, each with its own lock, so that workers seldom meet.
const PARTS: usize = 16;

/// How far the clock may step back without making what is known useless.
const SLACK: Duration = Duration::from_secs(5);

/// A yes and how long it is good.
#[derive(Debug)]
pub(crate) struct Good<V> {
    /// What was learnt.
    pub(crate) value: Arc<V>,
    /// To be used before this moment.
    pub(crate) until: SystemTime,
    /// To be used before this one, if nothing newer can be had.
    pub(crate) stale_until: SystemTime,
    /// About how many bytes it takes.
    pub(crate) weight: usize,
}

/// A yes that is kept.
#[derive(Debug)]
pub(crate) struct Entry<V> {
    pub(crate) good: Good<V>,
    since: SystemTime,
    /// From here on it is asked for anew while it is used.
    due: SystemTime,
    is_renewed: AtomicBool,
}

/// The bounds of all parts together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
}

/// What is known.
pub(crate) struct Known<V> {
    parts: Vec<Mutex<Part<V>>>,
    bounds: Bounds,
}

/// Two halves: what is used comes into the young one; when that is full the old one is forgotten as a whole.
struct Part<V> {
    young: Half<V>,
    old: Half<V>,
}

struct Half<V> {
    entries: HashMap<Key, Arc<Entry<V>>>,
    bytes: usize,
}

impl<V> Clone for Good<V> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), ..*self }
    }
}

impl<V> Entry<V> {
    /// Whether it may be used, a clock that steps back aside.
    pub(crate) fn is_fresh(&self, now: SystemTime) -> bool {
        now < self.good.until && !self.is_from_the_future(now)
    }

    /// Whether it may be used where nothing newer can be had.
    pub(crate) fn is_usable(&self, now: SystemTime) -> bool {
        now < self.good.until.max(self.good.stale_until) && !self.is_from_the_future(now)
    }

    /// Whether the caller is the one who has to ask anew.
    pub(crate) fn claim_renewal(&self, now: SystemTime) -> bool {
        now >= self.due && !self.is_renewed.swap(true, Ordering::Relaxed)
    }

    /// Asking anew came to nothing: somebody else may try.
    pub(crate) fn return_renewal(&self) {
        self.is_renewed.store(false, Ordering::Relaxed);
    }

    fn is_from_the_future(&self, now: SystemTime) -> bool {
        self.since.duration_since(now).is_ok_and(|ahead| ahead > SLACK)
    }
}

impl<V> Known<V> {
    pub(crate) fn new(bounds: Bounds) -> Self {
        let part = |_| Mutex::new(Part { young: Half::new(), old: Half::new() });
        Self { parts: (0..PARTS).map(part).collect(), bounds }
    }

    /// What is known, fresh or not.
    pub(crate) fn find(&self, key: &Key) -> Option<Arc<Entry<V>>> {
        let mut part = self.part(key)?;
        if let Some(entry) = part.young.entries.get(key) {
            return Some(Arc::clone(entry));
        }
        let entry = part.old.remove(key)?;
        part.put(*key, Arc::clone(&entry), self.bounds);
        Some(entry)
    }

    /// Keeps what was learnt at `now`; it is asked for anew in the last quarter of its time.
    pub(crate) fn put(&self, key: Key, good: Good<V>, now: SystemTime) {
        self.put_if(key, good, now, || true);
    }

    /// The same if `is_so`, and nobody can [remove](Self::remove) it between that answer and the keeping.
    pub(crate) fn put_if(&self, key: Key, good: Good<V>, now: SystemTime, is_so: impl FnOnce() -> bool) {
        let lifetime = good.until.duration_since(now).unwrap_or_default();
        let due = now + lifetime / 4 * 3;
        let entry = Arc::new(Entry { good, since: now, due, is_renewed: AtomicBool::new(false) });
        if let Some(mut part) = self.part(&key).filter(|_| is_so()) {
            part.remove(&key);
            part.put(key, entry, self.bounds);
        }
    }

    /// It is a no now.
    pub(crate) fn remove(&self, key: &Key) {
        if let Some(mut part) = self.part(key) {
            part.remove(key);
        }
    }

    /// Those that are `wanted`. It looks at everything, one part after the other: for what happens seldom.
    pub(crate) fn filtered(&self, wanted: impl Fn(&V) -> bool) -> Vec<Key> {
        let mut keys = Vec::new();
        for part in &self.parts {
            let part = part.lock().unwrap_or_else(PoisonError::into_inner);
            let entries = part.young.entries.iter().chain(&part.old.entries);
            keys.extend(entries.filter(|(_, entry)| wanted(&entry.good.value)).map(|(key, _)| *key));
        }
        keys
    }

    fn part(&self, key: &Key) -> Option<MutexGuard<'_, Part<V>>> {
        // Keys are hashes: any byte will do.
        let place = key.last().map_or(0, |byte| usize::from(*byte) % PARTS);
        self.parts.get(place).map(|part| part.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<V> Part<V> {
    fn put(&mut self, key: Key, entry: Arc<Entry<V>>, bounds: Bounds) {
        let (entries, bytes) = (bounds.entries / PARTS / 2, bounds.bytes / PARTS / 2);
        let weight = entry.good.weight;
        if weight > bytes {
            return;
        }
        if self.young.entries.len() >= entries.max(1) || self.young.bytes + weight > bytes {
            self.old = std::mem::replace(&mut self.young, Half::new());
        }
        self.young.bytes += weight;
        self.young.entries.insert(key, entry);
    }

    fn remove(&mut self, key: &Key) {
        self.young.remove(key);
        self.old.remove(key);
    }
}

impl<V> Half<V> {
    fn new() -> Self {
        Self { entries: HashMap::new(), bytes: 0 }
    }

    fn remove(&mut self, key: &Key) -> Option<Arc<Entry<V>>> {
        let entry = self.entries.remove(key)?;
        self.bytes -= entry.good.weight;
        Some(entry)
    }
}

impl<V> fmt::Debug for Known<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    const NOW: SystemTime = UNIX_EPOCH;

    fn key(number: u16) -> Key {
        let mut key = [0; 32];
        key[..2].copy_from_slice(&number.to_le_bytes());
        key
    }

    fn good(value: u16, seconds: u64, weight: usize) -> Good<u16> {
        let until = NOW + Duration::from_secs(seconds);
        Good { value: Arc::new(value), until, stale_until: until, weight }
    }

    fn known(entries: usize, bytes: usize) -> Known<u16> {
        Known::new(Bounds { entries: entries * PARTS, bytes: bytes * PARTS })
    }

    #[test]
    fn what_is_used_stays_and_the_rest_makes_room() {
        let known = known(8, 1000);
        known.put(key(0), good(0, 10, 1), NOW);
        for number in 1..200 {
            known.put(key(number), good(number, 10, 1), NOW);
            assert!(known.find(&key(0)).is_some(), "{number}");
        }
        let there = (1..200).filter(|number| known.find(&key(*number)).is_some()).count();
        assert!((1..=8).contains(&there), "{there}");
    }

    #[test]
    fn it_is_bounded_in_bytes_and_what_is_too_large_is_not_kept() {
        let known = known(1000, 100);
        known.put(key(0), good(0, 10, 51), NOW);
        assert!(known.find(&key(0)).is_none());
        for number in 1..20 {
            known.put(key(number), good(number, 10, 30), NOW);
        }
        assert!((1..20).filter(|number| known.find(&key(*number)).is_some()).count() <= 2);
    }

    #[test]
    fn a_yes_grows_due_then_old_and_one_caller_asks_anew() {
        let known = known(8, 1000);
        known.put(key(0), Good { stale_until: NOW + Duration::from_secs(60), ..good(0, 40, 1) }, NOW);
        let entry = known.find(&key(0)).unwrap();
        let at = |seconds| NOW + Duration::from_secs(seconds);
        assert!(entry.is_fresh(at(39)) && !entry.is_fresh(at(40)));
        assert!(entry.is_usable(at(59)) && !entry.is_usable(at(60)));
        assert!(!entry.claim_renewal(at(29)));
        assert!(entry.claim_renewal(at(30)) && !entry.claim_renewal(at(30)));
        entry.return_renewal();
        assert!(entry.claim_renewal(at(31)));
        known.remove(&key(0));
        assert!(known.find(&key(0)).is_none());
    }

    #[test]
    fn a_clock_that_steps_back_far_prolongs_nothing() {
        let known = known(8, 1000);
        let late = NOW + Duration::from_secs(100);
        known.put(key(0), good(0, 140, 1), late);
        let entry = known.find(&key(0)).unwrap();
        assert!(entry.is_fresh(late - SLACK) && !entry.is_fresh(late - SLACK - Duration::from_secs(1)));
    }
}
