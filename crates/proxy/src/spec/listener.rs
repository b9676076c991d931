//! What operators write about a listener: where it is, its certificates, its bounds.

use std::path::PathBuf;

use gwanmun_config::{ByteSize, OneOrMany, Spanned, Timespan};
use schemars::JsonSchema;
use serde::Deserialize;

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
    /// Authorities whose client certificates are accepted: files, each with one or more.
    #[serde(default)]
    pub client_ca: OneOrMany<Spanned<PathBuf>>,
    /// Whether a client certificate is asked for, whether it must be there, and who verifies it.
    #[serde(default)]
    pub client_auth: ClientAuth,
    /// Revoked client certificates: files, each with one list or more.
    #[serde(default)]
    pub crl: OneOrMany<Spanned<PathBuf>>,
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
    /// It must be there and good.
    Required,
    /// It may be absent or nobody's: the client proves that it has the key, and `client-cert` decides about the rest.
    Unverified,
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

/// Bounds; what is absent has the gateway's default.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LimitsSpec {
    /// Until the head of a request is complete (10s).
    pub header_timeout: Option<Timespan>,
    /// Between two pieces of a request's body (30s).
    pub body_timeout: Option<Timespan>,
    /// What must come of a request's body in a second, averaged over the time it is waited for, of which `body-timeout` is
    /// free (100B); 0B for no such bound. Bodies of gRPC, which may be conversations, have none.
    pub body_rate: Option<Spanned<ByteSize>>,
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
