//! A JWK set (RFC 7517 section 5): the keys that can be used, why the others cannot, and which one a token means.

use std::fmt;

use serde_json::Value;

use super::{KeyError, VerifyingKey};
use crate::json::{self, JsonError};
use crate::{Algorithm, Refusal};

/// Keys of one issuer.
#[derive(Debug, Clone, Default)]
pub struct JwkSet {
    keys: Vec<VerifyingKey>,
    unusable: Vec<UnusableKey>,
}

/// A key of a set that is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusableKey {
    /// Its place in the set, from 0.
    pub place: usize,
    /// Its name; cut when it is long, and still a stranger's text.
    pub kid: Option<String>,
    /// What keeps it from being used.
    pub reason: KeyError,
}

impl JwkSet {
    /// The largest set that is read, bytes.
    pub const LONGEST: usize = 256 * 1024;

    /// The most keys a set may have.
    pub const MOST_KEYS: usize = 100;

    /// Reads a set. A key that cannot be used is left out and told; of two keys with one `kid` and one algorithm, the
    /// first is used.
    ///
    /// # Errors
    /// It is no set at all, or too large.
    pub fn parse(bytes: &[u8], allowed: &[Algorithm]) -> Result<Self, JwkSetError> {
        let mut set = json::parse_object(bytes, Self::LONGEST).map_err(JwkSetError::Json)?;
        let Some(Value::Array(entries)) = set.remove("keys") else { return Err(JwkSetError::NoKeys) };
        if entries.len() > Self::MOST_KEYS {
            return Err(JwkSetError::TooManyKeys(entries.len()));
        }
        let mut read = Self::default();
        for (place, entry) in entries.iter().enumerate() {
            let key =
                entry.as_object().ok_or(KeyError::NotAnObject).and_then(|jwk| VerifyingKey::from_jwk(jwk, allowed));
            match key.and_then(|key| read.add(key)) {
                Ok(()) => {}
                Err(reason) => {
                    let kid = entry.get("kid").and_then(Value::as_str).map(KeyError::quoted);
                    read.unusable.push(UnusableKey { place, kid, reason });
                }
            }
        }
        Ok(read)
    }

    /// A set of keys that are there already.
    ///
    /// # Errors
    /// Two have one `kid` and one algorithm.
    pub fn of(keys: impl IntoIterator<Item = VerifyingKey>) -> Result<Self, KeyError> {
        let mut set = Self::default();
        keys.into_iter().try_for_each(|key| set.add(key))?;
        Ok(set)
    }

    fn add(&mut self, key: VerifyingKey) -> Result<(), KeyError> {
        let taken = |other: &VerifyingKey| other.kid() == key.kid() && other.algorithm() == key.algorithm();
        if key.kid().is_some() && self.keys.iter().any(taken) {
            return Err(KeyError::SameKid);
        }
        self.keys.push(key);
        Ok(())
    }

    /// The key that a token means. Without a `kid`, exactly one key must have the algorithm.
    ///
    /// # Errors
    /// `UnknownKey` (a set that is fetched anew may know it) or `WrongAlgorithm`.
    pub fn key_for(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<&VerifyingKey, Refusal> {
        let mut meant = self.keys.iter().filter(|key| kid.is_none() || key.kid() == kid).peekable();
        if meant.peek().is_none() {
            return Err(Refusal::UnknownKey);
        }
        let mut fitting = meant.filter(|key| key.algorithm() == algorithm);
        match (fitting.next(), fitting.next()) {
            (None, _) => Err(Refusal::WrongAlgorithm),
            (Some(key), None) => Ok(key),
            (Some(_), Some(_)) => Err(Refusal::UnknownKey),
        }
    }

    /// The keys that can be used.
    pub fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }

    /// The keys that cannot.
    pub fn unusable(&self) -> &[UnusableKey] {
        &self.unusable
    }
}

/// Why bytes are no key set.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum JwkSetError {
    /// No strict JSON.
    Json(JsonError),
    /// No array `keys`.
    NoKeys,
    /// So many keys.
    TooManyKeys(usize),
}

impl fmt::Display for JwkSetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => error.fmt(f),
            Self::NoKeys => f.write_str("no array keys, wanted a JWK set (RFC 7517 section 5)"),
            Self::TooManyKeys(found) => write!(f, "{found} keys, wanted at most {}", JwkSet::MOST_KEYS),
        }
    }
}

impl std::error::Error for JwkSetError {}
