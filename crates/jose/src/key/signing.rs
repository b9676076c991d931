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
    Secret(Box<hmac::Key>),
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
        let with = With::Secret(Box::new(hmac_key(secret, algorithm)?));
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

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &[u8] = include_bytes!("../../testdata/ed25519.pem");
    const P256: &[u8] = include_bytes!("../../testdata/p256.pem");
    const P256_SEC1: &[u8] = include_bytes!("../../testdata/p256-sec1.pem");
    const P384_SEC1: &[u8] = include_bytes!("../../testdata/p384-sec1.pem");
    const P521: &[u8] = include_bytes!("../../testdata/p521.pem");
    const RSA: &[u8] = include_bytes!("../../testdata/rsa.pem");
    const RSA_PKCS1: &[u8] = include_bytes!("../../testdata/rsa-pkcs1.pem");
    const ENCRYPTED: &[u8] = include_bytes!("../../testdata/encrypted.pem");

    const ED25519_PUBLIC: &[u8] = include_bytes!("../../testdata/ed25519-public.pem");
    const P256_PUBLIC: &[u8] = include_bytes!("../../testdata/p256-public.pem");
    const P384_PUBLIC: &[u8] = include_bytes!("../../testdata/p384-public.pem");
    const RSA_PUBLIC: &[u8] = include_bytes!("../../testdata/rsa-public.pem");
    const RSA_1024_PUBLIC: &[u8] = include_bytes!("../../testdata/rsa-1024-public.pem");

    const PASSPORT: [Algorithm; 2] = [Algorithm::EdDsa, Algorithm::Es256];

    #[test]
    fn what_openssl_wrote_signs_and_its_public_half_verifies() {
        use Algorithm::{EdDsa, Es256, Es384, Ps512, Rs256};
        let pairs = [
            (ED25519, ED25519_PUBLIC, EdDsa),
            (P256, P256_PUBLIC, Es256),
            (P384_SEC1, P384_PUBLIC, Es384),
            (RSA, RSA_PUBLIC, Rs256),
            (RSA_PKCS1, RSA_PUBLIC, Ps512),
        ];
        for (private, public, algorithm) in pairs {
            let signing = SigningKey::from_pem(private, &[algorithm]).unwrap();
            let public = VerifyingKey::from_pem(public, &[algorithm]).unwrap();
            assert_eq!((signing.algorithm(), public.algorithm()), (algorithm, algorithm));
            assert_eq!(signing.verifying_key().thumbprint(), public.thumbprint());
            let signature = signing.sign(b"hello").unwrap();
            assert_eq!(public.verify(b"hello", &signature), Ok(()));
            assert!(public.verify(b"hullo", &signature).is_err());
        }
        assert_eq!(SigningKey::from_pem(P256_SEC1, &[Es256]).unwrap().algorithm(), Es256);
    }

    #[test]
    fn what_openssl_signed_is_verified() {
        let signature = crate::base64url::decode(
            b"HhB0pzBmHGvaJ9AcRlssH8xT_pQwaI2sMx40RO1M_Q0_P5p-YrUQ063zbb_Qh814Bn4BLTi_QdR4VvIZ3o-cDA",
        );
        let key = VerifyingKey::from_pem(ED25519_PUBLIC, &PASSPORT).unwrap();
        assert_eq!(key.verify(b"hello", &signature.unwrap()), Ok(()));
    }

    #[test]
    fn ed25519_with_its_public_half_beside_it_is_read() {
        use base64::Engine;
        let pair = Ed25519KeyPair::generate().unwrap();
        let document = base64::engine::general_purpose::STANDARD.encode(pair.to_pkcs8().unwrap());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{document}\n-----END PRIVATE KEY-----\n");
        let key = SigningKey::from_pem(pem.as_bytes(), &PASSPORT).unwrap();
        let material = Material::Ed25519 { x: pair.public_key().as_ref().to_vec() };
        assert_eq!(key.verifying_key().thumbprint(), Some(material.thumbprint()));
    }

    #[test]
    fn a_key_of_another_type_than_allowed_is_refused() {
        let refused = |pem: &[u8]| SigningKey::from_pem(pem, &PASSPORT).unwrap_err();
        assert_eq!(refused(RSA), KeyError::NoneFits);
        assert_eq!(refused(RSA_PKCS1), KeyError::NoneFits);
        assert_eq!(refused(P384_SEC1), KeyError::NoneFits);
        assert_eq!(refused(P521), KeyError::UnknownCurve("of the PEM".to_owned()));
        assert_eq!(refused(ENCRYPTED), KeyError::NoPem("private key"));
        assert_eq!(refused(ED25519_PUBLIC), KeyError::NoPem("private key"));
        assert_eq!(refused(b""), KeyError::NoPem("private key"));
        let public = |pem: &[u8]| VerifyingKey::from_pem(pem, &Algorithm::ALL[..4]).map(|_| ()).unwrap_err();
        assert_eq!(public(ED25519), KeyError::NoPem("public key"));
        assert_eq!(public(RSA_1024_PUBLIC), KeyError::RsaSize(1024));
        assert!(matches!(SigningKey::from_pem(RSA, &Algorithm::ALL), Err(KeyError::SeveralFit(_))));
    }

    #[test]
    fn a_damaged_key_is_refused() {
        let text = String::from_utf8(ED25519.to_vec()).unwrap();
        let body = text.lines().nth(1).unwrap();
        for place in 0..body.len() - 1 {
            let shorter = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", &body[..place]);
            assert!(SigningKey::from_pem(shorter.as_bytes(), &PASSPORT).is_err(), "{place}");
        }
    }

    #[test]
    fn only_new_keys_of_curves_are_made() {
        for algorithm in Algorithm::ALL {
            let made = SigningKey::generate(algorithm).map(|key| key.algorithm());
            let wanted = matches!(algorithm, Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa);
            assert_eq!(made, if wanted { Ok(algorithm) } else { Err(KeyError::DoesNotFit(algorithm)) });
        }
    }

    #[test]
    fn nothing_secret_is_printed_or_published() {
        let secret = SigningKey::from_secret(&[7; 32], Algorithm::Hs256).unwrap().with_kid("a");
        assert_eq!(secret.verifying_key().public_jwk(), None);
        assert_eq!(secret.verifying_key().thumbprint(), None);
        assert_eq!(
            format!("{secret:?}"),
            "SigningKey { verifying: VerifyingKey { algorithm: Hs256, kid: Some(\"a\"), .. }, .. }"
        );
        let jwk = SigningKey::from_pem(ED25519, &PASSPORT).unwrap().with_kid("a").verifying_key().public_jwk();
        let names: Vec<String> = jwk.unwrap().as_object().unwrap().keys().cloned().collect();
        assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x"]);
    }

    /// Prints what signing and verifying cost: `cargo test -p gwanmun-jose -- --ignored --nocapture cost`.
    #[test]
    #[ignore = "measures"]
    fn cost() {
        use aws_lc_rs::digest::{SHA256, digest};
        use std::hint::black_box;
        use std::time::Instant;

        fn measure(what: &str, mut work: impl FnMut()) {
            const TIMES: u32 = 50;
            let mut fifty = || {
                let start = Instant::now();
                (0..TIMES).for_each(|_| work());
                start.elapsed() / TIMES
            };
            // The best of many: who else is busy does not count.
            let each = (0..50).map(|_| fifty()).min().unwrap_or_default();
            println!("{what}: {each:?}");
        }
        let message = [b'a'; 600];
        let secret = SigningKey::from_secret(&[7; 32], Algorithm::Hs256).unwrap();
        let rsa = SigningKey::from_pem(RSA, &[Algorithm::Rs256]).unwrap();
        let keys = [
            SigningKey::generate(Algorithm::Es256).unwrap(),
            SigningKey::generate(Algorithm::EdDsa).unwrap(),
            rsa,
            secret,
        ];
        for key in &keys {
            let signature = key.sign(&message).unwrap();
            measure(&format!("{} sign", key.algorithm()), || drop(black_box(key.sign(&message))));
            measure(&format!("{} verify", key.algorithm()), || {
                assert!(key.verifying_key().verify(&message, &signature).is_ok());
            });
        }
        let token = [b'a'; 700];
        measure("SHA-256 of 700 bytes", || _ = black_box(digest(&SHA256, black_box(&token))));
    }
}
