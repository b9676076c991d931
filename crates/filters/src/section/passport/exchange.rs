//! `source.exchange`: the caller's token is exchanged at the auth server (RFC 8693,
//! draft-ietf-oauth-transaction-tokens section 7).

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gwanmun_client::CallError;
use gwanmun_config::{Span, Spanned};
use gwanmun_core::Principal;
use gwanmun_identity::{Endpoint, KeysAt};
use gwanmun_jose::json::parse_object;
use gwanmun_jose::{Compact, base64url, sha256};
use gwanmun_passport::{LONGEST, TYP};
use gwanmun_proxy::{Exchange, Ground};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, Response, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map as Object, Value, json};

use super::device::Known;
use super::map::{Map, MapSpec};
use super::office::authn;
use super::place::place;
use super::source::{Answer, Names, Question};
use crate::encode::component;
use crate::secret_text::SecretText;

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const TXN_TOKEN: &str = "urn:ietf:params:oauth:token-type:txn_token";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// What the auth server says about the caller's token, not about this gateway (RFC 6749 section 5.2, RFC 8693 section 2.2.2).
const ABOUT_THE_SUBJECT: [&str; 5] =
    ["invalid_grant", "invalid_request", "invalid_target", "invalid_scope", "access_denied"];

/// The most bytes of an answer, and of the claims in it.
const LONGEST_ANSWER: usize = 64 * 1024;

/// The caller's token is exchanged at the auth server.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ExchangeSpec {
    /// The token endpoint.
    endpoint: Spanned<String>,
    /// Who this gateway is there.
    client_id: Spanned<String>,
    /// How it proves that: best `${file:PATH}`.
    client_secret: SecretText,
    /// The URL of the keys with which the auth server signs Txn-Tokens: `/jwks.json` has them too.
    #[serde(default)]
    jwks: Option<Spanned<String>>,
    /// The auth server's issuer: its keys are where its `/.well-known/openid-configuration` says.
    #[serde(default)]
    issuer: Option<Spanned<String>>,
    /// Where in the claims of another JWT the parts of a Passport stand (user: /sub, roles: /roles).
    #[serde(default)]
    map: MapSpec,
}

/// The same, ready to be used.
pub(super) struct Exchanges {
    endpoint: Endpoint,
    authorization: HeaderValue,
    trust_domain: String,
    map: Map,
}

impl ExchangeSpec {
    /// By which it is told from others.
    pub(super) fn specification(&self) -> String {
        format!("{self:?} {:?}", sha256(self.client_secret.0.expose().as_bytes()))
    }

    /// Where the auth server's keys are.
    pub(super) fn keys(&self, span: Span, ground: &mut Ground<'_>) -> Option<Option<KeysAt>> {
        match (&self.jwks, &self.issuer) {
            (Some(jwks), Some(_)) => {
                ground.refuse(jwks.span, "found 'jwks' beside 'issuer', wanted one of them");
                None
            }
            (Some(jwks), None) => Some(Some(KeysAt::Url(place(jwks, jwks.span, ground)?))),
            (None, Some(issuer)) => {
                place(issuer, issuer.span, ground)?;
                match KeysAt::discovery(issuer) {
                    Ok(at) => Some(Some(at)),
                    Err(why) => {
                        ground.refuse(issuer.span, format!("nothing can be discovered at '{}': {why}", issuer.value));
                        None
                    }
                }
            }
            (None, None) => {
                ground.warn(
                    span,
                    "there is neither 'jwks' nor 'issuer': services do not find the keys of Txn-Tokens in /jwks.json",
                );
                Some(None)
            }
        }
    }

    /// Checks URL, client and pointers.
    pub(super) fn build(self, names: &Names, ground: &mut Ground<'_>) -> Option<Exchanges> {
        let map = self.map.build(Some("/sub"), Some("/roles"), ground);
        let endpoint = place(&self.endpoint, self.endpoint.span, ground);
        if self.client_id.is_empty() || self.client_secret.0.expose().is_empty() {
            ground.refuse(self.client_id.span, "found an empty client-id or client-secret");
            return None;
        }
        // RFC 6749 section 2.3.1: both are encoded before they are joined.
        let (mut pair, mut secret) = (String::new(), String::new());
        component(&self.client_id, &mut pair);
        component(self.client_secret.0.expose(), &mut secret);
        pair.push(':');
        pair.push_str(&secret);
        let mut authorization = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair))).ok()?;
        authorization.set_sensitive(true);
        Some(Exchanges { endpoint: endpoint?, authorization, trust_domain: names.trust_domain.clone(), map: map? })
    }
}

impl Exchanges {
    /// What is asked about the caller of a request. The question is the same for requests of the same token, from the same
    /// client and device.
    pub(super) fn question(
        &self,
        exchange: &Exchange,
        principal: &Principal,
        device: &Known<&str>,
    ) -> Result<Question, &'static str> {
        let token = bearer(exchange).ok_or("the caller brought no token that could be exchanged")?;
        let context = json!({
            "req_ip": exchange.client.map(|address| address.to_string()),
            "authn": authn(principal),
        });
        let mut details = json!({"user": {"level": exchange.level.as_str(), "source": principal.credential}});
        if let (Some(known), Some(details)) = (json_of(device), details.as_object_mut()) {
            details.insert("device".to_owned(), known);
        }
        let (context, details, scope) = (context.to_string(), details.to_string(), principal.scopes.join(" "));
        let fields = [
            ("grant_type", GRANT),
            ("requested_token_type", TXN_TOKEN),
            ("audience", &*self.trust_domain),
            ("scope", &*scope),
            ("subject_token", token),
            ("subject_token_type", ACCESS_TOKEN),
            ("request_context", &*context),
            ("request_details", &*details),
        ];
        let mut form = String::with_capacity(token.len() + 1024);
        for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
            if !form.is_empty() {
                form.push('&');
            }
            form.push_str(name);
            form.push('=');
            component(value, &mut form);
        }
        let key = sha256(form.as_bytes());
        let request = Request::post(self.endpoint.uri().clone())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .header(AUTHORIZATION, self.authorization.clone())
            .body(Bytes::from(form));
        Ok(Question { key, request: request.map_err(|_| "the exchange makes no request")? })
    }

    /// What the auth server says, and until when.
    pub(super) fn read(
        &self,
        response: &Response<Bytes>,
        now: SystemTime,
    ) -> Result<(Answer, Option<SystemTime>), CallError> {
        let malformed = |why: String| CallError::Malformed(why.into());
        let answer = parse_object(response.body(), LONGEST_ANSWER);
        if response.status() != StatusCode::OK {
            let error = answer.ok().and_then(|answer| answer.get("error").and_then(Value::as_str).map(str::to_owned));
            let error = error.unwrap_or_default();
            if response.status() == StatusCode::BAD_REQUEST && ABOUT_THE_SUBJECT.contains(&&*error) {
                return Ok((Answer::Refused("the auth server does not exchange the caller's token"), None));
            }
            let error: String = error.chars().take(40).collect();
            return Err(malformed(format!("found status {} ({error:?}), wanted 200", response.status())));
        }
        let answer = answer.map_err(|error| malformed(format!("the answer is no JSON object: {error}")))?;
        let text = |name| answer.get(name).and_then(Value::as_str).unwrap_or_default();
        let (token, kind) = (text("access_token"), text("issued_token_type"));
        let claims = claims(token).ok_or_else(|| malformed("the answer's token is no JWT".to_owned()))?;
        let end = end(&answer, &claims, now).ok_or_else(|| malformed("the answer's token has no end".to_owned()))?;
        if kind == TXN_TOKEN {
            self.check(token, &claims, text("token_type")).map_err(|why| malformed(why.to_owned()))?;
            let mut value = HeaderValue::from_str(token).map_err(|_| malformed("the token is no text".to_owned()))?;
            value.set_sensitive(true);
            return Ok((Answer::Token(value), Some(end)));
        }
        let about =
            self.map.read(&Value::Object(claims)).ok_or_else(|| malformed("the token names no user".to_owned()))?;
        Ok((Answer::About(Arc::new(about)), Some(end)))
    }

    /// Whether a Txn-Token is what it has to be; its signature is for the services.
    fn check(&self, token: &str, claims: &Object<String, Value>, token_type: &str) -> Result<(), &'static str> {
        if !token_type.eq_ignore_ascii_case("N_A") {
            return Err("the token_type of a Txn-Token is not N_A");
        }
        let is_typed = Compact::parse(token.as_bytes(), LONGEST)
            .is_ok_and(|token| token.typ().is_some_and(|typ| typ.eq_ignore_ascii_case(TYP)));
        if !is_typed {
            return Err("the token is no Txn-Token, or too large");
        }
        let is_ours = match claims.get("aud") {
            Some(Value::String(audience)) => *audience == self.trust_domain,
            Some(Value::Array(audiences)) => audiences.iter().any(|audience| *audience == *self.trust_domain),
            _ => false,
        };
        if is_ours { Ok(()) } else { Err("the token is for another trust domain") }
    }
}

/// The access token of the caller's session, or the token in the `Authorization` that was taken out of the request.
fn bearer(exchange: &Exchange) -> Option<&str> {
    if let Some(principal) = &exchange.principal
        && principal.credential_kind() == "session"
    {
        return principal.token.as_ref().map(|token| token.expose().as_str());
    }
    let (_, value) = exchange.consumed.iter().rev().find(|(name, _)| *name == AUTHORIZATION)?;
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("Bearer") && !token.is_empty()).then_some(token)
}

fn json_of(device: &Known<&str>) -> Option<Value> {
    if device.is_nothing() {
        return None;
    }
    let known = [("id", device.id), ("os", device.os), ("app", device.app)];
    let known = known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?))));
    let assertion = [("level", "low"), ("source", "header")].map(|(name, value)| (name.to_owned(), Value::from(value)));
    Some(Value::Object(known.chain(assertion).collect()))
}

/// The claims of a token that came from the auth server itself, over a connection that is protected.
fn claims(token: &str) -> Option<Object<String, Value>> {
    Compact::parse(token.as_bytes(), LONGEST_ANSWER).ok()?;
    let payload = base64url::decode(token.split('.').nth(1)?.as_bytes())?;
    parse_object(&payload, LONGEST_ANSWER).ok()
}

/// When a token is not good any more: what it says itself, or the answer, whichever is earlier.
fn end(answer: &Object<String, Value>, claims: &Object<String, Value>, now: SystemTime) -> Option<SystemTime> {
    let exp = claims.get("exp").and_then(Value::as_u64);
    let exp = exp.and_then(|exp| UNIX_EPOCH.checked_add(Duration::from_secs(exp)));
    let told = answer.get("expires_in").and_then(Value::as_u64);
    let told = told.and_then(|seconds| now.checked_add(Duration::from_secs(seconds)));
    exp.into_iter().chain(told).min()
}
