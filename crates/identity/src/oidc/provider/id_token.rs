//! ID tokens (OpenID Connect Core 1.0 sections 2, 3.1.3.7 and 12.2): about whom they are, if they are for this gateway and
//! this login.

use std::time::SystemTime;

use aws_lc_rs::digest;
use gwanmun_core::{Reason, Secret};
use gwanmun_jose::{Algorithm, Expect, JwkSet, base64url};
use serde_json::{Map, Value};

use super::signed::Kind;
use crate::oidc::grant::LONGEST_ID_TOKEN;
use crate::refusal::Refusal;

/// Reads ID tokens.
#[derive(Debug)]
pub(super) struct IdTokens {
    kind: Kind,
    client_id: String,
}

/// What an ID token comes with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Occasion<'a> {
    /// A login that began with this nonce.
    Login { nonce: &'a str },
    /// New tokens for this `sub`.
    Refresh { subject: &'a str },
}

/// What an ID token says.
#[derive(Debug)]
pub(super) struct IdToken {
    pub(super) subject: String,
    pub(super) sid: Option<String>,
    pub(super) issued: SystemTime,
    pub(super) expires: SystemTime,
    pub(super) claims: Map<String, Value>,
}

impl IdTokens {
    /// Those that are as `expect` says and for the client.
    pub(super) fn new(expect: Expect, client_id: &str) -> Self {
        let expect = Expect { required: vec!["iat".to_owned()], ..expect };
        let kind = Kind { called: "ID token", expect, types: &["jwt"], longest: LONGEST_ID_TOKEN };
        Self { kind, client_id: client_id.to_owned() }
    }

    /// What the token says, which came with the access token.
    pub(super) fn read(
        &self,
        token: &Secret<String>,
        access: &Secret<String>,
        occasion: Occasion<'_>,
        keys: &JwkSet,
        now: SystemTime,
    ) -> Result<IdToken, Refusal> {
        let kind = &self.kind;
        let (verified, algorithm) = kind.read(token.expose(), keys, now)?;
        let claims = verified.claims;
        // A logout token, or another event about the user (RFC 8417).
        if claims.contains_key("events") {
            return Err(kind.refused(Reason::WrongTokenType, "it has events"));
        }
        self.check_party(&claims)?;
        let subject = kind.name(&claims, "sub")?.unwrap_or_default();
        match occasion {
            Occasion::Login { nonce } if claims.get("nonce").and_then(Value::as_str) != Some(nonce) => {
                return Err(kind.refused(Reason::WrongNonce, "it was made for another login (nonce)"));
            }
            Occasion::Refresh { subject: wanted } if subject != wanted => {
                return Err(kind.refused(Reason::MalformedToken, "it is about another user (sub)"));
            }
            Occasion::Login { .. } | Occasion::Refresh { .. } => {}
        }
        let is_of_access = |hash: &Value| {
            hash.as_str().is_some_and(|hash| half_hash(access.expose(), algorithm).as_deref() == Some(hash))
        };
        if claims.get("at_hash").is_some_and(|hash| !is_of_access(hash)) {
            return Err(kind.refused(Reason::BadSignature, "it was made for another access token (at_hash)"));
        }
        let sid = kind.name(&claims, "sid")?;
        Ok(IdToken { subject, sid, issued: verified.issued.unwrap_or(now), expires: verified.expires, claims })
    }

    /// That the token is for others too must not make it one for others only.
    fn check_party(&self, claims: &Map<String, Value>) -> Result<(), Refusal> {
        let is_for_several = claims.get("aud").and_then(Value::as_array).is_some_and(|all| all.len() > 1);
        match claims.get("azp") {
            None if !is_for_several => Ok(()),
            Some(Value::String(party)) if *party == self.client_id => Ok(()),
            None => Err(self.kind.refused(Reason::WrongAudience, "it has several audiences and no azp")),
            Some(_) => Err(self.kind.refused(Reason::WrongAudience, "it was issued to another client (azp)")),
        }
    }
}

/// The left half of the hash that the algorithm signs with (section 3.1.3.6).
fn half_hash(text: &str, algorithm: Algorithm) -> Option<String> {
    let hash = match algorithm {
        Algorithm::Es256 | Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Hs256 => &digest::SHA256,
        Algorithm::Es384 | Algorithm::Rs384 | Algorithm::Ps384 | Algorithm::Hs384 => &digest::SHA384,
        Algorithm::Rs512 | Algorithm::Ps512 | Algorithm::Hs512 | Algorithm::EdDsa => &digest::SHA512,
        _ => return None,
    };
    let digest = digest::digest(hash, text.as_bytes());
    digest.as_ref().get(..digest.as_ref().len() / 2).map(base64url::encode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_an_access_token_is_that_of_the_standard() {
        // OpenID Connect Core 1.0, appendix A.3.
        let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        assert_eq!(half_hash(token, Algorithm::Rs256).as_deref(), Some("77QmUPtjPfzWtF2AnpK9RQ"));
        let length = |algorithm| half_hash(token, algorithm).map(|hash| hash.len());
        assert_eq!((length(Algorithm::Es384), length(Algorithm::EdDsa)), (Some(32), Some(43)));
    }
}
