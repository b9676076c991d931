//! The life of a service: settings, telemetry, hooks, listeners, ready; a signal, not ready, drain, hooks, the last lines.

use std::process::ExitCode;

use crate::config::Configuration;
use crate::service::Service;

/// From the arguments of the process to its exit code.
pub(crate) fn run<C: Configuration>(service: Service<C>) -> ExitCode {
    drop(service);
    ExitCode::from(3)
}
