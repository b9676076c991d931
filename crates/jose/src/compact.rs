//! The compact serialization of a JWS (RFC 7515 section 7.1): read strictly, written plainly. What is read is not
//! believed yet; the header says which key is meant and nothing else. `jku`, `x5u`, `jwk` and `x5c` are never looked at.

use serde_json::{Map, Value};

use crate::base64url;
use crate::json::{self, JsonError};
use crate::key::{BadSignature, SigningFailed, SigningKey, VerifyingKey};
use crate::{Algorithm, Refusal};

/// A token whose three parts were decoded; its signature was not looked at.
#[derive(Debug, Clone)]
pub struct Compact<'a> {
    algorithm: Algorithm,
    kid: Option<String>,
    typ: Option<String>,
    signing_input: &'a [u8],
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Compact<'a> {
    /// Reads a token of at most `longest` bytes.
    ///
    /// # Errors
    /// `TooLarge`, `TooDeep`, `Malformed`, `DuplicateMember`, `UnknownCritical` (RFC 7515 section 4.1.11; every one is
    /// unknown, `b64` too) or `WrongAlgorithm` (`none`, and what is not spoken here).
    pub fn parse(token: &'a [u8], longest: usize) -> Result<Self, Refusal> {
        if token.len() > longest {
            return Err(Refusal::TooLarge);
        }
        let last_dot = token.iter().rposition(|byte| *byte == b'.').ok_or(Refusal::Malformed)?;
        let (signing_input, signature) = token.split_at_checked(last_dot).ok_or(Refusal::Malformed)?;
        let first_dot = signing_input.iter().position(|byte| *byte == b'.').ok_or(Refusal::Malformed)?;
        let (header, payload) = signing_input.split_at_checked(first_dot).ok_or(Refusal::Malformed)?;
        // Each but the first begins with its dot; a fourth part's dot is no base64url.
        let [header, payload, signature] =
            [header, payload.get(1..).unwrap_or_default(), signature.get(1..).unwrap_or_default()]
                .map(|part| base64url::decode(part).ok_or(Refusal::Malformed));
        let header = object(&header?)?;
        let (payload, signature) = (payload?, signature?);
        if header.contains_key("crit") || header.get("b64").is_some_and(|b64| *b64 != Value::Bool(true)) {
            return Err(Refusal::UnknownCritical);
        }
        let text = |name| match header.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(Refusal::Malformed),
        };
        let algorithm = text("alg")?.ok_or(Refusal::Malformed)?.parse().map_err(|_| Refusal::WrongAlgorithm)?;
        Ok(Self { algorithm, kid: text("kid")?, typ: text("typ")?, signing_input, payload, signature })
    }

    /// The payload, if `key` signed it with its algorithm.
    ///
    /// # Errors
    /// `WrongAlgorithm` or `BadSignature`.
    pub fn verify(&self, key: &VerifyingKey) -> Result<&[u8], Refusal> {
        if key.algorithm() != self.algorithm {
            return Err(Refusal::WrongAlgorithm);
        }
        key.verify(self.signing_input, &self.signature).map_err(|BadSignature| Refusal::BadSignature)?;
        Ok(&self.payload)
    }

    /// The algorithm that the header says.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key that the header means.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// What the header says this is.
    pub fn typ(&self) -> Option<&str> {
        self.typ.as_deref()
    }

    /// The issuer that the claims say, only to choose whose keys are asked: nobody has verified it.
    pub fn unverified_issuer(&self) -> Option<String> {
        let claims = object(&self.payload).ok()?;
        claims.get("iss")?.as_str().map(str::to_owned)
    }
}

/// Signs `payload`; the header has `alg`, the key's `kid` and `typ` where there is one.
///
/// # Errors
/// The key could not sign.
pub fn sign(key: &SigningKey, typ: Option<&str>, payload: &[u8]) -> Result<String, SigningFailed> {
    let members = [("alg", Some(key.algorithm().as_str())), ("kid", key.kid()), ("typ", typ)];
    let header: Value =
        members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?)))).collect();
    let mut token = base64url::encode(header.to_string().as_bytes());
    token.push('.');
    base64url::encode_into(payload, &mut token);
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    base64url::encode_into(&signature, &mut token);
    Ok(token)
}

/// The header or the claims of a token that was not too large.
pub(crate) fn object(bytes: &[u8]) -> Result<Map<String, Value>, Refusal> {
    json::parse_object(bytes, bytes.len()).map_err(|error| match error {
        JsonError::TooDeep => Refusal::TooDeep,
        JsonError::DuplicateMember => Refusal::DuplicateMember,
        _ => Refusal::Malformed,
    })
}
