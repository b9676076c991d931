//! How a session gets new tokens: once for all workers of this process, once for all replicas. While the old token is good
//! nobody waits for that.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gwanmun_client::{CallError, Fetched};
use gwanmun_core::{Principal, Reason};
use gwanmun_store::{Lock, StoreError};
use tokio::time::{Instant, timeout};

use super::down::Down;
use super::reading::{Answer, NEGATIVE};
use super::record::{Record, holding};
use super::session::Session;
use super::{NotRefreshed, Shared, unknown};
use crate::oidc::grant::{Refreshed, Tokens};
use crate::refusal::Refusal;
use crate::seal::Name;

/// How long it is not tried again, whatever came of it.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

/// How often it is looked whether another replica is done.
const LOOK: Duration = Duration::from_millis(25);

/// How long it is tried to write down what the provider gave only once.
const WRITING: Duration = Duration::from_secs(30);

/// How long the lock lasts where nobody keeps it: its owner died.
const LOCK: Duration = Duration::from_secs(4);

/// How often its owner keeps it.
const LOCK_KEPT: Duration = Duration::from_secs(1);

/// What the store may take in all that belongs to a refresh.
const STORE: Duration = Duration::from_secs(35);

/// A session with new tokens; `None` where it has ended.
pub(super) type Renewed = Option<Arc<Session>>;

/// How long all that belongs to a refresh may take, where a question may take `timeout`: another replica that dies, and
/// then a refresh of our own.
pub(super) fn longest(timeout: Duration) -> Duration {
    LOCK + refresh_time(timeout) + STORE
}

/// The provider may be asked for its metadata and keys as well.
fn refresh_time(timeout: Duration) -> Duration {
    timeout * 3
}

impl Shared {
    /// The session with tokens that are good, as far as they can be had.
    pub(super) async fn renewed(self: &Arc<Self>, name: &Name, session: Arc<Session>) -> Result<Arc<Session>, Refusal> {
        let now = self.clock.wall();
        if !session.is_due(now, &self.settings) {
            return Ok(session);
        }
        let is_in_grace = session.is_in_grace(now, &self.settings);
        if session.has_token(now) || (session.pace.is_failing() && is_in_grace) {
            self.renew_behind(name);
            return Ok(session);
        }
        match self.renewals.get_within(name, self.timeout, || Arc::clone(self).renew(*name)).await {
            Ok(found) => match self.answered(name, &found.value).await {
                Ok(renewed) => renewed.ok_or_else(|| unknown("it has ended")),
                Err(down) => Err(down.refusal(Reason::StoreLost)),
            },
            Err(_) if is_in_grace => {
                // The next one does not wait.
                session.pace.set_failing(true);
                Ok(session)
            }
            Err(down) => Err(down.refusal(Reason::ProviderUnavailable)),
        }
    }

    fn renew_behind(self: &Arc<Self>, name: &Name) {
        let (shared, name) = (Arc::clone(self), *name);
        let renewal = async move {
            drop(shared.renewals.get(&name, || Arc::clone(&shared).renew(name)).await);
        };
        // Without a thread for calls no session was ever read.
        drop(self.outbound.spawn(renewal));
    }

    async fn renew(self: Arc<Self>, name: Name) -> Result<Fetched<Answer>, Down> {
        let outcome = self.renew_as_one(&name).await;
        if outcome.is_err() {
            self.counts.refresh_failed.one();
        }
        if let Some(held) = self.held(&name) {
            held.pace.set_failing(outcome.is_err());
        }
        Ok(match outcome? {
            Some(session) => Fetched::new(Some(Arc::downgrade(&session)), PAUSE),
            None => Fetched::negative(None, NEGATIVE),
        })
    }

    /// Whoever has the lock refreshes; the others look what comes of it, until it is done or the lock is free.
    async fn renew_as_one(&self, name: &Name) -> Result<Renewed, Down> {
        loop {
            if let Some(lock) = self.shelf.lock(name, LOCK).await? {
                let outcome = self.renew_locked(name, &lock).await;
                self.shelf.unlock(lock).await;
                return outcome;
            }
            match self.read(name).await? {
                Some(session) if session.is_due(self.clock.wall(), &self.settings) => tokio::time::sleep(LOOK).await,
                done => return Ok(done),
            }
        }
    }

    async fn renew_locked(&self, name: &Name, lock: &Lock) -> Result<Renewed, Down> {
        let Some(session) = self.read(name).await? else { return Ok(None) };
        let tokens = &session.record().tokens;
        let refresh = tokens.refresh.clone().filter(|_| session.is_due(self.clock.wall(), &self.settings));
        let Some(refresh) = refresh else { return Ok(Some(session)) };
        let asked = self.refresh.refresh(refresh, &session.record().subject);
        let mut asked = pin!(timeout(refresh_time(self.timeout), asked));
        let answer = loop {
            match timeout(LOCK_KEPT, asked.as_mut()).await {
                Ok(answer) => break answer,
                Err(_) => self.shelf.keep_lock(lock, LOCK).await,
            }
        };
        match answer.map_err(|_| CallError::Timeout(refresh_time(self.timeout)))? {
            Ok(refreshed) => self.write(name, &session, refreshed).await,
            Err(NotRefreshed::Down(refusal)) => Err(Down::Refused(refusal)),
            Err(NotRefreshed::Ended(why)) => {
                // Unless somebody was given other tokens, who did not wait for the lock.
                if !self.shelf.remove_if(name, session.sealed.clone()).await? {
                    return self.read(name).await;
                }
                self.forget(name);
                self.leave_groups(name, session.record()).await;
                self.counts.refresh_refused.one();
                tracing::info!(provider = %self.name, why = %why, "a session has ended: the provider refreshes it no more");
                Ok(None)
            }
        }
    }

    /// Writes down what came, unless the session has ended meanwhile. The provider may have forgotten the old refresh token
    /// by now, so it is tried more than once.
    pub(super) async fn write(&self, name: &Name, session: &Session, refreshed: Refreshed) -> Result<Renewed, Down> {
        let (epoch, now) = (self.epoch(), self.clock.wall());
        let record = self.following(session.record(), refreshed);
        let Some(sealed) = self.shelf.close(name, &record.write()) else {
            return Err(CallError::Invalid("no cipher".into()).into());
        };
        let ttl = session.kept_for(now, &self.settings);
        if !self.replace(name, session, &sealed, ttl).await? {
            return self.read(name).await;
        }
        session.pace.touch(now);
        let session = Arc::new(Session::new(record, sealed, now, Arc::clone(&session.pace)));
        self.keep(name, &session, epoch);
        self.counts.refreshed.one();
        Ok(Some(session))
    }

    async fn replace(&self, name: &Name, session: &Session, sealed: &Bytes, ttl: Duration) -> Result<bool, StoreError> {
        let (begin, mut is_first) = (Instant::now(), true);
        loop {
            match self.shelf.replace(name, session.sealed.clone(), sealed.clone(), ttl).await {
                Err(error) if begin.elapsed() > WRITING || !error.is_outage() => return Err(error),
                // Nobody waits for that.
                Err(_) => session.pace.set_failing(true),
                // Where no answer came before, it may have been done.
                Ok(false) if !is_first => match self.shelf.get(name).await {
                    Ok(found) => return Ok(found.as_ref() == Some(sealed)),
                    Err(error) if begin.elapsed() > WRITING => return Err(error),
                    Err(_) => {}
                },
                outcome => return outcome,
            }
            is_first = false;
            tokio::time::sleep(LOOK * 8).await;
        }
    }

    fn following(&self, record: &Record, refreshed: Refreshed) -> Record {
        let Refreshed { tokens, who } = refreshed;
        let old = &record.tokens;
        let tokens = Tokens {
            refresh: tokens.refresh.or_else(|| old.refresh.clone()),
            id_token: tokens.id_token.or_else(|| old.id_token.clone()),
            ..tokens
        };
        let principal = match who {
            Some(who) => Principal { credential: self.credential.clone(), ..who.principal },
            None => Principal::clone(&record.principal),
        };
        Record {
            principal: Arc::new(holding(principal, &tokens, record.begun, self.settings.lifetime)),
            tokens,
            renewed: self.clock.wall(),
            version: record.version.saturating_add(1),
            ..record.clone()
        }
    }
}
