//! What a service does before it is ready and after its last request, each with a limit.

use std::time::Duration;

use super::StartError;
use crate::app::App;
use crate::observe::panic::caught;
use crate::service::{Hook, HookError};

/// For each hook before the service is ready.
const START_LIMIT: Duration = Duration::from_secs(60);

/// For each hook at the end.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Runs them one after the other; the first that fails is the last.
pub(super) async fn start<C>(hooks: Vec<Hook<C>>, app: &App<C>) -> Result<(), StartError> {
    let count = hooks.len();
    for (index, hook) in hooks.into_iter().enumerate() {
        let what = format!("on_start hook {} of {count}", index + 1);
        run(hook, app, START_LIMIT).await.map_err(|error| StartError::could_not(what, error))?;
    }
    Ok(())
}

/// Runs all of them in reverse, whatever becomes of the others.
pub(super) async fn stop<C>(hooks: Vec<Hook<C>>, app: &App<C>) {
    for (index, hook) in hooks.into_iter().enumerate().rev() {
        if let Err(error) = run(hook, app, STOP_LIMIT).await {
            let hook = index + 1;
            tracing::error!(event = "on-stop-failed", hook, %error, "a hook at the end failed");
        }
    }
}

async fn run<C>(hook: Hook<C>, app: &App<C>, limit: Duration) -> Result<(), HookError> {
    let (app, exceptions) = (app.clone(), app.telemetry().exceptions());
    match tokio::time::timeout(limit, caught(&exceptions, move || hook(app))).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panicked)) => Err(format!("it panicked: {}", panicked.message()).into()),
        Err(_) => Err(format!("it took longer than {} s", limit.as_secs()).into()),
    }
}
