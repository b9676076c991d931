//! How sessions end: at the user's wish with those of the same login at the provider, or at the provider's. It runs on the
//! thread for outbound calls: who asked may go away. Where the store is lost this process forgets them all the same.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gwanmun_core::{Principal, Reason};
use gwanmun_store::StoreError;

use super::Shared;
use super::down::lost;
use super::session::Session;
use super::shelf::{About, Group};
use crate::oidc::{Ended, LOGIN};
use crate::refusal::Refusal;
use crate::seal::Name;

/// How long it takes at most to write a session down.
const OPENING: Duration = Duration::from_secs(60);

/// Whose sessions a provider ends.
pub(super) struct WhoseEnd {
    pub(super) subject: Option<String>,
    pub(super) sid: Option<String>,
    pub(super) since: SystemTime,
}

impl Shared {
    /// Ends a session and those with the same `sid`.
    pub(super) async fn end(self: Arc<Self>, name: Name, origin: String) -> Result<Option<Ended>, Refusal> {
        let _permit = match self.held(&name) {
            Some(_) => None,
            None => Some(self.guess().map_err(|down| down.refusal(Reason::StoreLost))?),
        };
        let outcome = self.end_with_others(&name, &origin).await;
        let is_mine = |session: &Arc<Session>| session.record().origin == origin;
        if outcome.is_err() && self.held(&name).as_ref().is_some_and(is_mine) {
            self.forget(&name);
        }
        outcome.map_err(|error| lost(&error))
    }

    /// Ends sessions as the provider says; who was logged in by each of them.
    pub(super) async fn end_all(self: Arc<Self>, whose: WhoseEnd) -> Result<Vec<Arc<Principal>>, Refusal> {
        let outcome = self.end_group(&whose).await;
        if outcome.is_err() {
            for name in self.held.filtered(|session| whose.has(session)) {
                self.forget(&name);
            }
        }
        outcome.map_err(|error| lost(&error))
    }

    async fn end_with_others(&self, name: &Name, origin: &str) -> Result<Option<Ended>, StoreError> {
        let now = self.clock.wall();
        let Some(session) = self.session(name).await? else {
            if self.held(name).is_some() {
                self.forget(name);
            }
            return Ok(None);
        };
        let record = session.record();
        if record.origin != origin {
            return Ok(None);
        }
        if let Some(sid) = record.sid.as_deref() {
            let others = WhoseEnd { subject: Some(record.subject.clone()), sid: Some(sid.to_owned()), since: now };
            for other in self.shelf.members(Group::Sid(sid)).await? {
                if other == *name {
                    continue;
                }
                match self.session(&other).await? {
                    // It may just be being written down.
                    None => self.shelf.bar(&other, OPENING).await?,
                    Some(session) if others.has_user(&session) => {
                        self.end_one(&other, &session).await?;
                        self.counts.logged_out.one();
                    }
                    Some(_) => {}
                }
            }
        }
        // Last, so that who is told to try again finds it.
        let Some(last) = self.end_one(name, &session).await? else { return Ok(None) };
        self.counts.logged_out.one();
        let record = last.record();
        Ok(Some(Ended { principal: Arc::clone(&record.principal), id_token: record.tokens.id_token.clone() }))
    }

    async fn end_group(&self, whose: &WhoseEnd) -> Result<Vec<Arc<Principal>>, StoreError> {
        let (subject, sid) = (whose.subject.as_deref(), whose.sid.as_deref());
        let group = match (sid, subject) {
            (Some(sid), _) => Group::Sid(sid),
            (None, Some(subject)) => Group::Subject(subject),
            (None, None) => return Ok(Vec::new()),
        };
        self.shelf.mark_ended(About { subject, sid }, whose.since, LOGIN).await?;
        let mut names = self.shelf.members(group).await?;
        if let (Some(_), Some(subject), true) = (sid, subject, names.is_empty()) {
            names = self.shelf.members(Group::Subject(subject)).await?;
        }
        let mut ended = Vec::new();
        for name in names {
            let Some(session) = self.session(&name).await? else { continue };
            if whose.has(&session)
                && let Some(last) = self.end_one(&name, &session).await?
            {
                self.counts.ended_by_provider.one();
                ended.push(Arc::clone(&last.record().principal));
            }
        }
        Ok(ended)
    }

    /// Takes a session out of the store, then out of memory: what it was at the end. `None` where it had ended meanwhile.
    async fn end_one(&self, name: &Name, session: &Session) -> Result<Option<Arc<Session>>, StoreError> {
        let taken = self.shelf.take(name).await?;
        self.forget(name);
        self.leave_groups(name, session.record()).await;
        Ok(taken.and_then(|sealed| self.unseal(name, sealed, self.clock.wall())))
    }

    async fn session(&self, name: &Name) -> Result<Option<Arc<Session>>, StoreError> {
        let now = self.clock.wall();
        Ok(self.shelf.get(name).await?.and_then(|sealed| self.unseal(name, sealed, now)))
    }
}

impl WhoseEnd {
    /// Whether a session ends.
    fn has(&self, session: &Session) -> bool {
        let record = session.record();
        // What names no session at the provider may be any of the user's there.
        let has_sid = self.sid.is_none() || self.sid == record.sid || (record.sid.is_none() && self.subject.is_some());
        has_sid
            && self.has_user(session)
            && record.issued <= self.since
            && (self.sid.is_some() || self.subject.is_some())
    }

    fn has_user(&self, session: &Session) -> bool {
        self.subject.as_ref().is_none_or(|subject| *subject == session.record().subject)
    }
}
