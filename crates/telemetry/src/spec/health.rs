//! The section `health` as people write it, for the gateway and for services alike.

use std::borrow::Cow;
use std::collections::BTreeMap;

use gwanmun_config::{OneOrMany, Spanned, Timespan};
use gwanmun_core::Secret;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};

/// What is looked at in the background, and which groups of `/health` it counts for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct HealthSpec {
    /// From the begin of one look to that of the next, for checks that do not say otherwise (5s; 1m for `steps`).
    pub every: Option<Spanned<Timespan>>,
    /// How long one look may take, for checks that do not say otherwise (1s; 10s for `steps`).
    pub timeout: Option<Spanned<Timespan>>,
    /// Checks by name. A name that stands for a check already may change what it counts for and how often it runs.
    pub checks: BTreeMap<String, Spanned<CheckSpec>>,
}

/// One check: one of `http`, `tcp`, `path` and `steps`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct CheckSpec {
    /// A URL that must answer.
    pub http: Option<Spanned<String>>,
    /// With `http`: the statuses that are right (200 to 299).
    pub status: Option<OneOrMany<Spanned<u16>>>,
    /// `host:port` that must take connections.
    pub tcp: Option<Spanned<String>>,
    /// A path in a file system that must have room.
    pub path: Option<Spanned<String>>,
    /// With `path`: how much room, as a size or a share: `100MiB` (the default), `10%`.
    pub free: Option<Spanned<String>>,
    /// Requests to be made one after the other, each of which must be answered as it says.
    pub steps: Option<Vec<Spanned<StepSpec>>>,
    /// Whether no requests should come while it fails (true).
    pub readiness: Option<bool>,
    /// Whether the process should be started anew while it fails (false).
    pub liveness: Option<bool>,
    /// Whether the process has not started before it was up once (false).
    pub startup: Option<bool>,
    /// From the begin of one look to that of the next.
    pub every: Option<Spanned<Timespan>>,
    /// How long one look may take.
    pub timeout: Option<Spanned<Timespan>>,
}

/// One request of a synthetic transaction.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StepSpec {
    /// Where it goes.
    pub url: Spanned<String>,
    /// Its method (GET).
    #[serde(default)]
    pub method: Option<Spanned<String>>,
    /// Its headers.
    #[serde(default)]
    pub headers: BTreeMap<String, Spanned<PrivateText>>,
    /// Its body.
    #[serde(default)]
    pub body: Option<PrivateText>,
    /// The statuses that are right (200 to 299).
    #[serde(default)]
    pub status: Option<OneOrMany<Spanned<u16>>>,
    /// What must stand in the body of the answer.
    #[serde(default)]
    pub contains: Option<String>,
}

/// A text that may hold a secret, and does not print itself.
#[derive(Debug, Clone)]
pub struct PrivateText(pub(crate) Secret<String>);

impl<'de> Deserialize<'de> for PrivateText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

impl JsonSchema for PrivateText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PrivateText".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}
