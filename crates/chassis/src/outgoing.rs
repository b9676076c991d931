//! Calls to other services: each carries the trace and what is left of the deadline, and the caller's Passport where the
//! configuration says that the other side is within the trust domain; bounded, retried within a budget, cut off by a breaker.
//! Nothing else of the request that is worked on goes along.

mod answer;
mod call;
mod failure;
mod spec;
mod target;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gwanmun_client::Client;
use gwanmun_config::Spanned;
use gwanmun_core::{Clock, Tally};
use gwanmun_resilience::{BreakerState, RetryBudget};
use gwanmun_telemetry::metrics::HttpCalls;
use gwanmun_telemetry::trace::TraceFormats;
use gwanmun_telemetry::tracer::Tracer;
use http::Method;

pub use answer::Answer;
pub use call::Call;
pub use failure::{CallFailed, Why};
pub use spec::{BreakerSpec, ClientSpec, ClientTlsSpec, PassportUse, RetryBudgetSpec};
pub use target::segment;

use crate::ground::Ground;
use target::Base;

/// Calls one other service. Clones are the same.
///
/// ```
/// use gwanmun_chassis::outgoing::{HttpClient, segment};
/// use gwanmun_chassis::Problem;
///
/// async fn price(menu: &HttpClient, dish: &str) -> Result<u64, Problem> {
///     Ok(menu.get(format!("/dishes/{}/price", segment(dish))).send().await?.json()?)
/// }
/// ```
#[derive(Clone)]
pub struct HttpClient(Arc<Parts>);

struct Parts {
    name: Arc<str>,
    base: Base,
    client: Client,
    passport: PassportUse,
    /// How long a call may take, all attempts together.
    timeout: Duration,
    /// How long one attempt may take.
    attempt: Duration,
    retries: u32,
    budget: RetryBudget,
    told: Told,
    clock: Arc<dyn Clock>,
}

/// Where calls are told of.
#[derive(Clone)]
pub(crate) struct Told {
    pub(crate) tracer: Tracer,
    /// How the trace is written for others.
    pub(crate) formats: TraceFormats,
    pub(crate) numbers: HttpCalls,
    retries: Option<Tally>,
}

/// All clients of a configuration, by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clients(Arc<BTreeMap<String, HttpClient>>);

/// The configuration has no client of this name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownClient(pub String);

impl HttpClient {
    /// Reads something. `path` begins with a slash and may have a query; what comes from outside goes into it through
    /// [`segment`] or [`Call::query`].
    pub fn get(&self, path: impl AsRef<str>) -> Call {
        self.request(Method::GET, path)
    }

    /// Has something done. It is not repeated, unless [`Call::repeatable`] says that it may be.
    pub fn post(&self, path: impl AsRef<str>) -> Call {
        self.request(Method::POST, path)
    }

    /// Puts something in its place.
    pub fn put(&self, path: impl AsRef<str>) -> Call {
        self.request(Method::PUT, path)
    }

    /// Removes something.
    pub fn delete(&self, path: impl AsRef<str>) -> Call {
        self.request(Method::DELETE, path)
    }

    /// Any method.
    pub fn request(&self, method: Method, path: impl AsRef<str>) -> Call {
        Call::new(self.clone(), method, path.as_ref())
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What its breaker does with calls now.
    pub fn breaker_state(&self) -> BreakerState {
        self.0.client.breaker_state()
    }
}

impl Told {
    pub(crate) fn new(tracer: Tracer, formats: TraceFormats, numbers: HttpCalls) -> Self {
        Self { tracer, formats, numbers, retries: None }
    }
}

impl Clients {
    /// From what is written under `clients`; every mistake goes to `ground`.
    pub(crate) fn build(
        specs: &BTreeMap<String, Spanned<ClientSpec>>,
        told: &Told,
        ground: &mut Ground<'_>,
    ) -> Option<Self> {
        let help = "Calls to other services that failed and could be repeated, by what became of that.";
        let retries = ground.tallies.tally("gwanmun_client_retries_total", help, &["client", "result"]);
        let told = Told { retries: Some(retries), ..told.clone() };
        let outbound = ground.outbound();
        let built: Vec<_> = specs
            .iter()
            .map(|(name, spec)| Some((name.clone(), HttpClient::build(name, spec, &told, &outbound, ground)?)))
            .collect();
        built.into_iter().collect::<Option<_>>().map(|clients| Self(Arc::new(clients)))
    }

    /// The one called `name`.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn of(&self, name: &str) -> Result<HttpClient, UnknownClient> {
        self.0.get(name).cloned().ok_or_else(|| UnknownClient(name.to_owned()))
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").field("name", &self.0.name).finish_non_exhaustive()
    }
}

impl fmt::Display for UnknownClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration has no `clients.{}`", self.0)
    }
}

impl std::error::Error for UnknownClient {}
