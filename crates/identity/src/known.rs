//! Tokens that this worker has verified, by their hash: a token that comes again costs a look into a map. Each worker has
//! its own, so that none waits for another. What is known of a token ends with the token, and with the keys that verified
//! it.

use std::cell::RefCell;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use gwanmun_core::Principal;

use crate::halves::{Halves, Weighed};

/// Tokens that a worker remembers, at most.
const MOST_TOKENS: usize = 10_000;

/// What they may weigh, bytes.
const MOST_BYTES: usize = 32 * 1024 * 1024;

thread_local! {
    static KNOWN: RefCell<Known> = RefCell::new(Known::new(MOST_TOKENS, MOST_BYTES));
}

/// What a token is known by: the issuer that was asked, and the token's SHA-256. Sessions are known by theirs too; who keeps
/// them is their issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    /// The issuer's number.
    pub(crate) issuer: u64,
    /// The token's SHA-256.
    pub(crate) hash: [u8; 32],
}

/// What is known of a token.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Who it is.
    pub(crate) principal: Arc<Principal>,
    /// The mark of the keys that verified it: it is known as long as theirs is the same.
    pub(crate) keys: u64,
    /// When that was learnt: a clock that is set back prolongs nothing.
    pub(crate) since: SystemTime,
    /// When the token ends.
    pub(crate) until: SystemTime,
    /// About how many bytes are kept.
    pub(crate) weight: usize,
}

/// A number that nobody else in this process has, to be an issuer with.
pub(crate) fn new_issuer() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Whom this worker knows by a token, if that is still good and was verified by the keys with this mark.
pub(crate) fn recall(key: &Key, keys: u64, now: SystemTime) -> Option<Arc<Principal>> {
    KNOWN.with_borrow_mut(|known| known.recall(key, keys, now))
}

/// Remembers whom a token belongs to.
pub(crate) fn remember(key: Key, entry: Entry) {
    KNOWN.with_borrow_mut(|known| known.remember(key, entry));
}

/// The tokens of a worker.
struct Known(Halves<Key, Entry, BuildHasherDefault<Spread>>);

impl Known {
    fn new(most_tokens: usize, most_bytes: usize) -> Self {
        Self(Halves::new(most_tokens, most_bytes))
    }

    fn recall(&mut self, key: &Key, keys: u64, now: SystemTime) -> Option<Arc<Principal>> {
        let entry = self.0.recall(key, |entry| entry.keys == keys && (entry.since..entry.until).contains(&now))?;
        Some(entry.principal)
    }

    fn remember(&mut self, key: Key, entry: Entry) {
        self.0.remember(key, entry);
    }
}

impl Weighed for Entry {
    fn weight(&self) -> usize {
        self.weight
    }
}

impl Hash for Key {
    /// The hash is one already, and only tokens that an issuer signed are kept: nobody can choose where they fall.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let first = self.hash.first_chunk().map_or(0, |first| u64::from_le_bytes(*first));
        state.write_u64(first ^ self.issuer.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    }
}

/// Takes a number that is spread already as it is.
#[derive(Debug, Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use gwanmun_core::Level;

    use super::*;

    fn key(number: u8) -> Key {
        Key { issuer: 1, hash: crate::token::sha256(&[number]) }
    }

    fn entry(until: u64, weight: usize) -> Entry {
        let principal = Arc::new(Principal::new("u", "jwt:corp", Level::High));
        Entry { principal, keys: 7, since: at(1), until: at(until), weight }
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_token_is_known_until_its_end_and_to_its_issuer_only() {
        let mut known = Known::new(10, 1000);
        known.remember(key(1), entry(100, 10));
        assert!(known.recall(&key(1), 7, at(99)).is_some());
        assert!(known.recall(&Key { issuer: 2, ..key(1) }, 7, at(99)).is_none());
        assert!(known.recall(&key(2), 7, at(99)).is_none());
        assert!(known.recall(&key(1), 7, at(100)).is_none());
    }

    #[test]
    fn a_clock_that_is_set_back_prolongs_nothing() {
        let mut known = Known::new(10, 1000);
        known.remember(key(1), entry(100, 10));
        assert!(known.recall(&key(1), 7, at(1)).is_some());
        assert!(known.recall(&key(1), 7, at(0)).is_none());
    }

    #[test]
    fn other_keys_make_it_unknown() {
        let mut known = Known::new(10, 1000);
        known.remember(key(1), entry(100, 10));
        assert!(known.recall(&key(1), 8, at(1)).is_none());
        assert!(known.recall(&key(1), 7, at(1)).is_none());
    }
}
