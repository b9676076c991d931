//! What people write about a service besides its own section: the keys that every service has.

use std::collections::BTreeMap;

use gwanmun_config::{ByteSize, OneOrMany, Spanned, Timespan};
use gwanmun_telemetry::spec::TelemetrySpec;
use schemars::JsonSchema;
use serde::Deserialize;

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
    /// Services that this one calls, by the names its code has for them.
    pub clients: BTreeMap<String, Spanned<ClientSpec>>,
    /// Logs, traces, metrics, exceptions.
    pub telemetry: TelemetrySpec,
}

/// Where requests arrive.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ServerSpec {
    /// `host:port`; port 0 is any (`127.0.0.1:8080`).
    pub address: Option<Spanned<String>>,
    /// The largest body of a request (1 MiB).
    pub body_bytes: Option<Spanned<ByteSize>>,
    /// How long a request may take (30 s).
    pub timeout: Option<Spanned<Timespan>>,
}

/// Where operators look.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ManagementSpec {
    /// `host:port` (`127.0.0.1:9901`).
    pub address: Option<Spanned<String>>,
    /// What `Authorization: Bearer` must carry to change something, such as the level of a logger.
    pub token: Option<Spanned<String>>,
}

/// Whose Passports are believed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PassportSpec {
    /// The gateways that sign them (`iss`).
    pub issuer: Spanned<String>,
    /// Where the issuer publishes its keys.
    pub jwks: Spanned<String>,
    /// `aud` of every Passport.
    pub trust_domain: Spanned<String>,
}

/// A service that this one calls.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ClientSpec {
    /// Its base URL.
    pub url: Spanned<String>,
    /// How long a call may take, all attempts together (2 s).
    pub timeout: Option<Spanned<Timespan>>,
}
