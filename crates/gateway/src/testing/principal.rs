//! Who calls, as a file or a test says it.

use std::collections::BTreeMap;
use std::path::Path;

use gwanmun_config::{Environment, MergeRules, decode, load};
use gwanmun_core::{Level, Principal};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::terminal::stderr_style;

/// Who calls; then no credential is needed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct PrincipalSpec {
    /// Who it is.
    subject: String,
    /// What it may act as.
    #[serde(default)]
    roles: Vec<String>,
    /// What its credential was given for.
    #[serde(default)]
    scopes: Vec<String>,
    /// `low`, `high` or `highest`; by default high.
    #[serde(default)]
    level: Option<LevelSpec>,
    /// The kind of credential and who vouches for it, like `jwt:corp`.
    #[serde(default)]
    credential: Option<String>,
    /// What else is known, by name.
    #[serde(default)]
    claims: BTreeMap<String, Value>,
}

/// How sure it is who calls.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum LevelSpec {
    Low,
    High,
    Highest,
}

impl PrincipalSpec {
    /// Reads the principal that a file (YAML or JSON) describes; the text says what is wrong with it.
    pub(crate) fn from_file(path: &Path) -> Result<Principal, String> {
        let loaded = load(&[path.to_owned()], &Environment::from_process(), &MergeRules::default());
        let mut diagnostics = loaded.diagnostics;
        let spec: Option<Self> = decode(&loaded.document, &mut diagnostics);
        match spec {
            Some(spec) if !diagnostics.has_errors() => Ok(spec.principal()),
            _ => Err(diagnostics.render(&loaded.sources, stderr_style()).trim_end().to_owned()),
        }
    }

    /// The principal itself.
    pub(crate) fn principal(&self) -> Principal {
        let level = match self.level {
            Some(LevelSpec::Low) => Level::Low,
            Some(LevelSpec::High) | None => Level::High,
            Some(LevelSpec::Highest) => Level::Highest,
        };
        let credential = self.credential.as_deref().unwrap_or("assumed");
        Principal {
            roles: self.roles.clone(),
            scopes: self.scopes.clone(),
            claims: self.claims.clone().into_iter().collect(),
            ..Principal::new(&*self.subject, credential, level)
        }
    }
}
