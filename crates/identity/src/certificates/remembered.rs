//! What this worker has found out about certificates. A certificate that comes again, on the same connection or another,
//! costs a look into a map; a refused one is kept apart, so that nobody's certificates displace users'.

use std::cell::RefCell;
use std::collections::hash_map::RandomState;
use std::sync::Arc;
use std::time::SystemTime;

use gwanmun_core::Principal;

use crate::halves::{Halves, Weighed};
use crate::refusal::Refusal;

/// Users that a worker remembers, at most, and what they may weigh, bytes.
const USERS: (usize, usize) = (10_000, 32 * 1024 * 1024);
/// The same for refused certificates.
const REFUSED: (usize, usize) = (2_000, 1024 * 1024);

thread_local! {
    static KNOWN: RefCell<Known> = RefCell::new(Known::new());
}

/// Who has a certificate, or why nobody.
pub(super) type Outcome = Result<Arc<Principal>, Refusal>;

/// What a certificate is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// The number of who verified it, which a reload makes another.
    pub(super) certificates: u64,
    /// A SHA-256 of all that was shown.
    pub(super) hash: [u8; 32],
}

/// What was found out, if it is still certain.
pub(super) fn recall(key: &Key, now: SystemTime) -> Option<Outcome> {
    KNOWN.with_borrow_mut(|known| {
        let user = known.users.recall(key, |user| now < user.until).map(|user| Ok(user.what));
        user.or_else(|| known.refused.recall(key, |refused| now < refused.until).map(|refused| Err(refused.what)))
    })
}

/// Remembers what was found out for as long as it is certain.
pub(super) fn remember(key: Key, outcome: Outcome, until: SystemTime) {
    KNOWN.with_borrow_mut(|known| match outcome {
        Ok(user) => known.users.remember(key, Certain { what: user, until }),
        Err(refusal) => known.refused.remember(key, Certain { what: refusal, until }),
    });
}

/// Which certificates are kept cannot be chosen by who shows them: a random hasher spreads them.
struct Known {
    users: Halves<Key, Certain<Arc<Principal>>, RandomState>,
    refused: Halves<Key, Certain<Refusal>, RandomState>,
}

/// Something and when it stops being certain.
#[derive(Debug, Clone)]
struct Certain<T> {
    what: T,
    until: SystemTime,
}

impl Known {
    fn new() -> Self {
        Self { users: Halves::new(USERS.0, USERS.1), refused: Halves::new(REFUSED.0, REFUSED.1) }
    }
}

impl Weighed for Certain<Arc<Principal>> {
    fn weight(&self) -> usize {
        let claims = self.what.claims.values();
        500 + self.what.subject.len() + claims.map(weight).sum::<usize>()
    }
}

impl Weighed for Certain<Refusal> {
    fn weight(&self) -> usize {
        200 + self.what.detail().len()
    }
}

/// About what a claim of a certificate's takes.
fn weight(claim: &serde_json::Value) -> usize {
    match claim {
        serde_json::Value::Array(names) => names.iter().map(weight).sum(),
        serde_json::Value::String(text) => 60 + text.len(),
        _ => 60,
    }
}
