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

/// What is expected of a token. Its end is always wanted.
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
    /// The most that may lie between `iat`, which is wanted then, and `exp`.
    pub longest_life: Option<Duration>,
    /// How long after `iat` a token without `exp` ends; `None`: `exp` is wanted.
    pub life_without_exp: Option<Duration>,
    /// Whether `sub` is wanted.
    pub subject: Subject,
}

/// Whether `sub` is wanted. One that is there is never empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Subject {
    /// It must be there.
    #[default]
    Wanted,
    /// The token may be about something else.
    Optional,
}

/// What a token said that was as expected.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// `sub`; empty only where it was optional and is not there.
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
        let subject = match (text(&claims, "sub")?, self.subject) {
            (Some(subject), _) if !subject.is_empty() => subject.to_owned(),
            (None, Subject::Optional) => String::new(),
            _ => return Err(Refusal::MissingSubject),
        };
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
        let issued = time("iat")?;
        let expires = match (time("exp")?, self.life_without_exp, issued) {
            (Some(expires), ..) => expires,
            (None, Some(life), Some(issued)) => issued.checked_add(life).ok_or(Refusal::BadClaim)?,
            _ => return Err(Refusal::MissingExpiry),
        };
        let is_past = |moment: SystemTime| moment.checked_add(self.leeway).is_some_and(|end| end <= now);
        let is_future = |moment: SystemTime| now.checked_add(self.leeway).is_some_and(|latest| moment > latest);
        if is_past(expires) {
            return Err(Refusal::Expired);
        }
        if time("nbf")?.is_some_and(is_future) {
            return Err(Refusal::NotYetValid);
        }
        if issued.is_some_and(is_future) {
            return Err(Refusal::IssuedInFuture);
        }
        if let Some(longest) = self.longest_life {
            let life = expires.duration_since(issued.ok_or(Refusal::MissingClaim)?).unwrap_or_default();
            if life > longest {
                return Err(Refusal::LivesTooLong);
            }
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

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use serde_json::json;

    use super::*;
    use crate::compact::sign;
    use crate::{Algorithm, SigningKey};

    const NOW: u64 = 1_800_000_000;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn expect() -> Expect {
        Expect {
            issuers: vec!["https://idp.example".to_owned()],
            audiences: vec!["gateway".to_owned(), "other".to_owned()],
            typ: None,
            leeway: Duration::from_secs(30),
            required: Vec::new(),
            longest_life: None,
            life_without_exp: None,
            subject: Subject::Wanted,
        }
    }

    fn claims() -> Value {
        json!({"iss": "https://idp.example", "aud": "gateway", "sub": "u1", "exp": NOW + 60, "iat": NOW - 5})
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[name] = value;
        claims
    }

    fn without(name: &str) -> Value {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        claims
    }

    fn verify(expect: &Expect, typ: Option<&str>, claims: &str) -> Result<Verified, Refusal> {
        let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
        let keys = JwkSet::of([key.verifying_key().clone()]).unwrap();
        expect.verify(sign(&key, typ, claims.as_bytes()).unwrap().as_bytes(), 8192, &keys, at(NOW))
    }

    fn outcome(claims: &Value) -> Result<(), Refusal> {
        verify(&expect(), None, &claims.to_string()).map(|_| ())
    }

    #[test]
    fn a_token_as_expected_gives_its_claims() {
        let verified = verify(&expect(), None, &claims().to_string()).unwrap();
        assert_eq!((verified.subject.as_str(), verified.expires), ("u1", at(NOW + 60)));
        assert_eq!((verified.issued, Value::Object(verified.claims)), (Some(at(NOW - 5)), claims()));
    }

    #[test]
    fn times_hold_with_leeway() {
        assert_eq!(outcome(&with("exp", json!(NOW - 29))), Ok(()));
        assert_eq!(outcome(&with("exp", json!(NOW - 30))), Err(Refusal::Expired));
        assert_eq!(outcome(&with("exp", json!(-1))), Err(Refusal::Expired));
        assert_eq!(outcome(&with("exp", json!(NOW as f64 - 29.5))), Ok(()));
        assert_eq!(outcome(&without("exp")), Err(Refusal::MissingExpiry));
        assert_eq!(outcome(&with("nbf", json!(NOW + 30))), Ok(()));
        assert_eq!(outcome(&with("nbf", json!(NOW + 31))), Err(Refusal::NotYetValid));
        assert_eq!(outcome(&with("iat", json!(NOW + 30))), Ok(()));
        assert_eq!(outcome(&with("iat", json!(NOW + 31))), Err(Refusal::IssuedInFuture));
        assert_eq!(outcome(&without("iat")), Ok(()));
        for name in ["exp", "nbf", "iat"] {
            for value in [json!("1800000060"), json!(null), json!(u64::MAX), json!(1e300), json!((NOW + 60) * 1000)] {
                assert_eq!(outcome(&with(name, value)), Err(Refusal::BadClaim), "{name}");
            }
        }
    }

    #[test]
    fn a_life_may_have_an_end() {
        let expect = Expect { longest_life: Some(Duration::from_secs(65)), ..expect() };
        let outcome = |claims: Value| verify(&expect, None, &claims.to_string()).map(|_| ());
        assert_eq!(outcome(claims()), Ok(()));
        assert_eq!(outcome(with("iat", json!(NOW - 6))), Err(Refusal::LivesTooLong));
        assert_eq!(outcome(with("exp", json!(NOW - 10))), Ok(()));
        assert_eq!(outcome(without("iat")), Err(Refusal::MissingClaim));
    }

    #[test]
    fn a_token_without_exp_may_end_some_time_after_iat() {
        let expect = Expect { life_without_exp: Some(Duration::from_secs(120)), ..expect() };
        let verified = |iat: Value| {
            let claims = json!({"iss": "https://idp.example", "aud": "gateway", "sub": "u1", "iat": iat});
            verify(&expect, None, &claims.to_string()).map(|verified| verified.expires)
        };
        assert_eq!(verified(json!(NOW - 149)), Ok(at(NOW - 29)));
        assert_eq!(verified(json!(NOW - 150)), Err(Refusal::Expired));
        assert_eq!(verified(json!(NOW + 31)), Err(Refusal::IssuedInFuture));
        assert_eq!(verified(json!(null)), Err(Refusal::BadClaim));
        let outcome = |claims: Value| verify(&expect, None, &claims.to_string()).map(|_| ());
        assert_eq!(outcome(with("exp", json!(null))), Err(Refusal::BadClaim));
        assert_eq!(outcome(with("exp", json!(NOW - 30))), Err(Refusal::Expired));
        let mut neither = without("exp");
        neither.as_object_mut().unwrap().remove("iat");
        assert_eq!(outcome(neither), Err(Refusal::MissingExpiry));
    }

    #[test]
    fn a_leeway_beyond_all_time_is_no_overflow() {
        let expect = Expect { leeway: Duration::MAX, ..expect() };
        assert!(verify(&expect, None, &with("exp", json!(1)).to_string()).is_ok());
        assert!(verify(&expect, None, &with("nbf", json!(NOW * 2)).to_string()).is_ok());
    }

    #[test]
    fn one_audience_must_be_ours() {
        assert_eq!(outcome(&with("aud", json!(["x", "other"]))), Ok(()));
        for aud in [json!("x"), json!([]), json!(["x"]), json!("gateway "), json!("GATEWAY"), json!("")] {
            assert_eq!(outcome(&with("aud", aud)), Err(Refusal::WrongAudience));
        }
        assert_eq!(outcome(&without("aud")), Err(Refusal::WrongAudience));
        for aud in [json!(null), json!({"gateway": 1}), json!(["gateway", 1]), json!(7)] {
            assert_eq!(outcome(&with("aud", aud)), Err(Refusal::BadClaim));
        }
    }

    #[test]
    fn the_issuer_must_be_equal() {
        for iss in [json!("https://idp.example/"), json!("HTTPS://idp.example"), json!("")] {
            assert_eq!(outcome(&with("iss", iss)), Err(Refusal::WrongIssuer));
        }
        assert_eq!(outcome(&without("iss")), Err(Refusal::WrongIssuer));
        assert_eq!(outcome(&with("iss", json!(["https://idp.example"]))), Err(Refusal::BadClaim));
    }

    #[test]
    fn the_subject_must_be_there() {
        assert_eq!(outcome(&without("sub")), Err(Refusal::MissingSubject));
        assert_eq!(outcome(&with("sub", json!(""))), Err(Refusal::MissingSubject));
        assert_eq!(outcome(&with("sub", json!(7))), Err(Refusal::BadClaim));
    }

    #[test]
    fn an_optional_subject_may_be_missing_and_not_empty() {
        let expect = Expect { subject: Subject::Optional, ..expect() };
        let subject = |claims: Value| verify(&expect, None, &claims.to_string()).map(|verified| verified.subject);
        assert_eq!(subject(without("sub")), Ok(String::new()));
        assert_eq!(subject(claims()), Ok("u1".to_owned()));
        assert_eq!(subject(with("sub", json!(""))), Err(Refusal::MissingSubject));
        assert_eq!(subject(with("sub", json!(null))), Err(Refusal::BadClaim));
    }

    #[test]
    fn claims_that_are_asked_for_must_be_there() {
        let expect = Expect { required: vec!["tenant".to_owned()], ..expect() };
        let outcome = |claims: Value| verify(&expect, None, &claims.to_string()).map(|_| ());
        assert_eq!(outcome(claims()), Err(Refusal::MissingClaim));
        assert_eq!(outcome(with("tenant", json!(null))), Err(Refusal::MissingClaim));
        assert_eq!(outcome(with("tenant", json!("a"))), Ok(()));
    }

    #[test]
    fn a_pinned_type_is_found_with_its_prefix_and_in_any_case() {
        let outcome = |wanted: &str, found| {
            verify(&Expect { typ: Some(wanted.to_owned()), ..expect() }, found, &claims().to_string()).map(|_| ())
        };
        for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
            assert_eq!(outcome("at+jwt", Some(typ)), Ok(()));
            assert_eq!(outcome(typ, Some("at+jwt")), Ok(()));
        }
        for typ in [Some("JWT"), Some(""), Some("jwt"), Some("text/at+jwt"), Some("at+jwt "), None] {
            assert_eq!(outcome("at+jwt", typ), Err(Refusal::WrongType), "{typ:?}");
        }
    }

    #[test]
    fn claims_that_could_be_read_in_two_ways_are_refused() {
        let outcome = |claims: &str| verify(&expect(), None, claims).map(|_| ());
        let text = claims().to_string();
        let twice = text.replacen('{', r#"{"sub":"root","#, 1);
        assert_eq!(outcome(&twice), Err(Refusal::DuplicateMember));
        let deep = text.replacen('{', &format!(r#"{{"a":{}{},"#, "[".repeat(16), "]".repeat(16)), 1);
        assert_eq!(outcome(&deep), Err(Refusal::TooDeep));
        assert_eq!(outcome("[]"), Err(Refusal::Malformed));
        assert_eq!(outcome(""), Err(Refusal::Malformed));
    }

    #[test]
    fn no_claim_is_looked_at_before_the_signature() {
        let (key, other) =
            (SigningKey::generate(Algorithm::EdDsa).unwrap(), SigningKey::generate(Algorithm::EdDsa).unwrap());
        let keys = JwkSet::of([key.verifying_key().clone()]).unwrap();
        let verify = |token: String| expect().verify(token.as_bytes(), 8192, &keys, at(NOW)).map(|_| ());
        assert_eq!(verify(sign(&other, None, b"not even JSON").unwrap()), Err(Refusal::BadSignature));
        assert_eq!(verify(sign(&other.with_kid("x"), None, b"{}").unwrap()), Err(Refusal::UnknownKey));
        let es256 = SigningKey::generate(Algorithm::Es256).unwrap();
        assert_eq!(verify(sign(&es256, None, b"{}").unwrap()), Err(Refusal::WrongAlgorithm));
        assert_eq!(expect().verify(&[b'a'; 8193], 8192, &keys, at(NOW)).map(|_| ()), Err(Refusal::TooLarge));
    }

    #[test]
    fn refusals_have_names_of_their_own() {
        let mut names: Vec<_> = Refusal::ALL.iter().map(|refusal| refusal.to_string()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Refusal::ALL.len());
        assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')));
    }
}
