//! People who log in at an OpenID provider, and their sessions: code flow with PKCE, sessions in the store that replicas
//! share, refreshed once for all, ended at the user's wish or the provider's. Nothing here knows of cookies or pages: a
//! browser's part is what [`Begun`] and [`LoggedIn`] give it to keep.

mod grant;
mod login;
mod provider;
mod sessions;
mod settings;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gwanmun_client::{Outbound, Tls};
use gwanmun_core::{Principal, Secret};
use gwanmun_store::Space;

use crate::oauth::NoCryptography;
use crate::refusal::Refusal;
use crate::seal::Seal;
use login::Logins;
use provider::Provider;
use sessions::{Sessions, Whose};

pub use settings::{OidcPaths, OidcSettings, SessionSettings};

/// How long a login may take, and how long it is known that it was answered.
pub(crate) const LOGIN: Duration = Duration::from_secs(600);

/// An OpenID provider that people log in at, and the sessions they have here.
pub struct Oidc {
    settings: OidcSettings,
    credential: String,
    provider: Arc<Provider>,
    logins: Logins,
    sessions: Sessions,
}

/// Where a browser is: what a login begins at and comes back to.
#[derive(Debug, Clone, Copy)]
pub struct Visit<'a> {
    /// `https://tool.example`: scheme and authority as the browser sees them.
    pub origin: &'a str,
    /// Path and query that the browser is sent to when it is logged in; never of another origin.
    pub return_to: &'a str,
}

/// A login that has begun.
#[derive(Debug)]
pub struct Begun {
    /// The provider's page, with all that it has to be asked.
    pub location: String,
    /// Tells the login from others of the same browser: the value of `state`, base64url.
    pub state: String,
    /// What the browser keeps until it comes back: sealed, base64url, at most 3 KiB.
    pub kept: Secret<String>,
}

/// What the browser brings back from the provider (RFC 6749 section 4.1.2, RFC 9207); nothing of it is believed yet.
#[derive(Debug, Clone, Copy, Default)]
pub struct LoginAnswer<'a> {
    /// `state`.
    pub state: &'a str,
    /// `code`.
    pub code: Option<&'a str>,
    /// `error`.
    pub error: Option<&'a str>,
    /// `iss`.
    pub issuer: Option<&'a str>,
}

/// Somebody who has logged in.
#[derive(Debug)]
pub struct LoggedIn {
    /// What the browser shows from now on: 43 characters of base64url that mean nothing to anybody else.
    pub session: Secret<String>,
    /// Who it is.
    pub principal: Arc<Principal>,
    /// Path and query to go to.
    pub return_to: String,
}

/// A session that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Whose it was.
    pub principal: Arc<Principal>,
    /// The last ID token, for the provider's logout page.
    id_token: Option<Secret<String>>,
}

impl Oidc {
    /// A provider that is asked over `outbound` and trusted as `tls` says; sessions are kept in `space`.
    ///
    /// # Errors
    /// No key can be made of the client secret.
    pub fn new(settings: OidcSettings, tls: Tls, space: Space, outbound: &Outbound) -> Result<Self, NoCryptography> {
        let secret = settings.client_secret.expose();
        let seal =
            |purpose: &str| Seal::new(purpose, &settings.issuer, &settings.client_id, secret).ok_or(NoCryptography);
        let (logins, sessions) = (seal("gwanmun login")?, seal("gwanmun session")?);
        let credential = format!("session:{}", settings.name);
        let provider = Arc::new(Provider::new(&settings, &credential, tls, outbound));
        Ok(Self {
            logins: Logins::new(logins, outbound.clock()),
            sessions: Sessions::new(&settings, sessions, Arc::clone(&provider) as _, space, outbound),
            credential,
            provider,
            settings,
        })
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// What is known of it.
    pub fn settings(&self) -> &OidcSettings {
        &self.settings
    }

    /// The credential of its principals: `session:NAME`.
    pub fn credential(&self) -> &str {
        &self.credential
    }

    /// Begins a login, if there is somewhere to keep the session that it leads to.
    ///
    /// # Errors
    /// The store or the provider is not there.
    pub async fn begin(&self, visit: Visit<'_>) -> Result<Begun, Refusal> {
        self.sessions.is_open().await?;
        let begun = self.logins.begin(visit)?;
        let location = self.provider.login_page(&begun, &self.redirect_uri(visit.origin)).await?;
        Ok(Begun { location, state: begun.state, kept: begun.kept })
    }

    /// Ends a login that this browser has begun: redeems the code and opens a session, which is a new one always.
    ///
    /// # Errors
    /// The answer is none to this login, the provider did not let the user in, or somebody is not there.
    pub async fn finish(&self, origin: &str, answer: &LoginAnswer<'_>, kept: &str) -> Result<LoggedIn, Refusal> {
        let login = self.logins.resume(origin, answer.state, kept)?;
        self.provider.check_sender(answer).await?;
        let code = login::code(answer)?;
        let granted = self.provider.redeem(code, &login, &self.redirect_uri(origin)).await?;
        if !self.sessions.first_time("login", answer.state, LOGIN).await? {
            return Err(login::replayed());
        }
        let (session, principal) = self.sessions.open(origin, granted).await?;
        Ok(LoggedIn { session, principal, return_to: login.return_to })
    }

    /// Who is logged in by this session at `origin`, if this worker has seen so a moment ago.
    pub fn recall(&self, session: &str, origin: &str) -> Option<Arc<Principal>> {
        self.sessions.recall(session, origin)
    }

    /// Who is logged in by this session at `origin`. Tokens that are about to expire are refreshed, once for all replicas.
    ///
    /// # Errors
    /// Nobody is (`session-unknown`, `session-elsewhere`), or somebody is not there who would know.
    pub async fn find(&self, session: &str, origin: &str) -> Result<Arc<Principal>, Refusal> {
        self.sessions.find(session, origin).await
    }

    /// Writes that the session is used, and waits until that is so.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub async fn save(&self, session: &str, origin: &str) -> Result<(), Refusal> {
        self.sessions.save(session, origin).await
    }

    /// Ends a session, and those of the same login at the provider. `None` where there was none.
    ///
    /// # Errors
    /// The store is not there.
    pub async fn log_out(&self, session: &str, origin: &str) -> Result<Option<Ended>, Refusal> {
        self.sessions.end(session, origin).await
    }

    /// The provider's own logout page, which sends the browser back to `origin` and `return_to` (OpenID Connect RP-Initiated
    /// Logout 1.0). `None` where it has none.
    pub async fn logout_page(&self, ended: &Ended, origin: &str, return_to: &str) -> Option<String> {
        self.provider.logout_page(ended.id_token.as_ref(), &format!("{origin}{return_to}")).await
    }

    /// Ends the sessions that the provider says have ended (OpenID Connect Back-Channel Logout 1.0), and says whose they
    /// were: the subject of their principal, or `sub` where there were none; `None` where nobody knows.
    ///
    /// # Errors
    /// The token is not as expected, has been seen before, or somebody is not there.
    pub async fn log_out_by(&self, logout_token: &str) -> Result<Option<String>, Refusal> {
        let logout = self.provider.logout(logout_token).await?;
        let whose = Whose { subject: logout.subject.as_deref(), sid: logout.sid.as_deref(), since: logout.issued };
        // Ending twice ends no more than once, and the same token may come again where the store was lost in between.
        let ended = self.sessions.end_all(&whose).await?;
        if !self.sessions.first_time("logout", &logout.id, logout.remembered).await? {
            return Err(provider::logout_replayed());
        }
        let ended = ended.first().map(|principal| principal.subject.clone());
        Ok(ended.or(logout.subject))
    }

    fn redirect_uri(&self, origin: &str) -> String {
        format!("{origin}{}", self.settings.paths.callback)
    }
}

impl fmt::Debug for Oidc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oidc").field("settings", &self.settings).finish_non_exhaustive()
    }
}
