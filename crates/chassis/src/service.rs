//! A service from its parts: named, configured, routed, run.

use std::ffi::OsString;
use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;

use axum::Router;
use gwanmun_telemetry::health::{Check, CheckSettings};

use crate::app::App;
use crate::config::Configuration;
use crate::lifecycle::{self, Running, StartError};
use crate::sql::Migration;

/// What went wrong in a hook.
pub type HookError = Box<dyn std::error::Error + Send + Sync>;

/// Runs at the start, before the service is ready, or at the end, after the last request.
pub(crate) type Hook<C> = Box<dyn FnOnce(App<C>) -> Pin<Box<dyn Future<Output = Result<(), HookError>> + Send>> + Send>;

/// Makes a check of what the service has when it starts.
pub(crate) type MakeCheck<C> = Box<dyn FnOnce(&App<C>) -> Box<dyn Check> + Send>;

/// A service that is being put together.
///
/// ```no_run
/// use gwanmun_chassis::Service;
/// use gwanmun_chassis::axum::{Router, routing::get};
///
/// fn main() -> std::process::ExitCode {
///     let routes = Router::new().route("/orders", get(|| async { "none yet" }));
///     Service::new("orders").routes(routes).run()
/// }
/// ```
pub struct Service<C = ()> {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// Need a Passport.
    pub(crate) routes: Router<App<C>>,
    /// Need none.
    pub(crate) public_routes: Router<App<C>>,
    /// Keys of the service's own section that may change while it runs.
    pub(crate) reloadable: Vec<&'static str>,
    /// What brings the database up to date.
    pub(crate) migrations: &'static [Migration],
    pub(crate) on_start: Vec<Hook<C>>,
    pub(crate) on_stop: Vec<Hook<C>>,
    pub(crate) checks: Vec<(String, CheckSettings, MakeCheck<C>)>,
    /// Whether `config` was said after what it has lost.
    pub(crate) has_lost: bool,
}

impl Service<()> {
    /// A service called `name` in logs, metrics, traces and audit, which is the key of its own section in the configuration.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            version: "",
            routes: Router::new(),
            public_routes: Router::new(),
            reloadable: Vec::new(),
            migrations: &[],
            on_start: Vec::new(),
            on_stop: Vec::new(),
            checks: Vec::new(),
            has_lost: false,
        }
    }

    /// Reads the service's own section as `C`. To be said before routes, hooks and checks, which know `C`: those that were
    /// said before would be lost, so that the service does not start.
    #[must_use]
    pub fn config<C: Configuration>(self) -> Service<C> {
        let has_hooks = !(self.on_start.is_empty() && self.on_stop.is_empty() && self.checks.is_empty());
        Service {
            has_lost: has_hooks || self.routes.has_routes() || self.public_routes.has_routes(),
            name: self.name,
            version: self.version,
            routes: Router::new(),
            public_routes: Router::new(),
            reloadable: self.reloadable,
            migrations: self.migrations,
            on_start: Vec::new(),
            on_stop: Vec::new(),
            checks: Vec::new(),
        }
    }
}

impl<C: Configuration> Service<C> {
    /// What `/info`, traces and exceptions call its version: `env!("CARGO_PKG_VERSION")`.
    #[must_use]
    pub fn version(mut self, version: &'static str) -> Self {
        self.version = version;
        self
    }

    /// Adds routes whose every request must carry a Passport.
    #[must_use]
    pub fn routes(mut self, routes: Router<App<C>>) -> Self {
        self.routes = self.routes.merge(routes);
        self
    }

    /// Adds routes that everybody may call who reaches the service.
    #[must_use]
    pub fn public_routes(mut self, routes: Router<App<C>>) -> Self {
        self.public_routes = self.public_routes.merge(routes);
        self
    }

    /// Lets these keys of the service's own section change while it runs; others need a start anew, which is said.
    #[must_use]
    pub fn reloadable(mut self, keys: impl IntoIterator<Item = &'static str>) -> Self {
        self.reloadable.extend(keys);
        self
    }

    /// Brings the database up to date before the service is ready: [`crate::migrations!`] names the files. The service needs a
    /// database then.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    #[must_use]
    pub fn migrations(mut self, migrations: &'static [Migration]) -> Self {
        self.migrations = migrations;
        self
    }

    /// Runs `hook` before the service is ready, in the order said. An error ends the start.
    #[must_use]
    pub fn on_start<F>(mut self, hook: impl FnOnce(App<C>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), HookError>> + Send + 'static,
    {
        self.on_start.push(Box::new(move |app| Box::pin(hook(app))));
        self
    }

    /// Runs `hook` after the last request, in reverse order.
    #[must_use]
    pub fn on_stop<F>(mut self, hook: impl FnOnce(App<C>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), HookError>> + Send + 'static,
    {
        self.on_stop.push(Box::new(move |app| Box::pin(hook(app))));
        self
    }

    /// Adds a check to `/health`.
    #[must_use]
    pub fn check<K: Check>(
        mut self,
        name: &str,
        settings: CheckSettings,
        check: impl FnOnce(&App<C>) -> K + Send + 'static,
    ) -> Self {
        self.checks.push((name.to_owned(), settings, Box::new(move |app| Box::new(check(app)))));
        self
    }

    /// Serves on the runtime that this is called on, without signals: for tests, and for who brings a `main` of its own.
    /// `settings` is the text of an `application.yaml`; files, environment and arguments are not looked at. Where the text
    /// does not say otherwise, addresses are free ports of this machine and there is no access log.
    ///
    /// # Errors
    /// The settings are at fault, a hook fails, or an address cannot be bound.
    pub async fn start(self, settings: &str) -> Result<Running<C>, StartError> {
        lifecycle::start_from(self, settings).await
    }

    /// Serves until a signal says stop; takes the process' arguments and environment. The exit code is 0 after a clean end,
    /// 1 where the configuration is at fault, 2 after wrong usage, 3 where it could not start.
    #[must_use]
    pub fn run(self) -> ExitCode {
        self.run_with(std::env::args_os().skip(1))
    }

    /// The same with these arguments in place of the process' own: for a program that does other things too.
    #[must_use]
    pub fn run_with(self, arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
        lifecycle::run(self, arguments)
    }
}
