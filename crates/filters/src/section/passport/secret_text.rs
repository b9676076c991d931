//! A text of the configuration that does not print itself.

use std::fmt;

use gwanmun_core::Secret;
use gwanmun_jose::sha256;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

/// A secret, best written `${file:PATH}`.
#[derive(JsonSchema)]
#[schemars(transparent)]
pub(crate) struct SecretText(#[schemars(with = "String")] Secret<String>);

impl SecretText {
    /// The text itself, for the one place that needs it.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose()
    }

    /// By which it is told from others.
    pub(crate) fn mark(&self) -> [u8; 32] {
        sha256(self.expose().as_bytes())
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
