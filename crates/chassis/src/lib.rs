//! The chassis: what services behind the gateway are built with. A service brings its handlers; who calls, whether they
//! may, configuration, health, logs, traces, metrics, exceptions, audit and a clean end are here.
//!
//! The flow of a request: `server` accepts it, `observe` gives it its trace and counts it, `identity` proves its Passport,
//! then the handler runs; `problem` is the only place where faults become answers. Beside it, `management` shows what the
//! others know, and `lifecycle` starts and ends them in order.

mod app;
mod blocks;
pub mod config;
pub mod deadline;
mod ground;
pub mod health;
pub mod identity;
mod lifecycle;
mod management;
pub mod metrics;
mod observe;
pub mod outgoing;
mod problem;
mod server;
mod service;
pub mod settings;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod sql;
#[cfg(not(any(feature = "sqlite", feature = "postgres")))]
#[path = "sql/absent.rs"]
mod sql;
pub mod testing;

pub use app::{App, Config};
pub use axum;
pub use deadline::Deadline;
pub use lifecycle::{Running, StartError};
pub use problem::Problem;
pub use server::ClientCertificate;
pub use service::{HookError, Service};
