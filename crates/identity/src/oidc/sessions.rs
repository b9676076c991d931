//! Sessions: in the store that replicas share, sealed, under a name that nobody can tell from the cookie's value without
//! the client secret; for a moment also in this process.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gwanmun_client::Outbound;
use gwanmun_core::{Principal, Reason, Secret};
use gwanmun_store::Space;

use super::grant::{Granted, Refreshed};
use super::{Ended, OidcSettings};
use crate::refusal::Refusal;
use crate::seal::Seal;

/// Asks for new tokens, on the thread for outbound calls.
pub(super) trait Refresh: Send + Sync + 'static {
    /// New tokens for a refresh token of the user whose `sub` is `subject`.
    fn refresh(&self, token: Secret<String>, subject: &str) -> RefreshFuture;
}

pub(super) type RefreshFuture = Pin<Box<dyn Future<Output = Result<Refreshed, NotRefreshed>> + Send>>;

/// Why there are no new tokens.
#[derive(Debug, Clone)]
pub(super) enum NotRefreshed {
    /// The provider says that there will be none: the session is over.
    Ended(Arc<str>),
    /// The provider cannot be asked, or answers what cannot be used.
    Down(Refusal),
}

/// Whose sessions a provider ends.
pub(super) struct Whose<'a> {
    /// All of this user's, if no `sid` is named.
    pub(super) subject: Option<&'a str>,
    /// Those of this session at the provider.
    pub(super) sid: Option<&'a str>,
    /// What began after this moment goes on.
    pub(super) since: SystemTime,
}

/// All sessions with a provider.
pub(super) struct Sessions {
    seal: Seal,
    refresh: Arc<dyn Refresh>,
    space: Space,
}

fn not_yet() -> Refusal {
    Refusal::invalid(Reason::SessionUnknown, "not yet")
}

impl Sessions {
    pub(super) fn new(
        settings: &OidcSettings,
        seal: Seal,
        refresh: Arc<dyn Refresh>,
        space: Space,
        outbound: &Outbound,
    ) -> Self {
        let _ = (settings, outbound);
        Self { seal, refresh, space }
    }

    /// Whether sessions can be opened now.
    pub(super) async fn is_open(&self) -> Result<(), Refusal> {
        let _ = (&self.seal, &self.refresh, &self.space);
        Err(not_yet())
    }

    /// Whether `what` of this `kind` has not been seen in the last `remembered`, by any replica. Of several who ask at the
    /// same time one hears yes.
    pub(super) async fn first_time(&self, kind: &str, what: &str, remembered: Duration) -> Result<bool, Refusal> {
        let _ = (kind, what, remembered);
        Err(not_yet())
    }

    /// Opens a session at `origin`: what the browser shows, and who it is.
    pub(super) async fn open(
        &self,
        origin: &str,
        granted: Granted,
    ) -> Result<(Secret<String>, Arc<Principal>), Refusal> {
        let _ = (origin, granted.tokens, granted.who);
        Err(not_yet())
    }

    pub(super) fn recall(&self, session: &str, origin: &str) -> Option<Arc<Principal>> {
        let _ = (session, origin);
        None
    }

    pub(super) async fn find(&self, session: &str, origin: &str) -> Result<Arc<Principal>, Refusal> {
        let _ = (session, origin);
        Err(not_yet())
    }

    pub(super) async fn save(&self, session: &str, origin: &str) -> Result<(), Refusal> {
        let _ = (session, origin);
        Err(not_yet())
    }

    /// Ends a session and those with the same `sid`.
    pub(super) async fn end(&self, session: &str, origin: &str) -> Result<Option<Ended>, Refusal> {
        let _ = (session, origin);
        Err(not_yet())
    }

    /// Ends sessions as the provider says; how many there were.
    pub(super) async fn end_all(&self, whose: &Whose<'_>) -> Result<usize, Refusal> {
        let _ = (whose.subject, whose.sid, whose.since);
        Err(not_yet())
    }
}
