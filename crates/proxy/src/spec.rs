//! What operators write, decoded and nothing more: `compile` checks it and turns it into a Plan. The keys are the
//! contract with users.

mod door;
mod listener;
mod upstream;

use std::collections::BTreeMap;

use gwanmun_config::{Piece, Spanned, Timespan};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

pub use gwanmun_telemetry::spec::{HealthSpec, TelemetrySpec};

pub use door::{Backslash, ControlCharacters, DuplicateSlashes, EncodedSlash, HeadersSpec, PathParameters, PathsSpec};
pub use listener::{CertificateSpec, ClientAuth, Http2LimitsSpec, LimitsSpec, ListenerSpec, ListenerTlsSpec};
pub use upstream::{Balance, EndpointSpec, TimeoutsSpec, TimespanOrNone, UpstreamSpec, UpstreamTlsSpec};

/// A whole configuration.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct GatewaySpec {
    /// What the gateway is for: turns on what such a gateway always needs, and refuses what contradicts it.
    #[serde(deserialize_with = "there")]
    pub role: Option<Spanned<String>>,
    /// Where clients connect.
    pub listeners: Vec<Spanned<ListenerSpec>>,
    /// Where operators look: health, metrics, routes.
    pub management: ManagementSpec,
    /// How many threads serve requests; by default the cores that the cgroup grants.
    #[schemars(range(min = 1, max = 1024))]
    pub workers: Option<Spanned<usize>>,
    /// Peers that may say who the client is (`Forwarded`, `X-Forwarded-*`, a trace): addresses, networks, and `unix:` for
    /// whoever connects to a unix socket.
    pub trusted_proxies: Vec<Spanned<String>>,
    /// Headers that never survive from outside, besides our own; a `*` at the end stands for any rest.
    pub internal_headers: Vec<Spanned<String>>,
    /// How paths are read.
    pub paths: PathsSpec,
    /// Which headers of requests are left as they come.
    pub headers: HeadersSpec,
    /// Bounds for every listener that does not set its own.
    pub limits: LimitsSpec,
    /// Logs and metrics.
    pub telemetry: TelemetrySpec,
    /// Checks behind `/health`, and which of them count for readiness.
    pub health: HealthSpec,
    /// How the gateway stops.
    pub drain: DrainSpec,
    /// Where a request carries the version of the API it wants; the predicate `version` reads it.
    pub api_version: Option<Spanned<ApiVersionSpec>>,
    /// Door filters: every request, before a route is looked up.
    pub filters: Vec<Piece>,
    /// Filters of every route, before its own.
    pub default_filters: Vec<Piece>,
    /// The services behind, by name.
    pub upstreams: BTreeMap<String, Spanned<UpstreamSpec>>,
    /// The routes; the first that takes a request serves it.
    pub routes: Vec<Spanned<RouteSpec>>,
    /// Requests and what must become of them; `gwanmun test` runs them.
    pub tests: Vec<Piece>,
}

/// A key that is there has a value: a role that turned out to be empty would leave the gateway open.
fn there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Spanned<String>>, D::Error> {
    Spanned::deserialize(deserializer).map(Some)
}

/// The management port.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ManagementSpec {
    /// Everything: health, metrics, info, routes, upstreams, configuration.
    pub address: Spanned<String>,
    /// Health only, for the platform.
    pub probes: Option<Spanned<String>>,
    /// What `Authorization: Bearer` must carry to change something, such as the level of a logger; without it nothing can
    /// be changed.
    pub token: Option<Spanned<String>>,
}

impl Default for ManagementSpec {
    fn default() -> Self {
        Self { address: Spanned::from("127.0.0.1:9901".to_owned()), probes: None, token: None }
    }
}

/// How the gateway stops: not ready, `delay`, listeners close, at most `timeout`, exit.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct DrainSpec {
    /// How long it goes on accepting after it said that it is not ready.
    pub delay: Timespan,
    /// How long running requests may take.
    pub timeout: Timespan,
}

impl Default for DrainSpec {
    fn default() -> Self {
        Self { delay: Timespan(std::time::Duration::ZERO), timeout: Timespan(std::time::Duration::from_secs(30)) }
    }
}

/// Where a request carries the version of the API; exactly one of `header`, `query` and `path-segment`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ApiVersionSpec {
    /// A header's name.
    pub header: Option<String>,
    /// A query parameter's name.
    pub query: Option<String>,
    /// The path segment's index, from 0.
    pub path_segment: Option<usize>,
    /// What a request without a version wants.
    pub default: Option<String>,
}

/// A route: id + predicates + filters + upstream.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RouteSpec {
    /// Its name in logs, metrics and tests: 1 to 128 letters, digits and any of `- _ . : /`.
    #[schemars(length(min = 1, max = 128))]
    pub id: Spanned<String>,
    /// Lower is asked first; equal ones in the order of the files.
    #[serde(default)]
    pub order: i64,
    /// All must hold; none takes every request.
    #[serde(default)]
    pub predicates: Vec<Piece>,
    /// In this order; back in reverse.
    #[serde(default)]
    pub filters: Vec<Piece>,
    /// A name under `upstreams`, or a URL; not needed where a filter always answers.
    #[serde(default)]
    pub upstream: Option<Spanned<String>>,
}
