//! The access log of a service whose requests move over threads: each thread has a buffer, and a task empties them soon
//! after the first line.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gwanmun_telemetry::access::{AccessBuffer, AccessLog, Entry, Pushed};
use tokio::sync::Notify;

/// How long a line may wait for others.
const LINGER: Duration = Duration::from_millis(10);

thread_local! {
    /// Which buffer is this thread's.
    static PLACE: Cell<Option<usize>> = const { Cell::new(None) };
}

static THREADS: AtomicUsize = AtomicUsize::new(0);

/// Buffers of the threads. Clones are the same.
#[derive(Clone)]
pub(crate) struct Lines(Arc<Shared>);

struct Shared {
    is_off: bool,
    buffers: Box<[Mutex<AccessBuffer>]>,
    /// Told of the first line in a buffer.
    waiting: Notify,
}

impl Lines {
    /// Buffers for as many threads; more threads than that share them.
    pub(crate) fn new(log: &AccessLog, threads: usize) -> Self {
        let buffers = std::iter::repeat_with(|| Mutex::new(log.buffer())).take(threads.max(1)).collect();
        Self(Arc::new(Shared { is_off: log.is_off(), buffers, waiting: Notify::new() }))
    }

    /// Whether nobody reads them.
    pub(crate) fn is_off(&self) -> bool {
        self.0.is_off
    }

    /// Writes a line into this thread's buffer.
    pub(crate) fn push(&self, entry: &Entry<'_>) {
        let place = PLACE.get().unwrap_or_else(|| {
            let place = THREADS.fetch_add(1, Ordering::Relaxed);
            PLACE.set(Some(place));
            place
        });
        // The remainder is below the number of buffers, of which there is one at least.
        let Some(buffer) = self.0.buffers.get(place % self.0.buffers.len()) else { return };
        if lock(buffer).push(entry) == Pushed::FirstInBuffer {
            self.0.waiting.notify_one();
        }
    }

    /// Hands over what is there.
    pub(crate) fn flush(&self) {
        self.0.buffers.iter().for_each(|buffer| lock(buffer).flush());
    }

    /// Hands lines over soon after they come, for ever.
    pub(crate) async fn keep_flushing(self) {
        loop {
            self.0.waiting.notified().await;
            tokio::time::sleep(LINGER).await;
            self.flush();
        }
    }
}

fn lock(buffer: &Mutex<AccessBuffer>) -> MutexGuard<'_, AccessBuffer> {
    buffer.lock().unwrap_or_else(PoisonError::into_inner)
}
