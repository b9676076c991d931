//! The way to a service: which endpoint, which connection, what if it fails. The plan's part (`Upstream`, `Endpoint`) is
//! immutable and shared; connections belong to one worker (`UpstreamState`).

pub(crate) mod balance;
pub(crate) mod connect;
pub(crate) mod deadline;
pub(crate) mod endpoint;
pub(crate) mod h1;
pub(crate) mod h2;
pub(crate) mod io;
pub(crate) mod no_connection;
pub(crate) mod pool;
pub(crate) mod resolve;
pub(crate) mod send;
pub(crate) mod state;
pub(crate) mod tls;

use std::sync::Arc;
use std::time::Duration;

use gwanmun_core::{Code, Fault};
use http::Uri;

pub use endpoint::{Endpoint, InvalidEndpoint};

/// A service behind the gateway: immutable, part of the plan.
#[derive(Debug)]
pub struct Upstream {
    /// Its name in logs and metrics; for a URL in a route, the URL.
    pub name: Arc<str>,
    /// Where it listens; never empty.
    pub endpoints: Vec<Endpoint>,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// How long an unused connection is kept.
    pub keep_alive: Duration,
    /// What is in the files of its TLS settings: equal where they are.
    pub(crate) files: u64,
}

impl Upstream {
    /// Whether connections made for `other` are good for this one too.
    pub(crate) fn is_the_same_as(&self, other: &Self) -> bool {
        let Self { name, endpoints, timeouts, keep_alive, files } = self;
        let same = |(one, other): (&Endpoint, &Endpoint)| one.is_the_same_as(other);
        *name == other.name
            && endpoints.len() == other.endpoints.len()
            && endpoints.iter().zip(&other.endpoints).all(same)
            && *timeouts == other.timeouts
            && *keep_alive == other.keep_alive
            && *files == other.files
    }
}

/// How long an upstream may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection is made.
    pub connect: Duration,
    /// Until the head of the answer is there.
    pub response: Duration,
    /// Between two pieces of the answer's body.
    pub idle: Duration,
    /// For the whole exchange.
    pub total: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(1),
            response: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            total: None,
        }
    }
}

/// The origin in the absolute `uri` that a filter put in place of a route's upstream.
pub(crate) fn origin(uri: &Uri) -> Result<String, Fault> {
    match (uri.scheme_str(), uri.authority()) {
        (Some(scheme), Some(authority)) => Ok(format!("{scheme}://{authority}")),
        _ => Err(Fault::new(Code::UpstreamUnreachable, format!("a filter named '{uri}', which is not absolute"))),
    }
}

/// How long an unused connection is kept if nothing else is said.
pub const DEFAULT_KEEP_ALIVE: Duration = Duration::from_secs(60);
