//! Tokens: for codes and refresh tokens of the gateways, and a plain one for the demo's partner.

use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gwanmun_jose::sign;
use gwanmun_proxy::Response;
use http::header::AUTHORIZATION;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use super::bounded::unguessable;
use super::{Client, Provider, Session, document};
use crate::command::demo::wire::{Form, answer, status};

/// How long tokens are good: long enough for nobody to notice, short enough to see them refreshed.
const LIFE: Duration = Duration::from_secs(300);

/// How long the partner's token is good.
const PARTNER_LIFE: Duration = Duration::from_secs(3600);

/// What the partner's token is for.
pub(super) const AUDIENCE: &str = "demo-api";

impl Provider {
    /// RFC 6749, section 3.2.
    pub(super) fn token(&self, request: &Request<Bytes>, form: &Form) -> Response {
        let Some(client) = self.proven(request, form) else {
            return refused(StatusCode::UNAUTHORIZED, "invalid_client");
        };
        let granted = match form.value("grant_type") {
            "authorization_code" => self.by_code(&client, form),
            "refresh_token" => self.by_refresh(&client, form),
            _ => return refused(StatusCode::BAD_REQUEST, "unsupported_grant_type"),
        };
        granted.unwrap_or_else(|| refused(StatusCode::BAD_REQUEST, "invalid_grant"))
    }

    /// A token of the demo's partner, as text: `$(curl …)` puts it where it is wanted.
    pub(super) fn partner_token(&self) -> Response {
        let claims = json!({"sub": "partner", "aud": AUDIENCE, "scope": "orders.read", "client_id": "partner"});
        match self.signed("at+jwt", claims, PARTNER_LIFE) {
            Some(token) => answer("text/plain", token),
            None => status(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    /// A token of these claims and the usual ones.
    pub(super) fn signed(&self, typ: &str, mut claims: Value, life: Duration) -> Option<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        let members = claims.as_object_mut()?;
        members.insert("iss".to_owned(), json!(self.0.issuer));
        members.insert("iat".to_owned(), json!(now));
        members.insert("exp".to_owned(), json!(now + life.as_secs()));
        members.insert("jti".to_owned(), json!(unguessable()?));
        sign(&self.0.key, Some(typ), claims.to_string().as_bytes()).ok()
    }

    /// A code is good once, for whom it was given, with its verifier.
    fn by_code(&self, client: &Client, form: &Form) -> Option<Response> {
        let code = self.0.state.borrow_mut().codes.take(form.value("code"))?;
        let is_good = code.client == client.id
            && code.redirect_uri == form.value("redirect_uri")
            && code.until > tokio::time::Instant::now()
            && code.is_proven_by(form.value("code_verifier"));
        if !is_good {
            return None;
        }
        self.tokens(client, &code.session, Some(&code.nonce))
    }

    fn by_refresh(&self, client: &Client, form: &Form) -> Option<Response> {
        let (session, owner) = self.0.state.borrow_mut().refreshes.take(form.value("refresh_token"))?;
        if owner != client.id {
            return None;
        }
        self.tokens(client, &session, None)
    }

    /// An ID token, an access token and a new refresh token.
    fn tokens(&self, client: &Client, cookie: &str, nonce: Option<&str>) -> Option<Response> {
        let Session { id: sid, user, .. } = {
            let mut state = self.0.state.borrow_mut();
            let session = state.sessions.find_mut(cookie)?;
            if !session.clients.contains(&client.id) {
                session.clients.push(client.id);
            }
            session.clone()
        };
        let email = format!("{}@demo.example", user.id);
        let mut id_token = json!({
            "sub": user.id, "aud": client.id, "sid": sid, "name": user.name, "preferred_username": user.id, "email": email,
            "groups": user.groups,
        });
        if let (Some(nonce), Some(members)) = (nonce, id_token.as_object_mut()) {
            members.insert("nonce".to_owned(), json!(nonce));
        }
        let access_token = json!({"sub": user.id, "aud": AUDIENCE, "client_id": client.id, "scope": "openid"});
        let refresh = unguessable()?;
        self.0.state.borrow_mut().refreshes.put(refresh.clone(), (cookie.to_owned(), client.id));
        Some(document(&json!({
            "token_type": "Bearer",
            "expires_in": LIFE.as_secs(),
            "id_token": self.signed("JWT", id_token, LIFE)?,
            "access_token": self.signed("at+jwt", access_token, LIFE)?,
            "refresh_token": refresh,
        })))
    }

    /// The client that proves itself, in the header or in the form (RFC 6749 section 2.3.1).
    fn proven(&self, request: &Request<Bytes>, form: &Form) -> Option<Rc<Client>> {
        let basic = request.headers().get(AUTHORIZATION).and_then(|value| {
            let pair = STANDARD.decode(value.to_str().ok()?.strip_prefix("Basic ")?).ok()?;
            let pair = String::from_utf8(pair).ok()?;
            let (id, secret) = pair.split_once(':')?;
            // Both are a form's values before they are base64.
            let both = Form::parse(&format!("id={id}&secret={secret}"));
            Some((both.value("id").to_owned(), both.value("secret").to_owned()))
        });
        let (id, secret) =
            basic.unwrap_or_else(|| (form.value("client_id").to_owned(), form.value("client_secret").to_owned()));
        self.client(&id).filter(|client| client.secret == secret)
    }
}

fn refused(code: StatusCode, error: &str) -> Response {
    let mut response = document(&json!({"error": error}));
    *response.status_mut() = code;
    response
}
