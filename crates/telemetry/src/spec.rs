//! The section `telemetry` as people write it, for the gateway and for services alike.

mod check;
mod health;

use std::collections::BTreeMap;

use gwanmun_config::{Spanned, Timespan};
use schemars::JsonSchema;
use serde::Deserialize;

pub use health::{CheckSpec, HealthSpec, PrivateText, StepSpec};

/// What is told about the process, and where.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct TelemetrySpec {
    /// `stdout` (the default), a path, or `off`.
    pub access_log: Option<Spanned<String>>,
    /// The application log on stderr.
    pub logs: LogsSpec,
    /// Trace context, and where spans go.
    pub traces: TracesSpec,
    /// Where numbers go besides the page `/metrics`.
    pub metrics: MetricsSpec,
    /// Where panics and errors go.
    pub exceptions: ExceptionsSpec,
}

/// The application log.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LogsSpec {
    /// The least severe level that is written.
    pub level: LogLevel,
    /// Levels of targets (`my_service::orders`) and what is below them, in place of `level`.
    pub levels: BTreeMap<String, Spanned<LogLevel>>,
    /// One JSON object per line, or text for people.
    pub format: LogFormat,
    /// Names of fields whose values are masked, besides those that say that they are secrets.
    pub redact: Vec<Spanned<String>>,
    /// A file that gets the lines too.
    pub file: Option<Spanned<String>>,
    /// Where the lines go besides: `tcp://host:port` of a syslog receiver (RFC 5424, RFC 6587).
    pub syslog: Option<Spanned<String>>,
    /// The facility of lines for syslog, 0 to 23; 16 is `local0`, the default.
    pub facility: Option<Spanned<u8>>,
}

/// How much the application log says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// Nothing.
    Off,
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

/// Trace context, and where spans go: to one of `otlp` and `zipkin`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct TracesSpec {
    /// The base URL of an OTLP receiver: `http://127.0.0.1:4318`, with `protocol: grpc` `http://127.0.0.1:4317`.
    pub otlp: Option<Spanned<String>>,
    /// How OTLP is spoken.
    pub protocol: OtlpProtocol,
    /// The URL of a Zipkin receiver: `http://127.0.0.1:9411/api/v2/spans`.
    pub zipkin: Option<Spanned<String>>,
    /// The share of traces started here that are marked as sampled, 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    pub sample: Option<Spanned<f64>>,
    /// The formats in which a trace is taken from trusted callers and passed on (`[w3c]`).
    pub propagate: Option<Vec<Spanned<Propagation>>>,
}

impl TracesSpec {
    /// Whether spans go anywhere.
    pub fn are_sent(&self) -> bool {
        [&self.otlp, &self.zipkin].into_iter().flatten().any(|url| !url.is_empty())
    }
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

/// How OTLP is spoken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OtlpProtocol {
    /// Protobuf over HTTP/1.1.
    #[default]
    Http,
    /// gRPC over HTTP/2.
    Grpc,
}

/// Where numbers go besides the page `/metrics`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct MetricsSpec {
    /// The base URL of an OTLP receiver.
    pub otlp: Option<Spanned<String>>,
    /// How OTLP is spoken.
    pub protocol: OtlpProtocol,
    /// How often numbers are sent (10 s).
    pub every: Option<Spanned<Timespan>>,
}

/// Where panics and errors go besides the page `/exceptions`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ExceptionsSpec {
    /// The DSN of a tracker that speaks Sentry's protocol: `https://KEY@host/PROJECT`. Empty is none.
    pub dsn: Option<Spanned<String>>,
    /// What the tracker calls the environment: the first profile, where nothing is said.
    pub environment: Option<Spanned<String>>,
    /// How often the tracker is told of the same kind (60 s).
    pub every: Option<Spanned<Timespan>>,
}
