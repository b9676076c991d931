//! What people write for a test.

use std::collections::BTreeMap;

use gwanmun_config::{OneOrMany, Spanned};
use gwanmun_filters::StatusSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::principal::PrincipalSpec;

/// A request and what must become of it. Nothing touches the network: `upstream-response` is what the upstream answers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct TestSpec {
    /// What it is about.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// What the client sends.
    pub(crate) request: Spanned<RequestSpec>,
    /// What the upstream answers; by default 200 with nothing.
    #[serde(default)]
    pub(crate) upstream_response: AnswerSpec,
    /// What must become of it.
    pub(crate) expect: Spanned<ExpectSpec>,
}

/// A request.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RequestSpec {
    /// The method; by default GET.
    #[serde(default)]
    pub(crate) method: Option<Spanned<String>>,
    /// The path, with its query if there is one; or an absolute URL.
    pub(crate) path: Spanned<String>,
    /// Headers.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, OneOrMany<Spanned<String>>>,
    /// The body.
    #[serde(default)]
    pub(crate) body: String,
    /// The listener it comes in by; by default the first.
    #[serde(default)]
    pub(crate) listener: Option<Spanned<String>>,
    /// The address it comes from; by default 127.0.0.1.
    #[serde(default)]
    pub(crate) from: Option<Spanned<String>>,
    /// Who calls; then no credential is needed.
    #[serde(default)]
    pub(crate) principal: Option<PrincipalSpec>,
}

/// What the upstream answers.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct AnswerSpec {
    /// The status; by default 200.
    pub(crate) status: Option<StatusSpec>,
    /// Headers.
    pub(crate) headers: BTreeMap<String, OneOrMany<Spanned<String>>>,
    /// The body.
    pub(crate) body: String,
}

/// What must become of a request; what is not mentioned may be anything.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(extend("minProperties" = 1))]
pub(crate) struct ExpectSpec {
    /// The id of the route that takes it; `null`: none does.
    #[serde(deserialize_with = "given")]
    pub(crate) route: Option<Option<Spanned<String>>>,
    /// The path that the upstream gets; with a question mark in it, path and query.
    pub(crate) upstream_path: Option<String>,
    /// The query that the upstream gets; `null`: none.
    #[serde(deserialize_with = "given")]
    pub(crate) upstream_query: Option<Option<String>>,
    /// Headers that the upstream gets; `null`: it must not get that one. Several of a name are joined by `, `.
    pub(crate) upstream_headers: BTreeMap<String, Option<Spanned<String>>>,
    /// The body that the upstream gets.
    pub(crate) upstream_body: Option<String>,
    /// The status that the client gets.
    pub(crate) status: Option<StatusSpec>,
    /// Headers that the client gets; `null`: it must not get that one. Several of a name are joined by `, `.
    pub(crate) headers: BTreeMap<String, Option<Spanned<String>>>,
    /// The body that the client gets.
    pub(crate) body: Option<String>,
}

/// Tells `null` from nothing.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
