//! A compact JWS (RFC 7515) as raw bytes, so that tests can send what no decent library would write; and a judge of the
//! tokens that the gateway and real servers make, on the cryptography alone and not on the code under test.

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{self, RsaParameters, UnparsedPublicKey, VerificationAlgorithm};
use serde_json::Value;

use crate::base64url;

/// The three parts, decoded. Change them as you like; nothing is checked here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jws {
    /// The protected header, usually JSON.
    pub header: Vec<u8>,
    /// The payload, usually claims.
    pub payload: Vec<u8>,
    /// The signature.
    pub signature: Vec<u8>,
}

impl Jws {
    /// A header and a payload without any signature, as `alg: none` has it.
    pub fn unsigned(header: &Value, claims: &Value) -> Self {
        Self { header: header.to_string().into(), payload: claims.to_string().into(), signature: Vec::new() }
    }

    /// Takes a token apart.
    ///
    /// # Panics
    /// When it has not three parts, or one is not canonical base64url.
    pub fn read(token: &str) -> Self {
        Self::try_read(token).unwrap_or_else(|reason| panic!("{reason}: {token}"))
    }

    /// Puts it together.
    pub fn compact(&self) -> String {
        [&self.header, &self.payload, &self.signature].map(|part| base64url::encode(part)).join(".")
    }

    /// The header as JSON; null where it is none.
    pub fn header(&self) -> Value {
        serde_json::from_slice(&self.header).unwrap_or_default()
    }

    /// The payload as JSON; null where it is none.
    pub fn claims(&self) -> Value {
        serde_json::from_slice(&self.payload).unwrap_or_default()
    }

    /// The token whose signature is good by one of `jwks`, or why there is none. The key is the one that the header names;
    /// without a name there must be one key only. Says nothing about times and audiences.
    pub fn verified(token: &str, jwks: &Value) -> Result<Self, String> {
        let jws = Self::try_read(token)?;
        let header = jws.header();
        let keys = jwks["keys"].as_array().ok_or("no keys in the key set")?;
        let named: Vec<&Value> =
            keys.iter().filter(|key| header["kid"].is_null() || key["kid"] == header["kid"]).collect();
        let [key] = named[..] else { return Err(format!("{} keys fit kid {}", named.len(), header["kid"])) };
        let algorithm = header["alg"].as_str().ok_or("no algorithm")?;
        if !key["alg"].is_null() && key["alg"] != algorithm {
            return Err(format!("a key for {} does not fit {algorithm}", key["alg"]));
        }
        let signed = token.rsplit_once('.').map_or("", |(signed, _)| signed);
        let good = is_signed(algorithm, key, signed.as_bytes(), &jws.signature)?;
        if good { Ok(jws) } else { Err("the signature is wrong".to_owned()) }
    }

    fn try_read(token: &str) -> Result<Self, String> {
        let parts: Option<Vec<_>> = token.split('.').map(base64url::decode).collect();
        let parts = parts.ok_or("not canonical base64url")?;
        let [header, payload, signature] =
            <[_; 3]>::try_from(parts).map_err(|parts| format!("{} parts instead of 3", parts.len()))?;
        Ok(Self { header, payload, signature })
    }
}

/// The same token with other letters, which a lenient reader takes for the same bytes: the bits that the last letter of
/// the signature has too many are set.
///
/// # Panics
/// When the signature's length leaves no such bits.
pub fn with_loose_bits(token: &str) -> String {
    let (rest, last) = token.split_at(token.len() - 1);
    let signature = token.rsplit('.').next().unwrap_or_default();
    let changed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        .chars()
        .filter(|letter| !last.contains(*letter))
        .map(|letter| format!("{rest}{letter}"))
        .find(|other| lenient(other.rsplit('.').next().unwrap_or_default()) == lenient(signature));
    changed.unwrap_or_else(|| panic!("no loose bits in {token}"))
}

/// The bytes that a reader sees who drops the bits that are too many.
fn lenient(text: &str) -> Vec<u8> {
    ["", "A", "AA", "AAA"]
        .iter()
        .find_map(|filling| {
            let bytes = base64url::decode(&format!("{text}{filling}"))?;
            bytes.get(..text.len() * 6 / 8).map(<[u8]>::to_vec)
        })
        .unwrap_or_default()
}

fn is_signed(algorithm: &str, key: &Value, message: &[u8], signature: &[u8]) -> Result<bool, String> {
    let bytes = |name: &str| {
        let text = key[name].as_str().ok_or_else(|| format!("no `{name}` in {key}"))?;
        base64url::decode(text).ok_or_else(|| format!("`{name}` is not canonical base64url in {key}"))
    };
    let elliptic = |curve: &str, length: usize, algorithm: &'static dyn VerificationAlgorithm| {
        if key["kty"] != "EC" || key["crv"] != curve {
            return Err(format!("not a key on {curve}: {key}"));
        }
        let (x, y) = (bytes("x")?, bytes("y")?);
        if x.len() != length || y.len() != length {
            return Err(format!("coordinates of other than {length} bytes: {key}"));
        }
        let point = [&[4][..], &x, &y].concat();
        Ok(UnparsedPublicKey::new(algorithm, point).verify(message, signature).is_ok())
    };
    let rsa = |parameters: &'static RsaParameters| {
        if key["kty"] != "RSA" {
            return Err(format!("not an RSA key: {key}"));
        }
        let key = PublicKeyComponents { n: bytes("n")?, e: bytes("e")? };
        Ok(key.verify(parameters, message, signature).is_ok())
    };
    match algorithm {
        "ES256" => elliptic("P-256", 32, &signature::ECDSA_P256_SHA256_FIXED),
        "ES384" => elliptic("P-384", 48, &signature::ECDSA_P384_SHA384_FIXED),
        "RS256" => rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
        "RS384" => rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
        "RS512" => rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
        "PS256" => rsa(&signature::RSA_PSS_2048_8192_SHA256),
        "PS384" => rsa(&signature::RSA_PSS_2048_8192_SHA384),
        "PS512" => rsa(&signature::RSA_PSS_2048_8192_SHA512),
        "EdDSA" | "Ed25519" if key["kty"] == "OKP" && key["crv"] == "Ed25519" => {
            Ok(UnparsedPublicKey::new(&signature::ED25519, bytes("x")?).verify(message, signature).is_ok())
        }
        other => Err(format!("{other} is not judged with {key}")),
    }
}
