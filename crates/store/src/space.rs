//! The keys of one feature and what it can do with them. Every operation comes back within the store's limit, and its future
//! may be awaited on any runtime.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::error::StoreError;
use crate::memory::Memory;
use crate::on_store_error::OnStoreError;
use crate::operation::{Answer, Operation};
use crate::store::Store;

/// The longest key and the longest member of a set, in bytes.
pub const MAX_KEY: usize = 512;

/// The largest value, in bytes.
pub const MAX_VALUE: usize = 256 << 10;

/// How many members a set has at most.
pub const MAX_MEMBERS: usize = 1024;

/// The keys of one feature; clones are the same. Keys are anything up to [`MAX_KEY`] bytes, values up to [`MAX_VALUE`]. Times
/// to live are at least 1 ms; a key is gone when its time is over.
#[derive(Clone)]
pub struct Space {
    store: Store,
    /// Before every key, in Redis and in memory.
    prefix: Arc<str>,
    /// Before every key of a lock.
    lock_prefix: Arc<str>,
    on_error: OnStoreError,
    /// The store itself, or what stands in for Redis.
    memory: Arc<Memory>,
}

/// A lock that is held until its time to live is over, or it is unlocked. Dropping it does nothing.
#[derive(Debug)]
#[must_use = "a lock is held until it is unlocked or expires"]
pub struct Lock {
    key: String,
    token: Bytes,
}

impl Space {
    pub(crate) fn new(store: Store, namespace: &str, on_error: OnStoreError, memory: Arc<Memory>) -> Self {
        let namespace = escaped(namespace);
        let prefix = format!("gwanmun:{namespace}:").into();
        let lock_prefix = format!("gwanmun:{namespace}~lock:").into();
        Self { store, prefix, lock_prefix, on_error, memory }
    }

    /// What the feature does when an operation fails with an [outage](StoreError::is_outage). With
    /// [`Local`](OnStoreError::Local) that does not happen: memory has already stood in.
    pub fn on_error(&self) -> OnStoreError {
        self.on_error
    }

    /// The same keys, of the store itself: no memory stands in for it. For who must not take a key for absent because memory
    /// knows nothing of it.
    #[must_use]
    pub fn itself(&self) -> Self {
        Self { on_error: OnStoreError::Deny, ..self.clone() }
    }

    /// The value of a key.
    ///
    /// # Errors
    /// See [`StoreError`]; so for all operations.
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        value(self.run(self.key(key)?, Operation::Get).await?)
    }

    /// Sets a key, whatever it was.
    pub async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), StoreError> {
        within("value", value.len(), MAX_VALUE)?;
        self.run(self.key(key)?, Operation::Put { value, ttl: ttl.into() }).await.map(drop)
    }

    /// Sets a key that is not there; whether it was set. Of several at the same time one succeeds. After a
    /// [timeout](StoreError::Timeout) or a lost connection it may have been set.
    pub async fn put_if_absent(&self, key: &str, value: Bytes, ttl: Duration) -> Result<bool, StoreError> {
        within("value", value.len(), MAX_VALUE)?;
        done(self.run(self.key(key)?, Operation::PutIfAbsent { value, ttl: ttl.into() }).await?)
    }

    /// Sets a key whose value is `expected`; whether it was set.
    pub async fn compare_and_swap(
        &self,
        key: &str,
        expected: Bytes,
        value: Bytes,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        within("value", value.len().max(expected.len()), MAX_VALUE)?;
        done(self.run(self.key(key)?, Operation::Swap { expected, value, ttl: ttl.into() }).await?)
    }

    /// The value of a key, which is gone then. Of several at the same time one gets it.
    pub async fn take(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        value(self.run(self.key(key)?, Operation::Take).await?)
    }

    /// Lets a key go, a set as well.
    pub async fn remove(&self, key: &str) -> Result<(), StoreError> {
        self.run(self.key(key)?, Operation::Remove).await.map(drop)
    }

    /// Lets a key go whose value is `expected`; whether that was so.
    pub async fn remove_if(&self, key: &str, expected: Bytes) -> Result<bool, StoreError> {
        done(self.run(self.key(key)?, Operation::RemoveIf { expected }).await?)
    }

    /// Lets a key live for `ttl` from now on; whether there is one.
    pub async fn touch(&self, key: &str, ttl: Duration) -> Result<bool, StoreError> {
        done(self.run(self.key(key)?, Operation::Touch { ttl: ttl.into() }).await?)
    }

    /// Takes the lock `key` for at most `ttl`; `None` when somebody else has it. Locks and values of the same key do not meet.
    pub async fn lock(&self, key: &str, ttl: Duration) -> Result<Option<Lock>, StoreError> {
        let key = self.lock_key(key)?;
        // Replicas must not pick the same one; nobody has to be kept from guessing it.
        let token = Bytes::from(format!("{:032x}", fastrand::u128(..)));
        let operation = Operation::PutIfAbsent { value: token.clone(), ttl: ttl.into() };
        let taken = done(self.run(key.clone(), operation).await?)?;
        Ok(taken.then_some(Lock { key, token }))
    }

    /// Keeps a lock for `ttl` from now on; false when it had expired and is not ours any more.
    pub async fn renew(&self, lock: &Lock, ttl: Duration) -> Result<bool, StoreError> {
        let (expected, value) = (lock.token.clone(), lock.token.clone());
        done(self.run(lock.key.clone(), Operation::Swap { expected, value, ttl: ttl.into() }).await?)
    }

    /// Gives a lock back; false when it had expired, and whoever has it now keeps it.
    pub async fn unlock(&self, lock: Lock) -> Result<bool, StoreError> {
        done(self.run(lock.key, Operation::RemoveIf { expected: lock.token }).await?)
    }

    /// Puts a member of at most [`MAX_KEY`] bytes into the set `key`, for `ttl` from now on. The set lives as long as the last
    /// of its members.
    ///
    /// # Errors
    /// [`TooLarge`](StoreError::TooLarge) when there are [`MAX_MEMBERS`] others.
    pub async fn add_to_set(&self, key: &str, member: Bytes, ttl: Duration) -> Result<(), StoreError> {
        within("member", member.len(), MAX_KEY)?;
        self.run(self.key(key)?, Operation::AddToSet { member, ttl: ttl.into() }).await.map(drop)
    }

    /// Lets a member of a set go.
    pub async fn remove_from_set(&self, key: &str, member: Bytes) -> Result<(), StoreError> {
        within("member", member.len(), MAX_KEY)?;
        self.run(self.key(key)?, Operation::RemoveFromSet { member }).await.map(drop)
    }

    /// The members of a set, in no order; none when there is no such set.
    pub async fn members(&self, key: &str) -> Result<Vec<Bytes>, StoreError> {
        match self.run(self.key(key)?, Operation::Members).await? {
            Answer::Members(members) => Ok(members),
            Answer::Value(_) | Answer::Done(_) => Err(StoreError::WrongType),
        }
    }

    async fn run(&self, key: String, operation: Operation) -> Result<Answer, StoreError> {
        let outcome = match self.store.redis() {
            None => self.memory.perform(&key, &operation),
            Some(redis) => match redis.perform(&key, &operation).await {
                Err(error) if error.is_outage() && self.on_error == OnStoreError::Local => {
                    self.store.count(&operation, "local");
                    return self.memory.stand_in(&key, &operation);
                }
                outcome => {
                    if outcome.is_ok() {
                        self.memory.stand_back();
                    }
                    outcome
                }
            },
        };
        self.store.count(&operation, outcome.as_ref().map_or_else(StoreError::name, |_| "ok"));
        outcome
    }

    fn key(&self, key: &str) -> Result<String, StoreError> {
        within("key", key.len(), MAX_KEY)?;
        Ok([&self.prefix, key].concat())
    }

    fn lock_key(&self, key: &str) -> Result<String, StoreError> {
        within("key", key.len(), MAX_KEY)?;
        Ok([&self.lock_prefix, key].concat())
    }
}

fn within(what: &'static str, found: usize, allowed: usize) -> Result<(), StoreError> {
    if found > allowed { Err(StoreError::TooLarge { what, found, allowed }) } else { Ok(()) }
}

fn value(answer: Answer) -> Result<Option<Bytes>, StoreError> {
    match answer {
        Answer::Value(value) => Ok(value),
        Answer::Done(_) | Answer::Members(_) => Err(StoreError::WrongType),
    }
}

fn done(answer: Answer) -> Result<bool, StoreError> {
    match answer {
        Answer::Done(done) => Ok(done),
        Answer::Value(_) | Answer::Members(_) => Err(StoreError::WrongType),
    }
}

/// Two namespaces never become one, and none contains what separates it from the key or marks locks.
fn escaped(namespace: &str) -> String {
    namespace.bytes().fold(String::new(), |mut name, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => name.push(char::from(byte)),
            _ => {
                let _ = write!(name, "%{byte:02x}");
            }
        }
        name
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_stay_apart() {
        assert_eq!(escaped("oidc.staff"), "oidc.staff");
        assert_eq!(escaped("a:b~lock%{c}"), "a%3ab%7elock%25%7bc%7d");
    }
}
