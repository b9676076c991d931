//! API clients that bring an id and a secret: the OAuth server is asked for a token of theirs (RFC 6749 section 4.4). That
//! it gives one is the proof; the client never sees the token.

use std::sync::Arc;

use gwanmun_core::{Level, Principal, Reason};

use super::client_credentials::ClientCredentials;
use super::endpoints::Which;
use super::grant::{Grant, words};
use super::introspect::PRINCIPAL_BYTES;
use super::known::{Good, Key};
use super::memory::Verdict;
use super::stored::Stored;
use super::{Inner, OAuth, OmittedScope};
use crate::down::Down;
use crate::form::{Form, basic};
use crate::lanes::Lane;
use crate::refusal::Refusal;
use crate::token_answer::NoGrant;

impl OAuth {
    /// Who the client is, if the server has given it a token for exactly `scope` before that is still good.
    pub fn recall_client(&self, credentials: &ClientCredentials, scope: &Arc<str>) -> Option<Arc<Principal>> {
        let (inner, key) = (&self.inner, self.inner.client_key(credentials, scope));
        let question = |lane| Inner::check_client(Arc::clone(inner), credentials.clone(), Arc::clone(scope), key, lane);
        inner.clients.recall(&key, question)
    }

    /// Who the client is. The server is asked for a token for exactly `scope` if need be; that token is the principal's.
    ///
    /// # Errors
    /// The server does not take the credentials, does not give the scope, or cannot be asked.
    pub async fn ask_client(&self, credentials: ClientCredentials, scope: Arc<str>) -> Result<Arc<Principal>, Refusal> {
        let (inner, key) = (&self.inner, self.inner.client_key(&credentials, &scope));
        let question = |lane| Inner::check_client(Arc::clone(inner), credentials, scope, key, lane);
        let answer = inner.clients.ask(&key, question).await;
        answer.map_err(|answered| answered.refusal(&inner.settings.name))
    }
}

impl Inner {
    fn client_key(&self, credentials: &ClientCredentials, scope: &str) -> Key {
        self.seal.name(&["client", credentials.id(), credentials.secret(), scope])
    }

    async fn check_client(
        self: Arc<Self>,
        credentials: ClientCredentials,
        scope: Arc<str>,
        key: Key,
        lane: Lane,
    ) -> Result<Verdict<Principal>, Down> {
        if let Some(stored) = self.stored.find(&key, &self.seal, self.clock.wall()).await? {
            return Ok(Ok(self.client(credentials.id(), stored)));
        }
        let authorization = basic(credentials.id(), credentials.secret());
        let form = Form::default().with("grant_type", "client_credentials").with_some("scope", &scope);
        let answer = self.calls.post(lane, Which::Token, form, &authorization).await?;
        let now = self.clock.wall();
        let grant = match Grant::read(&answer, self.settings.cache, now) {
            Ok(grant) => grant,
            Err(no) => return self.no_client(no).map(Err),
        };
        let scopes = match (&grant.scopes, scope.is_empty()) {
            (Some(scopes), _) => scopes.clone(),
            (None, true) => Vec::new(),
            (None, false) => match self.granted(&grant, &scope, lane).await? {
                Ok(scopes) => scopes,
                Err(refusal) => return Ok(Err(refusal)),
            },
        };
        let stored = Stored::new(grant.token, scopes, now, grant.until);
        self.stored.keep(&key, &stored, &self.seal, now).await?;
        Ok(Ok(self.client(credentials.id(), stored)))
    }

    fn client(&self, id: &str, issued: Stored) -> Good<Principal> {
        let until = issued.until;
        let weight = PRINCIPAL_BYTES + id.len() + issued.token.expose().len();
        let principal = Principal {
            scopes: issued.scopes,
            expires: Some(until),
            token: Some(issued.token),
            ..Principal::new(id, &*self.client_credential, Level::Highest)
        };
        Good { value: Arc::new(principal), until, stale_until: until, weight }
    }

    /// The same for an unknown client and a wrong secret, whatever the server makes of them.
    fn no_client(&self, no: NoGrant) -> Result<Refusal, Down> {
        let name = &self.settings.name;
        match no {
            NoGrant::Client => {
                let detail = format!("the OAuth server '{name}' does not take the client's id and secret");
                Ok(Refusal::invalid(Reason::ClientRefused, detail))
            }
            NoGrant::Scope => Ok(self.not_granted()),
            NoGrant::Subject | NoGrant::Request => Err(Down::malformed("it finds the request wrong")),
            NoGrant::Down(down) => Err(down),
        }
    }

    fn not_granted(&self) -> Refusal {
        let detail = format!("the OAuth server '{}' does not give the client the scope", self.settings.name);
        Refusal::Insufficient { reason: Reason::ScopeRefused, detail: detail.into() }
    }

    /// What a token was given for whose answer does not say it. RFC 6749 section 5.1 lets a server leave out a scope that
    /// is what was asked for; some also leave it out where they gave none.
    async fn granted(&self, grant: &Grant, asked: &str, lane: Lane) -> Result<Result<Vec<String>, Refusal>, Down> {
        let trusted = match self.settings.omitted_scope {
            OmittedScope::Granted => Some(words(asked)),
            OmittedScope::Checked => None,
        };
        if !grant.is_jwt && self.calls.introspects().await? {
            let form = Form::default().with("token", grant.token.expose()).with("token_type_hint", "access_token");
            let answer = self.calls.post(lane, Which::Introspection, form, &self.authorization).await?;
            let scopes = super::introspection::scopes_of_own(&answer)?;
            return Ok(Ok(scopes.or(trusted).unwrap_or_default()));
        }
        Ok(trusted.ok_or_else(|| self.not_granted()))
    }
}
