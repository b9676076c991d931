//! An OpenID provider of our own: people log in at it once per browser, it gives codes, tokens, refresh tokens and word of
//! logouts. Strict with its clients, so that a mistake shows; tests say who logs in, how it behaves and what it forges.

mod protocol;
#[cfg(test)]
mod tests;
mod tokens;

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;

pub use tokens::Forgery;

use crate::connection::Connection;
use crate::endpoints::{Endpoints, Paths};
use crate::form::{Form, encoded};
use crate::message::Message;
use protocol::Protocol;

const PATHS: Paths = &[
    ("discovery", "/.well-known/openid-configuration"),
    ("jwks", "/jwks"),
    ("authorize", "/authorize"),
    ("token", "/token"),
    ("userinfo", "/userinfo"),
    ("end-session", "/end-session"),
];

/// A running OpenID provider on a loopback port; dropped, it ends.
///
/// Its [`Endpoints`] are `discovery`, `jwks`, `authorize`, `token`, `userinfo`, `end-session`. There is a client `gw` with
/// the secret `gw-secret`, a key `k1` for ES256, and the users `ann` (groups `staff` and `admin`) and `bob` (group `staff`).
/// Whoever has to log in is `ann`, until [`OpenIdProvider::log_in_as`] says otherwise.
pub struct OpenIdProvider {
    endpoints: Endpoints,
    protocol: Arc<Mutex<Protocol>>,
}

/// How a provider behaves.
#[derive(Debug, Clone)]
pub struct Manners {
    /// How long an access token lives; `None`: it does not say.
    pub access: Option<Duration>,
    /// How long an ID token lives.
    pub id_token: Duration,
    /// Whether it gives refresh tokens, each good once.
    pub refresh_tokens: bool,
    /// Whether an answer to a refresh has an ID token too.
    pub refreshed_id_token: bool,
    /// Whether tokens name its own session.
    pub sid: bool,
    /// Whether its metadata promise `iss` in answers (RFC 9207).
    pub promises_iss: bool,
    /// The `iss` in its answers, in place of its own; `None`: none.
    pub iss: Option<Option<String>>,
    /// Whether it has a page to log out at.
    pub end_session: bool,
    /// What it answers in place of a code: `error` and `error_description`.
    pub refusal: Option<(String, String)>,
    /// Where it tells of logouts at its own page.
    pub told: Vec<SocketAddr>,
}

impl OpenIdProvider {
    /// For a client at these origins; it redirects to their `/callback` and, after a logout, to any of their paths.
    pub async fn start(origins: &[&str]) -> Self {
        let origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
        let protocol = Arc::new(Mutex::new(Protocol::new(origins)));
        let answering = Arc::clone(&protocol);
        let endpoints = Endpoints::start(PATHS, |url| {
            answering.lock().unwrap().url = url;
            move |endpoint, message| answering.lock().unwrap().answer(endpoint, message)
        })
        .await;
        Self { endpoints, protocol }
    }

    /// Who is at the keyboard of whichever browser has to log in next.
    pub fn log_in_as(&self, user: &str) {
        self.protocol().keyboard = user.to_owned();
    }

    /// Knows a user with these claims besides `sub`.
    pub fn user(&self, name: &str, claims: Value) {
        self.protocol().users.insert(name.to_owned(), claims);
    }

    /// How often somebody had to log in, whom no session of the provider's own was known of.
    pub fn logins(&self) -> usize {
        self.protocol().logins
    }

    /// Changes its manners from now on.
    pub fn behave(&self, change: impl FnOnce(&mut Manners)) {
        change(&mut self.protocol().manners);
    }

    /// Makes its ID tokens so from now on.
    pub fn forge(&self, forgery: Forgery) {
        self.protocol().forgery = forgery;
    }

    /// How often it was asked for new tokens for a refresh token, in vain or not.
    pub fn refreshes(&self) -> usize {
        let asks = |call: &Message| Form::of(call)?.field("grant_type").map(|grant| grant == "refresh_token");
        self.requests("token").iter().filter(|call| asks(call) == Some(true)).count()
    }

    /// How often a code or a refresh token came a second time.
    pub fn replays(&self) -> usize {
        self.protocol().replays
    }

    /// Takes no refresh token any more that it has given so far.
    pub fn revoke(&self) {
        self.protocol().revoke();
    }

    /// The `sid` of its sessions, oldest first.
    pub fn sids(&self) -> Vec<String> {
        self.protocol().sids()
    }

    /// The access tokens it has given, oldest first.
    pub fn access_tokens(&self) -> Vec<String> {
        self.protocol().access_tokens()
    }

    /// A logout token that is good now, with these claims in place of the usual `iss`, `aud`, `iat`, `exp`, `jti` and
    /// `events`; null takes one away. There is no `sub` and no `sid` but what the claims say.
    pub fn logout_token(&self, claims: Value) -> String {
        self.protocol().logout_token(Forgery::claims(claims))
    }

    /// Logout tokens that end nothing, each with what is wrong with it; with these claims [`OpenIdProvider::logout_token`]
    /// makes a good one.
    pub fn forged_logout_tokens(&self, claims: &Value) -> Vec<(&'static str, String)> {
        self.protocol().forged_logout_tokens(claims)
    }

    /// Brings a logout token to a gateway that listens there in cleartext, and returns what it answers.
    pub async fn tell(&self, gateway: SocketAddr, logout_token: &str) -> Message {
        tell(gateway, logout_token).await
    }

    /// Ends its own sessions that are meant by `sub` and `sid` in the claims, and tells it to a gateway that listens there in
    /// cleartext.
    pub async fn log_out(&self, claims: Value, gateway: SocketAddr) -> Message {
        self.protocol().end(&claims);
        let token = self.logout_token(claims);
        self.tell(gateway, &token).await
    }

    fn protocol(&self) -> MutexGuard<'_, Protocol> {
        self.protocol.lock().unwrap()
    }
}

impl Deref for OpenIdProvider {
    type Target = Endpoints;

    fn deref(&self) -> &Endpoints {
        &self.endpoints
    }
}

/// Brings a logout token (OpenID Connect Back-Channel Logout 1.0, section 2.5).
async fn tell(gateway: SocketAddr, logout_token: &str) -> Message {
    let body = format!("logout_token={}", encoded(logout_token));
    let head = format!(
        "POST /backchannel-logout HTTP/1.1\r\nHost: {gateway}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let mut connection = Connection::tcp(gateway).await;
    connection.send(head + &body).await;
    connection.answer().await
}
