//! What a feature does while the store is lost.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens when the store does not answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnStoreError {
    /// Go on as if the feature were not there: what it would have checked is not checked.
    Allow,
    /// Refuse the request with 503 `store-unavailable`.
    #[default]
    Deny,
    /// This replica's own memory takes over meanwhile, empty at first: it does not see what was in the store nor what other
    /// replicas keep, and is forgotten when the store is back.
    Local,
}

/// A word that is no [`OnStoreError`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownPolicy(String);

impl OnStoreError {
    /// The word in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Local => "local",
        }
    }
}

impl FromStr for OnStoreError {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownPolicy> {
        let all = [Self::Allow, Self::Deny, Self::Local];
        all.into_iter().find(|policy| policy.name() == text).ok_or_else(|| UnknownPolicy(text.to_owned()))
    }
}

impl fmt::Display for OnStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for UnknownPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "found `{}`, wanted `allow`, `deny` or `local`", self.0.escape_debug())
    }
}

impl std::error::Error for UnknownPolicy {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_policies_fit() {
        for policy in [OnStoreError::Allow, OnStoreError::Deny, OnStoreError::Local] {
            assert_eq!(policy.to_string().parse(), Ok(policy));
        }
        let unknown = "ignore".parse::<OnStoreError>().unwrap_err();
        assert_eq!(unknown.to_string(), "found `ignore`, wanted `allow`, `deny` or `local`");
    }
}
