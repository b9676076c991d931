//! Keys that sign tokens for tests: whole tokens as issuers write them, and any bytes at all with a good signature.

use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaEncoding};
use serde_json::{Value, json};

use crate::base64url;
use crate::jws::Jws;

/// A private or shared key with its name and the one algorithm it is for. Clones are the same key.
#[derive(Clone)]
pub struct TokenKey {
    kid: String,
    algorithm: String,
    material: Arc<Material>,
}

enum Material {
    Elliptic(EcdsaKeyPair),
    Edwards(Ed25519KeyPair),
    Rsa(rsa::KeyPair),
    Shared(Vec<u8>),
}

impl TokenKey {
    /// A new key: `ES256`, `ES384`, `EdDSA`, `RS256` to `PS512` (2048 bits) or `HS256` to `HS512`.
    ///
    /// # Panics
    /// When the algorithm is none of these.
    pub fn new(algorithm: &str, kid: &str) -> Self {
        let material = match algorithm {
            "ES256" => Material::Elliptic(EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()),
            "ES384" => Material::Elliptic(EcdsaKeyPair::generate(&signature::ECDSA_P384_SHA384_FIXED_SIGNING).unwrap()),
            "EdDSA" => Material::Edwards(Ed25519KeyPair::generate().unwrap()),
            "HS256" | "HS384" | "HS512" => {
                let mut secret = vec![0; 64];
                aws_lc_rs::rand::fill(&mut secret).unwrap();
                Material::Shared(secret)
            }
            _ => {
                let _ = padding(algorithm);
                Material::Rsa(rsa::KeyPair::generate(KeySize::Rsa2048).unwrap())
            }
        };
        Self { kid: kid.to_owned(), algorithm: algorithm.to_owned(), material: Arc::new(material) }
    }

    /// A shared key of these bytes, however few: somebody's public key, say.
    pub fn shared(algorithm: &str, kid: &str, secret: impl AsRef<[u8]>) -> Self {
        let material = Arc::new(Material::Shared(secret.as_ref().to_vec()));
        Self { kid: kid.to_owned(), algorithm: algorithm.to_owned(), material }
    }

    /// The same key for another algorithm of its kind, or under another name.
    #[must_use]
    pub fn also(&self, algorithm: &str, kid: &str) -> Self {
        Self { kid: kid.to_owned(), algorithm: algorithm.to_owned(), material: Arc::clone(&self.material) }
    }

    /// Its name.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The algorithm it is for.
    pub fn algorithm(&self) -> &str {
        &self.algorithm
    }

    /// The public key as a JWK (RFC 7517) with `kid`, `alg` and `use`. A shared key has nothing public: it is all there.
    pub fn jwk(&self) -> Value {
        let mut jwk = match &*self.material {
            Material::Elliptic(pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let curve = if x.len() == 32 { "P-256" } else { "P-384" };
                json!({"kty": "EC", "crv": curve, "x": base64url::encode(x), "y": base64url::encode(y)})
            }
            Material::Edwards(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": base64url::encode(pair.public_key().as_ref())})
            }
            Material::Rsa(pair) => {
                let [n, e] = integers(pair.public_key().as_ref());
                json!({"kty": "RSA", "n": base64url::encode(n), "e": base64url::encode(e)})
            }
            Material::Shared(secret) => json!({"kty": "oct", "k": base64url::encode(secret)}),
        };
        jwk["kid"] = self.kid.as_str().into();
        jwk["alg"] = self.algorithm.as_str().into();
        jwk["use"] = "sig".into();
        jwk
    }

    /// The public key, PEM (SubjectPublicKeyInfo).
    ///
    /// # Panics
    /// When it is a shared key.
    pub fn public_pem(&self) -> String {
        let der: PublicKeyX509Der<'_> = match &*self.material {
            Material::Elliptic(pair) => pair.public_key().as_der().unwrap(),
            Material::Edwards(pair) => pair.public_key().as_der().unwrap(),
            Material::Rsa(pair) => pair.public_key().as_der().unwrap(),
            Material::Shared(_) => panic!("a shared key is not public"),
        };
        pem("PUBLIC KEY", der.as_ref())
    }

    /// The private key, PEM (PKCS #8).
    ///
    /// # Panics
    /// When it is a shared key.
    pub fn pem(&self) -> String {
        match &*self.material {
            Material::Elliptic(pair) => pem("PRIVATE KEY", pair.to_pkcs8v1().unwrap().as_ref()),
            Material::Edwards(pair) => pem("PRIVATE KEY", pair.to_pkcs8v1().unwrap().as_ref()),
            Material::Rsa(pair) => {
                let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
                pem("PRIVATE KEY", der.as_ref())
            }
            Material::Shared(_) => panic!("a shared key has no PEM"),
        }
    }

    /// A token with these claims. Members of `header` replace `alg`, `kid` and `typ: JWT`; null takes one away. Whatever the
    /// header says, the signature is made by this key and its algorithm.
    pub fn token(&self, header: Value, claims: &Value) -> String {
        let usual = json!({"alg": self.algorithm, "kid": self.kid, "typ": "JWT"});
        self.token_of(overlaid(usual, header).to_string(), claims.to_string())
    }

    /// Any bytes as header and payload, with a good signature.
    pub fn token_of(&self, header: impl Into<Vec<u8>>, payload: impl Into<Vec<u8>>) -> String {
        let mut jws = Jws { header: header.into(), payload: payload.into(), signature: Vec::new() };
        let message = jws.compact();
        jws.signature = self.signature(message.strip_suffix('.').unwrap().as_bytes());
        jws.compact()
    }

    /// The signature over any bytes, as a JWS has it.
    pub fn signature(&self, message: &[u8]) -> Vec<u8> {
        match &*self.material {
            Material::Elliptic(pair) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Material::Edwards(pair) => pair.sign(message).as_ref().to_vec(),
            Material::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding(&self.algorithm), &SystemRandom::new(), message, &mut signature).unwrap();
                signature
            }
            Material::Shared(secret) => {
                let algorithm = match self.algorithm.as_str() {
                    "HS256" => hmac::HMAC_SHA256,
                    "HS384" => hmac::HMAC_SHA384,
                    "HS512" => hmac::HMAC_SHA512,
                    other => panic!("no shared key signs {other}"),
                };
                hmac::sign(&hmac::Key::new(algorithm, secret), message).as_ref().to_vec()
            }
        }
    }
}

/// `usual` with the members of `changes` in place of its own; null takes one away.
pub(crate) fn overlaid(mut usual: Value, changes: Value) -> Value {
    let members = usual.as_object_mut().unwrap();
    let Value::Object(changes) = changes else { panic!("an object of changes is wanted, found {changes}") };
    for (name, value) in changes {
        if value.is_null() {
            members.remove(&name)
        } else {
            members.insert(name, value)
        };
    }
    usual
}

fn padding(algorithm: &str) -> &'static dyn RsaEncoding {
    match algorithm {
        "RS256" => &signature::RSA_PKCS1_SHA256,
        "RS384" => &signature::RSA_PKCS1_SHA384,
        "RS512" => &signature::RSA_PKCS1_SHA512,
        "PS256" => &signature::RSA_PSS_SHA256,
        "PS384" => &signature::RSA_PSS_SHA384,
        "PS512" => &signature::RSA_PSS_SHA512,
        other => panic!("there is no algorithm {other} here"),
    }
}

/// Modulus and exponent of an `RSAPublicKey` (RFC 8017, A.1.1), without the zero that keeps them positive.
fn integers(der: &[u8]) -> [&[u8]; 2] {
    let (sequence, _) = element(der);
    let (modulus, rest) = element(sequence);
    let (exponent, _) = element(rest);
    [modulus, exponent].map(|integer| integer.strip_prefix(&[0]).unwrap_or(integer))
}

/// The contents of the first element of `der` and what follows it.
fn element(der: &[u8]) -> (&[u8], &[u8]) {
    let (length, begin) = match usize::from(der[1]) {
        short @ 0..=127 => (short, 2),
        long => {
            let octets = &der[2..2 + (long & 127)];
            (octets.iter().fold(0, |length, octet| length << 8 | usize::from(*octet)), 2 + octets.len())
        }
    };
    der[begin..].split_at(length)
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = base64url::encode_plain(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::jws::with_loose_bits;

    const ASYMMETRIC: [&str; 9] = ["ES256", "ES384", "EdDSA", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];

    #[test]
    fn a_token_of_every_algorithm_is_good_by_its_own_public_key_only() {
        let rsa = TokenKey::new("RS256", "rsa");
        for algorithm in ASYMMETRIC {
            let is_rsa = algorithm.starts_with(['R', 'P']);
            let key = if is_rsa { rsa.also(algorithm, "k") } else { TokenKey::new(algorithm, "k") };
            let token = key.token(json!({"typ": "at+jwt"}), &json!({"sub": "u1"}));
            let jws = Jws::verified(&token, &json!({"keys": [key.jwk()]})).unwrap();
            assert_eq!(jws.header(), json!({"alg": algorithm, "kid": "k", "typ": "at+jwt"}));
            assert_eq!(jws.claims(), json!({"sub": "u1"}));
            let other = json!({"keys": [TokenKey::new(algorithm, "k").jwk()]});
            assert!(Jws::verified(&token, &other).is_err(), "{algorithm}");
        }
    }

    #[test]
    fn openssl_reads_the_keys_and_agrees_on_the_signature() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, contents: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, contents).unwrap();
            path
        };
        for (algorithm, digest) in [("RS256", Some("-sha256")), ("EdDSA", None)] {
            let key = TokenKey::new(algorithm, "k");
            let public = file("public.pem", key.public_pem().as_bytes());
            let mut derive = Command::new("openssl");
            derive.args(["pkey", "-pubout", "-in"]).arg(file("private.pem", key.pem().as_bytes()));
            assert_eq!(String::from_utf8(derive.output().unwrap().stdout).unwrap(), key.public_pem());
            let mut verify = Command::new("openssl");
            verify.args(["pkeyutl", "-verify", "-pubin", "-rawin", "-inkey"]).arg(public);
            if let Some(digest) = digest {
                verify.args(["-digest", &digest[1..]]);
            }
            verify.arg("-in").arg(file("message", b"message"));
            verify.arg("-sigfile").arg(file("signature", &key.signature(b"message")));
            let verified = verify.output().unwrap();
            assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
        }
    }

    #[test]
    fn a_shared_key_signs_as_the_standard_shows() {
        // RFC 7515, appendix A.1.
        let secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
        let key = TokenKey::shared("HS256", "k", base64url::decode(secret).unwrap());
        let token = key.token_of(
            "{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}",
            "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}",
        );
        assert!(token.ends_with(".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), "{token}");
    }

    #[test]
    fn loose_bits_change_the_letters_and_not_the_bytes() {
        let token = TokenKey::new("EdDSA", "k").token(json!({}), &json!({}));
        let loose = with_loose_bits(&token);
        assert_ne!(loose, token);
        assert_eq!(loose[..loose.len() - 1], token[..token.len() - 1]);
        assert!(Jws::verified(&loose, &json!({"keys": []})).unwrap_err().contains("base64url"));
    }

    #[test]
    fn header_members_are_replaced_and_taken_away() {
        let key = TokenKey::new("EdDSA", "k");
        let token = key.token(json!({"alg": "none", "kid": null, "jku": "https://evil.test"}), &json!({}));
        assert_eq!(Jws::read(&token).header(), json!({"alg": "none", "typ": "JWT", "jku": "https://evil.test"}));
    }
}
