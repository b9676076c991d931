//! The certified OpenID provider of npm, `oidc-provider`, as a process: a real issuer that nobody of us has written. Slow
//! the first time: for the full tier.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::certificates::Authority;
use crate::node_script::NodeScript;
use crate::patience::eventually;
use crate::web_client::WebClient;

/// A running provider; dropped, it is killed.
///
/// There are the clients `gw` (Basic) and `gw-post` (the secret in the form), both with the secret `gw-secret`, for client
/// credentials, token exchange and introspection. They may have the scopes `orders.read` and `orders.write`, and not
/// `orders.admin`. Access tokens are JWTs (`at+jwt`) with the audience `gateway`, or the `resource` that is asked for; with
/// the resource `urn:opaque` they are opaque, and only those can be introspected.
///
/// People come through the client `gateway` with the secret `gateway-secret`, see [`OidcProvider::register`]: `ann` of the
/// groups `staff` and `ops`, and `bob` of `staff`. Their passwords are the name and `-password`. Claims of the scopes
/// `profile`, `email` and `groups` are in the ID token; a refresh token is good for one use.
pub struct OidcProvider {
    script: NodeScript,
    url: String,
    rotations: usize,
    registrations: AtomicUsize,
}

impl OidcProvider {
    /// With a key for ES256.
    pub async fn start() -> Self {
        Self::signing("ES256").await
    }

    /// With a key for `ES256`, `ES384`, `EdDSA`, `RS256` or `PS256`.
    pub async fn signing(algorithm: &str) -> Self {
        Self::run(algorithm, None).await
    }

    /// With a key for ES256; what it calls, it believes by certificates of `authority`.
    pub async fn trusting(authority: &Authority) -> Self {
        Self::run("ES256", Some(&authority.pem())).await
    }

    async fn run(algorithm: &str, trusted: Option<&str>) -> Self {
        let source = include_str!("../node/op.mjs");
        let (script, started) = NodeScript::run(source, &[algorithm], trusted, "listening").await;
        let url = started["listening"].as_str().unwrap().to_owned();
        Self { script, url, rotations: 0, registrations: AtomicUsize::new(0) }
    }

    /// Lets people come through a client, in place of the one there was.
    pub async fn register(&self, client: &WebClient) {
        let number = self.registrations.fetch_add(1, Ordering::Relaxed) + 1;
        let mut web = json!({
            "redirect_uris": client.redirect_uris,
            "post_logout_redirect_uris": client.post_logout_redirect_uris,
        });
        if let Some(uri) = &client.backchannel_logout_uri {
            web["backchannel_logout_uri"] = uri.as_str().into();
        }
        self.script.tell(&json!({"web": web}));
        eventually("the client", async || (self.said(|line| line["registered"].is_string()) >= number).then_some(()))
            .await;
    }

    /// Lets the access tokens of people live for so many seconds, from the next one on; five minutes at first.
    pub async fn issue_access_tokens_of(&self, seconds: u64) {
        self.script.tell(&json!({"seconds": seconds}));
        eventually("another lifetime", async || (self.said(|line| line["seconds"] == seconds) > 0).then_some(())).await;
    }

    /// How many times it granted something for a grant of this type, `refresh_token`.
    pub fn granted(&self, grant_type: &str) -> usize {
        self.said(|line| line["granted"] == grant_type)
    }

    /// How many times it refused to.
    pub fn refused(&self, grant_type: &str) -> usize {
        self.said(|line| line["refused"] == grant_type)
    }

    /// How many times it told a client of the end of a session, and was understood.
    pub fn told_of_logout(&self) -> usize {
        self.said(|line| line["told"] == true)
    }

    /// All that it has said so far.
    pub fn log(&self) -> String {
        self.script.log().text()
    }

    /// Its identifier, `iss`; discovery is there.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where its keys are.
    pub fn jwks_url(&self) -> String {
        format!("{}/jwks", self.url)
    }

    /// Its token endpoint.
    pub fn token_endpoint(&self) -> String {
        format!("{}/token", self.url)
    }

    /// Its page where a person leaves all clients.
    pub fn logout_page(&self) -> String {
        format!("{}/session/end", self.url)
    }

    /// Its introspection endpoint.
    pub fn introspection_endpoint(&self) -> String {
        format!("{}/token/introspection", self.url)
    }

    /// A client's id and secret, which go by Basic.
    pub fn client(&self) -> (&'static str, &'static str) {
        ("gw", "gw-secret")
    }

    /// Signs with a new key, and knows neither the old one nor opaque tokens any more.
    pub async fn rotate(&mut self, algorithm: &str) {
        self.rotations += 1;
        self.script.tell(&json!({"key": algorithm}));
        let rotated = async || (self.said(|line| line["rotated"].is_string()) == self.rotations).then_some(());
        eventually("another key", rotated).await;
    }

    fn said(&self, wanted: impl Fn(&Value) -> bool) -> usize {
        self.script.log().lines().iter().filter(|line| wanted(line)).count()
    }
}
