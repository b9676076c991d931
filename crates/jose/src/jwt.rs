//! JSON Web Tokens (RFC 7519, BCP 225): what is expected of one, and the claims of one that is as expected. The
//! signature is checked before a claim is read.

mod numeric_date;
mod refusal;

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use crate::compact::{Compact, object};
use crate::key::{JwkSet, VerifyingKey};
use numeric_date::numeric_date;
pub use refusal::Refusal;

/// What is expected of a token. `exp` and `sub` are always wanted.
#[derive(Debug, Clone, Default)]
pub struct Expect {
    /// `iss` must be one of these; empty: anything, also none.
    pub issuers: Vec<String>,
    /// `aud` must hold one of these; empty: it is not looked at.
    pub audiences: Vec<String>,
    /// Pins `typ`: without regard to case, `application/` may stand before it (RFC 7515 section 4.1.9).
    pub typ: Option<String>,
    /// How far the clocks may differ: for `exp`, `nbf` and `iat`.
    pub leeway: Duration,
    /// More claims that must be there and not `null`.
    pub required: Vec<String>,
}

/// What a token said that was as expected.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// `sub`, not empty.
    pub subject: String,
    /// `exp`, without leeway.
    pub expires: SystemTime,
    /// `iat`.
    pub issued: Option<SystemTime>,
    /// Every claim.
    pub claims: Map<String, Value>,
}

impl Expect {
    /// Reads and checks a token of at most `longest` bytes, with the key of the set that it means.
    ///
    /// # Errors
    /// The first thing that is not as expected; `UnknownKey` is worth a look at the issuer's newest set.
    pub fn verify(&self, token: &[u8], longest: usize, keys: &JwkSet, now: SystemTime) -> Result<Verified, Refusal> {
        let token = Compact::parse(token, longest)?;
        let key = keys.key_for(token.kid(), token.algorithm())?;
        self.check(&token, key, now)
    }

    /// Checks a token that was read, with a key that was chosen.
    ///
    /// # Errors
    /// The first thing that is not as expected.
    pub fn check(&self, token: &Compact<'_>, key: &VerifyingKey, now: SystemTime) -> Result<Verified, Refusal> {
        let claims = object(token.verify(key)?)?;
        if self.typ.as_deref().is_some_and(|wanted| !token.typ().is_some_and(|found| is_same_type(found, wanted))) {
            return Err(Refusal::WrongType);
        }
        let issuer = text(&claims, "iss")?;
        if !self.issuers.is_empty() && !issuer.is_some_and(|issuer| self.issuers.iter().any(|wanted| wanted == issuer))
        {
            return Err(Refusal::WrongIssuer);
        }
        if !self.audiences.is_empty() && !self.is_for_us(&claims)? {
            return Err(Refusal::WrongAudience);
        }
        let (issued, expires) = self.times(&claims, now)?;
        let subject = text(&claims, "sub")?.filter(|subject| !subject.is_empty()).ok_or(Refusal::MissingSubject)?;
        let subject = subject.to_owned();
        if self.required.iter().any(|name| claims.get(name).is_none_or(Value::is_null)) {
            return Err(Refusal::MissingClaim);
        }
        Ok(Verified { subject, expires, issued, claims })
    }

    /// `aud` is one text or several (RFC 7519 section 4.1.3).
    fn is_for_us(&self, claims: &Map<String, Value>) -> Result<bool, Refusal> {
        let is_ours = |audience: &Value| match audience {
            Value::String(audience) => Ok(self.audiences.contains(audience)),
            _ => Err(Refusal::BadClaim),
        };
        match claims.get("aud") {
            None => Ok(false),
            Some(Value::Array(audiences)) => {
                audiences.iter().try_fold(false, |ours, audience| Ok(is_ours(audience)? || ours))
            }
            Some(audience) => is_ours(audience),
        }
    }

    /// `iat` and `exp`, if the token may be used now (RFC 7519 sections 4.1.4 to 4.1.6).
    fn times(&self, claims: &Map<String, Value>, now: SystemTime) -> Result<(Option<SystemTime>, SystemTime), Refusal> {
        let time = |name| claims.get(name).map(|value| numeric_date(value).ok_or(Refusal::BadClaim)).transpose();
        let expires = time("exp")?.ok_or(Refusal::MissingExpiry)?;
        let is_past = |moment: SystemTime| moment.checked_add(self.leeway).is_some_and(|end| end <= now);
        let is_future = |moment: SystemTime| now.checked_add(self.leeway).is_some_and(|latest| moment > latest);
        if is_past(expires) {
            return Err(Refusal::Expired);
        }
        if time("nbf")?.is_some_and(is_future) {
            return Err(Refusal::NotYetValid);
        }
        let issued = time("iat")?;
        if issued.is_some_and(is_future) {
            return Err(Refusal::IssuedInFuture);
        }
        Ok((issued, expires))
    }
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Refusal> {
    claims.get(name).map(|value| value.as_str().ok_or(Refusal::BadClaim)).transpose()
}

fn is_same_type(found: &str, wanted: &str) -> bool {
    short_type(found).eq_ignore_ascii_case(short_type(wanted))
}

/// `at+jwt` of `application/at+jwt`.
fn short_type(typ: &str) -> &str {
    const PREFIX: &str = "application/";
    match typ.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
        _ => typ,
    }
}
