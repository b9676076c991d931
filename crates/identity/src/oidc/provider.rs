//! The OpenID provider as it is asked: its metadata and keys, codes and refresh tokens against tokens, what its ID tokens
//! and logout tokens have to say (OpenID Connect Core 1.0, RFC 9700).

mod id_token;
mod logout_token;
mod metadata;
mod signed;
#[cfg(test)]
mod tests;
mod userinfo;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gwanmun_client::{CallError, Found, Outbound, Tls};
use gwanmun_core::{Clock, Level, Principal, Reason, Secret};
use gwanmun_jose::Expect;
use http::HeaderValue;
use serde_json::Value;

use self::id_token::{IdToken, IdTokens, Occasion};
use self::logout_token::LogoutTokens;
use self::metadata::{Metadata, Proof, ProviderKeys};
use super::grant::{Granted, Refreshed, Tokens, Who};
use super::login::{Beginning, Login};
use super::sessions::{NotRefreshed, Refresh, RefreshFuture};
use super::{LoginAnswer, OidcSettings};
use crate::down::{Asked, Down};
use crate::form::{Form, basic};
use crate::issuer::{FetchSettings, Keys, Published};
use crate::lanes::{Lane, Lanes};
use crate::metadata::Discovered;
use crate::refusal::Refusal;
use crate::token_answer::{NoGrant, TokenAnswer};

/// How long keys are used before they are fetched anew, how long old ones serve where that fails, and how long they are
/// not fetched anew for one that is not among them.
const KEYS: Duration = Duration::from_secs(300);
const OLD_KEYS: Duration = Duration::from_secs(3600);
const COOL_DOWN: Duration = Duration::from_secs(30);

/// What part of the time for a question is left for all that comes after the new tokens. The whole refresh takes less than
/// three such times: metadata, tokens, and this.
const REST_OF_REFRESH: f32 = 0.75;

/// What is known of a user, as JSON, bytes: it is part of every session.
const LONGEST_PRINCIPAL: usize = 12 * 1024;

/// The longest ID token that goes into a URL, bytes: browsers and servers take URLs of 8 KiB.
const LONGEST_HINT: usize = 4 * 1024;

/// The provider.
pub(super) struct Provider(Arc<Inner>);

struct Inner {
    settings: OidcSettings,
    credential: String,
    scope: String,
    authorization: Secret<HeaderValue>,
    id_tokens: IdTokens,
    logout_tokens: LogoutTokens,
    metadata: Arc<Discovered<Metadata>>,
    keys: Keys,
    lanes: Lanes,
    clock: Arc<dyn Clock>,
}

/// What a logout token says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Logout {
    /// `jti`.
    pub(super) id: String,
    /// How long it must not come again.
    pub(super) remembered: Duration,
    pub(super) subject: Option<String>,
    pub(super) sid: Option<String>,
    pub(super) issued: SystemTime,
}

impl Provider {
    pub(super) fn new(settings: &OidcSettings, credential: &str, tls: Tls, outbound: &Outbound) -> Self {
        let OidcSettings { name, issuer, client_id, client_secret, timeout, .. } = settings;
        let lanes = Lanes::new(&format!("oidc:{name}"), *timeout, Published::LONGEST, tls, outbound);
        let client = lanes.client(Lane::Proven);
        let (from, read) = (settings.metadata.clone(), Metadata::read);
        let metadata = Discovered::new("oidc-metadata", issuer, from, read, client.clone(), outbound, *timeout);
        let metadata = Arc::new(metadata);
        let fetch = FetchSettings {
            issuer: format!("oidc:{name}"),
            algorithms: settings.algorithms.clone(),
            cache: KEYS,
            stale: OLD_KEYS,
            cool_down: COOL_DOWN,
            timeout: *timeout,
        };
        let source = ProviderKeys { metadata: Arc::clone(&metadata), client: client.clone() };
        let expect = Expect {
            issuers: vec![issuer.clone()],
            audiences: vec![client_id.clone()],
            leeway: settings.leeway,
            ..Expect::default()
        };
        Self(Arc::new(Inner {
            credential: credential.to_owned(),
            scope: settings.scopes.join(" "),
            authorization: basic(client_id, client_secret.expose()),
            id_tokens: IdTokens::new(expect.clone(), client_id),
            logout_tokens: LogoutTokens::new(expect, settings.logout_without_exp),
            metadata,
            keys: Keys::fetched(fetch, Arc::new(source), outbound),
            lanes,
            clock: outbound.clock(),
            settings: settings.clone(),
        }))
    }

    /// The URL of the page where users log in (OpenID Connect Core 1.0 section 3.1.2.1).
    pub(super) async fn login_page(&self, begun: &Beginning, redirect_uri: &str) -> Result<String, Refusal> {
        let Self(inner) = self;
        let metadata = inner.metadata().await?;
        let form = Form::default()
            .with("response_type", "code")
            .with("client_id", &inner.settings.client_id)
            .with("redirect_uri", redirect_uri)
            .with("scope", &inner.scope)
            .with("state", &begun.state)
            .with("nonce", &begun.nonce)
            .with("code_challenge", &begun.challenge)
            .with("code_challenge_method", "S256");
        Ok(form.query_of(metadata.value.authorization.uri()))
    }

    /// Whether the answer comes from this provider (RFC 9207 section 2.4).
    pub(super) async fn check_sender(&self, answer: &LoginAnswer<'_>) -> Result<(), Refusal> {
        let Self(inner) = self;
        match answer.issuer {
            Some(issuer) if issuer == inner.settings.issuer => Ok(()),
            Some(_) => {
                Err(Refusal::invalid(Reason::WrongIssuer, "the answer to the login is another provider's (iss)"))
            }
            None if inner.metadata().await?.value.names_itself => {
                Err(Refusal::invalid(Reason::WrongIssuer, "the answer to the login does not say whose it is (iss)"))
            }
            None => Ok(()),
        }
    }

    /// Tokens for a code; the ID token is verified, its nonce too.
    pub(super) async fn redeem(&self, code: &str, login: &Login, redirect_uri: &str) -> Result<Granted, Refusal> {
        let Self(inner) = self;
        let form = Form::default()
            .with("grant_type", "authorization_code")
            .with("code", code)
            .with("redirect_uri", redirect_uri)
            .with("code_verifier", login.verifier.expose());
        let answer = inner.ask(Lane::New, form).await.map_err(|no| inner.no_code(no))?;
        let tokens = Tokens::read(answer, inner.clock.wall()).map_err(|down| inner.down(&down))?;
        let nothing = || inner.down(&Down::malformed("its answer has no id_token: is openid among the scopes?"));
        let id_token = tokens.id_token.as_ref().ok_or_else(nothing)?;
        let occasion = Occasion::Login { nonce: &login.nonce };
        let who = inner.who(id_token, &tokens.access, occasion, Lane::New).await?;
        Ok(Granted { tokens, who })
    }

    /// The URL of the page where users log out, if there is one (OpenID Connect RP-Initiated Logout 1.0 section 2).
    pub(super) async fn logout_page(&self, id_token: Option<&Secret<String>>, return_to: &str) -> Option<String> {
        let Self(inner) = self;
        let metadata = inner.metadata().await.ok()?;
        let hint = id_token.map_or("", |token| token.expose());
        let form = Form::default()
            .with_some("id_token_hint", if hint.len() <= LONGEST_HINT { hint } else { "" })
            .with("client_id", &inner.settings.client_id)
            .with("post_logout_redirect_uri", return_to);
        Some(form.query_of(metadata.value.end_session.as_ref()?.uri()))
    }

    /// What a logout token says, verified.
    pub(super) async fn logout(&self, token: &str) -> Result<Logout, Refusal> {
        let Self(inner) = self;
        let read = |keys: &_| inner.logout_tokens.read(token, keys, inner.clock.wall());
        inner.keys.verified(&inner.settings.name, |keys| read(&keys.set)).await
    }
}

impl Refresh for Provider {
    fn refresh(&self, token: Secret<String>, subject: &str) -> RefreshFuture {
        let (inner, subject) = (Arc::clone(&self.0), subject.to_owned());
        Box::pin(async move { inner.refresh(token, &subject).await })
    }
}

pub(super) fn logout_replayed() -> Refusal {
    Refusal::invalid(Reason::LogoutReplayed, "this logout token has been seen before")
}

impl Inner {
    async fn metadata(&self) -> Result<Found<Metadata>, Refusal> {
        self.metadata.get().await.map_err(|down| self.down(&down))
    }

    fn down(&self, down: &Down) -> Refusal {
        down.refusal(Asked::Provider(&self.settings.name))
    }

    /// Sends a form to the token endpoint.
    async fn ask(&self, lane: Lane, form: Form) -> Result<TokenAnswer, NoGrant> {
        let metadata = self.metadata.get().await.map_err(NoGrant::Down)?.value;
        let request = match metadata.proof {
            Proof::Basic => form.post(metadata.token.uri(), &self.authorization),
            Proof::Form => {
                let OidcSettings { client_id, client_secret, .. } = &self.settings;
                let form = form.with("client_id", client_id).with("client_secret", client_secret.expose());
                form.post_unproven(metadata.token.uri())
            }
        };
        let answer = self.lanes.client(lane).call(request, None).await;
        TokenAnswer::read(&answer.map_err(|error| NoGrant::Down(error.into()))?)
    }

    /// Why there is nothing for a code. Somebody else brought it: that it looks wrong is nobody's failure.
    fn no_code(&self, no: NoGrant) -> Refusal {
        let name = &self.settings.name;
        match no {
            NoGrant::Subject | NoGrant::Request => {
                Refusal::invalid(Reason::CodeRefused, format!("the OpenID provider '{name}' does not take the code"))
            }
            no => self.down(&failure(no)),
        }
    }

    /// Who the user is that an ID token is about.
    async fn who(
        &self,
        id_token: &Secret<String>,
        access: &Secret<String>,
        occasion: Occasion<'_>,
        lane: Lane,
    ) -> Result<Who, Refusal> {
        let read = |keys: &_| self.id_tokens.read(id_token, access, occasion, keys, self.clock.wall());
        let mut said = self.keys.verified(&self.settings.name, |keys| read(&keys.set)).await?;
        if self.settings.userinfo {
            self.ask_more(&mut said, access, lane).await?;
        }
        let IdToken { subject, sid, issued, expires, claims } = said;
        let principal = self.settings.principal.principal(claims, &self.credential, Level::High, expires)?;
        let principal = Principal { expires: None, ..principal };
        let bytes = bytes_of(&principal);
        if bytes > LONGEST_PRINCIPAL {
            let detail = format!(
                "the OpenID provider '{}' says {bytes} bytes of the user, at most {LONGEST_PRINCIPAL} are kept: name those that \
                 are needed in principal.claims, or ask for fewer scopes",
                self.settings.name
            );
            return Err(Refusal::invalid(Reason::TokenTooLarge, detail));
        }
        Ok(Who { principal, subject, sid, issued })
    }

    /// Adds what UserInfo knows. What the ID token says stays: it is signed.
    async fn ask_more(&self, said: &mut IdToken, access: &Secret<String>, lane: Lane) -> Result<(), Refusal> {
        let metadata = self.metadata().await?.value;
        let nowhere = || self.down(&Down::malformed("its metadata: they have no userinfo_endpoint"));
        let endpoint = metadata.userinfo.as_ref().ok_or_else(nowhere)?;
        let more = userinfo::ask(self.lanes.client(lane), endpoint, access).await.map_err(|down| self.down(&down))?;
        // Section 5.3.2: an access token may have been exchanged for another user's.
        if more.get("sub").and_then(Value::as_str) != Some(&*said.subject) {
            let detail = "UserInfo is about another user than the ID token (sub)";
            return Err(Refusal::invalid(Reason::MalformedToken, detail));
        }
        for (name, value) in more {
            said.claims.entry(name).or_insert(value);
        }
        Ok(())
    }

    /// New tokens (OpenID Connect Core 1.0 section 12). Once they are there the old refresh token may be worth nothing: what
    /// fails from then on must not lose them, unless they are another's.
    async fn refresh(&self, token: Secret<String>, subject: &str) -> Result<Refreshed, NotRefreshed> {
        let form = Form::default().with("grant_type", "refresh_token").with("refresh_token", token.expose());
        let answer = match self.ask(Lane::Proven, form).await {
            Ok(answer) => answer,
            Err(NoGrant::Subject) => {
                return Err(NotRefreshed::Ended("the provider does not take the refresh token any more".into()));
            }
            Err(no) => return Err(NotRefreshed::Down(self.down(&failure(no)))),
        };
        let mut tokens =
            Tokens::read(answer, self.clock.wall()).map_err(|down| NotRefreshed::Down(self.down(&down)))?;
        tokens.refresh = tokens.refresh.or(Some(token));
        let Some(id_token) = &tokens.id_token else { return Ok(Refreshed { tokens, who: None }) };
        let limit = self.settings.timeout.mul_f32(REST_OF_REFRESH);
        let asked = tokio::time::timeout(
            limit,
            self.who(id_token, &tokens.access, Occasion::Refresh { subject }, Lane::Proven),
        );
        match asked.await.unwrap_or_else(|_| Err(self.down(&CallError::Timeout(limit).into()))) {
            Ok(who) => Ok(Refreshed { tokens, who: Some(who) }),
            Err(refusal @ Refusal::Unavailable { .. }) => {
                tracing::warn!(
                    event = "oidc-user-not-renewed",
                    provider = self.settings.name,
                    reason = refusal.reason().name(),
                    detail = refusal.detail(),
                    "a session goes on with what is known of its user already"
                );
                Ok(Refreshed { tokens: Tokens { id_token: None, ..tokens }, who: None })
            }
            Err(refusal) => Err(NotRefreshed::Ended(refusal.to_string().into())),
        }
    }
}

/// Why there is neither a yes nor a no, where a no is about the gateway.
fn failure(no: NoGrant) -> Down {
    match no {
        NoGrant::Client => Down::gateway_refused("it does not take client-id and client-secret"),
        NoGrant::Scope => Down::malformed("it does not give the scopes that it was asked for"),
        NoGrant::Subject | NoGrant::Request => Down::malformed("it finds the request wrong"),
        NoGrant::Down(down) => down,
    }
}

fn bytes_of(principal: &Principal) -> usize {
    let names: usize = [&principal.roles, &principal.scopes].into_iter().flatten().map(|name| name.len() + 3).sum();
    let claims = serde_json::to_vec(&principal.claims).map_or(usize::MAX, |claims| claims.len());
    claims.saturating_add(names + principal.subject.len())
}
