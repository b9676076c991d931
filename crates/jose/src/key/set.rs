//! A JWK set (RFC 7517 section 5): the keys that can be used, why the others cannot, and which one a token means.

use std::fmt;

use serde_json::Value;

use super::{KeyError, VerifyingKey};
use crate::json::{self, JsonError};
use crate::{Algorithm, Refusal};

/// Keys of one issuer.
#[derive(Debug, Clone, Default)]
pub struct JwkSet {
    keys: Vec<VerifyingKey>,
    unusable: Vec<UnusableKey>,
}

/// A key of a set that is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusableKey {
    /// Its place in the set, from 0.
    pub place: usize,
    /// Its name; cut when it is long, and still a stranger's text.
    pub kid: Option<String>,
    /// What keeps it from being used.
    pub reason: KeyError,
}

impl JwkSet {
    /// The largest set that is read, bytes.
    pub const LONGEST: usize = 256 * 1024;

    /// The most keys a set may have.
    pub const MOST_KEYS: usize = 100;

    /// Reads a set. A key that cannot be used is left out and told; of two keys with one `kid` and one algorithm, the
    /// first is used.
    ///
    /// # Errors
    /// It is no set at all, or too large.
    pub fn parse(bytes: &[u8], allowed: &[Algorithm]) -> Result<Self, JwkSetError> {
        let mut set = json::parse_object(bytes, Self::LONGEST).map_err(JwkSetError::Json)?;
        let Some(Value::Array(entries)) = set.remove("keys") else { return Err(JwkSetError::NoKeys) };
        if entries.len() > Self::MOST_KEYS {
            return Err(JwkSetError::TooManyKeys(entries.len()));
        }
        let mut read = Self::default();
        for (place, entry) in entries.iter().enumerate() {
            let key =
                entry.as_object().ok_or(KeyError::NotAnObject).and_then(|jwk| VerifyingKey::from_jwk(jwk, allowed));
            match key.and_then(|key| read.add(key)) {
                Ok(()) => {}
                Err(reason) => {
                    let kid = entry.get("kid").and_then(Value::as_str).map(KeyError::quoted);
                    read.unusable.push(UnusableKey { place, kid, reason });
                }
            }
        }
        Ok(read)
    }

    /// A set of keys that are there already.
    ///
    /// # Errors
    /// Two have one `kid` and one algorithm.
    pub fn of(keys: impl IntoIterator<Item = VerifyingKey>) -> Result<Self, KeyError> {
        let mut set = Self::default();
        keys.into_iter().try_for_each(|key| set.add(key))?;
        Ok(set)
    }

    fn add(&mut self, key: VerifyingKey) -> Result<(), KeyError> {
        let taken = |other: &VerifyingKey| other.kid() == key.kid() && other.algorithm() == key.algorithm();
        if key.kid().is_some() && self.keys.iter().any(taken) {
            return Err(KeyError::SameKid);
        }
        self.keys.push(key);
        Ok(())
    }

    /// The key that a token means. Without a `kid`, exactly one key must have the algorithm.
    ///
    /// # Errors
    /// `UnknownKey` (a set that is fetched anew may know it) or `WrongAlgorithm`.
    pub fn key_for(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<&VerifyingKey, Refusal> {
        let mut meant = self.keys.iter().filter(|key| kid.is_none() || key.kid() == kid).peekable();
        if meant.peek().is_none() {
            return Err(Refusal::UnknownKey);
        }
        let mut fitting = meant.filter(|key| key.algorithm() == algorithm);
        match (fitting.next(), fitting.next()) {
            (None, _) => Err(Refusal::WrongAlgorithm),
            (Some(key), None) => Ok(key),
            (Some(_), Some(_)) => Err(Refusal::UnknownKey),
        }
    }

    /// The keys that can be used.
    pub fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }

    /// The keys that cannot.
    pub fn unusable(&self) -> &[UnusableKey] {
        &self.unusable
    }
}

/// Why bytes are no key set.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum JwkSetError {
    /// No strict JSON.
    Json(JsonError),
    /// No array `keys`.
    NoKeys,
    /// So many keys.
    TooManyKeys(usize),
}

impl fmt::Display for JwkSetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => error.fmt(f),
            Self::NoKeys => f.write_str("no array keys, wanted a JWK set (RFC 7517 section 5)"),
            Self::TooManyKeys(found) => write!(f, "{found} keys, wanted at most {}", JwkSet::MOST_KEYS),
        }
    }
}

impl std::error::Error for JwkSetError {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::base64url;
    use crate::key::SigningKey;

    const ES: [Algorithm; 2] = [Algorithm::Es256, Algorithm::EdDsa];

    fn jwk(algorithm: Algorithm, kid: &str) -> Value {
        SigningKey::generate(algorithm).unwrap().with_kid(kid).verifying_key().public_jwk().unwrap()
    }

    fn without(mut jwk: Value, member: &str) -> Value {
        jwk.as_object_mut().unwrap().remove(member);
        jwk
    }

    fn with(mut jwk: Value, member: &str, value: Value) -> Value {
        jwk[member] = value;
        jwk
    }

    fn set(keys: &[Value], allowed: &[Algorithm]) -> JwkSet {
        JwkSet::parse(json!({ "keys": keys }).to_string().as_bytes(), allowed).unwrap()
    }

    /// Why a set of this one key has no key.
    fn reason(jwk: Value, allowed: &[Algorithm]) -> KeyError {
        let set = set(&[jwk], allowed);
        assert!(set.keys().is_empty());
        set.unusable()[0].reason.clone()
    }

    #[test]
    fn what_is_no_set_is_refused() {
        let parse = |text: &str| JwkSet::parse(text.as_bytes(), &ES).map(|_| ());
        assert_eq!(parse(r#"{"keys":[],"keys":[]}"#), Err(JwkSetError::Json(JsonError::DuplicateMember)));
        assert_eq!(parse("[]"), Err(JwkSetError::Json(JsonError::NotAnObject)));
        assert_eq!(parse("{}"), Err(JwkSetError::NoKeys));
        assert_eq!(parse(r#"{"keys":{}}"#), Err(JwkSetError::NoKeys));
        let padded = format!("{{{}}}", " ".repeat(JwkSet::LONGEST));
        assert_eq!(parse(&padded), Err(JwkSetError::Json(JsonError::TooLarge)));
        let many = |count: usize| json!({"keys": vec![json!({}); count]}).to_string();
        assert_eq!(parse(&many(JwkSet::MOST_KEYS)), Ok(()));
        assert_eq!(parse(&many(JwkSet::MOST_KEYS + 1)), Err(JwkSetError::TooManyKeys(JwkSet::MOST_KEYS + 1)));
    }

    #[test]
    fn unusable_keys_are_left_out_and_told() {
        let good = jwk(Algorithm::Es256, "good");
        let set = set(&[json!(7), json!({"kty": "AKP", "kid": "pq"}), good, json!({})], &ES);
        assert_eq!(set.keys().len(), 1);
        let told: Vec<_> =
            set.unusable().iter().map(|key| (key.place, key.kid.as_deref(), key.reason.clone())).collect();
        assert_eq!(
            told,
            [
                (0, None, KeyError::NotAnObject),
                (1, Some("pq"), KeyError::UnknownType("AKP".to_owned())),
                (3, None, KeyError::Missing("kty")),
            ]
        );
    }

    #[test]
    fn what_strangers_wrote_is_cut_and_escaped() {
        let reason = reason(json!({"kty": format!("a\n{}", "b".repeat(1000)), "kid": "k"}), &ES);
        assert_eq!(reason.to_string(), format!("kty \"a\\n{}\", wanted EC, OKP, RSA or oct", "b".repeat(38)));
    }

    #[test]
    fn a_key_that_says_no_algorithm_is_used_where_exactly_one_fits() {
        let key = without(jwk(Algorithm::Es256, "a"), "alg");
        assert_eq!(set(std::slice::from_ref(&key), &Algorithm::ALL).keys()[0].algorithm(), Algorithm::Es256);
        assert_eq!(reason(key, &[Algorithm::EdDsa]), KeyError::NoneFits);
        let n = base64url::encode(&[0xff; 256]);
        let rsa = json!({"kty": "RSA", "n": n, "e": "AQAB"});
        assert_eq!(
            reason(rsa, &[Algorithm::Rs256, Algorithm::Ps256]),
            KeyError::SeveralFit(vec![Algorithm::Rs256, Algorithm::Ps256])
        );
        let oct = json!({"kty": "oct", "k": base64url::encode(&[1; 64])});
        assert_eq!(
            set(std::slice::from_ref(&oct), &[Algorithm::Hs512, Algorithm::Es256]).keys()[0].algorithm(),
            Algorithm::Hs512
        );
        assert_eq!(reason(oct, &ES), KeyError::NoneFits);
    }

    #[test]
    fn a_key_that_says_an_algorithm_is_used_for_that_only() {
        let key = jwk(Algorithm::Es256, "a");
        assert_eq!(reason(key.clone(), &[Algorithm::EdDsa]), KeyError::NotAllowed(Algorithm::Es256));
        let confused = with(key.clone(), "alg", json!("HS256"));
        assert_eq!(reason(confused, &Algorithm::ALL), KeyError::DoesNotFit(Algorithm::Hs256));
        let other = with(key.clone(), "alg", json!("ES384"));
        assert_eq!(reason(other, &Algorithm::ALL), KeyError::DoesNotFit(Algorithm::Es384));
        let unknown = with(key.clone(), "alg", json!("ECDH-ES"));
        assert_eq!(reason(unknown, &ES), KeyError::UnknownAlgorithm("ECDH-ES".to_owned()));
        assert_eq!(reason(with(key, "alg", json!(1)), &ES), KeyError::Invalid("alg"));
    }

    #[test]
    fn keys_for_something_else_are_left_out() {
        let key = jwk(Algorithm::EdDsa, "a");
        assert_eq!(reason(with(key.clone(), "use", json!("enc")), &ES), KeyError::NotForSignatures);
        assert_eq!(reason(with(key.clone(), "key_ops", json!(["sign"])), &ES), KeyError::NotForSignatures);
        assert_eq!(reason(with(key.clone(), "key_ops", json!("verify")), &ES), KeyError::Invalid("key_ops"));
        assert_eq!(reason(with(key.clone(), "use", json!(["sig"])), &ES), KeyError::Invalid("use"));
        assert_eq!(set(&[with(key.clone(), "key_ops", json!(["verify"]))], &ES).keys().len(), 1);
        assert_eq!(set(&[without(key, "use")], &ES).keys().len(), 1);
    }

    #[test]
    fn private_keys_are_left_out() {
        assert_eq!(reason(with(jwk(Algorithm::EdDsa, "a"), "d", json!("AA")), &ES), KeyError::Private);
    }

    #[test]
    fn numbers_that_make_no_key_are_refused() {
        let ec = jwk(Algorithm::Es256, "a");
        let x = base64url::decode(ec["x"].as_str().unwrap().as_bytes()).unwrap();
        let mut beside = x.clone();
        beside[31] ^= 1;
        let zero = base64url::encode(&[0; 32]);
        let not_a_key = [
            with(ec.clone(), "x", json!(base64url::encode(&beside))),
            with(with(ec.clone(), "x", json!(zero)), "y", json!(zero)),
            with(ec.clone(), "x", json!(base64url::encode(&x[1..]))),
            with(ec.clone(), "x", json!(base64url::encode(&[&[0], x.as_slice()].concat()))),
            with(ec.clone(), "y", json!(base64url::encode(&[0xff; 32]))),
            with(jwk(Algorithm::EdDsa, "a"), "x", json!(base64url::encode(&[1; 31]))),
            json!({"kty": "RSA", "alg": "RS256", "n": base64url::encode(&[0xfe; 256]), "e": "AQAB"}),
        ];
        for jwk in not_a_key {
            assert_eq!(reason(jwk.clone(), &Algorithm::ALL), KeyError::NotAKey, "{jwk}");
        }
        let invalid = [("x", "=="), ("x", ""), ("x", "A")];
        for (member, value) in invalid {
            assert_eq!(reason(with(ec.clone(), member, json!(value)), &ES), KeyError::Invalid(member), "{value}");
        }
        assert_eq!(reason(without(ec.clone(), "y"), &ES), KeyError::Missing("y"));
        assert_eq!(reason(with(ec, "kid", json!("k".repeat(257))), &ES), KeyError::Invalid("kid"));
    }

    #[test]
    fn weak_keys_are_refused() {
        let rsa = |bytes: usize, e: &[u8]| json!({"kty": "RSA", "alg": "RS256", "n": base64url::encode(&vec![0xff; bytes]), "e": base64url::encode(e)});
        let rs256 = [Algorithm::Rs256];
        assert_eq!(reason(rsa(255, &[1, 0, 1]), &rs256), KeyError::RsaSize(2040));
        assert_eq!(reason(rsa(1025, &[1, 0, 1]), &rs256), KeyError::RsaSize(8200));
        let bits = |bytes: usize, first: u8| {
            let mut n = vec![0xff; bytes];
            n[0] = first;
            set(&[json!({"kty": "RSA", "alg": "RS256", "n": base64url::encode(&n), "e": "AQAB"})], &rs256)
        };
        assert_eq!(bits(256, 0x7f).unusable()[0].reason, KeyError::RsaSize(2047));
        assert_eq!(bits(256, 0x80).keys().len(), 1);
        assert_eq!(bits(1024, 0xff).keys().len(), 1);
        assert_eq!(bits(1025, 0x01).unusable()[0].reason, KeyError::RsaSize(8193));
        let mut padded = vec![0; 128];
        padded.extend([0xff; 128]);
        let padded = json!({"kty": "RSA", "alg": "RS256", "n": base64url::encode(&padded), "e": "AQAB"});
        assert_eq!(reason(padded, &rs256), KeyError::RsaSize(1024));
        for e in [&[1][..], &[0], &[2], &[1, 0, 0], &[1, 1, 1, 1, 1]] {
            assert_eq!(reason(rsa(256, e), &rs256), KeyError::Invalid("e"), "{e:?}");
        }
        let oct = json!({"kty": "oct", "alg": "HS384", "k": base64url::encode(&[1; 47])});
        assert_eq!(reason(oct, &[Algorithm::Hs384]), KeyError::ShortSecret { bytes: 47, wanted: 48 });
    }

    #[test]
    fn a_kid_means_its_key_with_its_algorithm() {
        let keys = set(&[jwk(Algorithm::Es256, "a"), jwk(Algorithm::EdDsa, "a"), jwk(Algorithm::EdDsa, "b")], &ES);
        let kid = |kid, algorithm| {
            let key = keys.key_for(kid, algorithm)?;
            Ok((key.kid().unwrap(), key.algorithm()))
        };
        assert_eq!(kid(Some("a"), Algorithm::Es256), Ok(("a", Algorithm::Es256)));
        assert_eq!(kid(Some("a"), Algorithm::EdDsa), Ok(("a", Algorithm::EdDsa)));
        assert_eq!(kid(Some("b"), Algorithm::Es256), Err(Refusal::WrongAlgorithm));
        assert_eq!(kid(Some("c"), Algorithm::Es256), Err(Refusal::UnknownKey));
        assert_eq!(kid(Some(""), Algorithm::Es256), Err(Refusal::UnknownKey));
        assert_eq!(kid(None, Algorithm::Es256), Ok(("a", Algorithm::Es256)));
        assert_eq!(kid(None, Algorithm::EdDsa), Err(Refusal::UnknownKey));
        assert_eq!(kid(None, Algorithm::Hs256), Err(Refusal::WrongAlgorithm));
    }

    #[test]
    fn of_two_keys_of_one_name_and_algorithm_the_first_is_used() {
        let (first, second) = (jwk(Algorithm::Es256, "a"), jwk(Algorithm::Es256, "a"));
        let set = set(&[first.clone(), second], &ES);
        assert_eq!(set.keys()[0].public_jwk(), Some(first));
        assert_eq!((set.keys().len(), &set.unusable()[0].reason), (1, &KeyError::SameKid));
    }
}
