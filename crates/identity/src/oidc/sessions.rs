//! Sessions: in the store that replicas share, sealed, under a name that nobody can tell from the cookie's value without
//! the client secret; for a moment also in this process. While the store is lost those that this process knows may go on
//! (`on-store-error: allow` or `local`); none begins or ends then.

mod counts;
mod down;
mod ending;
mod id;
mod opening;
mod reading;
mod record;
mod renewal;
mod session;
mod shelf;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{Context, SHA256};
use gwanmun_client::{CallError, LookupSettings, Lookups, Outbound};
use gwanmun_core::{Clock, Principal, Reason, Secret};
use gwanmun_store::{OnStoreError, Space};
use tokio::sync::Semaphore;

use super::grant::{Granted, Refreshed};
use super::{Ended, OidcSettings, SessionSettings};
use crate::known::{self, Entry};
use crate::oauth::known::{Bounds, Known};
use crate::refusal::Refusal;
use crate::seal::{Name, Seal};
use counts::Counts;
use down::{Down, lost};
use ending::WhoseEnd;
use id::Id;
use reading::Answer;
use renewal::PAUSE;
use session::Session;
use shelf::Shelf;

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
    /// Those of this session at the provider; where none is known by it, those of `subject` that name no session there.
    pub(super) sid: Option<&'a str>,
    /// What began after this moment goes on.
    pub(super) since: SystemTime,
}

/// What this process keeps in memory of the sessions of one provider, at most.
const HELD: Bounds = Bounds { entries: 20_000, bytes: 64 << 20 };

/// Questions that are open or were just answered, at most, of each kind.
const QUESTIONS: usize = 4_096;

/// How many questions about sessions that this process does not know may be with the store at a time.
const GUESSES: usize = 256;

/// How long a question that the store did not answer is not repeated.
const STORE_PAUSE: Duration = Duration::from_millis(250);

/// The longest answer of the store that is waited for.
const STORE_TIMEOUT: Duration = Duration::from_secs(5);

/// All sessions with a provider.
pub(super) struct Sessions(Arc<Shared>);

/// What outlives a question.
struct Shared {
    /// The provider's.
    name: String,
    /// Of all principals.
    credential: String,
    /// Of all sessions that are shown here.
    mark: String,
    settings: SessionSettings,
    /// How long the provider may be waited for.
    timeout: Duration,
    shelf: Shelf,
    /// What happens while the store is lost.
    on_error: OnStoreError,
    refresh: Arc<dyn Refresh>,
    outbound: Outbound,
    clock: Arc<dyn Clock>,
    /// What each worker's own memory knows sessions by.
    issuer: u64,
    epoch: AtomicU64,
    held: Known<Session>,
    read_new: Lookups<Name, Answer, Down>,
    read_again: Lookups<Name, Answer, Down>,
    /// For questions of those who have no session that this process knows.
    guesses: Semaphore,
    renewals: Lookups<Name, Answer, Down>,
    counts: Counts,
    /// When something unreadable was last logged, in milliseconds since 1970.
    warned: AtomicU64,
}

impl Sessions {
    pub(super) fn new(
        settings: &OidcSettings,
        seal: Seal,
        refresh: Arc<dyn Refresh>,
        space: Space,
        outbound: &Outbound,
    ) -> Self {
        let name = &settings.name;
        let reading = LookupSettings {
            capacity: QUESTIONS,
            timeout: STORE_TIMEOUT,
            cool_down: STORE_PAUSE,
            ..LookupSettings::default()
        };
        let renewing = LookupSettings {
            capacity: QUESTIONS,
            timeout: renewal::longest(settings.timeout),
            cool_down: PAUSE,
            ..LookupSettings::default()
        };
        Self(Arc::new(Shared {
            credential: format!("session:{name}"),
            mark: settings.mark.clone(),
            settings: settings.session,
            timeout: settings.timeout,
            // Memory that stands in knows no session: nobody is logged out by that.
            shelf: Shelf::new(seal, space.itself()),
            on_error: space.on_error(),
            refresh,
            outbound: outbound.clone(),
            clock: outbound.clock(),
            issuer: known::new_issuer(),
            epoch: AtomicU64::new(0),
            held: Known::new(HELD),
            read_new: Lookups::new(outbound, &format!("session:{name}"), reading),
            read_again: Lookups::new(outbound, &format!("session:{name}:again"), reading),
            guesses: Semaphore::new(GUESSES),
            renewals: Lookups::new(outbound, &format!("session:{name}:refresh"), renewing),
            counts: Counts::new(name, outbound.tallies()),
            warned: AtomicU64::new(0),
            name: name.clone(),
        }))
    }

    /// Whether sessions can be opened now.
    pub(super) async fn is_open(&self) -> Result<(), Refusal> {
        let _permit = self.0.guess().map_err(|down| down.refusal(Reason::StoreLost))?;
        self.0.shelf.try_out().await.map_err(|error| lost(&error))
    }

    /// Whether `what` of this `kind` has not been seen in the last `remembered`, by any replica. Of several who ask at the
    /// same time one hears yes.
    pub(super) async fn first_time(&self, kind: &str, what: &str, remembered: Duration) -> Result<bool, Refusal> {
        self.0.shelf.note(kind, what, remembered).await.map_err(|error| lost(&error))
    }

    /// Opens a session at `origin`: what the browser shows, and who it is.
    pub(super) async fn open(
        &self,
        origin: &str,
        granted: Granted,
    ) -> Result<(Secret<String>, Arc<Principal>), Refusal> {
        self.0.open(origin, granted).await
    }

    /// Who it is, if this worker knew a moment ago and no session has ended since.
    pub(super) fn recall(&self, session: &str, origin: &str) -> Option<Arc<Principal>> {
        let shared = &self.0;
        if session.len() != Id::LENGTH {
            return None;
        }
        known::recall(&shared.known_by(session, origin), shared.epoch(), shared.clock.wall())
    }

    pub(super) async fn find(&self, session: &str, origin: &str) -> Result<Arc<Principal>, Refusal> {
        let shared = &self.0;
        let epoch = shared.epoch();
        let (name, found) = shared.find_at(session, origin).await?;
        let found = shared.renewed(&name, found).await?;
        let now = shared.clock.wall();
        shared.touch_behind(&name, &found, now);
        let principal = found.principal(now);
        let until = found.look_again(now, &shared.settings);
        let entry = Entry { principal: Arc::clone(&principal), keys: epoch, since: now, until, weight: found.weight() };
        known::remember(shared.known_by(session, origin), entry);
        Ok(principal)
    }

    pub(super) async fn save(&self, session: &str, origin: &str) -> Result<(), Refusal> {
        let shared = &self.0;
        let (name, found) = shared.find_at(session, origin).await?;
        let now = shared.clock.wall();
        match shared.shelf.touch(&name, found.kept_for(now, &shared.settings)).await {
            Ok(true) => {
                found.pace.touch(now);
                Ok(())
            }
            Ok(false) => {
                shared.forget(&name);
                Err(unknown("it has just ended"))
            }
            Err(_) if shared.on_error != OnStoreError::Deny && found.is_usable(now, &shared.settings) => Ok(()),
            Err(error) => Err(lost(&error)),
        }
    }

    /// Ends a session and those with the same `sid`.
    pub(super) async fn end(&self, session: &str, origin: &str) -> Result<Option<Ended>, Refusal> {
        let Some(id) = Id::read(session) else { return Ok(None) };
        let name = self.0.shelf.name(id);
        self.0.in_any_case(Arc::clone(&self.0).end(name, origin.to_owned())).await
    }

    /// Ends sessions as the provider says; who was logged in by each of them.
    pub(super) async fn end_all(&self, whose: &Whose<'_>) -> Result<Vec<Arc<Principal>>, Refusal> {
        let (subject, sid) = (whose.subject.map(str::to_owned), whose.sid.map(str::to_owned));
        let whose = WhoseEnd { subject, sid, since: whose.since };
        self.0.in_any_case(Arc::clone(&self.0).end_all(whose)).await
    }
}

impl Shared {
    async fn find_at(self: &Arc<Self>, session: &str, origin: &str) -> Result<(Name, Arc<Session>), Refusal> {
        let id = Id::read(session).ok_or_else(|| unknown("it is not formed like a session"))?;
        let name = self.shelf.name(id);
        let found = self.find(&name).await?;
        // A provider with the same client has the same seal, so that a logout at one ends the sessions of both.
        if found.record().mark != self.mark {
            return Err(unknown("it is another provider's"));
        }
        if found.record().origin != origin {
            let detail = format!("it is good at {}, not at {}", found.record().origin, origin.escape_debug());
            return Err(Refusal::invalid(Reason::SessionElsewhere, detail));
        }
        Ok((name, found))
    }

    /// Writes that the session is used, if that was not done lately; nobody waits.
    fn touch_behind(self: &Arc<Self>, name: &Name, session: &Session, now: SystemTime) {
        let Some(before) = session.pace.claim_touch(now, &self.settings) else { return };
        let (shared, name, pace) = (Arc::clone(self), *name, Arc::clone(&session.pace));
        let ttl = session.kept_for(now, &self.settings);
        let touch = async move {
            if shared.shelf.touch(&name, ttl).await.is_err() {
                pace.return_touch(before);
            }
        };
        // Without a thread for calls no session was ever read.
        drop(self.outbound.spawn(touch));
    }

    /// What `work` comes to, which is done to its end though the caller goes away.
    async fn in_any_case<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Refusal>> + Send + 'static,
    ) -> Result<T, Refusal> {
        let refusal = |error| Down::Call(error).refusal(Reason::StoreLost);
        match self.outbound.spawn(work).map_err(refusal)?.await {
            Ok(outcome) => outcome,
            Err(_) => Err(refusal(CallError::Interrupted)),
        }
    }

    /// What a worker's own memory knows a session at an origin by.
    fn known_by(&self, session: &str, origin: &str) -> known::Key {
        let mut context = Context::new(&SHA256);
        context.update(session.as_bytes());
        // Nothing that is formed like a session has this in it.
        context.update(b" ");
        context.update(origin.as_bytes());
        let mut hash = [0; 32];
        for (to, from) in hash.iter_mut().zip(context.finish().as_ref()) {
            *to = *from;
        }
        known::Key { issuer: self.issuer, hash }
    }
}

fn unknown(detail: &'static str) -> Refusal {
    Refusal::invalid(Reason::SessionUnknown, detail)
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("provider", &self.0.name).finish_non_exhaustive()
    }
}
