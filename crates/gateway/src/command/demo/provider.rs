//! The demo's OpenID provider: a stub that lets in whoever writes a name, and says so on its page. It is a part of
//! `gwanmun demo` alone. What it answers is what real ones answer (OpenID Connect Core 1.0 with PKCE, RP-Initiated and
//! Back-Channel Logout 1.0), so that the gateways in front are the ones that users run.

mod bounded;
mod logout;
mod page;
mod token;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use gwanmun_jose::{Algorithm, SigningKey, base64url, sha256};
use gwanmun_proxy::Response;
use http::header::{CACHE_CONTROL, COOKIE, SET_COOKIE};
use http::{HeaderValue, Method, Request, StatusCode};
use serde_json::{Value, json};

use super::wire::{Form, Port, answer, encoded, redirect, status};
use bounded::{Bounded, unguessable};

/// Its own cookie: who is logged in at the provider.
const COOKIE_NAME: &str = "demo-provider";

/// How many logins, codes and tokens it remembers; older ones are forgotten.
const MOST: usize = 1000;

/// How long a code is good.
const CODE_LIFE: Duration = Duration::from_secs(60);

/// Who may send people here.
pub(super) struct Client {
    pub(super) id: &'static str,
    pub(super) secret: String,
    /// Where browsers may be sent back to: origins.
    pub(super) origins: Vec<String>,
    /// Where logouts are told: a port of this machine, and the host that it is told under.
    pub(super) backchannel: (std::net::SocketAddr, String),
}

/// The provider; clones are the same one.
#[derive(Clone)]
pub(super) struct Provider(Rc<Inner>);

struct Inner {
    issuer: String,
    key: SigningKey,
    clients: RefCell<Vec<Rc<Client>>>,
    state: RefCell<State>,
}

/// What it remembers.
struct State {
    /// By the cookie's value.
    sessions: Bounded<Session>,
    codes: Bounded<Code>,
    /// Refresh tokens, which end with their session.
    refreshes: Bounded<(String, &'static str)>,
}

/// Somebody who is logged in.
#[derive(Debug, Clone)]
struct Session {
    /// `sid`: a name of the session that is no secret.
    id: String,
    user: User,
    /// Who has had tokens of it.
    clients: Vec<&'static str>,
}

/// Somebody, as their own word says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct User {
    /// `sub`
    id: String,
    name: String,
    groups: &'static [&'static str],
}

/// A login that a client has not asked about yet.
struct Code {
    session: String,
    client: &'static str,
    redirect_uri: String,
    nonce: String,
    challenge: String,
    until: tokio::time::Instant,
}

impl User {
    /// Ann and Bob are known; everybody else is a guest.
    fn called(name: &str) -> Option<Self> {
        let name: String = name.trim().chars().filter(|letter| !letter.is_control()).take(40).collect();
        let id: String =
            name.to_lowercase().chars().map(|letter| if letter.is_alphanumeric() { letter } else { '-' }).collect();
        let groups: &[&str] = match id.as_str() {
            "" => return None,
            "ann" => &["staff", "ops"],
            "bob" => &["staff"],
            _ => &["guests"],
        };
        Some(Self { id, name, groups })
    }
}

impl Provider {
    /// Opens a provider at `port`. Nobody may send people here yet.
    pub(super) fn open(port: Port) -> std::io::Result<Self> {
        let key = SigningKey::generate(Algorithm::Es256).map_err(std::io::Error::other)?.with_kid("demo");
        let issuer = format!("http://{}", port.address());
        let state = State { sessions: Bounded::new(MOST), codes: Bounded::new(MOST), refreshes: Bounded::new(MOST) };
        let provider = Self(Rc::new(Inner { issuer, key, clients: RefCell::default(), state: RefCell::new(state) }));
        port.serve({
            let provider = provider.clone();
            move |request| {
                let provider = provider.clone();
                async move { provider.serve(&request).await }
            }
        });
        Ok(provider)
    }

    /// Its `iss`, where all of it is.
    pub(super) fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// From now on `client` may send people here.
    pub(super) fn register(&self, client: Client) {
        self.0.clients.borrow_mut().push(Rc::new(client));
    }

    async fn serve(&self, request: &Request<Bytes>) -> Response {
        let query = Form::parse(request.uri().query().unwrap_or_default());
        let mut response = match (request.method(), request.uri().path()) {
            (&Method::GET, "/.well-known/openid-configuration") => document(&self.metadata()),
            (&Method::GET, "/jwks") => document(&json!({"keys": [self.0.key.verifying_key().public_jwk()]})),
            (&Method::GET, "/authorize") => self.authorize(request, &query),
            (&Method::POST, "/login") => self.log_in(&form_of(request)),
            (&Method::POST, "/token") => self.token(request, &form_of(request)),
            (&Method::GET, "/partner-token") => self.partner_token(),
            (&Method::GET, "/end-session") => self.end_session(request, &query).await,
            (&Method::POST, "/end-session") => self.end_session(request, &form_of(request)).await,
            (&Method::GET, "/") => page::nothing_here(),
            _ => status(StatusCode::NOT_FOUND),
        };
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// OpenID Connect Discovery 1.0, section 3.
    fn metadata(&self) -> Value {
        let at = |path: &str| format!("{}{path}", self.0.issuer);
        json!({
            "issuer": self.0.issuer,
            "authorization_endpoint": at("/authorize"),
            "token_endpoint": at("/token"),
            "jwks_uri": at("/jwks"),
            "end_session_endpoint": at("/end-session"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "scopes_supported": ["openid", "profile", "email", "groups"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "authorization_response_iss_parameter_supported": true,
            "backchannel_logout_supported": true,
            "backchannel_logout_session_supported": true,
        })
    }

    /// Whoever is logged in goes straight back; everybody else is asked for a name.
    fn authorize(&self, request: &Request<Bytes>, query: &Form) -> Response {
        if let Err(why) = self.check(query) {
            return page::refused(&why);
        }
        match self.session_of(request) {
            Some((cookie, _)) => self.send_back(&cookie, query),
            None if query.value("prompt") == "none" => {
                let back = format!("error=login_required&state={}", encoded(query.value("state")));
                redirect(&with_query(query.value("redirect_uri"), &back))
            }
            None => page::login(query),
        }
    }

    /// The name is written: that is all it takes.
    fn log_in(&self, form: &Form) -> Response {
        if let Err(why) = self.check(form) {
            return page::refused(&why);
        }
        let Some(user) = User::called(form.value("name")) else { return page::login(form) };
        let (Some(cookie), Some(id)) = (unguessable(), unguessable()) else {
            return page::refused("there is no randomness");
        };
        self.0.state.borrow_mut().sessions.put(cookie.clone(), Session { id, user, clients: Vec::new() });
        let mut response = self.send_back(&cookie, form);
        let set = format!("{COOKIE_NAME}={cookie}; Path=/; HttpOnly; SameSite=Lax");
        if let Ok(set) = HeaderValue::try_from(set) {
            response.headers_mut().insert(SET_COOKIE, set);
        }
        response
    }

    /// What a client asks for: a code, with PKCE, to where it may be sent.
    fn check(&self, asked: &Form) -> Result<Rc<Client>, String> {
        let client = self.client(asked.value("client_id")).ok_or("no such client is known here")?;
        let to = asked.value("redirect_uri");
        if !client
            .origins
            .iter()
            .any(|origin| to.strip_prefix(origin.as_str()).is_some_and(|path| path.starts_with('/')))
        {
            return Err(format!("the client may not have people sent to '{to}'"));
        }
        if asked.value("response_type") != "code"
            || asked.value("code_challenge_method") != "S256"
            || asked.value("code_challenge").is_empty()
        {
            return Err("only codes with PKCE (S256) are given here".to_owned());
        }
        Ok(client)
    }

    /// Back to the client, with a code.
    fn send_back(&self, cookie: &str, asked: &Form) -> Response {
        let (Some(client), Some(code)) = (self.client(asked.value("client_id")), unguessable()) else {
            return page::refused("there is no randomness");
        };
        let kept = Code {
            session: cookie.to_owned(),
            client: client.id,
            redirect_uri: asked.value("redirect_uri").to_owned(),
            nonce: asked.value("nonce").to_owned(),
            challenge: asked.value("code_challenge").to_owned(),
            until: tokio::time::Instant::now() + CODE_LIFE,
        };
        self.0.state.borrow_mut().codes.put(code.clone(), kept);
        let (state, issuer) = (encoded(asked.value("state")), encoded(&self.0.issuer));
        redirect(&with_query(asked.value("redirect_uri"), &format!("code={code}&state={state}&iss={issuer}")))
    }

    fn client(&self, id: &str) -> Option<Rc<Client>> {
        self.0.clients.borrow().iter().find(|client| client.id == id).cloned()
    }

    /// Whose cookie the browser brings.
    fn session_of(&self, request: &Request<Bytes>) -> Option<(String, Session)> {
        let state = self.0.state.borrow();
        let fields = request.headers().get_all(COOKIE).iter().filter_map(|field| field.to_str().ok());
        let pairs = fields.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let mut ours = pairs.filter(|(name, _)| *name == COOKIE_NAME);
        ours.find_map(|(_, value)| Some((value.to_owned(), state.sessions.find(value)?.clone())))
    }
}

impl Code {
    /// RFC 7636 section 4.6.
    fn is_proven_by(&self, verifier: &str) -> bool {
        base64url::encode(&sha256(verifier.as_bytes())) == self.challenge
    }
}

fn document(value: &Value) -> Response {
    answer("application/json", value.to_string())
}

fn form_of(request: &Request<Bytes>) -> Form {
    Form::parse(&String::from_utf8_lossy(request.body()))
}

fn with_query(url: &str, query: &str) -> String {
    format!("{url}{}{query}", if url.contains('?') { '&' } else { '?' })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_who_they_say_they_are() {
        let called = |name: &str| User::called(name).map(|user| (user.id, user.groups));
        assert_eq!(called(" Ann "), Some(("ann".to_owned(), &["staff", "ops"][..])));
        assert_eq!(called("bob"), Some(("bob".to_owned(), &["staff"][..])));
        assert_eq!(called("Zoë <b>"), Some(("zoë--b-".to_owned(), &["guests"][..])));
        assert_eq!(called(" \n"), None);
        assert_eq!(User::called(&"x".repeat(1000)).unwrap().id.len(), 40);
    }

    #[test]
    fn a_code_is_proven_by_its_verifier() {
        // RFC 7636 appendix B.
        let code = Code {
            session: String::new(),
            client: "a",
            redirect_uri: String::new(),
            nonce: String::new(),
            challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned(),
            until: tokio::time::Instant::now(),
        };
        assert!(code.is_proven_by("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        assert!(!code.is_proven_by(""));
    }
}
