//! What a check is, and which groups it counts for.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::outcome::Outcome;

/// Looks at one thing.
pub trait Check: Send + Sync + 'static {
    /// Looks once. Runs in the background, never twice at once, and is dropped when it takes longer than it may: it must
    /// wait by `await` alone, and what it began in other threads is its own to bound.
    fn check(&self) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>>;
}

/// Which groups a check counts for, and how often it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckSettings {
    /// Whether the process should get no requests while it fails, or before it has answered.
    pub readiness: bool,
    /// Whether the process should be started anew while it fails. Seldom right: a dependency does not come back by that.
    pub liveness: bool,
    /// Whether the process has not started before it was up once.
    pub startup: bool,
    /// From the begin of one look to that of the next.
    pub every: Duration,
    /// How long one look may take.
    pub timeout: Duration,
}

impl Default for CheckSettings {
    /// For readiness, every 5 s, for at most 1 s.
    fn default() -> Self {
        Self {
            readiness: true,
            liveness: false,
            startup: false,
            every: Duration::from_secs(5),
            timeout: Duration::from_secs(1),
        }
    }
}

impl CheckSettings {
    /// For no group: it is shown, and turns only the whole down.
    pub fn shown() -> Self {
        Self { readiness: false, ..Self::default() }
    }
}

/// A check that is a function. See [`from_fn`].
#[derive(Debug, Clone, Copy)]
pub struct FromFn<F>(F);

/// A check that asks `look` each time.
///
/// ```
/// use gwanmun_telemetry::health::{Outcome, from_fn};
///
/// let check = from_fn(|| async { Outcome::up().with("waiting", 3) });
/// # drop(check);
/// ```
pub fn from_fn<F, O>(look: F) -> FromFn<F>
where
    F: Fn() -> O + Send + Sync + 'static,
    O: Future<Output = Outcome> + Send + 'static,
{
    FromFn(look)
}

impl<F, O> Check for FromFn<F>
where
    F: Fn() -> O + Send + Sync + 'static,
    O: Future<Output = Outcome> + Send + 'static,
{
    fn check(&self) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>> {
        Box::pin((self.0)())
    }
}

impl Check for Box<dyn Check> {
    fn check(&self) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>> {
        (**self).check()
    }
}

impl Check for Arc<dyn Check> {
    fn check(&self) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>> {
        (**self).check()
    }
}
