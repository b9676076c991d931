//! What an introspection endpoint says about a token (RFC 7662 section 2.2). `active` is read first: only a JSON `true` is
//! a yes, only a JSON `false` a no.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use gwanmun_core::{Level, Principal, Reason};
use gwanmun_jose::json::parse_object;
use http::{Response, StatusCode};
use serde_json::{Map, Value};

use super::grant::words;
use crate::down::Down;
use crate::pointer::Pointer;
use crate::principal_map::PrincipalMap;
use crate::refusal::Refusal;
use crate::token_answer::{LONGEST, error_of};

/// How far the clocks may differ where a token is not good yet. Its end is not moved.
const LEEWAY: Duration = Duration::from_secs(30);

/// What is expected of tokens.
#[derive(Debug)]
pub(super) struct Expected {
    /// `iss`, where the answer has one.
    pub(super) issuer: Option<String>,
    /// `aud` must hold one of these; none: it is not looked at.
    pub(super) audiences: Vec<String>,
    /// Where the parts of a principal stand.
    pub(super) map: PrincipalMap,
    /// The same for an answer without `sub`.
    pub(super) map_of_clients: PrincipalMap,
}

/// A token that is active.
#[derive(Debug, PartialEq)]
pub(super) struct Active {
    pub(super) principal: Principal,
    /// When the token ends, if that is said.
    pub(super) expires: Option<SystemTime>,
}

impl Expected {
    pub(super) fn new(issuer: Option<String>, audiences: Vec<String>, map: PrincipalMap) -> Self {
        let is_usual = map.subject == PrincipalMap::default().subject;
        let subject = if is_usual { Pointer::to("/client_id") } else { map.subject.clone() };
        Self { issuer, audiences, map_of_clients: PrincipalMap { subject, ..map.clone() }, map }
    }

    /// Reads an answer. A principal without an end of its own gets none here.
    pub(super) fn read(
        &self,
        answer: &Response<Bytes>,
        credential: &str,
        now: SystemTime,
    ) -> Result<Result<Active, Refusal>, Down> {
        let members = match answer.status() {
            StatusCode::OK => members(answer.body())?,
            status => return refused(status, answer.body()),
        };
        match members.get("active") {
            Some(Value::Bool(true)) => {}
            Some(Value::Bool(false)) => {
                return Ok(Err(Refusal::invalid(
                    Reason::TokenInactive,
                    format!("{credential}: the token is not active"),
                )));
            }
            Some(_) => return Err(Down::malformed("'active' is neither true nor false")),
            None => return Err(Down::malformed("there is no 'active' in its answer")),
        }
        let (expires, not_before) = (moment(&members, "exp")?, moment(&members, "nbf")?);
        if let Some((reason, why)) = self.mismatch(&members, expires, not_before, now) {
            return Ok(Err(Refusal::invalid(reason, format!("{credential}: {why}"))));
        }
        let map = if members.contains_key("sub") { &self.map } else { &self.map_of_clients };
        let principal = map.principal(members, credential, Level::High, expires.unwrap_or(now));
        Ok(principal.map(|principal| Active { principal: Principal { expires, ..principal }, expires }))
    }

    fn mismatch(
        &self,
        members: &Map<String, Value>,
        expires: Option<SystemTime>,
        not_before: Option<SystemTime>,
        now: SystemTime,
    ) -> Option<(Reason, &'static str)> {
        if expires.is_some_and(|end| now >= end) {
            return Some((Reason::TokenExpired, "the token has expired"));
        }
        if not_before.is_some_and(|begin| now + LEEWAY < begin) {
            return Some((Reason::TokenNotYetValid, "the token is not good yet"));
        }
        let is_other = |issuer: &Value| self.issuer.as_deref().is_some_and(|wanted| issuer.as_str() != Some(wanted));
        if members.get("iss").is_some_and(is_other) {
            return Some((Reason::WrongIssuer, "the token is another issuer's"));
        }
        if !self.audiences.is_empty() && !self.is_for_us(members.get("aud")) {
            return Some((Reason::WrongAudience, "the token is for another audience"));
        }
        if members.get("token_type").is_some_and(|kind| !is_bearer(kind)) {
            return Some((Reason::WrongTokenType, "the token is no bearer token"));
        }
        // Bound to a key, it proves nothing without the key (RFC 9449, RFC 8705).
        if members.get("cnf").is_some_and(|bound| !bound.is_null()) {
            return Some((Reason::WrongTokenType, "the token is bound to a key"));
        }
        None
    }

    fn is_for_us(&self, audience: Option<&Value>) -> bool {
        let ours = |value: &Value| value.as_str().is_some_and(|text| self.audiences.iter().any(|own| own == text));
        match audience {
            Some(Value::Array(all)) => all.iter().any(ours),
            Some(one) => ours(one),
            None => false,
        }
    }
}

/// The scopes of a token that was issued just now; `None` where they are not said.
///
/// # Errors
/// The server does not know its own token, or says nothing that can be used.
pub(super) fn scopes_of_own(answer: &Response<Bytes>) -> Result<Option<Vec<String>>, Down> {
    if answer.status() != StatusCode::OK {
        return Err(match refused::<()>(answer.status(), answer.body()) {
            Err(down) => down,
            Ok(_) => Down::malformed("it does not introspect its own tokens"),
        });
    }
    let members = members(answer.body())?;
    match (members.get("active"), members.get("scope")) {
        (Some(Value::Bool(true)), Some(Value::String(text))) => Ok(Some(words(text))),
        (Some(Value::Bool(true)), None) => Ok(None),
        (Some(Value::Bool(true)), Some(_)) => Err(Down::malformed("scope is no text")),
        _ => Err(Down::malformed("it does not say that its own token is active")),
    }
}

fn members(body: &[u8]) -> Result<Map<String, Value>, Down> {
    parse_object(body, LONGEST).map_err(|error| Down::malformed(format!("its answer: {error}")))
}

/// An answer that is none. Some servers do not introspect every kind of token and say so with an error in place of
/// `active`.
fn refused<T>(status: StatusCode, body: &[u8]) -> Result<Result<T, Refusal>, Down> {
    match (status, error_of(body).as_deref()) {
        (StatusCode::BAD_REQUEST, Some("unsupported_token_type")) => {
            let detail = "the OAuth server does not introspect tokens of this kind";
            Ok(Err(Refusal::invalid(Reason::WrongTokenType, detail)))
        }
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => {
            Err(Down::gateway_refused(format!("it answered with {status}: client-id or client-secret will not do")))
        }
        _ => Err(Down::malformed(format!("it answered with {status}, wanted 200"))),
    }
}

/// A moment in seconds since 1970 (RFC 7519 section 2).
fn moment(members: &Map<String, Value>, name: &str) -> Result<Option<SystemTime>, Down> {
    let malformed = || Down::malformed(format!("'{name}' is no time"));
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => {
            let seconds = number.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            seconds.and_then(|seconds| UNIX_EPOCH.checked_add(seconds)).map(Some).ok_or_else(malformed)
        }
        Some(_) => Err(malformed()),
    }
}

/// `bearer` in any case; some servers name the kind of token instead.
fn is_bearer(kind: &Value) -> bool {
    let is = |name: &str| kind.as_str().is_some_and(|text| text.eq_ignore_ascii_case(name));
    is("bearer") || is("access_token")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::down::Trouble;

    const NOW: u64 = 1_700_000_000;

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(NOW)
    }

    fn expected() -> Expected {
        Expected::new(Some("https://idp".to_owned()), vec!["gateway".to_owned()], PrincipalMap::default())
    }

    fn answer(status: u16, body: impl Into<Bytes>) -> Response<Bytes> {
        Response::builder().status(status).body(body.into()).unwrap()
    }

    fn read(body: impl Into<Bytes>) -> Result<Result<Active, Refusal>, Down> {
        expected().read(&answer(200, body), "introspect:partner", now())
    }

    fn with(changes: Value) -> Value {
        let mut usual = json!({
            "active": true, "sub": "ann", "aud": ["other", "gateway"], "exp": NOW + 60, "nbf": NOW, "iss": "https://idp",
            "token_type": "Bearer", "scope": "a b", "roles": ["member"], "client_id": "app",
        });
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(usual.as_object_mut().unwrap().remove(name)),
                value => usual[name] = value.clone(),
            }
        }
        usual
    }

    #[test]
    fn an_active_token_is_a_principal() {
        let active = read(with(json!({})).to_string()).unwrap().unwrap();
        let principal = active.principal;
        assert_eq!((&*principal.subject, &*principal.credential), ("ann", "introspect:partner"));
        assert_eq!(
            (principal.level, principal.scopes.join(" "), principal.roles.join(" ")),
            (Level::High, "a b".into(), "member".into())
        );
        assert_eq!(
            (principal.expires, active.expires),
            (Some(now() + Duration::from_secs(60)), Some(now() + Duration::from_secs(60)))
        );
    }

    #[test]
    fn without_sub_it_is_the_client_and_without_both_nobody() {
        let active = read(with(json!({"sub": null})).to_string()).unwrap().unwrap();
        assert_eq!(active.principal.subject, "app");
        assert!(!active.principal.claims.contains_key("sub"));
        let nobody = read(with(json!({"sub": null, "client_id": null})).to_string()).unwrap().unwrap_err();
        assert_eq!(nobody.reason(), Reason::MalformedToken);
        let empty = read(with(json!({"sub": ""})).to_string()).unwrap().unwrap_err();
        assert_eq!(empty.reason(), Reason::MalformedToken);
    }

    #[test]
    fn what_a_server_says_besides_active_is_looked_at() {
        for (changes, reason) in [
            (json!({"exp": NOW}), Reason::TokenExpired),
            (json!({"exp": NOW - 1}), Reason::TokenExpired),
            (json!({"nbf": NOW + 31}), Reason::TokenNotYetValid),
            (json!({"iss": "https://evil"}), Reason::WrongIssuer),
            (json!({"iss": ["https://idp"]}), Reason::WrongIssuer),
            (json!({"aud": "other"}), Reason::WrongAudience),
            (json!({"aud": ["gateway2", "xgateway"]}), Reason::WrongAudience),
            (json!({"aud": null}), Reason::WrongAudience),
            (json!({"aud": {"gateway": true}}), Reason::WrongAudience),
            (json!({"token_type": "DPoP"}), Reason::WrongTokenType),
            (json!({"token_type": "refresh_token"}), Reason::WrongTokenType),
            (json!({"token_type": 1}), Reason::WrongTokenType),
            (json!({"cnf": {"jkt": "x"}}), Reason::WrongTokenType),
            (json!({"active": false}), Reason::TokenInactive),
        ] {
            let refusal = read(with(changes.clone()).to_string()).unwrap().unwrap_err();
            assert_eq!(refusal.reason(), reason, "{changes}");
        }
        for changes in [
            json!({"exp": null}),
            json!({"nbf": NOW + 30}),
            json!({"iss": null}),
            json!({"aud": "gateway"}),
            json!({"token_type": "bearer"}),
            json!({"token_type": null}),
            json!({"exp": (NOW as f64) + 0.5}),
        ] {
            assert!(read(with(changes.clone()).to_string()).unwrap().is_ok(), "{changes}");
        }
    }

    #[test]
    fn what_is_neither_yes_nor_no_is_the_servers_failure() {
        let usual = with(json!({})).to_string();
        for body in [
            with(json!({"active": null})).to_string(),
            with(json!({"active": "true"})).to_string(),
            with(json!({"active": 1})).to_string(),
            with(json!({"active": [true]})).to_string(),
            with(json!({"exp": "soon"})).to_string(),
            with(json!({"exp": -1})).to_string(),
            with(json!({"exp": 1e300})).to_string(),
            usual.replacen("{", "{\"active\":false,", 1),
            format!("[{usual}]"),
            format!("{usual}x"),
            usual[..usual.len() - 1].to_owned(),
            "true".to_owned(),
            "<html>".to_owned(),
            String::new(),
            format!("{{\"active\":true,\"x\":\"{}\"}}", "x".repeat(LONGEST)),
        ] {
            let down = read(body.clone()).unwrap_err();
            assert_eq!(down.trouble, Trouble::Malformed, "{body:.80}");
        }
    }

    #[test]
    fn other_statuses_are_no_answer() {
        let yes = with(json!({})).to_string();
        for (status, body, trouble) in [
            (201, &*yes, Trouble::Malformed),
            (302, &*yes, Trouble::Malformed),
            (400, r#"{"error":"invalid_request"}"#, Trouble::Malformed),
            (401, &*yes, Trouble::GatewayRefused),
            (403, "", Trouble::GatewayRefused),
            (500, &*yes, Trouble::Malformed),
        ] {
            let down = expected().read(&answer(status, body.to_owned()), "c", now()).unwrap_err();
            assert_eq!(down.trouble, trouble, "{status}");
        }
        let kind = expected().read(&answer(400, r#"{"error":"unsupported_token_type"}"#), "c", now());
        assert_eq!(kind.unwrap().unwrap_err().reason(), Reason::WrongTokenType);
    }

    #[test]
    fn without_audiences_aud_is_not_looked_at() {
        let expected = Expected::new(None, Vec::new(), PrincipalMap::default());
        let body = with(json!({"aud": "orders.read", "iss": "anybody"})).to_string();
        assert!(expected.read(&answer(200, body), "c", now()).unwrap().is_ok());
    }

    proptest! {
        #[test]
        fn nothing_but_a_plain_true_is_a_yes(active in "true|false|null|1|\"true\"|\\[true\\]|\\{\\}", more in "[ -~]{0,20}") {
            let expected = Expected::new(None, Vec::new(), PrincipalMap::default());
            for body in [format!("{{\"active\":{active},\"sub\":\"a\"}}"), format!("{{\"sub\":\"a\",\"active\":{active}{more}"), more] {
                if let Ok(Ok(_)) = expected.read(&answer(200, body.clone()), "c", now()) {
                    prop_assert!(body.contains("\"active\":true"));
                }
            }
        }
    }
}
