//! What operators write, decoded and nothing more: `compile` checks it and turns it into a Plan. The keys are the
//! contract with users.

mod door;

use std::collections::BTreeMap;
use std::path::PathBuf;

use gwanmun_config::{ByteSize, OneOrMany, Piece, Spanned, Timespan};
use schemars::JsonSchema;
use serde::Deserialize;

pub use door::{Backslash, ControlCharacters, DuplicateSlashes, EncodedSlash, HeadersSpec, PathParameters, PathsSpec};

/// A whole configuration.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct GatewaySpec {
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

/// A door of the gateway.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ListenerSpec {
    /// What logs, metrics and the predicate `listener` call it; by default its address.
    #[serde(default)]
    pub name: Option<Spanned<String>>,
    /// `host:port` or `unix:/path`.
    pub address: Spanned<String>,
    /// Whether every connection begins with a header of the PROXY protocol (version 1 or 2), which a balancer in front
    /// sends to say who the client is.
    #[serde(default)]
    pub proxy_protocol: bool,
    /// TLS, if it speaks it.
    #[serde(default)]
    pub tls: Option<Spanned<ListenerTlsSpec>>,
    /// Bounds of this listener.
    #[serde(default)]
    pub limits: LimitsSpec,
}

/// TLS at a listener.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ListenerTlsSpec {
    /// Certificates with their keys, chosen by the name the client asks for; the first serves everybody else.
    pub certificates: Vec<Spanned<CertificateSpec>>,
    /// Authorities whose client certificates are accepted.
    #[serde(default)]
    pub client_ca: Option<Spanned<PathBuf>>,
    /// Whether a client certificate is asked for, and whether it must be there.
    #[serde(default)]
    pub client_auth: ClientAuth,
    /// Revoked client certificates.
    #[serde(default)]
    pub crl: Option<Spanned<PathBuf>>,
}

/// What is asked of a client's certificate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClientAuth {
    /// It is not asked for.
    #[default]
    None,
    /// It may be absent; if it is there it must be good.
    Optional,
    /// It must be there.
    Required,
}

/// A certificate chain and its key, PEM.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CertificateSpec {
    /// The chain, leaf first.
    pub certificate: Spanned<PathBuf>,
    /// The private key.
    pub key: Spanned<PathBuf>,
}

/// The management port.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ManagementSpec {
    /// Everything: health, metrics, info, routes, upstreams, configuration.
    pub address: Spanned<String>,
    /// Health only, for the platform.
    pub probes: Option<Spanned<String>>,
}

impl Default for ManagementSpec {
    fn default() -> Self {
        Self { address: Spanned::from("127.0.0.1:9901".to_owned()), probes: None }
    }
}

/// Bounds; what is absent has the gateway's default.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LimitsSpec {
    /// Until the head of a request is complete (10s).
    pub header_timeout: Option<Timespan>,
    /// Between two pieces of a request's body (30s).
    pub body_timeout: Option<Timespan>,
    /// Between two requests on a connection, and how long an answer waits for a client that reads nothing of it (75s).
    pub idle_timeout: Option<Timespan>,
    /// Between two pieces of data on an upgraded connection (1h).
    pub upgrade_idle_timeout: Option<Timespan>,
    /// Size of a request's head (32KiB).
    pub header_bytes: Option<Spanned<ByteSize>>,
    /// Number of header fields (100).
    #[schemars(range(min = 1))]
    pub header_count: Option<Spanned<usize>>,
    /// Length of the request target (8KiB).
    pub uri_bytes: Option<Spanned<ByteSize>>,
    /// Number of cookies of a request (200).
    #[schemars(range(min = 1))]
    pub cookies: Option<Spanned<usize>>,
    /// Connections at the same time, over all workers (8000).
    #[schemars(range(min = 1))]
    pub connections: Option<Spanned<usize>>,
    /// Streams at the same time on one HTTP/2 connection (128).
    #[schemars(range(min = 1))]
    pub streams: Option<Spanned<u32>>,
    /// Size of a request's body (no bound).
    pub body_bytes: Option<Spanned<ByteSize>>,
    /// What an HTTP/2 client may do besides asking.
    pub http2: Http2LimitsSpec,
}

/// Budgets of one HTTP/2 connection: frames in an interval, unless it says otherwise. Who overdraws one is sent GOAWAY
/// (`ENHANCE_YOUR_CALM`) and loses the connection.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Http2LimitsSpec {
    /// How long a budget is for (10s).
    pub interval: Option<Timespan>,
    /// Requests that are taken back, RST_STREAM (500).
    pub resets: Option<u32>,
    /// Streams that the gateway resets because of what the client did on them, in the connection's life (500).
    pub provoked_resets: Option<u32>,
    /// PING, besides one for every piece of an answer (200).
    pub pings: Option<u32>,
    /// SETTINGS, acknowledgements too (20).
    #[schemars(range(min = 2))]
    pub settings: Option<Spanned<u32>>,
    /// HEADERS and DATA with nothing in them that do not end their stream, and empty CONTINUATION (50).
    pub empty_frames: Option<u32>,
    /// PRIORITY and PRIORITY_UPDATE (500).
    pub priorities: Option<u32>,
    /// WINDOW_UPDATE, besides four for every piece of an answer and one for every KiB (1000).
    pub window_updates: Option<u32>,
    /// GOAWAY and frames of unknown types (100).
    pub other_frames: Option<u32>,
    /// Size of the table of header fields that the client may refer to (4KiB).
    pub header_table_bytes: Option<Spanned<ByteSize>>,
}

/// Logs and metrics.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct TelemetrySpec {
    /// `stdout` (the default), a path, or `off`.
    pub access_log: Option<Spanned<String>>,
    /// The application log on stderr.
    pub logs: LogsSpec,
    /// Trace context.
    pub traces: TracesSpec,
}

/// The application log.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LogsSpec {
    /// The least severe level that is written.
    pub level: LogLevel,
    /// One JSON object per line, or text for people.
    pub format: LogFormat,
}

/// How much the application log says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// Failures of the gateway itself.
    Error,
    /// Things to look at.
    Warn,
    /// What an operator wants to know.
    #[default]
    Info,
    /// What a developer wants to know.
    Debug,
    /// Everything.
    Trace,
}

/// How the application log looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// One JSON object per line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// Trace context.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct TracesSpec {
    /// The share of traces started here that are marked as sampled, 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    pub sample: Option<Spanned<f64>>,
    /// The formats in which a trace is taken from trusted callers and passed on (`[w3c]`).
    pub propagate: Option<Vec<Spanned<Propagation>>>,
}

/// A format of trace context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Propagation {
    /// `traceparent` and `tracestate`.
    W3c,
    /// Zipkin's, passed on in the header `b3`.
    B3,
    /// Zipkin's, passed on in the headers `X-B3-…`.
    B3Multi,
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

/// A service behind the gateway.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct UpstreamSpec {
    /// Where it listens.
    pub endpoints: OneOrMany<Piece>,
    /// How requests are shared out.
    #[serde(default)]
    pub balance: Balance,
    /// How long things may take.
    #[serde(default)]
    pub timeouts: TimeoutsSpec,
    /// How long an unused connection is kept (60s).
    #[serde(default)]
    pub keep_alive: Option<Timespan>,
    /// TLS towards `https` endpoints.
    #[serde(default)]
    pub tls: Option<Spanned<UpstreamTlsSpec>>,
}

/// An endpoint with its weight.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EndpointSpec {
    /// `http://host:port`, `https://…`, `h2c://…`, `unix:/path`, `dns+http://name:port`.
    pub url: Spanned<String>,
    /// Its share relative to the other endpoints'.
    #[serde(default = "one")]
    pub weight: Spanned<u32>,
}

fn one() -> Spanned<u32> {
    Spanned::from(1)
}

/// How requests are shared out among the endpoints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Balance {
    /// In turn, by weight.
    #[default]
    RoundRobin,
}

/// How long an upstream may take; what is absent has the gateway's default.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct TimeoutsSpec {
    /// Until a connection is made (1s).
    pub connect: Option<Timespan>,
    /// Until the head of the answer is there (30s).
    pub response: Option<Timespan>,
    /// Between two pieces of the answer's body (60s).
    pub idle: Option<Timespan>,
    /// For the whole exchange (`none`).
    pub total: Option<TimespanOrNone>,
}

/// A duration, or `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String", description = "a duration like 30s, or none")]
pub struct TimespanOrNone(pub Option<std::time::Duration>);

impl<'de> Deserialize<'de> for TimespanOrNone {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "none" {
            return Ok(Self(None));
        }
        Timespan::parse(&text)
            .map(|span| Self(Some(span.0)))
            .ok_or_else(|| serde::de::Error::custom(format!("found '{text}', wanted a duration like 30s, or none")))
    }
}

/// TLS towards an upstream.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct UpstreamTlsSpec {
    /// Authorities to trust instead of the platform's.
    pub ca: Option<Spanned<PathBuf>>,
    /// The name its certificate must have, and the SNI; by default the endpoint's host.
    pub name: Option<Spanned<String>>,
    /// Our own certificate.
    pub certificate: Option<Spanned<PathBuf>>,
    /// Its key.
    pub key: Option<Spanned<PathBuf>>,
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
