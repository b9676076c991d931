//! How long a test waits for what must happen. Long, since a machine may be busy; nothing waits so long when all is well.

use std::future::Future;
use std::time::{Duration, Instant};

/// The longest wait for anything.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// What `future` comes to, which must be within [`PATIENCE`].
///
/// # Panics
/// When it takes longer; the message names `what` was waited for.
pub async fn patiently<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(outcome) => outcome,
        Err(_) => panic!("waited {PATIENCE:?} in vain for {what}"),
    }
}

/// Asks again and again until there is an answer: for what nobody announces, like a closed port.
///
/// # Panics
/// When there is none within [`PATIENCE`].
pub async fn eventually<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, ask).await
}

/// The same for what takes its time by design, like pauses between attempts.
///
/// # Panics
/// When there is no answer within `patience`.
pub async fn eventually_within<T>(patience: Duration, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begin.elapsed() < patience, "waited {patience:?} in vain for {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
