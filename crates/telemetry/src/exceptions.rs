//! Panics and errors that somebody should look at: known by their fingerprint, so that a thousand of a kind are one;
//! rate-limited, kept in a short ring for the page `/exceptions`, and sent to a tracker that speaks Sentry's protocol.

mod dsn;
mod exception;
mod fingerprint;
mod hook;
mod kinds;
mod page;
mod sentry;
mod symbols;
mod tracker;

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use gwanmun_client::Outbound;
use gwanmun_core::{Clock, SystemClock, Tallies, Tally};
use http::StatusCode;
use serde_json::{Value, json};

use crate::export::{Collector, Ends};
use crate::pipeline::Resource;
use crate::spec::ExceptionsSpec;

pub use dsn::{Dsn, NoDsn};
pub use exception::{Cause, Exception, Frame, Origin};
pub use hook::Panicked;

use fingerprint::Fingerprint;
use hook::Found;
use kinds::{Kinds, Told};
use symbols::{Way, Work};
use tracker::Tracker;

/// How often a tracker is told of the same kind, where nobody says otherwise.
const EVERY: Duration = Duration::from_secs(60);

/// Takes exceptions. Clones are the same.
#[derive(Clone)]
pub struct Exceptions(Arc<Shared>);

struct Shared {
    clock: Arc<dyn Clock>,
    kinds: Mutex<Kinds>,
    counted: Tally,
    tracker: ArcSwapOption<Tracker>,
}

impl Exceptions {
    /// None yet, and nobody who is told of them; counted in `tallies`.
    pub fn new(clock: Arc<dyn Clock>, tallies: &Tallies) -> Self {
        let help = "Panics and errors that somebody should look at.";
        let counted = tallies.tally("gwanmun_exceptions_total", help, &["kind"]);
        for origin in [Origin::Panic, Origin::Error] {
            counted.cell(&[origin.name()]);
        }
        let kinds = Mutex::new(Kinds::new(EVERY));
        Self(Arc::new(Shared { clock, kinds, counted, tracker: ArcSwapOption::empty() }))
    }

    /// Takes the panics of the process that nobody catches, and has every panic be a line of the application log, from
    /// now on. The last to ask gets them.
    pub fn install_hook(&self) {
        hook::install(self);
    }

    /// Does `work`; a panic in it goes no further.
    ///
    /// # Errors
    /// It panicked. The exception is taken when the error is dropped.
    pub fn catch<T>(&self, work: impl FnOnce() -> T) -> Result<T, Panicked> {
        hook::catch(self, work)
    }

    /// Takes one. Never waits.
    pub fn capture(&self, exception: Exception) {
        hook::unless_busy(|| {
            let exception = exception.bounded();
            if let Some(told) = self.take(Fingerprint::of(&exception), exception) {
                self.tell(&told);
            }
        });
    }

    /// Takes an error with its causes, as one of the request that this thread works on. Never waits.
    #[track_caller]
    pub fn capture_error<E: Error + ?Sized>(&self, error: &E) {
        self.capture(Exception::of_error(error));
    }

    /// The page `/exceptions`: the latest of each kind, with how often they came.
    pub fn page(&self) -> Value {
        page::all(&self.kinds())
    }

    /// The page at `path`: `/exceptions`, or `/exceptions/{fingerprint}` with frames and causes. `None` if it is neither.
    pub fn answer(&self, path: &str) -> Option<(StatusCode, String)> {
        let below = path.strip_prefix("/exceptions")?;
        if below.is_empty() {
            return Some((StatusCode::OK, self.page().to_string()));
        }
        let fingerprint = Fingerprint::parse(below.strip_prefix('/')?);
        match fingerprint.and_then(|fingerprint| page::one(&self.kinds(), fingerprint)) {
            Some(page) => Some((StatusCode::OK, page.to_string())),
            None => {
                let title = "no such exception is kept; /exceptions lists what is";
                Some((StatusCode::NOT_FOUND, json!({ "title": title }).to_string()))
            }
        }
    }

    /// How the tracker does, where there is one.
    pub fn collector(&self) -> Option<Collector> {
        self.0.tracker.load().as_ref().map(|tracker| tracker.collector())
    }

    /// What is waited for at the end, where there is a tracker.
    pub(crate) fn ending(&self) -> Option<Arc<dyn Ends>> {
        self.0.tracker.load().as_ref().map(|tracker| tracker.ending())
    }

    /// Tells the tracker of `spec` from now on, on the thread of `outbound`. The tracker that is there already goes on
    /// undisturbed if it is the same.
    pub(crate) fn follow(&self, spec: &ExceptionsSpec, resource: &Resource, outbound: &Outbound) {
        let every = spec.every.as_ref().map_or(EVERY, |every| *every.value);
        self.kinds().tell_every(every);
        let dsn = spec.dsn.as_ref().map(|dsn| dsn.as_str()).filter(|dsn| !dsn.is_empty());
        let Some(dsn) = dsn.and_then(|dsn| Dsn::parse(dsn).ok()) else {
            self.0.tracker.store(None);
            return;
        };
        let named = spec.environment.as_ref().map(|name| Arc::from(name.as_str()));
        let environment = named.or_else(|| resource.environment.clone());
        let present = self.0.tracker.load();
        if present.as_ref().is_some_and(|present| present.is(&dsn, environment.as_ref())) {
            return;
        }
        match Tracker::start(dsn, resource.clone(), environment, outbound) {
            Ok(tracker) => self.0.tracker.store(Some(Arc::new(tracker))),
            Err(error) => tracing::warn!(event = "exceptions-not-sent", %error, "exceptions cannot be sent"),
        }
    }

    /// Takes a panic as its thread saw it.
    fn take_panic(&self, found: Found) {
        let Found { exception, way } = found;
        let mut exception = exception.bounded();
        // The place where it panicked tells it from others: the way there is not always known.
        let fingerprint = Fingerprint::of(&exception);
        let place = exception.frames.last().cloned();
        if let Way::Known(frames) = &way {
            exception.frames = frames.to_vec();
        }
        let mut told = self.take(fingerprint, exception);
        if let (Way::Unnamed(backtrace), Some(place)) = (way, place) {
            let work = Work { backtrace, place, fingerprint, told, asked_by: self.clone() };
            // Where nobody can be asked to name it, it is told unnamed.
            told = symbols::find(work);
        }
        if let Some(told) = told {
            self.tell(&told);
        }
    }

    /// The way to an exception is known now.
    fn learned(&self, fingerprint: Fingerprint, frames: &[Frame], told: Option<Told>) {
        let mut with_frames = Exception { frames: frames.to_vec(), ..Exception::new("", "") }.bounded();
        self.kinds().learn(fingerprint, &with_frames.frames);
        if let Some(mut told) = told {
            std::mem::swap(&mut told.exception.frames, &mut with_frames.frames);
            self.tell(&told);
        }
    }

    fn take(&self, fingerprint: Fingerprint, exception: Exception) -> Option<Told> {
        self.0.counted.count(&[exception.origin.name()]);
        let now = self.0.clock.wall();
        self.kinds().take(fingerprint, exception, now)
    }

    fn tell(&self, told: &Told) {
        if let Some(tracker) = &*self.0.tracker.load() {
            tracker.tell(told);
        }
    }

    fn kinds(&self) -> MutexGuard<'_, Kinds> {
        self.0.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Exceptions {
    fn default() -> Self {
        Self::new(Arc::new(SystemClock), &Tallies::default())
    }
}

impl fmt::Debug for Exceptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exceptions").field("tracker", &*self.0.tracker.load()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
