//! Backtraces become frames on a thread of their own, since finding the names of functions takes milliseconds. A place
//! that panics again and again is walked back from now and then only.

use std::backtrace::Backtrace;
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use gwanmun_resilience::{Allowance, Bucket};

use super::Exceptions;
use super::exception::{Frame, frames_of};
use super::fingerprint::Fingerprint;
use super::kinds::Told;

/// How long a place that panicked is not walked back from again.
const REST: Duration = Duration::from_secs(10);
/// Places that are remembered.
const PLACES: usize = 256;
/// Backtraces taken at once, and then in a second.
const AT_ONCE: NonZeroU32 = NonZeroU32::new(16).unwrap();
const A_SECOND: NonZeroU32 = NonZeroU32::new(2).unwrap();
/// Backtraces that wait for the thread.
const WAITING: usize = 16;

static THREAD: OnceLock<Option<SyncSender<Work>>> = OnceLock::new();
static SEEN: Mutex<Option<Seen>> = Mutex::new(None);

/// What is known of the way to a panic.
#[derive(Debug)]
pub(super) enum Way {
    /// All of it, from a moment ago.
    Known(Arc<[Frame]>),
    /// Its functions have to be named first.
    Unnamed(Box<Backtrace>),
    /// Nothing: too many panicked lately.
    Unknown,
}

/// What is to be found out for whom.
pub(super) struct Work {
    pub(super) backtrace: Box<Backtrace>,
    /// Where it panicked.
    pub(super) place: Frame,
    pub(super) fingerprint: Fingerprint,
    /// Waits for it.
    pub(super) told: Option<Told>,
    pub(super) asked_by: Exceptions,
}

#[derive(Default)]
struct Seen {
    /// By file and line.
    places: HashMap<(String, u32), Walked>,
    /// `None` before the first.
    bucket: Option<Bucket>,
}

/// A place from which somebody walked back.
struct Walked {
    at: Instant,
    /// `None` until they are named.
    frames: Option<Arc<[Frame]>>,
}

/// Starts the thread. Called before anything panics, since a panic is no time to begin one.
pub(super) fn prepare() {
    THREAD.get_or_init(|| {
        let (give, given) = sync_channel(WAITING);
        // Without it, exceptions say only where they happened.
        thread::Builder::new().name("exceptions".to_owned()).spawn(move || run(&given)).ok().map(|_| give)
    });
}

/// The way to a panic at `place`, for the thread that panics.
pub(super) fn way_to(place: &Frame) -> Way {
    {
        let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = seen.get_or_insert_with(Seen::default);
        let now = Instant::now();
        let walked = seen.places.get(&key(place));
        if let Some(walked) = walked.filter(|walked| now.saturating_duration_since(walked.at) < REST) {
            return walked.frames.clone().map_or(Way::Unknown, Way::Known);
        }
        if !seen.may_walk_from(place, now, SystemTime::now()) {
            return Way::Unknown;
        }
    }
    // Others may panic meanwhile.
    Way::Unnamed(Box::new(Backtrace::force_capture()))
}

/// Has the thread find the frames. Gives back what waits for it and would wait in vain.
pub(super) fn find(work: Work) -> Option<Told> {
    let Some(Some(thread)) = THREAD.get() else { return work.told };
    match thread.try_send(work) {
        Ok(()) => None,
        Err(TrySendError::Full(work) | TrySendError::Disconnected(work)) => work.told,
    }
}

fn run(given: &Receiver<Work>) {
    while let Ok(Work { backtrace, place, fingerprint, told, asked_by }) = given.recv() {
        let frames: Arc<[Frame]> = frames_of(&backtrace).into();
        let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(walked) = seen.as_mut().and_then(|seen| seen.places.get_mut(&key(&place))) {
            walked.frames = Some(Arc::clone(&frames));
        }
        drop(seen);
        asked_by.learned(fingerprint, &frames, told);
    }
}

impl Seen {
    /// Whether the way from `place` is worth its time; then it is noted that somebody went.
    fn may_walk_from(&mut self, place: &Frame, now: Instant, wall: SystemTime) -> bool {
        let Some(allowance) = Allowance::new(A_SECOND, AT_ONCE, NonZeroU32::MIN) else { return false };
        if allowance.take(self.bucket.get_or_insert_with(|| allowance.full(wall)), wall).is_err() {
            return false;
        }
        if self.places.len() >= PLACES {
            self.places.clear();
        }
        self.places.insert(key(place), Walked { at: now, frames: None });
        true
    }
}

fn key(place: &Frame) -> (String, u32) {
    (place.file.clone(), place.line)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn place(line: u32) -> Frame {
        Frame { function: String::new(), file: "src/orders.rs".to_owned(), line }
    }

    #[test]
    fn a_flood_of_panics_is_not_walked_back_from() {
        let (mut seen, now) = (Seen::default(), Instant::now());
        let walked = (0..1000).filter(|line| seen.may_walk_from(&place(*line), now, UNIX_EPOCH)).count();
        assert_eq!(walked, 16);
        assert!(seen.may_walk_from(&place(0), now, UNIX_EPOCH + Duration::from_secs(1)));
        for second in 0..1000 {
            seen.may_walk_from(&place(second), now, UNIX_EPOCH + Duration::from_secs(second.into()));
        }
        assert!(seen.places.len() <= PLACES);
    }
}
