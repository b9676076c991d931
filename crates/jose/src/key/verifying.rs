//! What a signature is verified with.

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::ParsedPublicKey;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Map, Value};

use super::material::{self, Material};
use super::{KeyError, der, jwk};
use crate::Algorithm;

/// A key that verifies with its one algorithm, and does not print itself.
#[derive(Clone)]
pub struct VerifyingKey {
    algorithm: Algorithm,
    kid: Option<String>,
    with: With,
}

#[derive(Clone)]
enum With {
    Public { material: Material, ready: ParsedPublicKey },
    Secret(Box<hmac::Key>),
}

impl VerifyingKey {
    /// Reads a JWK (RFC 7517). Its `alg` must be allowed; without one, exactly one allowed algorithm must fit its type.
    ///
    /// # Errors
    /// What keeps it from being used.
    pub fn from_jwk(jwk: &Map<String, Value>, allowed: &[Algorithm]) -> Result<Self, KeyError> {
        jwk::read(jwk, allowed)
    }

    /// Reads the first public key (`PUBLIC KEY`, SubjectPublicKeyInfo) in `pem`; exactly one allowed algorithm must fit
    /// its type.
    ///
    /// # Errors
    /// What keeps it from being used.
    pub fn from_pem(pem: &[u8], allowed: &[Algorithm]) -> Result<Self, KeyError> {
        let document = SubjectPublicKeyInfoDer::from_pem_slice(pem).map_err(|_| KeyError::NoPem("public key"))?;
        let material = der::subject_public_key_info(&document)?;
        let algorithm = choose(None, material.fitting(), allowed)?;
        Self::public(material, algorithm)
    }

    pub(super) fn public(material: Material, algorithm: Algorithm) -> Result<Self, KeyError> {
        let ready = material.prepare(algorithm)?;
        Ok(Self { algorithm, kid: None, with: With::Public { material, ready } })
    }

    pub(super) fn secret(secret: &[u8], algorithm: Algorithm) -> Result<Self, KeyError> {
        Ok(Self { algorithm, kid: None, with: With::Secret(Box::new(hmac_key(secret, algorithm)?)) })
    }

    /// The same key under a name.
    #[must_use]
    pub fn with_kid(self, kid: impl Into<String>) -> Self {
        Self { kid: Some(kid.into()), ..self }
    }

    /// Whether `signature` is this key's over `message`. Secrets are compared in constant time.
    ///
    /// # Errors
    /// It is not; more is not known.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        match &self.with {
            With::Public { ready, .. } => ready.verify_sig(message, signature),
            With::Secret(key) => hmac::verify(key, message, signature),
        }
        .map_err(|_| BadSignature)
    }

    /// The one algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its name.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// As a JWK with `alg`, `use` and `kid`, to be published. `None` for a secret.
    pub fn public_jwk(&self) -> Option<Value> {
        let With::Public { material, .. } = &self.with else { return None };
        let named = [("alg", Some(self.algorithm.as_str())), ("use", Some("sig")), ("kid", self.kid())];
        let named = named.into_iter().filter_map(|(name, value)| Some((name, value?.to_owned())));
        Some(material.members().into_iter().chain(named).map(|(name, value)| (name, Value::from(value))).collect())
    }

    /// Its thumbprint by SHA-256 (RFC 7638), base64url. `None` for a secret, of which not even a hash is told.
    pub fn thumbprint(&self) -> Option<String> {
        match &self.with {
            With::Public { material, .. } => Some(material.thumbprint()),
            With::Secret(_) => None,
        }
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// A signature that is not the key's over this message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadSignature;

impl fmt::Display for BadSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the signature is not this key's over this message")
    }
}

impl std::error::Error for BadSignature {}

/// The one algorithm of a key: the one it names, if it may and can, or the only one that may and can.
pub(super) fn choose(
    named: Option<Algorithm>,
    fitting: &[Algorithm],
    allowed: &[Algorithm],
) -> Result<Algorithm, KeyError> {
    if let Some(algorithm) = named {
        return match (fitting.contains(&algorithm), allowed.contains(&algorithm)) {
            (false, _) => Err(KeyError::DoesNotFit(algorithm)),
            (true, false) => Err(KeyError::NotAllowed(algorithm)),
            (true, true) => Ok(algorithm),
        };
    }
    let both: Vec<Algorithm> = fitting.iter().copied().filter(|algorithm| allowed.contains(algorithm)).collect();
    match both.as_slice() {
        [] => Err(KeyError::NoneFits),
        [one] => Ok(*one),
        _ => Err(KeyError::SeveralFit(both)),
    }
}

/// A secret that is long enough for its hash.
pub(super) fn hmac_key(secret: &[u8], algorithm: Algorithm) -> Result<hmac::Key, KeyError> {
    let (hash, wanted) = material::hmac(algorithm).ok_or(KeyError::DoesNotFit(algorithm))?;
    if secret.len() < wanted {
        return Err(KeyError::ShortSecret { bytes: secret.len(), wanted });
    }
    Ok(hmac::Key::new(hash, secret))
}
