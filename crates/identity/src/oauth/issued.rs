//! Tokens for services behind the gateway: its own (RFC 6749 section 4.4), and one that is given for a caller's (RFC 8693).

use std::sync::Arc;

use gwanmun_core::{Principal, Reason};
use http::HeaderValue;

use super::endpoints::Which;
use super::grant::Grant;
use super::known::{Good, Key};
use super::memory::Verdict;
use super::stored::Stored;
use super::{Inner, OAuth};
use crate::down::Down;
use crate::form::Form;
use crate::lanes::Lane;
use crate::refusal::Refusal;
use crate::token::Token;
use crate::token_answer::{NoGrant, bearer};

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// What a token is exchanged for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// For whom the token is to be; empty: the server decides.
    pub audience: String,
    /// What it is to be for; empty: the server decides.
    pub scope: String,
}

impl OAuth {
    /// `Bearer` and the token that was issued when this server checked the principal's credential.
    pub fn token_of(&self, principal: &Principal) -> Option<HeaderValue> {
        let is_ours = principal.credential == *self.inner.client_credential;
        principal.token.as_ref().filter(|_| is_ours).and_then(bearer)
    }

    /// `Bearer` and the gateway's own token, if there is one that is good.
    pub fn recall_own_token(&self) -> Option<Arc<HeaderValue>> {
        let (inner, key) = (&self.inner, self.inner.own_key());
        inner.issued.recall(&key, |lane| Inner::obtain(Arc::clone(inner), own_form(), key, lane))
    }

    /// `Bearer` and the gateway's own token, asked for if need be.
    ///
    /// # Errors
    /// The server gives none.
    pub async fn ask_own_token(&self) -> Result<Arc<HeaderValue>, Refusal> {
        let (inner, key) = (&self.inner, self.inner.own_key());
        let answer = inner.issued.ask(&key, |lane| Inner::obtain(Arc::clone(inner), own_form(), key, lane)).await;
        answer.map_err(|answered| answered.refusal(&inner.settings.name))
    }

    /// `Bearer` and what was given for `token` before, if it is good.
    pub fn recall_exchange(&self, token: &Token<'_>, target: &Target) -> Option<Arc<HeaderValue>> {
        let (inner, key) = (&self.inner, self.inner.exchange_key(token, target));
        inner.issued.recall(&key, |lane| Inner::obtain(Arc::clone(inner), exchange_form(token, target), key, lane))
    }

    /// `Bearer` and what the server gives for `token`.
    ///
    /// # Errors
    /// It gives nothing for it, or cannot be asked.
    pub async fn ask_exchange(&self, token: &Token<'_>, target: &Target) -> Result<Arc<HeaderValue>, Refusal> {
        let (inner, key) = (&self.inner, self.inner.exchange_key(token, target));
        let question = |lane| Inner::obtain(Arc::clone(inner), exchange_form(token, target), key, lane);
        let answer = inner.issued.ask(&key, question).await;
        answer.map_err(|answered| answered.refusal(&inner.settings.name))
    }
}

fn own_form() -> Form {
    Form::default().with("grant_type", "client_credentials")
}

fn exchange_form(token: &Token<'_>, target: &Target) -> Form {
    Form::default()
        .with("grant_type", TOKEN_EXCHANGE)
        .with("subject_token", token.text())
        .with("subject_token_type", ACCESS_TOKEN)
        .with("requested_token_type", ACCESS_TOKEN)
        .with_some("audience", &target.audience)
        .with_some("scope", &target.scope)
}

impl Inner {
    fn own_key(&self) -> Key {
        self.seal.name(&["own"])
    }

    fn exchange_key(&self, token: &Token<'_>, target: &Target) -> Key {
        self.seal.name(&["exchange", token.text(), &target.audience, &target.scope])
    }

    async fn obtain(self: Arc<Self>, form: Form, key: Key, lane: Lane) -> Result<Verdict<HeaderValue>, Down> {
        let stored = match self.stored.find(&key, &self.seal, self.clock.wall()).await? {
            Some(stored) => stored,
            None => {
                let answer = self.calls.post(lane, Which::Token, form, &self.authorization).await?;
                let now = self.clock.wall();
                let grant = match Grant::read(&answer, self.settings.cache, now) {
                    Ok(grant) => grant,
                    Err(no) => return self.nothing_issued(no).map(Err),
                };
                let stored = Stored::new(grant.token, grant.scopes.unwrap_or_default(), now, grant.until);
                self.stored.keep(&key, &stored, &self.seal, now).await?;
                stored
            }
        };
        let value = bearer(&stored.token).ok_or_else(|| Down::malformed("the token cannot be sent"))?;
        let weight = size_of::<HeaderValue>() + value.len();
        Ok(Ok(Good { value: Arc::new(value), until: stored.until, stale_until: stored.until, weight }))
    }

    fn nothing_issued(&self, no: NoGrant) -> Result<Refusal, Down> {
        let name = &self.settings.name;
        match no {
            NoGrant::Client => Err(Down::gateway_refused("it does not take client-id and client-secret")),
            NoGrant::Scope => {
                let detail = format!("the OAuth server '{name}' does not give a token for this audience and scope");
                Ok(Refusal::Insufficient { reason: Reason::ScopeRefused, detail: detail.into() })
            }
            // RFC 8693 section 2.2.2: that is also what a token which is not good is answered with.
            NoGrant::Subject | NoGrant::Request => {
                let detail = format!("the OAuth server '{name}' gives nothing for the caller's token");
                Ok(Refusal::invalid(Reason::TokenInactive, detail))
            }
            NoGrant::Down(down) => Err(down),
        }
    }
}
