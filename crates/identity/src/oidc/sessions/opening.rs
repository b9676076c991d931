//! How a session is written down. It is named in its groups first, then put, then it is looked whether it has ended
//! meanwhile: an ending that is written at any moment of this either finds the session or is found.

use std::sync::Arc;
use std::time::Duration;

use gwanmun_core::{Principal, Reason, Secret};
use gwanmun_store::StoreError;

use super::Shared;
use super::down::{lost, unavailable};
use super::id::Id;
use super::record::{Record, holding, written};
use super::session::{Pace, Session};
use super::shelf::{About, Group};
use super::unknown;
use crate::oidc::grant::Granted;
use crate::refusal::Refusal;
use crate::seal::Name;

/// How long a full group is not looked through again for sessions that have ended.
const LOOKED_THROUGH: Duration = Duration::from_secs(10);

impl Shared {
    /// Opens a session: what the browser shows, and who it is.
    pub(super) async fn open(
        &self,
        origin: &str,
        granted: Granted,
    ) -> Result<(Secret<String>, Arc<Principal>), Refusal> {
        let (epoch, now) = (self.epoch(), written(self.clock.wall()));
        let Granted { tokens, who } = granted;
        let principal = Principal { credential: self.credential.clone(), ..who.principal };
        let record = Record {
            mark: self.mark.clone(),
            origin: origin.to_owned(),
            subject: who.subject,
            sid: who.sid,
            principal: Arc::new(holding(principal, &tokens, now, self.settings.lifetime)),
            tokens,
            begun: now,
            issued: who.issued,
            renewed: now,
            version: 0,
        };
        let no_cryptography = || unavailable(Reason::StoreLost, "no randomness, or no cipher".to_owned());
        let id = Id::random().ok_or_else(no_cryptography)?;
        let name = Id::read(id.expose()).map(|id| self.shelf.name(id)).ok_or_else(no_cryptography)?;
        let sealed = self.shelf.close(&name, &record.write()).ok_or_else(no_cryptography)?;
        for group in record.groups() {
            self.join(group, &name).await?;
        }
        let life = self.settings.idle.min(self.settings.lifetime);
        let is_put = self.shelf.put_new(&name, sealed.clone(), life).await.map_err(|error| not_written(&error))?;
        if !is_put || self.has_ended(&record).await? {
            self.withdraw(&name, &record).await;
            return Err(unknown("the user was logged out while the session was opened"));
        }
        let session = Arc::new(Session::new(record, sealed, now, Arc::new(Pace::begun(now))));
        self.keep(&name, &session, epoch);
        self.counts.opened.one();
        Ok((id, session.principal(now)))
    }

    async fn join(&self, group: Group<'_>, name: &Name) -> Result<(), Refusal> {
        let lifetime = self.settings.lifetime;
        match self.shelf.join(group, name, lifetime).await {
            Err(StoreError::TooLarge { .. }) => {}
            outcome => return outcome.map_err(|error| lost(&error)),
        }
        let pruned = self.prune(group).await.map_err(|error| lost(&error))?;
        if pruned > 0 && self.shelf.join(group, name, lifetime).await.map_err(|error| not_written(&error)).is_ok() {
            return Ok(());
        }
        self.counts.too_many.one();
        let detail = "the user has as many sessions as are kept, and none of them has ended";
        Err(Refusal::Insufficient { reason: Reason::TooManySessions, detail: detail.into() })
    }

    /// Lets those go from a group that have ended; how many. Not again and again: it asks for every one.
    async fn prune(&self, group: Group<'_>) -> Result<usize, StoreError> {
        let (kind, whose) = match group {
            Group::Subject(subject) => ("full sub", subject),
            Group::Sid(sid) => ("full sid", sid),
        };
        if !self.shelf.note(kind, whose, LOOKED_THROUGH).await? {
            return Ok(0);
        }
        let mut pruned = 0;
        for name in self.shelf.members(group).await? {
            if self.shelf.get(&name).await?.is_none() {
                self.shelf.leave(group, &name).await?;
                pruned += 1;
            }
        }
        Ok(pruned)
    }

    async fn has_ended(&self, record: &Record) -> Result<bool, Refusal> {
        let subject = Some(&*record.subject);
        let mut abouts = vec![About { subject, sid: None }];
        if let Some(sid) = record.sid.as_deref() {
            abouts.extend([About { subject: None, sid: Some(sid) }, About { subject, sid: Some(sid) }]);
        }
        for about in abouts {
            match self.shelf.ended(about).await {
                Ok(None) => {}
                Ok(Some(since)) if record.issued > since => {}
                Ok(Some(_)) => return Ok(true),
                Err(error) => return Err(lost(&error)),
            }
        }
        Ok(false)
    }

    /// As far as the store is there: what is left expires, and nobody knows its id.
    async fn withdraw(&self, name: &Name, record: &Record) {
        drop(self.shelf.take(name).await);
        self.leave_groups(name, record).await;
    }

    /// A session that has ended is named no more. Where that fails its name goes with the lifetime that it had.
    pub(super) async fn leave_groups(&self, name: &Name, record: &Record) {
        for group in record.groups() {
            drop(self.shelf.leave(group, name).await);
        }
    }
}

impl Record {
    /// The groups that a session is named in.
    pub(super) fn groups(&self) -> impl Iterator<Item = Group<'_>> {
        let sid = self.sid.as_deref().map(Group::Sid);
        [Some(Group::Subject(&self.subject)), sid].into_iter().flatten()
    }
}

fn not_written(error: &StoreError) -> Refusal {
    match error {
        StoreError::TooLarge { .. } => {
            unavailable(Reason::ProviderMalformed, format!("its tokens and claims: {error}"))
        }
        _ => lost(error),
    }
}
