//! Health as Spring Boot tells it: checks that run in the background, each with a time limit, whose latest answers are
//! remembered, in the groups liveness, readiness and startup. A page shows what is remembered: it runs nothing and never
//! waits, so a check that hangs harms nobody who asks.

mod aside;
mod check;
mod collectors;
mod configured;
mod disk;
mod http;
mod numbers;
mod outcome;
mod page;
mod probe;
mod tcp;
mod transaction;
mod watched;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gwanmun_client::Outbound;
use gwanmun_core::{Clock, SystemClock};
use tokio::runtime::Handle;

use self::watched::{Looking, Origin, Surroundings, Watched};
use crate::exceptions::Exceptions;
use crate::export::Collector;
use crate::metrics::Family;

pub use self::check::{Check, CheckSettings, FromFn, from_fn};
use self::collectors::CollectorsCheck;
pub use self::configured::Configured;
pub use self::disk::{DiskCheck, Free};
pub use self::http::HttpCheck;
pub use self::outcome::{Outcome, Status};
pub use self::probe::Probe;
pub use self::tcp::TcpCheck;
pub use self::transaction::TransactionCheck;

/// The component that tells how collectors do.
const COLLECTORS: &str = "collectors";

/// How long something may wait for a collector that takes nothing.
const SILENCE: Duration = Duration::from_secs(30);

/// All checks of the process. Clones are the same.
#[derive(Clone)]
pub struct Health(Arc<Shared>);

struct Shared {
    around: Surroundings,
    process: Mutex<Process>,
    /// Whether all that belongs to the start was up once.
    started: AtomicBool,
    configured: Mutex<Arc<Configured>>,
    components: Mutex<Components>,
}

type Components = BTreeMap<Arc<str>, Watched>;

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

    /// Adds a check, which runs from now on, with `settings` unless the configuration says otherwise; one of the same name
    /// is replaced. One that is added to a process at work counts from its first answer on.
    pub fn add(&self, name: &str, settings: CheckSettings, check: impl Check) {
        let in_force = self.configured().settings(name, settings);
        self.watch(&mut self.components(), name, Arc::new(check), in_force, Origin::Code(settings));
    }

    /// Does from now on what the configuration says; calls are made on `outbound`. What has not changed goes on
    /// undisturbed, and what was found is remembered.
    pub fn follow(&self, configured: Configured, outbound: &Outbound) {
        let configured = Arc::new(configured);
        *self.0.configured.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&configured);
        let targets: BTreeMap<_, _> = configured.targets().map(|(name, ..)| (name, ())).collect();
        let mut components = self.components();
        components.retain(|name, watched| match watched.looking().map(|looking| &looking.origin) {
            Some(Origin::Configuration(_)) => targets.contains_key(&**name),
            Some(Origin::Code(_)) | None => true,
        });
        let mut changed = Vec::new();
        for (name, watched) in &*components {
            let Some(Looking { origin: Origin::Code(wanted), settings, check, .. }) = watched.looking() else {
                continue;
            };
            let in_force = configured.settings(name, *wanted);
            if in_force != *settings {
                changed.push((Arc::clone(name), Arc::clone(check), in_force, Origin::Code(*wanted)));
            }
        }
        for (name, target, settings) in configured.targets() {
            let origin = Origin::Configuration(target.clone());
            match components.get(name).map(Watched::looking) {
                Some(None | Some(Looking { origin: Origin::Code(_), .. })) => {}
                Some(Some(looking)) if looking.origin == origin && looking.settings == settings => {}
                _ => changed.push((name.into(), target.check(outbound, name, settings.timeout), settings, origin)),
            }
        }
        for (name, check, settings, origin) in changed {
            self.watch(&mut components, &name, check, settings, origin);
        }
    }

    /// Shows what is known without looking: a component that is no check and counts for no group but the whole.
    pub fn tell(&self, name: &str, outcome: Outcome) {
        let told = {
            let mut components = self.components();
            match components.get(name) {
                Some(watched) if watched.looking().is_none() => watched.clone(),
                _ => {
                    let told = Watched::told();
                    components.insert(name.into(), told.clone());
                    told
                }
            }
        };
        told.note(name, outcome, Duration::ZERO, self.0.around.clock.wall());
    }

    /// Shows how `collectors` do as the component of that name, while there are any. To be called again after a reload: what
    /// was seen of them is remembered, so that a reload forgives none.
    pub fn look_at_collectors(&self, collectors: impl Fn() -> Vec<Collector> + Send + Sync + 'static) {
        if collectors().is_empty() {
            self.remove(COLLECTORS);
        } else if !self.components().contains_key(COLLECTORS) {
            let check = CollectorsCheck::new(collectors, SILENCE, Arc::clone(&self.0.around.clock));
            self.add(COLLECTORS, CheckSettings::shown(), check);
        }
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
            around: Surroundings { runtime, clock, exceptions },
            process: Mutex::new(Process::Starting),
            started: AtomicBool::new(false),
            configured: Mutex::default(),
            components: Mutex::default(),
        }))
    }

    fn watch(
        &self,
        components: &mut Components,
        name: &str,
        check: Arc<dyn Check>,
        settings: CheckSettings,
        origin: Origin,
    ) {
        let name: Arc<str> = name.into();
        let before = components.get(&name).filter(|before| before.looking().is_some());
        let looking = Looking { check, settings, origin, is_awaited: self.process() == Process::Starting };
        let watched = Watched::start(&name, looking, before, &self.0.around);
        components.insert(name, watched);
    }

    fn configured(&self) -> Arc<Configured> {
        Arc::clone(&self.0.configured.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn process(&self) -> Process {
        *self.0.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn components(&self) -> MutexGuard<'_, Components> {
        self.0.components.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the process has got through its start; true for ever once it is.
    fn has_started(&self, components: &Components) -> bool {
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
