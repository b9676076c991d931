//! An authorization server of our own: it publishes keys, mints tokens, exchanges and introspects them, and tells about
//! users. Tests rotate its keys, and do to its endpoints what they like.

mod forgeries;
mod protocol;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};

use protocol::Protocol;

use crate::claims::unique;
use crate::endpoints::{Endpoints, Paths};
use crate::token_key::{TokenKey, overlaid};

const PATHS: Paths = &[
    ("discovery", "/.well-known/openid-configuration"),
    ("discovery", "/.well-known/oauth-authorization-server"),
    ("jwks", "/jwks"),
    ("token", "/token"),
    ("introspect", "/introspect"),
    ("user", "/users/"),
];

/// A running authorization server on a loopback port; dropped, it ends.
///
/// Its [`Endpoints`] are `discovery`, `jwks`, `token`, `introspect`, `user`; a user's id follows the URL of the last. There
/// is a client `gw` with the secret `gw-secret` that may have the scopes `orders.read` and `orders.write`, a user `u1`, and
/// a key `k1` for ES256.
pub struct Issuer {
    endpoints: Endpoints,
    protocol: Arc<Mutex<Protocol>>,
}

impl Issuer {
    /// With one key `k1` for ES256.
    pub async fn start() -> Self {
        Self::with_keys([TokenKey::new("ES256", "k1")]).await
    }

    /// With these keys; the first signs.
    pub async fn with_keys(keys: impl Into<Vec<TokenKey>>) -> Self {
        let scopes = ["orders.read", "orders.write"].map(str::to_owned).to_vec();
        let protocol = Arc::new(Mutex::new(Protocol {
            url: String::new(),
            keys: keys.into(),
            published: None,
            clients: BTreeMap::from([("gw".to_owned(), ("gw-secret".to_owned(), scopes))]),
            opaque: BTreeMap::new(),
            revoked: BTreeSet::new(),
            users: BTreeMap::from([("u1".to_owned(), json!({"user": {"id": "u1"}, "roles": ["member"]}))]),
        }));
        let answering = Arc::clone(&protocol);
        let endpoints = Endpoints::start(PATHS, |url| {
            answering.lock().unwrap().url = url;
            move |endpoint, message| answering.lock().unwrap().answer(endpoint, message)
        })
        .await;
        Self { endpoints, protocol }
    }

    /// A token that is good now, with these claims in place of the usual `iss`, `sub` (`u1`), `aud` (`gateway`), `iat`,
    /// `exp` (in 300 s) and `jti`; null takes one away.
    pub fn token(&self, claims: Value) -> String {
        self.token_with(json!({}), claims)
    }

    /// The same with members of the header in place of `alg`, `kid` and `typ` (`JWT`).
    pub fn token_with(&self, header: Value, claims: Value) -> String {
        let protocol = self.protocol();
        protocol.signed(header, &protocol.claims(claims))
    }

    /// The claims that [`Issuer::token`] signs, for a key of another's.
    pub fn claims(&self, changes: Value) -> Value {
        self.protocol().claims(changes)
    }

    /// Tokens that nobody must take for the issuer's, each with what is wrong with it. They fit a reader that wants this
    /// issuer, the audience `gateway`, the signing key's algorithm (an asymmetric one) and a subject; [`Issuer::token`] is
    /// the good one they are made of. All can stand in a header field.
    pub fn forgeries(&self) -> Vec<(String, String)> {
        forgeries::all(&self.key(), &self.claims(json!({})))
    }

    /// A token that says nothing. It is active for introspection, which tells these claims in place of the usual ones,
    /// `active` among them; null takes one away.
    pub fn opaque(&self, claims: Value) -> String {
        let mut protocol = self.protocol();
        let token = unique();
        let known = json!({"active": true, "token_type": "Bearer", "client_id": "app", "scope": "orders.read"});
        let known = overlaid(known, protocol.claims(json!({})));
        protocol.opaque.insert(token.clone(), overlaid(known, claims));
        token
    }

    /// Makes a token inactive.
    pub fn revoke(&self, token: &str) {
        self.protocol().revoked.insert(token.to_owned());
    }

    /// The key that signs.
    ///
    /// # Panics
    /// When there is none.
    pub fn key(&self) -> TokenKey {
        self.protocol().keys.first().expect("an issuer with a key").clone()
    }

    /// Publishes these keys from now on; the first signs.
    pub fn rotate(&self, keys: impl Into<Vec<TokenKey>>) {
        let mut protocol = self.protocol();
        (protocol.keys, protocol.published) = (keys.into(), None);
    }

    /// What is published now.
    pub fn jwks(&self) -> Value {
        self.protocol().jwks()
    }

    /// Publishes any JSON as key set, whatever it signs with.
    pub fn publish(&self, jwks: Value) {
        self.protocol().published = Some(jwks);
    }

    /// Knows a client, that may have these scopes.
    pub fn client(&self, id: &str, secret: &str, scopes: &[&str]) {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        self.protocol().clients.insert(id.to_owned(), (secret.to_owned(), scopes));
    }

    /// Knows a user, of whom it tells this.
    pub fn user(&self, id: &str, told: Value) {
        self.protocol().users.insert(id.to_owned(), told);
    }

    fn protocol(&self) -> MutexGuard<'_, Protocol> {
        self.protocol.lock().unwrap()
    }
}

impl Deref for Issuer {
    type Target = Endpoints;

    fn deref(&self) -> &Endpoints {
        &self.endpoints
    }
}
