//! What the issuer's endpoints answer as usual: discovery (RFC 8414), keys (RFC 7517), tokens for clients (RFC 6749),
//! token exchange (RFC 8693), introspection (RFC 7662), users. Strict, so that a client's mistake shows.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::claims::{now, unique};
use crate::endpoints::Answer;
use crate::form::{self, Form};
use crate::jws::Jws;
use crate::message::Message;
use crate::token_key::{TokenKey, overlaid};

/// How long tokens live, in seconds.
const LIFETIME: u64 = 300;

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const TXN_TOKEN: &str = "urn:ietf:params:oauth:token-type:txn_token";

/// What the issuer knows.
pub(super) struct Protocol {
    /// Its own identifier.
    pub(super) url: String,
    /// The keys it publishes; the first signs.
    pub(super) keys: Vec<TokenKey>,
    /// What it publishes instead.
    pub(super) published: Option<Value>,
    /// Secret and scopes by client id.
    pub(super) clients: BTreeMap<String, (String, Vec<String>)>,
    /// What introspection answers to tokens that are no JWT of ours.
    pub(super) opaque: BTreeMap<String, Value>,
    /// Tokens that are not active any more.
    pub(super) revoked: BTreeSet<String>,
    /// What the user endpoint answers.
    pub(super) users: BTreeMap<String, Value>,
}

impl Protocol {
    pub(super) fn answer(&self, endpoint: &str, request: &Message) -> Answer {
        let wanted = if matches!(endpoint, "token" | "introspect") { "POST" } else { "GET" };
        if request.method() != wanted {
            return Answer::error(405, "invalid_request");
        }
        let answer = match endpoint {
            "discovery" => Ok(self.discovery()),
            "jwks" => Ok(self.jwks()),
            "token" => self.form(request).and_then(|(client, form)| self.token(&client, &form)),
            "introspect" => self.form(request).and_then(|(_, form)| self.introspection(&form)),
            _ => self.user(request.target()),
        };
        answer.map_or_else(|refusal| refusal, Answer::json)
    }

    pub(super) fn jwks(&self) -> Value {
        let keys: Vec<Value> = self.keys.iter().map(TokenKey::jwk).collect();
        self.published.clone().unwrap_or_else(|| json!({"keys": keys}))
    }

    /// Claims of a token that is good now, with `changes`.
    pub(super) fn claims(&self, changes: Value) -> Value {
        let now = now();
        let usual = json!({
            "iss": self.url, "sub": "u1", "aud": "gateway", "iat": now, "exp": now + LIFETIME, "jti": unique(),
        });
        overlaid(usual, changes)
    }

    /// A token of the first key.
    pub(super) fn signed(&self, header: Value, claims: &Value) -> String {
        self.keys.first().expect("an issuer with a key").token(header, claims)
    }

    fn discovery(&self) -> Value {
        json!({
            "issuer": self.url,
            "jwks_uri": format!("{}/jwks", self.url),
            "token_endpoint": format!("{}/token", self.url),
            "introspection_endpoint": format!("{}/introspect", self.url),
            "grant_types_supported": ["client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "response_types_supported": [],
            "subject_types_supported": ["public"],
        })
    }

    /// The form of a request and the client that it proves to come from.
    fn form(&self, request: &Message) -> Result<(String, Form), Answer> {
        let invalid = || Answer::error(400, "invalid_request");
        let form = Form::of(request).ok_or_else(invalid)?;
        let (id, secret) = match (request.header("authorization"), form.field("client_secret")) {
            (Some(_), Some(_)) => return Err(invalid()),
            (Some(basic), None) => form::credentials(&basic).ok_or_else(invalid)?,
            (None, Some(secret)) => (form.field("client_id").unwrap_or_default().to_owned(), secret.to_owned()),
            (None, None) => Default::default(),
        };
        match self.clients.get(&id) {
            Some((known, _)) if *known == secret => Ok((id, form)),
            _ => Err(Answer::error(401, "invalid_client").with_field("www-authenticate", "Basic realm=\"issuer\"")),
        }
    }

    fn token(&self, client: &str, form: &Form) -> Result<Value, Answer> {
        match form.field("grant_type") {
            Some("client_credentials") => self.client_token(client, form),
            Some("urn:ietf:params:oauth:grant-type:token-exchange") => self.exchange(client, form),
            Some(_) => Err(Answer::error(400, "unsupported_grant_type")),
            None => Err(Answer::error(400, "invalid_request")),
        }
    }

    fn client_token(&self, client: &str, form: &Form) -> Result<Value, Answer> {
        let scope = self.scope(client, form)?;
        let audience = form.field("audience").or(form.field("resource")).unwrap_or("gateway");
        let claims = self.claims(json!({"sub": client, "client_id": client, "aud": audience, "scope": scope}));
        let token = self.signed(json!({"typ": "at+jwt"}), &claims);
        Ok(json!({"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME, "scope": scope}))
    }

    fn exchange(&self, client: &str, form: &Form) -> Result<Value, Answer> {
        let invalid = || Answer::error(400, "invalid_request");
        let subject = form.field("subject_token").ok_or_else(invalid)?;
        form.field("subject_token_type")
            .filter(|kind| kind.starts_with("urn:ietf:params:oauth:"))
            .ok_or_else(invalid)?;
        let subject = self.active(subject).ok_or_else(invalid)?;
        let audience = form.field("audience").or(form.field("resource")).unwrap_or("gateway");
        let scope = form.field("scope").or(subject["scope"].as_str()).unwrap_or_default();
        if form.field("requested_token_type") == Some(TXN_TOKEN) {
            let context = |name| form.field(name).and_then(|text| serde_json::from_str(text).ok());
            let claims = self.claims(json!({
                "sub": subject["sub"], "aud": audience, "scope": scope, "txn": unique(), "req_wl": client,
                "tctx": context("request_details").unwrap_or_else(|| json!({})),
                "rctx": context("request_context").unwrap_or_else(|| json!({})),
            }));
            let token = self.signed(json!({"typ": "txntoken+jwt"}), &claims);
            return Ok(json!({
                "access_token": token, "issued_token_type": TXN_TOKEN, "token_type": "N_A", "expires_in": LIFETIME,
            }));
        }
        let claims = self.claims(json!({
            "sub": subject["sub"], "aud": audience, "scope": scope, "client_id": client, "act": {"sub": client},
        }));
        let token = self.signed(json!({"typ": "at+jwt"}), &claims);
        Ok(json!({
            "access_token": token, "issued_token_type": ACCESS_TOKEN, "token_type": "Bearer", "expires_in": LIFETIME,
            "scope": scope,
        }))
    }

    /// What is asked for, or everything the client may have.
    fn scope(&self, client: &str, form: &Form) -> Result<String, Answer> {
        let allowed = self.clients.get(client).map(|(_, scopes)| scopes.as_slice()).unwrap_or_default();
        let Some(asked) = form.field("scope").filter(|scope| !scope.is_empty()) else { return Ok(allowed.join(" ")) };
        let fits = asked.split(' ').all(|scope| allowed.iter().any(|other| other == scope));
        if fits { Ok(asked.to_owned()) } else { Err(Answer::error(400, "invalid_scope")) }
    }

    fn introspection(&self, form: &Form) -> Result<Value, Answer> {
        let token = form.field("token").ok_or_else(|| Answer::error(400, "invalid_request"))?;
        Ok(self.active(token).unwrap_or_else(|| json!({"active": false})))
    }

    /// What is known of a token that is active, with `active` and `token_type`.
    fn active(&self, token: &str) -> Option<Value> {
        if self.revoked.contains(token) {
            return None;
        }
        if let Some(known) = self.opaque.get(token) {
            return Some(known.clone());
        }
        let claims = Jws::verified(token, &self.jwks()).ok()?.claims();
        let current = claims["exp"].as_u64().is_some_and(|exp| exp > now());
        current.then(|| overlaid(json!({"active": true, "token_type": "Bearer"}), claims))
    }

    fn user(&self, target: &str) -> Result<Value, Answer> {
        let path = target.split('?').next().unwrap_or_default();
        let user = path.strip_prefix("/users/").and_then(form::percent_decoded);
        let user = user.and_then(|user| self.users.get(&user));
        user.cloned().ok_or_else(|| Answer::error(404, "unknown_user"))
    }
}
