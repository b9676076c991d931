//! A fetch under way and those who wait for it. They may be many and on any runtime: each holds a receiver, and one send
//! wakes them all.

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

use crate::call_error::CallError;

/// What a lookup came to.
pub struct Found<V> {
    /// What was found, shared with everybody who asks for it.
    pub value: Arc<V>,
    /// How good it is.
    pub state: State,
}

/// How good a found value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// Within its time.
    Fresh,
    /// Past its time: nothing newer could be had.
    Stale,
    /// A "no" that is remembered: not there, refused.
    Negative,
}

impl<V> Clone for Found<V> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), state: self.state }
    }
}

impl<V: fmt::Debug> fmt::Debug for Found<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found").field("value", &self.value).field("state", &self.state).finish()
    }
}

/// A fetch under way.
pub(crate) struct Flight<V, E>(watch::Sender<Option<Result<Found<V>, E>>>);

impl<V, E> Default for Flight<V, E> {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl<V, E: Clone + From<CallError>> Flight<V, E> {
    /// Tells everybody who waits, and whoever will.
    pub(crate) fn land(&self, outcome: Result<Found<V>, E>) {
        self.0.send_replace(Some(outcome));
    }

    /// Ready when it has landed.
    pub(crate) async fn landed(&self) -> Result<Found<V>, E> {
        let mut receiver = self.0.subscribe();
        let outcome = match receiver.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone(),
            Err(_) => None,
        };
        outcome.unwrap_or_else(|| Err(E::from(CallError::Interrupted)))
    }
}
