//! What signs heads, and what checks them: keys of crate `jose`, in the one form in which a head names them.

use std::fmt;

use gwanmun_jose::{Algorithm, KeyError, SigningKey, VerifyingKey, base64url, json};
use serde_json::Value;

/// What a key may sign with. Of those for RSA only one, so that a key has one algorithm.
const ALLOWED: [Algorithm; 4] = [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Es384, Algorithm::Ps256];
/// The longest JWK that is read, in bytes.
const LONGEST_JWK: usize = 16 * 1024;
/// Members of a JWK that say what it is for, not which key it is.
const ABOUT: [&str; 3] = ["alg", "use", "kid"];

/// What signs heads.
pub(crate) struct Signer {
    key: SigningKey,
    named: Named,
}

/// A public key as a head names it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    alg: &'static str,
    /// The thumbprint (RFC 7638) of `object`.
    kid: String,
    /// The members a thumbprint is made of, as JSON in their order.
    object: String,
}

impl Signer {
    /// Reads a private key from PEM.
    pub(crate) fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        Self::of(SigningKey::from_pem(pem, &ALLOWED)?)
    }

    /// A new key.
    pub(crate) fn generate() -> Result<Self, KeyError> {
        Self::of(SigningKey::generate(Algorithm::EdDsa)?)
    }

    pub(crate) fn alg(&self) -> &'static str {
        self.named.alg
    }

    pub(crate) fn kid(&self) -> &str {
        &self.named.kid
    }

    /// The public key as a JSON object.
    pub(crate) fn public(&self) -> &str {
        &self.named.object
    }

    /// The signature of `message` in base64url, unless the key fails.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<String> {
        self.key.sign(message).ok().map(|signature| base64url::encode(&signature))
    }

    fn of(key: SigningKey) -> Result<Self, KeyError> {
        let named = Named::of(key.verifying_key()).ok_or(KeyError::NotAKey)?;
        Ok(Self { key, named })
    }
}

/// A key that checks the signatures of heads.
#[derive(Debug, Clone)]
pub struct PublicKey {
    key: VerifyingKey,
    named: Named,
}

impl PublicKey {
    /// Reads a key that somebody wants heads to be signed by: PEM with a public or a private key, or a JWK.
    ///
    /// # Errors
    /// It is none of these, or a key that audit logs are not signed with.
    pub fn read(text: &[u8]) -> Result<Self, UnusableKey> {
        let key = if text.trim_ascii_start().starts_with(b"{") {
            let jwk = json::parse_object(text, LONGEST_JWK).map_err(|error| UnusableKey(error.to_string()))?;
            VerifyingKey::from_jwk(&jwk, &ALLOWED)
        } else {
            let private = || SigningKey::from_pem(text, &ALLOWED).map(|key| key.verifying_key().clone());
            VerifyingKey::from_pem(text, &ALLOWED).or_else(|error| {
                private().map_err(|second| match second {
                    KeyError::NoPem(_) => error,
                    other => other,
                })
            })
        };
        let key = key.map_err(|error| UnusableKey(error.to_string()))?;
        let named = Named::of(&key).ok_or_else(|| UnusableKey("it is a secret".to_owned()))?;
        Ok(Self { key, named })
    }

    /// Its thumbprint (RFC 7638), by which heads name it.
    pub fn kid(&self) -> &str {
        &self.named.kid
    }

    /// Reads a key from the object in a head; only the one form of it that is written there.
    pub(crate) fn named_by(object: &[u8]) -> Option<Self> {
        let jwk = json::parse_object(object, LONGEST_JWK).ok()?;
        let key = VerifyingKey::from_jwk(&jwk, &ALLOWED).ok()?;
        let named = Named::of(&key)?;
        (named.object.as_bytes() == object).then_some(Self { key, named })
    }

    pub(crate) fn alg(&self) -> &'static str {
        self.named.alg
    }

    /// Whether `signature`, in base64url, is this key's over `message`.
    pub(crate) fn is_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        base64url::decode(signature).is_some_and(|signature| self.key.verify(message, &signature).is_ok())
    }
}

impl Named {
    /// `None` for a secret.
    fn of(key: &VerifyingKey) -> Option<Self> {
        let mut jwk = match key.public_jwk()? {
            Value::Object(jwk) => jwk,
            _ => return None,
        };
        jwk.retain(|name, _| !ABOUT.contains(&name.as_str()));
        jwk.sort_keys();
        let object = Value::Object(jwk).to_string();
        Some(Self { alg: key.algorithm().as_str(), kid: key.thumbprint()?, object })
    }
}

/// Why a key checks nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusableKey(String);

impl fmt::Display for UnusableKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the key cannot be used: {}", self.0)
    }
}

impl std::error::Error for UnusableKey {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_names_a_key_by_what_its_thumbprint_is_made_of() {
        let signer = Signer::generate().unwrap();
        let key = PublicKey::named_by(signer.public().as_bytes()).unwrap();
        assert_eq!((key.kid(), key.alg()), (signer.kid(), "EdDSA"));
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, signer.public().as_bytes());
        assert_eq!(signer.kid(), base64url::encode(hash.as_ref()));
        let signature = signer.sign(b"lines").unwrap();
        assert!(key.is_signed(b"lines", signature.as_bytes()));
        assert!(!key.is_signed(b"lines!", signature.as_bytes()));
    }

    #[test]
    fn another_form_of_a_key_is_none() {
        let signer = Signer::generate().unwrap();
        let spaced = signer.public().replace(':', ": ");
        let more = signer.public().replace('}', r#","use":"sig"}"#);
        for other in [spaced, more] {
            assert!(PublicKey::named_by(other.as_bytes()).is_none(), "{other}");
            assert_eq!(PublicKey::read(other.as_bytes()).unwrap().kid(), signer.kid());
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for other in
            ["", "{}", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", r#"{"kty":"oct","k":"AA"}"#]
        {
            PublicKey::read(other.as_bytes()).unwrap_err();
        }
    }
}
