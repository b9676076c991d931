//! The queue between who tells and the task that sends. Pushing costs a short lock; the task is woken for the first of a
//! batch, and when a batch is full.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

/// What waits, and whether more may come.
pub(super) struct Queue<T> {
    most: usize,
    batch: usize,
    inner: Mutex<Inner<T>>,
    /// Wakes the task that waits for a batch.
    filled: Notify,
    /// Wakes the task from whatever pause.
    closed: Notify,
    ended: Condvar,
}

struct Inner<T> {
    items: VecDeque<T>,
    /// How many of a batch are on their way.
    away: usize,
    /// When it is to be over, once it was closed.
    deadline: Option<Instant>,
    is_over: bool,
}

/// Why something was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unwelcome {
    /// There is no room.
    Full,
    /// It was closed.
    Closed,
}

impl<T> Queue<T> {
    /// A queue that holds `most`, on their way or not, and gives out `batch` at once.
    pub(super) fn new(most: usize, batch: usize) -> Self {
        Self {
            most,
            batch,
            inner: Mutex::new(Inner { items: VecDeque::new(), away: 0, deadline: None, is_over: false }),
            filled: Notify::new(),
            closed: Notify::new(),
            ended: Condvar::new(),
        }
    }

    pub(super) fn push(&self, item: T) -> Result<(), Unwelcome> {
        let waiting = {
            let mut inner = self.lock();
            if inner.deadline.is_some() || inner.is_over {
                return Err(Unwelcome::Closed);
            }
            if inner.items.len() + inner.away >= self.most {
                return Err(Unwelcome::Full);
            }
            inner.items.push_back(item);
            inner.items.len()
        };
        if waiting == 1 || waiting == self.batch {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// What waits or is on its way.
    pub(super) fn len(&self) -> usize {
        let inner = self.lock();
        inner.items.len() + inner.away
    }

    /// The next batch: a full one, or what has come `linger` after the first. Nothing when it is closed and empty, or
    /// overdue.
    pub(super) async fn batch(&self, linger: Duration) -> Option<Arc<[T]>> {
        let mut oldest = None;
        loop {
            let (waiting, deadline) = {
                let inner = self.lock();
                (inner.items.len(), inner.deadline)
            };
            if let Some(deadline) = deadline {
                return if waiting == 0 || deadline <= Instant::now() { None } else { Some(self.take()) };
            }
            if waiting >= self.batch {
                return Some(self.take());
            }
            let woken = async {
                tokio::select! {
                    () = self.filled.notified() => {}
                    () = self.closed.notified() => {}
                }
            };
            if waiting == 0 {
                woken.await;
            } else {
                let until = *oldest.get_or_insert_with(|| Instant::now() + linger);
                if timeout_at(until, woken).await.is_err() {
                    return Some(self.take());
                }
            }
        }
    }

    /// The batch on its way has arrived, or was thrown away.
    pub(super) fn arrived(&self) {
        self.lock().away = 0;
    }

    /// Waits for `pause`, or until it is closed.
    pub(super) async fn rest(&self, pause: Duration) {
        if !self.is_closing() {
            tokio::select! {
                () = sleep(pause) => {}
                () = self.closed.notified() => {}
            }
        }
    }

    /// Never resolves before it was closed and its time is over.
    pub(super) async fn overdue(&self) {
        loop {
            let deadline = self.lock().deadline;
            match deadline {
                Some(deadline) => return sleep_until(deadline).await,
                None => self.closed.notified().await,
            }
        }
    }

    pub(super) fn is_closing(&self) -> bool {
        self.lock().deadline.is_some()
    }

    /// Takes nothing more; what waits may be sent until `deadline`. Closed twice, the earlier one counts.
    pub(super) fn close(&self, deadline: Instant) {
        {
            let mut inner = self.lock();
            inner.deadline = Some(inner.deadline.map_or(deadline, |before| before.min(deadline)));
        }
        self.closed.notify_one();
    }

    /// Throws away what is left, tells who waits for that, and says how many there were.
    pub(super) fn end(&self) -> u64 {
        let left = {
            let mut inner = self.lock();
            inner.is_over = true;
            std::mem::take(&mut inner.items).len() + std::mem::take(&mut inner.away)
        };
        self.ended.notify_all();
        u64::try_from(left).unwrap_or(u64::MAX)
    }

    /// Blocks until it has ended, for at most `limit`.
    pub(super) fn wait_for_end(&self, limit: Duration) {
        drop(self.ended.wait_timeout_while(self.lock(), limit, |inner| !inner.is_over));
    }

    fn take(&self) -> Arc<[T]> {
        let mut inner = self.lock();
        let count = inner.items.len().min(self.batch);
        inner.away = count;
        inner.items.drain(..count).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
