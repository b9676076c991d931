//! A token that an OAuth server issued to the gateway or an API client: how long it is used, and what it is for.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use gwanmun_core::Secret;
use gwanmun_jose::json::parse_object;
use gwanmun_jose::{Compact, base64url};
use http::Response;
use serde_json::{Map, Value};

use super::memory::later;
use crate::token::Token;
use crate::token_answer::{LONGEST, NoGrant, TokenAnswer, malformed, seconds};

/// No token is used for longer, whatever is said of it.
const LONGEST_LIFE: Duration = Duration::from_secs(86_400);

/// A token is not used in the last tenth of its life, and not in its last seconds: it has a way to go.
const MARGIN: Duration = Duration::from_secs(10);

/// An issued token.
#[derive(Debug)]
pub(super) struct Grant {
    pub(super) token: Secret<String>,
    /// Until when it is used; a little before its end.
    pub(super) until: SystemTime,
    /// The scopes that the answer or, where it is a JWT, the token names.
    pub(super) scopes: Option<Vec<String>>,
    /// Whether its form says what it is for, so that nobody has to be asked.
    pub(super) is_jwt: bool,
}

impl Grant {
    /// Reads an answer; a token without an end is used for `cache`.
    pub(super) fn read(answer: &Response<Bytes>, cache: Duration, now: SystemTime) -> Result<Self, NoGrant> {
        let TokenAnswer { token, life, members } = TokenAnswer::read(answer)?;
        let life = life.unwrap_or(cache);
        let claims = claims(token.expose());
        let mut until = later(now, used_for(life.min(LONGEST_LIFE)));
        if let Some(end) = claims.as_ref().and_then(|claims| seconds(claims.get("exp")?)) {
            let rest =
                (SystemTime::UNIX_EPOCH + end.min(LONGEST_LIFE * 40_000)).duration_since(now).unwrap_or_default();
            until = until.min(later(now, used_for(rest)));
        }
        if until <= now {
            return Err(malformed("the token has expired already"));
        }
        let scopes = match members.get("scope") {
            Some(Value::String(text)) => Some(words(text)),
            None | Some(Value::Null) => claims.as_ref().and_then(scopes_in),
            Some(_) => return Err(malformed("scope is no text")),
        };
        Ok(Self { token, until, scopes, is_jwt: claims.is_some() })
    }
}

/// The scopes in a space-separated text.
pub(super) fn words(text: &str) -> Vec<String> {
    text.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
}

fn used_for(life: Duration) -> Duration {
    life.saturating_sub(MARGIN.min(life / 10))
}

/// The claims of a token that is a JWT. They come from who issued it, over the channel on which it is known: there is
/// nothing to verify.
fn claims(token: &str) -> Option<Map<String, Value>> {
    Compact::parse(token.as_bytes(), Token::LONGEST).ok()?;
    let payload = base64url::decode(token.split('.').nth(1)?.as_bytes())?;
    parse_object(&payload, LONGEST).ok()
}

fn scopes_in(claims: &Map<String, Value>) -> Option<Vec<String>> {
    match claims.get("scope").or_else(|| claims.get("scp"))? {
        Value::String(text) => Some(words(text)),
        Value::Array(all) => Some(all.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_700_000_000;
    const CACHE: Duration = Duration::from_secs(30);

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(NOW)
    }

    fn read(status: u16, body: impl Into<Bytes>) -> Result<Grant, NoGrant> {
        Grant::read(&Response::builder().status(status).body(body.into()).unwrap(), CACHE, now())
    }

    fn with(changes: Value) -> String {
        let mut usual = json!({"access_token": "opaque", "token_type": "Bearer", "expires_in": 100, "scope": "a b"});
        for (name, value) in changes.as_object().unwrap() {
            usual[name] = value.clone();
        }
        usual.to_string()
    }

    fn jwt(claims: Value) -> String {
        let part = |value: Value| base64url::encode(value.to_string().as_bytes());
        format!("{}.{}.{}", part(json!({"alg": "ES256"})), part(claims), base64url::encode(&[7; 64]))
    }

    fn used(grant: &Grant) -> u64 {
        grant.until.duration_since(now()).unwrap().as_secs()
    }

    #[test]
    fn a_token_is_used_until_a_little_before_its_end() {
        let grant = read(200, with(json!({}))).unwrap();
        assert_eq!((grant.token.expose().as_str(), used(&grant)), ("opaque", 90));
        assert_eq!((grant.scopes, grant.is_jwt), (Some(words("a b")), false));
        for (expires_in, wanted) in
            [(json!(20), 18), (json!("1000"), 990), (json!(null), 27), (json!(1e9), 86_390), (json!(1000.5), 990)]
        {
            assert_eq!(used(&read(200, with(json!({"expires_in": expires_in}))).unwrap()), wanted, "{expires_in}");
        }
    }

    #[test]
    fn a_jwt_says_itself_when_it_ends_and_what_it_is_for() {
        let body = |claims| with(json!({"access_token": jwt(claims), "scope": null}));
        let grant = read(200, body(json!({"exp": NOW + 50, "scope": "a"}))).unwrap();
        assert_eq!((used(&grant), grant.scopes, grant.is_jwt), (45, Some(words("a")), true));
        assert_eq!(read(200, body(json!({"scp": ["a", "b", 1]}))).unwrap().scopes, Some(words("a b")));
        assert_eq!(read(200, body(json!({}))).unwrap().scopes, None);
        assert!(matches!(read(200, body(json!({"exp": NOW}))), Err(NoGrant::Down(_))));
    }

    #[test]
    fn refusals_are_told_from_failures() {
        let down = |status, body: &str| matches!(read(status, body.to_owned()), Err(NoGrant::Down(_)));
        let error = |status, code: &str| read(status, json!({ "error": code }).to_string()).unwrap_err();
        for (status, code) in
            [(401, "invalid_client"), (400, "invalid_client"), (400, "unauthorized_client"), (403, "x")]
        {
            assert_eq!(error(status, code), NoGrant::Client, "{status} {code}");
        }
        assert_eq!(read(403, "").unwrap_err(), NoGrant::Client);
        assert_eq!(read(401, "<html>").unwrap_err(), NoGrant::Client);
        assert_eq!(error(400, "invalid_scope"), NoGrant::Scope);
        assert_eq!(error(400, "invalid_grant"), NoGrant::Subject);
        assert_eq!(error(400, "invalid_target"), NoGrant::Scope);
        assert_eq!(error(400, "invalid_request"), NoGrant::Request);
        assert!(down(400, r#"{"error":"unsupported_grant_type"}"#) && down(429, "") && down(404, "") && down(302, ""));
        assert!(down(500, r#"{"error":"invalid_client"}"#) && down(201, &with(json!({}))));
    }

    #[test]
    fn an_error_of_the_server_comes_into_no_log_line_as_it_is() {
        let NoGrant::Down(down) = read(400, r#"{"error":"x\ny\u001b[31m"}"#).unwrap_err() else { panic!() };
        assert!(!down.why.contains(char::is_control), "{}", down.why);
    }

    #[test]
    fn an_answer_without_a_usable_token_is_a_failure() {
        for body in [
            with(json!({"access_token": ""})),
            with(json!({"access_token": 7})),
            with(json!({"access_token": "a b"})),
            with(json!({"access_token": "a\r\nx: y"})),
            with(json!({"access_token": "x".repeat(Token::LONGEST + 1)})),
            with(json!({"token_type": "DPoP"})),
            with(json!({"token_type": null})),
            with(json!({"expires_in": 0})),
            with(json!({"expires_in": -5})),
            with(json!({"expires_in": "soon"})),
            with(json!({"scope": ["a"]})),
            "[]".into(),
            "".into(),
            "<html>".into(),
            r#"{"access_token":"a","access_token":"b"}"#.into(),
        ] {
            assert!(matches!(read(200, body.clone()), Err(NoGrant::Down(_))), "{body:.80}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_answered_a_token_can_be_sent_and_has_an_end(status in prop_oneof![Just(200_u16), 100u16..599], body in "\\PC{0,60}", token in "\\PC{0,20}") {
            for body in [body, with(json!({"access_token": token}))] {
                if let Ok(grant) = read(status, body) {
                    let sent = http::HeaderValue::try_from(format!("Bearer {}", grant.token.expose()));
                    prop_assert!(sent.is_ok() && grant.until > now() && status == 200);
                }
            }
        }
    }
}
