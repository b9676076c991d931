//! Who calls, as a credential proved it.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use serde_json::{Map, Value};

use crate::Secret;

/// Who calls. Made from a credential by `identity`; shared by the requests that bring the same one.
#[derive(Debug, Clone, PartialEq)]
pub struct Principal {
    /// Who it is: `sub` of a token, a client's id.
    pub subject: String,
    /// What it may act as.
    pub roles: Vec<String>,
    /// What its credential was given for (OAuth scopes).
    pub scopes: Vec<String>,
    /// What else is known about it, by name.
    pub claims: Map<String, Value>,
    /// The kind of credential and the name of who vouches for it: `jwt:corp`, `api-client:partner`.
    pub credential: String,
    /// How well the credential proves it, over a channel that is protected.
    pub level: Level,
    /// What stops being true when the credential does.
    pub expires: Option<SystemTime>,
    /// The token that an OAuth server issued when its credential was checked there. The client never sees it;
    /// `token-relay` may give it to a service behind.
    pub token: Option<Secret<String>>,
}

impl Principal {
    /// Somebody of whom only the name is known.
    pub fn new(subject: impl Into<String>, credential: impl Into<String>, level: Level) -> Self {
        Self {
            subject: subject.into(),
            roles: Vec::new(),
            scopes: Vec::new(),
            claims: Map::new(),
            credential: credential.into(),
            level,
            expires: None,
            token: None,
        }
    }

    /// The kind of credential: `jwt` of `jwt:corp`.
    pub fn credential_kind(&self) -> &str {
        self.credential.split_once(':').map_or(&self.credential, |(kind, _)| kind)
    }

    /// Whether it has the role.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|mine| mine == role)
    }

    /// Whether its credential holds the scope.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|mine| mine == scope)
    }
}

/// How sure it is who calls. Ordered: more is higher.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Asserted, or sent where others could read and change it.
    #[default]
    Low,
    /// Proven by a token, a session or a signature over TLS.
    High,
    /// Proven by credentials, a certificate or an app in this request.
    Highest,
}

impl Level {
    /// Every level, from the lowest.
    pub const ALL: [Self; 3] = [Self::Low, Self::High, Self::Highest];

    /// `low`, `high` or `highest`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::High => "high",
            Self::Highest => "highest",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|level| level.as_str() == text).ok_or(UnknownLevel)
    }
}

/// A word that is none of `low`, `high` and `highest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownLevel;

impl fmt::Display for UnknownLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wanted low, high or highest")
    }
}

impl std::error::Error for UnknownLevel {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_ordered_and_read_as_they_are_written() {
        assert!(Level::Low < Level::High && Level::High < Level::Highest);
        for level in Level::ALL {
            assert_eq!(level.to_string().parse(), Ok(level));
        }
        assert_eq!("HIGH".parse::<Level>(), Err(UnknownLevel));
    }

    #[test]
    fn the_kind_of_a_credential_stands_before_who_vouches_for_it() {
        let kind = |credential: &str| Principal::new("a", credential, Level::Low).credential_kind().to_owned();
        assert_eq!((kind("jwt:corp"), kind("passport")), ("jwt".to_owned(), "passport".to_owned()));
    }
}
