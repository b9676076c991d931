//! What operators write about a service behind: its endpoints, how long they may take, TLS towards them.

use std::path::PathBuf;

use gwanmun_config::{OneOrMany, Piece, Spanned, Timespan};
use schemars::JsonSchema;
use serde::Deserialize;

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
