//! What a token endpoint answers (RFC 6749 section 5), whoever asks it for whatever: a token that can be sent, a refusal,
//! or something that cannot be used.

use std::time::Duration;

use bytes::Bytes;
use gwanmun_core::Secret;
use gwanmun_jose::json::parse_object;
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Map, Value};

use crate::down::Down;
use crate::token::Token;

/// The most bytes of an answer that are read.
pub(crate) const LONGEST: usize = 64 * 1024;

/// An answer with a bearer token.
#[derive(Debug)]
pub(crate) struct TokenAnswer {
    /// The access token: not empty, of bounded length, printable ASCII.
    pub(crate) token: Secret<String>,
    /// How long it lives, if that is said.
    pub(crate) life: Option<Duration>,
    /// Everything that was answered.
    pub(crate) members: Map<String, Value>,
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoGrant {
    /// The client is not known, or its secret is another.
    Client,
    /// It may not have what was asked for.
    Scope,
    /// What was to be exchanged for the token is not good: a token, a code.
    Subject,
    /// The server finds the request wrong; which of its parts, it does not say.
    Request,
    /// Neither yes nor no.
    Down(Down),
}

impl TokenAnswer {
    /// Reads an answer.
    pub(crate) fn read(answer: &Response<Bytes>) -> Result<Self, NoGrant> {
        if answer.status() != StatusCode::OK {
            return Err(refused(answer));
        }
        let members = parse_object(answer.body(), LONGEST).map_err(|error| malformed(&error.to_string()))?;
        let token = members.get("access_token").and_then(Value::as_str).ok_or_else(|| malformed("no access_token"))?;
        if !can_be_sent(token) {
            return Err(malformed("the access_token is none that can be sent"));
        }
        let token = Secret::new(token.to_owned());
        if !members.get("token_type").and_then(Value::as_str).is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")) {
            return Err(malformed("the token_type is not Bearer"));
        }
        let life = match members.get("expires_in") {
            None | Some(Value::Null) => None,
            Some(given) => Some(seconds(given).ok_or_else(|| malformed("expires_in is no number of seconds"))?),
        };
        Ok(Self { token, life, members })
    }
}

/// An answer that cannot be used.
pub(crate) fn malformed(why: &str) -> NoGrant {
    NoGrant::Down(Down::malformed(format!("its answer: {why}")))
}

/// Whether a token goes into a header field.
pub(crate) fn can_be_sent(token: &str) -> bool {
    !token.is_empty() && token.len() <= Token::LONGEST && token.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A token's text in a field of a request.
pub(crate) fn bearer(token: &Secret<String>) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Some servers put numbers into quotes.
pub(crate) fn seconds(value: &Value) -> Option<Duration> {
    match value {
        Value::Number(number) => number.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().ok().map(Duration::from_secs)
        }
        _ => None,
    }
}

/// `error` of an answer that says no.
pub(crate) fn error_of(body: &[u8]) -> Option<String> {
    let members = parse_object(body, LONGEST).ok()?;
    members.get("error").and_then(Value::as_str).map(str::to_owned)
}

/// An error code as it may be repeated in a log. The word is a stranger's: only words of the RFCs' kind are.
pub(crate) fn error_word(error: &str) -> Option<&str> {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    Some(error).filter(|error| (1..=64).contains(&error.len()) && error.bytes().all(is_word))
}

/// RFC 6749 section 5.2, and what servers make of it: some say 403 without a word to a wrong secret.
fn refused(answer: &Response<Bytes>) -> NoGrant {
    let status = answer.status();
    match (status, error_of(answer.body()).as_deref()) {
        _ if status.is_server_error() || status.is_redirection() || status.is_success() => {
            NoGrant::Down(Down::malformed(format!("it answered with {status}, wanted 200")))
        }
        (_, Some("invalid_scope" | "invalid_target")) => NoGrant::Scope,
        (_, Some("invalid_request")) => NoGrant::Request,
        (_, Some("invalid_grant")) => NoGrant::Subject,
        (_, Some("invalid_client" | "unauthorized_client" | "access_denied")) => NoGrant::Client,
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => NoGrant::Client,
        (_, error) => {
            let error = error.and_then(error_word).unwrap_or("no error that is known");
            NoGrant::Down(Down::malformed(format!("it answered with {status} and {error}")))
        }
    }
}
