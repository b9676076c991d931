//! How a session is read: from this process's memory while that is believed, otherwise from the store, once for all who ask
//! at the same time. A flood of made-up ids puts no session out of memory and leaves the store room for others.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use gwanmun_client::{CallError, Fetched};
use gwanmun_core::Reason;
use gwanmun_store::OnStoreError;
use tokio::sync::SemaphorePermit;

use super::Shared;
use super::down::Down;
use super::record::Record;
use super::session::{Pace, Session};
use super::unknown;
use crate::oauth::known::Good;
use crate::oauth::stored::millis;
use crate::refusal::Refusal;
use crate::seal::Name;

/// How long it is remembered that there is no such session.
pub(super) const NEGATIVE: Duration = Duration::from_secs(5);

/// How often it is logged that something in the store is no session.
const SELDOM: Duration = Duration::from_secs(60);

/// What a question brought: the session, as long as memory keeps it, which alone is bounded in bytes.
pub(super) type Answer = Option<Weak<Session>>;

impl Shared {
    /// The session of this name: as it is now, or was less than `cache` ago.
    pub(super) async fn find(self: &Arc<Self>, name: &Name) -> Result<Arc<Session>, Refusal> {
        let held = self.held(name);
        let now = self.clock.wall();
        let session = match held.as_ref().filter(|session| now < session.believed(&self.settings)) {
            // A clock that was set back prolongs nothing.
            Some(session) if now >= session.read => Arc::clone(session),
            _ => self.ask(name, held).await?,
        };
        if self.clock.wall() >= session.end(&self.settings) {
            return Err(unknown("it has reached its lifetime"));
        }
        Ok(session)
    }

    /// What this process has in memory, however old.
    pub(super) fn held(&self, name: &Name) -> Option<Arc<Session>> {
        self.held.find(name).map(|entry| Arc::clone(&entry.good.value))
    }

    /// Keeps what was read or written when endings were counted as `epoch` says.
    pub(super) fn keep(&self, name: &Name, session: &Arc<Session>, epoch: u64) {
        let good = Good {
            value: Arc::clone(session),
            until: session.believed(&self.settings),
            stale_until: session.end(&self.settings),
            weight: session.weight(),
        };
        self.held.put_if(*name, good, session.read, || self.epoch() == epoch);
    }

    /// How often this process has forgotten a session. What a worker knows from before is looked at again.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// Forgets a session, on all workers. What is being read at this moment is not kept.
    pub(super) fn forget(&self, name: &Name) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.held.remove(name);
        self.read_again.forget(name);
        self.read_new.forget(name);
        self.renewals.forget(name);
    }

    /// What was read from the store at `now`; nothing if it is no session.
    pub(super) fn unseal(&self, name: &Name, sealed: Bytes, now: SystemTime) -> Option<Arc<Session>> {
        if sealed.is_empty() {
            return None;
        }
        let held = self.held(name);
        if let Some(held) = held.as_ref().filter(|held| held.sealed == sealed) {
            return Some(Arc::new(held.read_again(now)));
        }
        let record = self.shelf.open(name, &sealed);
        let record = record.and_then(|record| Record::read(&record, &self.credential, self.settings.lifetime));
        let Some(record) = record else {
            self.note_unreadable(now);
            return None;
        };
        let pace = held.map_or_else(|| Arc::new(Pace::default()), |held| Arc::clone(&held.pace));
        Some(Arc::new(Session::new(record, sealed, now, pace)))
    }

    /// What stands in the store now, which is kept.
    pub(super) async fn read(&self, name: &Name) -> Result<Option<Arc<Session>>, Down> {
        let (epoch, now) = (self.epoch(), self.clock.wall());
        let sealed = match self.shelf.get(name).await {
            Err(error) if error.is_outage() => return Err(error.into()),
            Err(_) => {
                self.note_unreadable(now);
                None
            }
            Ok(sealed) => sealed,
        };
        let session = sealed.and_then(|sealed| self.unseal(name, sealed, now));
        match &session {
            Some(session) => self.keep(name, session, epoch),
            None => self.held.remove(name),
        }
        Ok(session)
    }

    /// Leave to ask the store for somebody who may be anybody.
    pub(super) fn guess(&self) -> Result<SemaphorePermit<'_>, Down> {
        self.guesses.try_acquire().map_err(|_| CallError::Overloaded.into())
    }

    /// The session that was answered with; read anew where memory has let go of it meanwhile.
    pub(super) async fn answered(&self, name: &Name, answer: &Answer) -> Result<Option<Arc<Session>>, Down> {
        match answer {
            None => Ok(None),
            Some(session) => match session.upgrade() {
                Some(session) => Ok(Some(session)),
                None => self.read(name).await,
            },
        }
    }

    async fn ask(self: &Arc<Self>, name: &Name, held: Option<Arc<Session>>) -> Result<Arc<Session>, Refusal> {
        let lane = if held.is_some() { &self.read_again } else { &self.read_new };
        let found = match lane.get(name, || Arc::clone(self).answer(*name, held.is_some())).await {
            Ok(found) => self.answered(name, &found.value).await,
            Err(down) => Err(down),
        };
        match found {
            Ok(found) => found.ok_or_else(|| unknown("there is no such session")),
            Err(down) => {
                let goes_on = |session: &Arc<Session>| {
                    self.on_error != OnStoreError::Deny && session.is_usable(self.clock.wall(), &self.settings)
                };
                let Some(session) = held.filter(goes_on) else { return Err(down.refusal(Reason::StoreLost)) };
                self.counts.without_store.one();
                Ok(session)
            }
        }
    }

    async fn answer(self: Arc<Self>, name: Name, is_known: bool) -> Result<Fetched<Answer>, Down> {
        let _permit = if is_known { None } else { Some(self.guess()?) };
        let Some(session) = self.read(&name).await? else { return Ok(Fetched::negative(None, NEGATIVE)) };
        let believed = session.believed(&self.settings);
        let left = believed.duration_since(self.clock.wall()).unwrap_or_default();
        Ok(Fetched::new(Some(Arc::downgrade(&session)), left))
    }

    fn note_unreadable(&self, now: SystemTime) {
        self.counts.unreadable.one();
        let (now, before) = (millis(now), self.warned.load(Ordering::Relaxed));
        let is_time = now.saturating_sub(before) >= u64::try_from(SELDOM.as_millis()).unwrap_or(u64::MAX);
        if is_time && self.warned.compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            tracing::warn!(provider = %self.name, "something in the store is no session of this provider");
        }
    }
}
