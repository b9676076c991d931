//! Health as Spring Boot tells it: checks that run in the background, each with a time limit, whose latest answers are
//! remembered, in the groups liveness, readiness and startup. A page shows what is remembered: it runs nothing and never
//! waits, so a check that hangs harms nobody who asks.

mod check;
mod numbers;
mod outcome;
mod page;
mod watched;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gwanmun_core::{Clock, SystemClock};
use tokio::runtime::Handle;

use self::watched::Watched;
use crate::exceptions::Exceptions;
use crate::metrics::Family;

pub use self::check::{Check, CheckSettings, FromFn, from_fn};
pub use self::outcome::{Outcome, Status};

/// All checks of the process. Clones are the same.
#[derive(Clone)]
pub struct Health(Arc<Shared>);

struct Shared {
    /// Where checks run; where there is none, on the runtime of who adds them.
    runtime: Option<Handle>,
    clock: Arc<dyn Clock>,
    exceptions: Exceptions,
    process: Mutex<Process>,
    /// Whether all that belongs to the start was up once.
    started: AtomicBool,
    components: Mutex<BTreeMap<Arc<str>, Watched>>,
}

/// Where the process stands in its life; a part of readiness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// Requests are not welcome yet.
    Starting,
    /// They are, unless a check for readiness says otherwise.
    Ready,
    /// Not any more.
    Draining,
}

/// Who looks at a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Sees components and details.
    Operators,
    /// Sees the status of the whole and of groups: enough for probes.
    Platform,
}

impl Health {
    /// Without checks yet, for a process that starts. Checks run on `runtime`, which has I/O and time; panics in them go to
    /// `exceptions`.
    pub fn new(runtime: Handle, clock: Arc<dyn Clock>, exceptions: Exceptions) -> Self {
        Self::of(Some(runtime), clock, exceptions)
    }

    /// Adds a check, which runs from now on; one of the same name is replaced.
    pub fn add(&self, name: &str, settings: CheckSettings, check: impl Check) {
        let name: Arc<str> = name.into();
        let runtime = self.0.runtime.clone().or_else(|| Handle::try_current().ok());
        let surroundings = (Arc::clone(&self.0.clock), self.0.exceptions.clone());
        let watched = Watched::start(&name, settings, Arc::new(check), surroundings, runtime.as_ref());
        self.components().insert(name, watched);
    }

    /// Shows what is known without looking: a component that is no check and counts for no group but the whole.
    pub fn tell(&self, name: &str, outcome: Outcome) {
        let mut components = self.components();
        let (name, told) = match components.get_key_value(name) {
            Some((name, watched)) if watched.is_told() => (Arc::clone(name), watched.clone()),
            _ => {
                let name: Arc<str> = name.into();
                let told = Watched::told();
                components.insert(Arc::clone(&name), told.clone());
                (name, told)
            }
        };
        drop(components);
        told.note(&name, outcome, std::time::Duration::ZERO, self.0.clock.wall());
    }

    /// Ends the check or forgets the component of this name.
    pub fn remove(&self, name: &str) {
        let removed = self.components().remove(name);
        drop(removed);
    }

    /// Says where the process stands.
    pub fn set_process(&self, process: Process) {
        *self.0.process.lock().unwrap_or_else(PoisonError::into_inner) = process;
    }

    /// Whether requests are welcome: the process is ready, has started, and no check for readiness says otherwise.
    pub fn is_ready(&self) -> bool {
        self.page("/health/readiness", Audience::Platform).is_some_and(|(code, _)| code == 200)
    }

    /// The page at `path` (`/health`, `/health/{group}`, for operators `/health/{component}`) with its HTTP status, if
    /// there is one.
    pub fn page(&self, path: &str, audience: Audience) -> Option<(u16, String)> {
        page::page(self, path, audience)
    }

    /// Statuses, changes and durations of all components, for a scrape.
    pub fn families(&self) -> Vec<Family> {
        numbers::families(&self.components())
    }

    fn of(runtime: Option<Handle>, clock: Arc<dyn Clock>, exceptions: Exceptions) -> Self {
        Self(Arc::new(Shared {
            runtime,
            clock,
            exceptions,
            process: Mutex::new(Process::Starting),
            started: AtomicBool::new(false),
            components: Mutex::default(),
        }))
    }

    fn process(&self) -> Process {
        *self.0.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn components(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Watched>> {
        self.0.components.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the process has got through its start; true for ever once it is.
    fn has_started(&self, components: &BTreeMap<Arc<str>, Watched>) -> bool {
        if self.0.started.load(Ordering::Relaxed) {
            return true;
        }
        let started = self.process() != Process::Starting
            && components.values().all(|watched| !watched.settings().startup || watched.was_up());
        self.0.started.fetch_or(started, Ordering::Relaxed);
        started
    }
}

impl Default for Health {
    /// Checks run on the runtime of who adds them, by the machine's clock.
    fn default() -> Self {
        Self::of(None, Arc::new(SystemClock), Exceptions::default())
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").finish_non_exhaustive()
    }
}

impl Process {
    const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
        }
    }

    const fn status(self) -> Status {
        match self {
            Self::Ready => Status::Up,
            Self::Starting | Self::Draining => Status::OutOfService,
        }
    }
}

#[cfg(test)]
mod tests;
