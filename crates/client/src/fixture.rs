//! What the tests of this crate share.

use std::sync::Arc;
use std::time::Duration;

use gwanmun_core::{SystemClock, Tallies};
use tokio::runtime::{Builder, Runtime};

use crate::outbound::Outbound;

/// The longest wait for anything; nothing waits so long when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A thread for calls, by the machine's clock.
pub(crate) fn online() -> Outbound {
    Outbound::new(Arc::new(SystemClock), Tallies::default())
}

/// A runtime as workers have one.
pub(crate) fn worker() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// What `future` comes to on a runtime of its own.
pub(crate) fn alone<T>(future: impl Future<Output = T>) -> T {
    worker().block_on(async { tokio::time::timeout(PATIENCE, future).await.expect("waited in vain") })
}
