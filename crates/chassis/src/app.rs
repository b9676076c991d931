//! What handlers reach: the state of every router of a service.

use std::convert::Infallible;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::extract::FromRequestParts;
use gwanmun_telemetry::exceptions::Exceptions;
use gwanmun_telemetry::health::Health;
use gwanmun_telemetry::metrics::Instruments;
use gwanmun_telemetry::pipeline::Telemetry;
use http::request::Parts;

use crate::identity::{Audit, Identity};
use crate::outgoing::{Clients, HttpClient, UnknownClient};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
use crate::sql::NoDatabase;
use crate::sql::Sql;

/// What a service has while it runs. Clones are the same.
pub struct App<C = ()>(Arc<Held<C>>);

pub(crate) struct Held<C> {
    pub(crate) name: &'static str,
    pub(crate) config: ArcSwap<C>,
    pub(crate) health: Health,
    pub(crate) telemetry: Telemetry,
    pub(crate) metrics: Instruments,
    pub(crate) identity: Identity,
    pub(crate) clients: Clients,
    pub(crate) sql: Option<Sql>,
}

impl<C> App<C> {
    pub(crate) fn of(held: Held<C>) -> Self {
        Self(Arc::new(held))
    }

    /// The service's name.
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// The service's own section as it is now; to be asked anew for each request.
    pub fn config(&self) -> Arc<C> {
        self.0.config.load_full()
    }

    /// Another configuration is in force.
    pub(crate) fn adopt(&self, own: C) {
        self.0.config.store(Arc::new(own));
    }

    /// The client for what the configuration calls `clients.NAME`.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn client(&self, name: &str) -> Result<HttpClient, UnknownClient> {
        self.0.clients.of(name)
    }

    /// Connections to the database: `$1` and so on stand for values, whichever it is. [`crate::Problem`] can be made of what
    /// goes wrong, so that `?` will do in handlers.
    ///
    /// # Errors
    /// The configuration has no `database`.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub fn sql(&self) -> Result<&sqlx::AnyPool, NoDatabase> {
        self.0.sql.as_ref().map(Sql::pool).ok_or(NoDatabase)
    }

    pub(crate) fn database(&self) -> Option<&Sql> {
        self.0.sql.as_ref()
    }

    /// Where work outside of requests is recorded: jobs, hooks. In handlers `Audit` is an extractor.
    pub fn audit(&self) -> Audit {
        self.0.identity.audit()
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// The checks behind `/health`, for those that come later than the start.
    pub fn health(&self) -> &Health {
        &self.0.health
    }

    /// Counters, gauges and histograms of business code, shown on the page `/metrics` and exported.
    pub fn metrics(&self) -> &Instruments {
        &self.0.metrics
    }

    /// Where errors go that somebody should look at, but that no answer tells of.
    pub fn exceptions(&self) -> Exceptions {
        self.0.telemetry.exceptions()
    }

    /// Traces and exceptions.
    pub fn telemetry(&self) -> &Telemetry {
        &self.0.telemetry
    }
}

impl<C> Clone for App<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// The service's own section as it is for this request, as an argument of handlers.
///
/// ```
/// use gwanmun_chassis::Config;
///
/// struct Orders {
///     greeting: String,
/// }
///
/// async fn greet(Config(orders): Config<Orders>) -> String {
///     orders.greeting.clone()
/// }
/// ```
#[derive(Debug)]
pub struct Config<C>(pub Arc<C>);

impl<C: Send + Sync + 'static> FromRequestParts<App<C>> for Config<C> {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, app: &App<C>) -> Result<Self, Infallible> {
        Ok(Self(app.config()))
    }
}
