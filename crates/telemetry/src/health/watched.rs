//! One component: the task that looks again and again, and what it saw last.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use gwanmun_config::Timespan;
use gwanmun_core::Clock;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::check::{Check, CheckSettings};
use super::configured::Target;
use super::outcome::{Outcome, Status};
use crate::exceptions::Exceptions;

/// Upper bounds of the buckets for durations, in seconds.
pub(super) const BOUNDS: [f64; 9] = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// So many looks may be missed before what is remembered is too old to be believed.
const MISSED: u32 = 3;

/// The shortest pause between two looks.
const PAUSE: Duration = Duration::from_millis(1);

/// A component of health. Clones are the same; the last one dropped ends its task.
#[derive(Clone)]
pub(super) struct Watched(Arc<Inner>);

struct Inner {
    /// Nothing for a component that is told.
    looking: Option<Looking>,
    seen: Arc<Mutex<Seen>>,
    task: Option<AbortHandle>,
}

/// What a check is made of.
#[derive(Clone)]
pub(super) struct Looking {
    pub(super) check: Arc<dyn Check>,
    /// As they are in force.
    pub(super) settings: CheckSettings,
    pub(super) origin: Origin,
    /// Whether nobody is welcome before the first answer. One that comes to a process at work counts from then on.
    pub(super) is_awaited: bool,
}

/// Who wants a check.
#[derive(Clone, PartialEq)]
pub(super) enum Origin {
    /// Code, with these settings unless the configuration says otherwise.
    Code(CheckSettings),
    /// The configuration.
    Configuration(Target),
}

/// What a task needs.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) runtime: Option<Handle>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) exceptions: Exceptions,
}

/// What was seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// The latest answer, when it came by the runtime's clock, and when by the world's.
    pub(super) latest: Option<(Outcome, Instant, SystemTime)>,
    /// How long looks took, by bucket, and all together.
    pub(super) durations: [u64; BOUNDS.len() + 1],
    pub(super) total: Duration,
    /// How often the status became another.
    pub(super) changes: u64,
    was_up: bool,
}

impl Watched {
    /// Begins to look; what `before` saw is remembered until there is an answer.
    pub(super) fn start(name: &Arc<str>, looking: Looking, before: Option<&Self>, around: &Surroundings) -> Self {
        let seen = before.map_or_else(Arc::default, |before| Arc::clone(&before.0.seen));
        let runtime = around.runtime.clone().or_else(|| Handle::try_current().ok());
        let task = {
            let (name, seen, check) = (Arc::clone(name), Arc::clone(&seen), Arc::clone(&looking.check));
            let (settings, Surroundings { clock, exceptions, .. }) = (looking.settings, around.clone());
            async move {
                loop {
                    let begin = Instant::now();
                    let outcome = look(&*check, &name, settings.timeout, &exceptions).await;
                    note(&seen, &name, outcome, begin.elapsed(), clock.wall());
                    let next = begin.checked_add(settings.every).unwrap_or(begin);
                    sleep_until(next.max(Instant::now() + PAUSE)).await;
                }
            }
        };
        let task = runtime.map(|runtime| runtime.spawn(task).abort_handle());
        if task.is_none() {
            let outcome = Outcome::down("there is no runtime to look on");
            note(&seen, name, outcome, Duration::ZERO, around.clock.wall());
        }
        Self(Arc::new(Inner { looking: Some(looking), seen, task }))
    }

    /// One that is told how it does.
    pub(super) fn told() -> Self {
        Self(Arc::new(Inner { looking: None, seen: Arc::default(), task: None }))
    }

    /// What it is made of; nothing for a component that is told.
    pub(super) fn looking(&self) -> Option<&Looking> {
        self.0.looking.as_ref()
    }

    /// Those of a check; a component that is told counts for no group.
    pub(super) fn settings(&self) -> CheckSettings {
        self.looking().map_or(CheckSettings::shown(), |looking| looking.settings)
    }

    /// Whether nobody is welcome before its first answer.
    pub(super) fn is_awaited(&self) -> bool {
        self.looking().is_some_and(|looking| looking.is_awaited)
    }

    pub(super) fn note(&self, name: &str, outcome: Outcome, took: Duration, now: SystemTime) {
        note(&self.0.seen, name, outcome, took, now);
    }

    pub(super) fn seen(&self) -> Seen {
        lock(&self.0.seen).clone()
    }

    /// Whether it was ever up.
    pub(super) fn was_up(&self) -> bool {
        lock(&self.0.seen).was_up
    }

    /// The latest answer and when it came; nothing before the first.
    pub(super) fn latest(&self) -> Option<(Outcome, SystemTime)> {
        let (mut outcome, at, when) = lock(&self.0.seen).latest.clone()?;
        if let (Some(Looking { settings, .. }), Some(_)) = (self.looking(), &self.0.task) {
            let allowed = settings.every.saturating_add(settings.timeout).saturating_mul(MISSED);
            if at.elapsed() > allowed {
                outcome = Outcome { status: Status::Unknown, ..outcome }.with("error", "the latest answer is too old");
            }
        }
        Some((outcome, when))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// One look, whatever becomes of it.
async fn look(check: &dyn Check, name: &str, limit: Duration, exceptions: &Exceptions) -> Outcome {
    let mut looking = pin!(async { check.check().await });
    let caught = std::future::poll_fn(|context| match exceptions.catch(|| looking.as_mut().poll(context)) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    });
    match timeout(limit, caught).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => {
            drop(panic.during(format!("health check {name}")));
            Outcome::down("the check panicked")
        }
        Err(_) => Outcome::down(&format!("timed out after {}", Timespan(limit))),
    }
}

/// Remembers an answer, and tells if it is another than before.
fn note(seen: &Mutex<Seen>, name: &str, outcome: Outcome, took: Duration, now: SystemTime) {
    let (before, after) = {
        let mut seen = lock(seen);
        let bucket = BOUNDS.partition_point(|bound| *bound < took.as_secs_f64());
        if let Some(count) = seen.durations.get_mut(bucket) {
            *count += 1;
        }
        seen.total += took;
        seen.was_up |= outcome.status == Status::Up;
        let before = seen.latest.as_ref().map(|(outcome, ..)| outcome.status);
        let is_change = before.is_some_and(|before| before != outcome.status);
        seen.changes += u64::from(is_change);
        let after = outcome.clone();
        seen.latest = Some((outcome, Instant::now(), now));
        (before, after)
    };
    let (status, error) = (after.status.name(), after.error());
    match before {
        Some(before) if before == after.status => {}
        None if after.status <= Status::Up => {}
        before if after.status > Status::Up => {
            let before = before.map_or("", Status::name);
            tracing::warn!(event = "health-changed", check = name, status, before, error, "a check has changed");
        }
        before => {
            let before = before.map_or("", Status::name);
            tracing::info!(event = "health-changed", check = name, status, before, error, "a check has changed");
        }
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
