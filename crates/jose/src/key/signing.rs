//! What is signed with.

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaEncoding, RsaKeyPair,
};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;

use super::der::{self, Named};
use super::material::{Curve, Material};
use super::verifying::{choose, hmac_key};
use super::{KeyError, VerifyingKey};
use crate::Algorithm;

/// A key that signs with its one algorithm, and does not print itself.
pub struct SigningKey {
    with: With,
    verifying: VerifyingKey,
}

enum With {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    Secret(hmac::Key),
}

impl SigningKey {
    /// Reads the first private key in `pem`: PKCS#8 (`PRIVATE KEY`), SEC 1 (`EC PRIVATE KEY`) or PKCS#1 (`RSA PRIVATE
    /// KEY`), not encrypted. Exactly one allowed algorithm must fit its type.
    ///
    /// # Errors
    /// What keeps it from being used.
    pub fn from_pem(pem: &[u8], allowed: &[Algorithm]) -> Result<Self, KeyError> {
        match PrivateKeyDer::from_pem_slice(pem).map_err(|_| KeyError::NoPem("private key"))? {
            PrivateKeyDer::Pkcs8(document) => {
                let document = document.secret_pkcs8_der();
                match der::pkcs8(document)? {
                    Named::Ec(curve) => Self::ec(curve, EcdsaKeyPair::from_pkcs8(signing(curve), document), allowed),
                    Named::Ed25519 => Self::ed25519(Ed25519KeyPair::from_pkcs8(document), allowed),
                    Named::Rsa => Self::rsa(RsaKeyPair::from_pkcs8(document), allowed),
                }
            }
            PrivateKeyDer::Sec1(document) => {
                let read = |curve| EcdsaKeyPair::from_private_key_der(signing(curve), document.secret_sec1_der());
                match read(Curve::P256) {
                    Ok(pair) => Self::ec(Curve::P256, Ok(pair), allowed),
                    Err(_) => Self::ec(Curve::P384, read(Curve::P384), allowed),
                }
            }
            PrivateKeyDer::Pkcs1(document) => Self::rsa(RsaKeyPair::from_der(document.secret_pkcs1_der()), allowed),
            _ => Err(KeyError::NoPem("private key")),
        }
    }

    /// A secret for an HMAC, at least as long as its hash.
    ///
    /// # Errors
    /// It is shorter, or the algorithm is not one with secrets.
    pub fn from_secret(secret: &[u8], algorithm: Algorithm) -> Result<Self, KeyError> {
        let with = With::Secret(hmac_key(secret, algorithm)?);
        Ok(Self { with, verifying: VerifyingKey::secret(secret, algorithm)? })
    }

    /// A new key for ES256, ES384 or EdDSA.
    ///
    /// # Errors
    /// The algorithm is another one, or there is no randomness.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let ec = |curve| {
            let pair = EcdsaKeyPair::generate(signing(curve)).map_err(|_| KeyError::NoRandomness)?;
            Self::ec(curve, Ok(pair), &[algorithm])
        };
        match algorithm {
            Algorithm::Es256 => ec(Curve::P256),
            Algorithm::Es384 => ec(Curve::P384),
            Algorithm::EdDsa => {
                let pair = Ed25519KeyPair::generate().map_err(|_| KeyError::NoRandomness)?;
                Self::ed25519(Ok(pair), &[algorithm])
            }
            _ => Err(KeyError::DoesNotFit(algorithm)),
        }
    }

    fn ec(curve: Curve, pair: Result<EcdsaKeyPair, Rejected>, allowed: &[Algorithm]) -> Result<Self, KeyError> {
        let pair = pair.map_err(|_| KeyError::NotAKey)?;
        let material = Material::of_point(curve, pair.public_key().as_ref())?;
        Self::of(With::Ecdsa(pair), material, allowed)
    }

    fn ed25519(pair: Result<Ed25519KeyPair, Rejected>, allowed: &[Algorithm]) -> Result<Self, KeyError> {
        let pair = pair.map_err(|_| KeyError::NotAKey)?;
        let material = Material::Ed25519 { x: pair.public_key().as_ref().to_vec() };
        Self::of(With::Ed25519(pair), material, allowed)
    }

    fn rsa(pair: Result<RsaKeyPair, Rejected>, allowed: &[Algorithm]) -> Result<Self, KeyError> {
        let pair = pair.map_err(|_| KeyError::NotAKey)?;
        let material = der::rsa_public_key(pair.public_key().as_ref())?;
        let algorithm = choose(None, material.fitting(), allowed)?;
        let padding = padding(algorithm).ok_or(KeyError::DoesNotFit(algorithm))?;
        Self::of(With::Rsa(pair, padding), material, allowed)
    }

    fn of(with: With, material: Material, allowed: &[Algorithm]) -> Result<Self, KeyError> {
        let algorithm = choose(None, material.fitting(), allowed)?;
        Ok(Self { with, verifying: VerifyingKey::public(material, algorithm)? })
    }

    /// The same key under a name.
    #[must_use]
    pub fn with_kid(self, kid: impl Into<String>) -> Self {
        Self { verifying: self.verifying.with_kid(kid), ..self }
    }

    /// Signs: the bytes of RFC 7518 section 3, so `r` and `s` in full length for ECDSA.
    ///
    /// # Errors
    /// There was no randomness or no memory.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningFailed> {
        let randomness = SystemRandom::new();
        match &self.with {
            With::Ecdsa(pair) => pair.sign(&randomness, message).map(|signature| signature.as_ref().to_vec()),
            With::Ed25519(pair) => pair.try_sign(message).map(|signature| signature.as_ref().to_vec()),
            With::Rsa(pair, padding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*padding, &randomness, message, &mut signature).map(|()| signature)
            }
            With::Secret(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
        }
        .map_err(|_| SigningFailed)
    }

    /// Its other half: what verifies, is published and has a thumbprint.
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying
    }

    /// The one algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.verifying.algorithm()
    }

    /// Its name.
    pub fn kid(&self) -> Option<&str> {
        self.verifying.kid()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("verifying", &self.verifying).finish_non_exhaustive()
    }
}

/// Nothing was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SigningFailed;

impl fmt::Display for SigningFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no randomness or no memory to sign with")
    }
}

impl std::error::Error for SigningFailed {}

type Rejected = aws_lc_rs::error::KeyRejected;

fn signing(curve: Curve) -> &'static EcdsaSigningAlgorithm {
    match curve {
        Curve::P256 => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        Curve::P384 => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
    }
}

fn padding(algorithm: Algorithm) -> Option<&'static dyn RsaEncoding> {
    match algorithm {
        Algorithm::Rs256 => Some(&signature::RSA_PKCS1_SHA256),
        Algorithm::Rs384 => Some(&signature::RSA_PKCS1_SHA384),
        Algorithm::Rs512 => Some(&signature::RSA_PKCS1_SHA512),
        Algorithm::Ps256 => Some(&signature::RSA_PSS_SHA256),
        Algorithm::Ps384 => Some(&signature::RSA_PSS_SHA384),
        Algorithm::Ps512 => Some(&signature::RSA_PSS_SHA512),
        _ => None,
    }
}
