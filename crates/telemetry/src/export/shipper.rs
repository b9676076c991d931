//! A bounded queue and the task that empties it, batch by batch: retried with growing pauses while a collector is away,
//! thrown away and counted where it refuses or the queue is full.

mod collector;
mod pause;
mod queue;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gwanmun_client::{CallError, Outbound};
use tokio::time::{Instant, timeout};

use self::collector::Ledger;
use self::pause::Pauses;
use self::queue::{Queue, Unwelcome};

pub use self::collector::{Collector, CollectorState};

/// How long a shipper that nobody holds any more goes on with what waits.
const LAST_MINUTE: Duration = Duration::from_secs(5);

/// How much is kept and how often it leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShipperSettings {
    /// What is kept while it cannot leave, what is on its way included.
    pub(crate) queued: usize,
    /// What leaves at once, at most.
    pub(crate) batch: usize,
    /// How long the first of a batch waits for others.
    pub(crate) linger: Duration,
    /// How often one batch is tried.
    pub(crate) attempts: u32,
    /// How long one attempt may take, should the client not know better.
    pub(crate) timeout: Duration,
}

impl ShipperSettings {
    /// What suits most.
    pub(crate) const DEFAULT: Self = Self {
        queued: 2_048,
        batch: 512,
        linger: Duration::from_secs(1),
        attempts: 5,
        timeout: Duration::from_secs(10),
    };
}

impl Default for ShipperSettings {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What has become of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// The collector has it.
    Sent,
    /// It has some of it; so many were refused.
    PartlyRefused(u64, Box<str>),
    /// Not now; later, and not before the time that it named.
    Later(Option<Duration>, Box<str>),
    /// Never.
    Refused(Box<str>),
}

/// One kind of telemetry on its way to one collector. Dropped, it sends what waits for a few seconds more, and ends.
pub(crate) struct Shipper<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    settings: ShipperSettings,
    queue: Queue<T>,
    ledger: Ledger,
}

/// Whatever becomes of the task, what is left is counted and who waits for the end is told.
struct Ending<T>(Arc<Shared<T>>);

impl<T: Send + Sync + 'static> Shipper<T> {
    /// A shipper on the thread of `outbound`. `send` makes one attempt with a batch.
    ///
    /// # Errors
    /// [`CallError::Offline`], or the thread cannot be started.
    pub(crate) fn start<S, F>(
        signal: &'static str,
        target: &str,
        settings: ShipperSettings,
        outbound: &Outbound,
        send: S,
    ) -> Result<Arc<Self>, CallError>
    where
        S: Fn(Arc<[T]>) -> F + Send + Sync + 'static,
        F: Future<Output = Attempt> + Send + 'static,
    {
        let ledger = Ledger::new(signal, target, outbound.clock(), outbound.tallies());
        let (shipper, work) = Self::prepare(ledger, settings, send);
        outbound.spawn(work)?;
        Ok(shipper)
    }

    fn prepare<S, F>(
        ledger: Ledger,
        settings: ShipperSettings,
        send: S,
    ) -> (Arc<Self>, impl Future<Output = ()> + Send + 'static)
    where
        S: Fn(Arc<[T]>) -> F + Send + Sync + 'static,
        F: Future<Output = Attempt> + Send + 'static,
    {
        let queue = Queue::new(settings.queued, settings.batch.max(1));
        let shared = Arc::new(Shared { settings, queue, ledger });
        let ending = Ending(Arc::clone(&shared));
        let work = async move { ending.0.work(Arc::new(send)).await };
        (Arc::new(Self { shared }), work)
    }
}

/// Something that sends what waits before it ends.
pub(crate) trait Ends: Send + Sync {
    /// Takes nothing any more and sends what waits, for at most `limit`; the rest is dropped and counted. Returns at once.
    fn close(&self, limit: Duration);

    /// Waits until what was closed has ended, for at most `limit`. Blocks the thread.
    fn wait(&self, limit: Duration);
}

impl<T: Send> Ends for Shipper<T> {
    fn close(&self, limit: Duration) {
        self.begin_to_end(limit);
    }

    fn wait(&self, limit: Duration) {
        self.shared.queue.wait_for_end(limit);
    }
}

impl<T> Shipper<T> {
    /// Puts one in the queue. Never waits for more than another's push; what finds it full is dropped and counted.
    pub(crate) fn offer(&self, item: T) {
        match self.shared.queue.push(item) {
            Ok(()) => {}
            Err(Unwelcome::Full) => self.shared.ledger.overflowed(),
            Err(Unwelcome::Closed) => self.shared.ledger.dropped(1, "closed"),
        }
    }

    /// How its collector does.
    pub(crate) fn collector(&self) -> Collector {
        self.shared.ledger.collector(self.shared.queue.len())
    }

    fn begin_to_end(&self, limit: Duration) {
        let now = Instant::now();
        self.shared.queue.close(now.checked_add(limit).unwrap_or(now));
    }
}

impl<T> Drop for Shipper<T> {
    fn drop(&mut self) {
        self.begin_to_end(LAST_MINUTE);
    }
}

impl<T> fmt::Debug for Shipper<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shipper").field("collector", &self.collector()).finish_non_exhaustive()
    }
}

impl<T: Send + Sync + 'static> Shared<T> {
    /// The task's life: batch by batch, until it is closed and nothing waits.
    async fn work<S, F>(&self, send: Arc<S>)
    where
        S: Fn(Arc<[T]>) -> F + Send + Sync + 'static,
        F: Future<Output = Attempt> + Send + 'static,
    {
        let mut pauses = Pauses::default();
        while let Some(batch) = self.queue.batch(self.settings.linger).await {
            let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
            let mut attempts = self.settings.attempts.max(1);
            loop {
                attempts -= 1;
                match self.attempt(&send, &batch).await {
                    Attempt::Sent => {
                        self.ledger.attempted(Some(count), None);
                        pauses.reset();
                        break;
                    }
                    Attempt::PartlyRefused(refused, why) => {
                        let refused = refused.min(count);
                        self.ledger.attempted(Some(count - refused), Some(&why));
                        self.ledger.dropped(refused, "refused");
                        pauses.reset();
                        break;
                    }
                    Attempt::Refused(why) => {
                        self.ledger.attempted(None, Some(&why));
                        self.ledger.dropped(count, "refused");
                        pauses.reset();
                        break;
                    }
                    Attempt::Later(after, why) => {
                        self.ledger.attempted(None, Some(&why));
                        let is_closing = self.queue.is_closing();
                        if attempts == 0 || is_closing {
                            self.ledger.dropped(count, if is_closing { "closed" } else { "unreachable" });
                            self.queue.rest(pauses.next(after)).await;
                            break;
                        }
                        self.queue.rest(pauses.next(after)).await;
                    }
                }
            }
            self.queue.arrived();
        }
    }

    /// One attempt, on a task of its own: should it panic, one batch is lost.
    async fn attempt<S, F>(&self, send: &Arc<S>, batch: &Arc<[T]>) -> Attempt
    where
        S: Fn(Arc<[T]>) -> F + Send + Sync + 'static,
        F: Future<Output = Attempt> + Send + 'static,
    {
        let (send, batch) = (Arc::clone(send), Arc::clone(batch));
        let mut sending = tokio::spawn(async move { send(batch).await });
        let outcome = tokio::select! {
            outcome = timeout(self.settings.timeout, &mut sending) => outcome.ok(),
            () = self.queue.overdue() => None,
        };
        match outcome {
            Some(Ok(attempt)) => attempt,
            Some(Err(_)) => Attempt::Refused("the attempt broke off".into()),
            None => {
                sending.abort();
                Attempt::Later(None, "no answer in time".into())
            }
        }
    }
}

impl<T> Drop for Ending<T> {
    fn drop(&mut self) {
        let left = self.0.queue.end();
        self.0.ledger.dropped(left, "closed");
    }
}

#[cfg(test)]
mod tests;
