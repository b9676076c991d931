//! The OpenID provider as it is asked: its metadata and keys, codes and refresh tokens against tokens, what its ID tokens
//! and logout tokens have to say (OpenID Connect Core 1.0, RFC 9700).

use std::time::{Duration, SystemTime};

use gwanmun_client::{Outbound, Tls};
use gwanmun_core::{Reason, Secret};

use super::grant::{Granted, Refreshed};
use super::login::{Beginning, Login};
use super::sessions::{NotRefreshed, Refresh, RefreshFuture};
use super::{LoginAnswer, OidcSettings};
use crate::refusal::Refusal;

/// The provider.
pub(super) struct Provider {
    credential: String,
}

/// What a logout token says.
pub(super) struct Logout {
    /// `jti`.
    pub(super) id: String,
    /// How long it must not come again.
    pub(super) remembered: Duration,
    pub(super) subject: Option<String>,
    pub(super) sid: Option<String>,
    pub(super) issued: SystemTime,
}

fn not_yet() -> Refusal {
    Refusal::invalid(Reason::ProviderUnavailable, "not yet")
}

impl Provider {
    pub(super) fn new(settings: &OidcSettings, credential: &str, tls: Tls, outbound: &Outbound) -> Self {
        let _ = (settings, tls, outbound);
        Self { credential: credential.to_owned() }
    }

    /// The URL of the page where users log in.
    pub(super) async fn login_page(&self, begun: &Beginning, redirect_uri: &str) -> Result<String, Refusal> {
        let _ = (&self.credential, &begun.nonce, &begun.challenge, redirect_uri);
        Err(not_yet())
    }

    /// Whether the answer comes from this provider (RFC 9207).
    pub(super) async fn check_sender(&self, answer: &LoginAnswer<'_>) -> Result<(), Refusal> {
        let _ = (answer.issuer, answer.error);
        Err(not_yet())
    }

    /// Tokens for a code; the ID token is verified, its nonce too.
    pub(super) async fn redeem(&self, code: &str, login: &Login, redirect_uri: &str) -> Result<Granted, Refusal> {
        let _ = (code, &login.nonce, &login.verifier, redirect_uri);
        Err(not_yet())
    }

    /// The URL of the page where users log out, if there is one.
    pub(super) async fn logout_page(&self, id_token: Option<&Secret<String>>, return_to: &str) -> Option<String> {
        let _ = (id_token, return_to);
        None
    }

    /// What a logout token says, verified.
    pub(super) async fn logout(&self, token: &str) -> Result<Logout, Refusal> {
        let _ = token;
        Err(not_yet())
    }
}

impl Refresh for Provider {
    fn refresh(&self, token: Secret<String>, subject: &str) -> RefreshFuture {
        let _ = (token, subject);
        Box::pin(async { Err::<Refreshed, _>(NotRefreshed::Ended("not yet".into())) })
    }
}

pub(super) fn logout_replayed() -> Refusal {
    Refusal::invalid(Reason::LogoutReplayed, "this logout token has been seen before")
}
