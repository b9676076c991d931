//! Connections kept for the next call: the latest first, few, and not for long.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::client::destination::Destination;
use crate::client::sender::Sender;

/// How many connections wait, all together.
const MOST: usize = 32;

/// How long a connection may take to come to rest after its answer.
const REST: Duration = Duration::from_millis(500);

/// Between two looks whether it has.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Connections without a call.
pub(crate) struct Pool {
    idle: Duration,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    waiting: HashMap<Destination, Vec<Waiting>>,
    is_watched: bool,
}

struct Waiting {
    sender: Sender,
    since: Instant,
}

impl Pool {
    /// Keeps a connection for `idle`.
    pub(crate) fn new(idle: Duration) -> Self {
        Self { idle, inner: Mutex::default() }
    }

    /// A connection that seems to be open.
    pub(crate) async fn take(&self, to: &Destination) -> Option<Sender> {
        loop {
            let waiting = self.lock().pop(to)?;
            // The connection's task gets to see that the other side has closed it, if it has.
            tokio::task::yield_now().await;
            if waiting.sender.is_ready() && waiting.since.elapsed() < self.idle {
                return Some(waiting.sender);
            }
        }
    }

    /// Keeps a connection once it has come to rest, on a task of its own: the answer need not wait for that.
    pub(crate) fn give_back(self: &Arc<Self>, to: &Destination, mut sender: Sender) {
        let (pool, to) = (Arc::clone(self), to.clone());
        tokio::spawn(async move {
            let rests = async {
                sender.ready().await?;
                while !sender.is_ready() {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                hyper::Result::Ok(())
            };
            if let Ok(Ok(())) = tokio::time::timeout(REST, rests).await {
                pool.keep(to, sender);
            }
        });
    }

    /// Whether a connection waits.
    #[cfg(test)]
    pub(crate) fn has(&self, to: &Destination) -> bool {
        self.lock().waiting.contains_key(to)
    }

    fn keep(self: &Arc<Self>, to: Destination, sender: Sender) {
        let mut inner = self.lock();
        let count: usize = inner.waiting.values().map(Vec::len).sum();
        if count >= MOST || self.idle.is_zero() {
            return;
        }
        inner.waiting.entry(to).or_default().push(Waiting { sender, since: Instant::now() });
        if !inner.is_watched {
            inner.is_watched = true;
            self.watch();
        }
    }

    /// Closes what has waited too long, until nothing waits or the client has gone.
    fn watch(self: &Arc<Self>) {
        let (pool, idle) = (Arc::downgrade(self), self.idle);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(idle).await;
                let Some(pool) = pool.upgrade() else { return };
                let mut inner = pool.lock();
                inner.waiting.retain(|_, connections| {
                    connections.retain(|waiting| waiting.since.elapsed() < idle && !waiting.sender.is_closed());
                    !connections.is_empty()
                });
                if inner.waiting.is_empty() {
                    inner.is_watched = false;
                    return;
                }
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn pop(&mut self, to: &Destination) -> Option<Waiting> {
        let connections = self.waiting.get_mut(to)?;
        let latest = connections.pop();
        if connections.is_empty() {
            self.waiting.remove(to);
        }
        latest
    }
}
