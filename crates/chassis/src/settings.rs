//! What people write about a service besides its own section: the keys that every service has.

use std::collections::BTreeMap;

use gwanmun_config::{ByteSize, OneOrMany, Spanned, Timespan};
use gwanmun_telemetry::spec::{HealthSpec, TelemetrySpec};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::identity::{AuditSpec, AuthorizationSpec, PassportSpec};
use crate::outgoing::ClientSpec;

/// The keys that may change while a service runs; `*` is any name. Others take effect at the next start.
pub(crate) const RELOADABLE: &[&str] = &[
    "authorization",
    "health",
    "telemetry.exceptions",
    "telemetry.logs.facility",
    "telemetry.logs.file",
    "telemetry.logs.level",
    "telemetry.logs.levels",
    "telemetry.logs.redact",
    "telemetry.logs.syslog",
    "telemetry.metrics",
    "telemetry.traces.otlp",
    "telemetry.traces.protocol",
    "telemetry.traces.sample",
    "telemetry.traces.zipkin",
];

/// Every key that each service has.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ServiceSpec {
    /// Whose files are read too, the last is the strongest: `production` is `application-production.yaml`.
    pub profiles: OneOrMany<Spanned<String>>,
    /// Where requests arrive.
    pub server: ServerSpec,
    /// Where operators look.
    pub management: ManagementSpec,
    /// Whose Passports are believed.
    pub passport: Option<PassportSpec>,
    /// Who may do what; may change while the service runs.
    pub authorization: Option<AuthorizationSpec>,
    /// Where it is recorded who did what.
    pub audit: Option<Spanned<AuditSpec>>,
    /// Services that this one calls, by the names its code has for them.
    pub clients: BTreeMap<String, Spanned<ClientSpec>>,
    /// The database.
    pub database: Option<DatabaseSpec>,
    /// Logs, traces, metrics, exceptions.
    pub telemetry: TelemetrySpec,
    /// Checks behind `/health`, and which of them count for readiness.
    pub health: HealthSpec,
    /// How a service ends.
    pub drain: DrainSpec,
}

/// How a service ends: not ready, a delay, no more connections, the rest of the requests.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct DrainSpec {
    /// How long it goes on as before when it says that it is not ready (0 s).
    pub delay: Option<Spanned<Timespan>>,
    /// How long requests then have to end (30 s).
    pub timeout: Option<Spanned<Timespan>>,
}

/// Where requests arrive.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ServerSpec {
    /// `host:port`; port 0 is any (`127.0.0.1:8080`).
    pub address: Option<Spanned<String>>,
    /// The largest body of a request (1 MiB).
    pub body_bytes: Option<Spanned<ByteSize>>,
    /// How long a request may take until its answer begins (30 s).
    pub timeout: Option<Spanned<Timespan>>,
    /// How long the head of a request may take to arrive, and a TLS handshake (10 s).
    pub header_timeout: Option<Spanned<Timespan>>,
    /// How long a connection may be without a request, or take nothing of its answer (75 s).
    pub idle_timeout: Option<Spanned<Timespan>>,
    /// The largest head of a request (32 KiB).
    pub header_bytes: Option<Spanned<ByteSize>>,
    /// The most header fields of a request over HTTP/1.1 (100).
    pub header_count: Option<Spanned<usize>>,
    /// The most connections at once (8000).
    pub connections: Option<Spanned<usize>>,
    /// The most requests at once on one connection of HTTP/2 (128).
    pub streams: Option<Spanned<u32>>,
    /// TLS; without it, cleartext.
    pub tls: Option<ServerTlsSpec>,
}

/// TLS of the service's listener. The files are read anew when they change.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ServerTlsSpec {
    /// A PEM file with the certificate and what leads to its authority.
    pub certificate: Spanned<String>,
    /// A PEM file with its private key.
    pub key: Spanned<String>,
    /// A PEM file with the authorities of clients' certificates.
    pub client_ca: Option<Spanned<String>>,
    /// Whether clients must show a certificate (`required` where there is a `client-ca`).
    pub client_auth: Option<Spanned<ClientAuth>>,
}

/// Whether clients must show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClientAuth {
    /// They are not asked.
    None,
    /// They may.
    Optional,
    /// They must.
    Required,
}

/// Where operators look.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ManagementSpec {
    /// `host:port` (`127.0.0.1:9901`).
    pub address: Option<Spanned<String>>,
    /// `host:port` of a port that shows health only, for the platform.
    pub probes: Option<Spanned<String>>,
    /// What `Authorization: Bearer` must carry to change something, such as the level of a logger.
    pub token: Option<Spanned<String>>,
}

/// The database, of services that are built with one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DatabaseSpec {
    /// `sqlite://orders.db`, `sqlite::memory:` or `postgres://host/database`.
    pub url: Spanned<String>,
    /// The user, where the URL does not name it.
    pub username: Option<Spanned<String>>,
    /// The user's password, best as `${file:…}`.
    pub password: Option<Spanned<String>>,
    /// The most connections at once (10).
    pub max_connections: Option<Spanned<u32>>,
    /// How long a request waits for a connection; then it is a 503 (2 s).
    pub acquire_timeout: Option<Spanned<Timespan>>,
    /// How long a connection is kept that nobody needs (10 min).
    pub idle_timeout: Option<Spanned<Timespan>>,
    /// How long the database may take to be there when the service starts (30 s).
    pub start_timeout: Option<Spanned<Timespan>>,
    /// How often it is looked whether it answers (5 s).
    pub check_every: Option<Spanned<Timespan>>,
    /// How long the answer may take (1 s).
    pub check_timeout: Option<Spanned<Timespan>>,
}
