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

/// Signs `payload` behind its [`protected_header`].
///
/// # Errors
/// The key could not sign.
pub fn sign(key: &SigningKey, typ: Option<&str>, payload: &[u8]) -> Result<String, SigningFailed> {
    let mut token = protected_header(key, typ);
    token.push('.');
    base64url::encode_into(payload, &mut token);
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    base64url::encode_into(&signature, &mut token);
    Ok(token)
}

/// The first part of every token that a key signs, base64url: `alg`, the key's `kid` and `typ` where there is one.
pub fn protected_header(key: &SigningKey, typ: Option<&str>) -> String {
    let members = [("alg", Some(key.algorithm().as_str())), ("kid", key.kid()), ("typ", typ)];
    let header: Value = members.into_iter().filter_map(|(name, value)| Some((name, Value::from(value?)))).collect();
    base64url::encode(header.to_string().as_bytes())
}

/// The header or the claims of a token that was not too large.
pub(crate) fn object(bytes: &[u8]) -> Result<Map<String, Value>, Refusal> {
    json::parse_object(bytes, bytes.len()).map_err(|error| match error {
        JsonError::TooDeep => Refusal::TooDeep,
        JsonError::DuplicateMember => Refusal::DuplicateMember,
        _ => Refusal::Malformed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str) -> Vec<u8> {
        format!("{}.e30.AA", base64url::encode(header.as_bytes())).into_bytes()
    }

    fn refusal(token: &[u8]) -> Option<Refusal> {
        Compact::parse(token, 200).err()
    }

    #[test]
    fn the_header_says_which_key_is_meant() {
        let token = token(r#"{"alg":"ES256","kid":"a","typ":"at+jwt","b64":true,"x":[1]}"#);
        let read = Compact::parse(&token, token.len()).unwrap();
        assert_eq!((read.algorithm(), read.kid(), read.typ()), (Algorithm::Es256, Some("a"), Some("at+jwt")));
        assert_eq!(Compact::parse(&token, token.len() - 1).err(), Some(Refusal::TooLarge));
    }

    #[test]
    fn a_token_has_three_parts_of_canonical_base64url() {
        assert_eq!(refusal(b"eyJhbGciOiJFUzI1NiJ9.e30.AA"), None);
        let malformed = [
            "",
            ".",
            "..",
            "...",
            "eyJhbGciOiJFUzI1NiJ9",
            "eyJhbGciOiJFUzI1NiJ9.e30",
            "eyJhbGciOiJFUzI1NiJ9.e30.AA.",
            "eyJhbGciOiJFUzI1NiJ9.e30.AA.AA",
            "eyJhbGciOiJFUzI1NiJ9.e30.AA.AA.AA",
            ".e30.AA",
            "eyJhbGciOiJFUzI1NiJ9.e30.AB",
            "eyJhbGciOiJFUzI1NiJ9.e30.A",
            "eyJhbGciOiJFUzI1NiJ9.e30.AA==",
            "eyJhbGciOiJFUzI1NiJ9.e30=.AA",
            "eyJhbGciOiJFUzI1NiJ9.e31.AA",
            " eyJhbGciOiJFUzI1NiJ9.e30.AA",
            "eyJhbGciOiJFUzI1NiJ9.e30.AA\n",
            "eyJhbGciOiJFUzI1NiJ9.e30.A+",
            "eyJhbGciOiJFUzI1NiJ8.e30.AA",
        ];
        for text in malformed {
            assert_eq!(refusal(text.as_bytes()), Some(Refusal::Malformed), "{text:?}");
        }
    }

    #[test]
    fn a_header_that_could_be_read_in_two_ways_is_refused() {
        let refused = [
            (r#"{"alg":"ES256","alg":"none"}"#, Refusal::DuplicateMember),
            (r#"{"alg":"ES256","jwk":{"kty":"EC","kty":"RSA"}}"#, Refusal::DuplicateMember),
            (r#"{"alg":"ES256","a":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}"#, Refusal::TooDeep),
            (r#"{"alg":"ES256","crit":["b64"],"b64":false}"#, Refusal::UnknownCritical),
            (r#"{"alg":"ES256","crit":["exp"],"exp":1}"#, Refusal::UnknownCritical),
            (r#"{"alg":"ES256","crit":[]}"#, Refusal::UnknownCritical),
            (r#"{"alg":"ES256","crit":null}"#, Refusal::UnknownCritical),
            (r#"{"alg":"ES256","b64":false}"#, Refusal::UnknownCritical),
            (r#"{"alg":"ES256","b64":"true"}"#, Refusal::UnknownCritical),
            (r#"{"alg":"none"}"#, Refusal::WrongAlgorithm),
            (r#"{"alg":"nOnE"}"#, Refusal::WrongAlgorithm),
            (r#"{"alg":"es256"}"#, Refusal::WrongAlgorithm),
            (r#"{"alg":"ES256K"}"#, Refusal::WrongAlgorithm),
            (r#"{"alg":["ES256"]}"#, Refusal::Malformed),
            (r#"{"alg":null}"#, Refusal::Malformed),
            (r#"{"alg":"ES256","kid":7}"#, Refusal::Malformed),
            (r#"{"alg":"ES256","typ":null}"#, Refusal::Malformed),
            (r#"{"typ":"JWT"}"#, Refusal::Malformed),
            (r#"{}"#, Refusal::Malformed),
            (r#"["ES256"]"#, Refusal::Malformed),
            ("{\"alg\":\"ES256\"}\0", Refusal::Malformed),
        ];
        for (header, why) in refused {
            assert_eq!(refusal(&token(header)), Some(why), "{header}");
        }
    }

    #[test]
    fn what_is_signed_is_read() {
        let key = SigningKey::generate(Algorithm::EdDsa).unwrap().with_kid("a\"b");
        let signed = sign(&key, Some("at+jwt"), b"{\"iss\":\"me\"}").unwrap();
        let read = Compact::parse(signed.as_bytes(), 500).unwrap();
        assert_eq!(
            (read.kid(), read.typ(), read.unverified_issuer().as_deref()),
            (Some("a\"b"), Some("at+jwt"), Some("me"))
        );
        assert_eq!(read.verify(key.verifying_key()), Ok(&b"{\"iss\":\"me\"}"[..]));
        let plain = sign(&SigningKey::generate(Algorithm::Es256).unwrap(), None, b"").unwrap();
        let plain = Compact::parse(plain.as_bytes(), 500).unwrap();
        assert_eq!((plain.kid(), plain.typ(), plain.unverified_issuer()), (None, None, None));
    }

    #[test]
    fn a_public_key_is_no_secret() {
        let public = include_bytes!("../testdata/p256-public.pem");
        let forger = SigningKey::from_secret(public, Algorithm::Hs256).unwrap();
        let forged = sign(&forger, None, b"{}").unwrap();
        let key = VerifyingKey::from_pem(public, &Algorithm::ALL).unwrap();
        let forged = Compact::parse(forged.as_bytes(), 500).unwrap();
        assert_eq!(forged.verify(&key), Err(Refusal::WrongAlgorithm));
    }

    #[test]
    fn a_key_that_the_token_brings_along_is_never_used() {
        let (ours, theirs) =
            (SigningKey::generate(Algorithm::EdDsa).unwrap(), SigningKey::generate(Algorithm::EdDsa).unwrap());
        let jwk = theirs.verifying_key().public_jwk().unwrap();
        let header =
            format!(r#"{{"alg":"EdDSA","jwk":{jwk},"jku":"https://evil.example","x5u":"https://evil.example"}}"#);
        let input = format!("{}.e30", base64url::encode(header.as_bytes()));
        let signature = base64url::encode(&theirs.sign(input.as_bytes()).unwrap());
        let token = format!("{input}.{signature}");
        let read = Compact::parse(token.as_bytes(), 1000).unwrap();
        assert_eq!(read.verify(ours.verifying_key()), Err(Refusal::BadSignature));
        assert_eq!(read.verify(theirs.verifying_key()), Ok(&b"{}"[..]));
    }
}
