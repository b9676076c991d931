//! The thread that writes. All records that wait are written together, and each caller is woken after the write: with
//! its line in the file, or with word that it is not there.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::ledger::Ledger;
use crate::log::Unavailable;
use crate::storage::Storage;

/// How many records are written together at most.
const LARGEST_BATCH: usize = 1024;
/// How long the log is quiet before the disk is asked to take what was written.
const QUIET: Duration = Duration::from_millis(100);
/// How long lines may stand in the file before the disk is asked to take them, while more come.
const SYNC_EVERY: Duration = Duration::from_secs(1);

const WAITS: u8 = 0;
const GAVE_UP: u8 = 1;
const DECIDED: u8 = 2;

/// What is handed to the thread.
pub(crate) enum Message {
    Record(Entry),
    Close,
}

/// A record that waits to be written.
pub(crate) struct Entry {
    pub(crate) body: Vec<u8>,
    pub(crate) place: Arc<Place>,
    pub(crate) done: oneshot::Sender<Result<(), Unavailable>>,
}

/// A caller's place in the queue. Either the caller gives up or the writer decides, never both.
#[derive(Debug, Default)]
pub(crate) struct Place(AtomicU8);

/// What callers know of the thread.
#[derive(Debug)]
pub(crate) struct Shared {
    epoch: Instant,
    /// When the write began that is going on, in milliseconds from `epoch` on; 0 if none is.
    busy_since: AtomicU64,
    /// Records that were let go on without their lines, and are not told yet.
    pub(crate) lost: AtomicU64,
    pub(crate) patience: Duration,
}

impl Place {
    /// Stops waiting. Not if the writer has decided: its word is on its way then.
    pub(crate) fn give_up(&self) -> bool {
        self.0.compare_exchange(WAITS, GAVE_UP, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn decide(&self) -> bool {
        self.0.compare_exchange(WAITS, DECIDED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn waits(&self) -> bool {
        self.0.load(Ordering::Acquire) == WAITS
    }
}

impl Shared {
    pub(crate) fn new(patience: Duration) -> Self {
        Self { epoch: Instant::now(), busy_since: AtomicU64::new(0), lost: AtomicU64::new(0), patience }
    }

    /// Whether a write goes on for longer than anybody waits.
    pub(crate) fn is_stuck(&self) -> bool {
        let since = self.busy_since.load(Ordering::Acquire);
        since != 0 && self.millis().saturating_sub(since) > u64::try_from(self.patience.as_millis()).unwrap_or(u64::MAX)
    }

    fn begin_work(&self) {
        self.busy_since.store(self.millis().max(1), Ordering::Release);
    }

    fn end_work(&self) {
        self.busy_since.store(0, Ordering::Release);
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// What the thread owns.
pub(crate) struct Writer<S> {
    ledger: Ledger<S>,
    queue: Receiver<Message>,
    shared: Arc<Shared>,
    /// Records that are in the file.
    written: Arc<AtomicU64>,
    is_failing: bool,
    synced: Instant,
}

impl<S: Storage> Writer<S> {
    pub(crate) fn new(
        ledger: Ledger<S>,
        queue: Receiver<Message>,
        shared: Arc<Shared>,
        written: Arc<AtomicU64>,
    ) -> Self {
        Self { ledger, queue, shared, written, is_failing: false, synced: Instant::now() }
    }

    /// Writes until it is told to close or nobody is left who could; then ends the log in order.
    pub(crate) fn run(mut self) {
        while let Some(first) = self.next() {
            let mut batch = vec![first];
            let is_last = loop {
                match self.queue.try_recv() {
                    Ok(Message::Record(entry)) if batch.len() + 1 < LARGEST_BATCH => batch.push(entry),
                    Ok(Message::Record(entry)) => {
                        batch.push(entry);
                        break false;
                    }
                    Ok(Message::Close) => break true,
                    Err(_) => break false,
                }
            };
            self.write(batch);
            if is_last {
                break;
            }
        }
        let rest = self.queue.try_iter().filter_map(|message| match message {
            Message::Record(entry) => Some(entry),
            Message::Close => None,
        });
        let rest: Vec<_> = rest.collect();
        self.write(rest);
        let closed = self.ledger.close();
        self.tell(closed.as_ref().err());
    }

    /// The next record. While there is none, the disk is asked to take what was written.
    fn next(&mut self) -> Option<Entry> {
        loop {
            let message = if self.ledger.is_dirty() {
                match self.queue.recv_timeout(QUIET) {
                    Err(RecvTimeoutError::Timeout) => {
                        self.sync();
                        continue;
                    }
                    Ok(message) => message,
                    Err(RecvTimeoutError::Disconnected) => return None,
                }
            } else {
                self.queue.recv().ok()?
            };
            return match message {
                Message::Record(entry) => Some(entry),
                Message::Close => None,
            };
        }
    }

    fn write(&mut self, mut batch: Vec<Entry>) {
        batch.retain(|entry| entry.place.waits());
        let lost = self.shared.lost.swap(0, Ordering::AcqRel);
        if batch.is_empty() && lost == 0 {
            return;
        }
        let began = Instant::now();
        self.shared.begin_work();
        let bodies: Vec<_> = batch.iter().map(|entry| entry.body.as_slice()).collect();
        let written = self.ledger.append(&bodies, lost);
        let is_late = began.elapsed() > self.shared.patience;
        // Whoever gave up meanwhile was refused, so the line must not stay.
        let gave_up = batch.iter().filter(|entry| !entry.place.decide()).count();
        let outcome = match &written {
            Ok(_) if !is_late && gave_up == 0 => Ok(()),
            Ok(_) => Err(Unavailable::Slow),
            Err(error) => Err(Unavailable::Failed(error.kind())),
        };
        if outcome.is_ok() {
            self.written.fetch_add(u64::try_from(batch.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        for entry in batch {
            // A caller that went away wants no answer; its line stays.
            let _ = entry.done.send(outcome);
        }
        let failure = match (written, outcome) {
            (Ok(mark), Err(_)) => self.ledger.revert(mark).err().or(Some(io::ErrorKind::TimedOut.into())),
            (written, _) => written.err(),
        };
        self.shared.end_work();
        if failure.is_some() {
            self.shared.lost.fetch_add(lost, Ordering::AcqRel);
        }
        self.tell(failure.as_ref());
        if self.synced.elapsed() > SYNC_EVERY {
            self.sync();
        }
    }

    fn sync(&mut self) {
        self.shared.begin_work();
        let synced = self.ledger.sync();
        self.shared.end_work();
        self.synced = Instant::now();
        if let Err(error) = synced {
            tracing::error!(event = "audit-sync-failed", %error, "the disk did not take the audit log");
        }
    }

    /// Tells when writing begins to fail and when it works again.
    fn tell(&mut self, failure: Option<&io::Error>) {
        let was_failing = std::mem::replace(&mut self.is_failing, failure.is_some());
        match failure {
            Some(error) if !was_failing => {
                tracing::error!(event = "audit-sink-failed", %error, "the audit log cannot be written");
            }
            None if was_failing => {
                tracing::info!(event = "audit-sink-recovered", "the audit log is written again");
            }
            _ => {}
        }
    }
}
