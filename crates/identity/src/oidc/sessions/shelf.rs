//! Where sessions stand in the store: under names that nobody can tell from what browsers show, sealed under those names.
//! Beside them the names of all sessions of a user and of a session at the provider, and what has ended lately.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use gwanmun_store::{Lock, Space, StoreError};

use super::id::Id;
use crate::oauth::stored::millis;
use crate::seal::{Name, Seal, hex};

/// The store as sessions use it.
pub(super) struct Shelf {
    seal: Seal,
    space: Space,
}

/// A set of sessions.
#[derive(Debug, Clone, Copy)]
pub(super) enum Group<'a> {
    /// Those of a user (`sub`).
    Subject(&'a str),
    /// Those of a session at the provider (`sid`).
    Sid(&'a str),
}

/// What an ending was about.
#[derive(Debug, Clone, Copy)]
pub(super) struct About<'a> {
    pub(super) subject: Option<&'a str>,
    pub(super) sid: Option<&'a str>,
}

impl Shelf {
    pub(super) fn new(seal: Seal, space: Space) -> Self {
        Self { seal, space }
    }

    /// The name of a session.
    pub(super) fn name(&self, id: Id<'_>) -> Name {
        self.seal.name(&["session", id.text()])
    }

    pub(super) fn close(&self, name: &Name, record: &[u8]) -> Option<Bytes> {
        self.seal.close(name, record).map(Bytes::from)
    }

    pub(super) fn open(&self, name: &Name, sealed: &[u8]) -> Option<Vec<u8>> {
        self.seal.open(name, sealed)
    }

    pub(super) async fn get(&self, name: &Name) -> Result<Option<Bytes>, StoreError> {
        self.space.get(&session(name)).await
    }

    /// Whether it was put: there was nothing by this name.
    pub(super) async fn put_new(&self, name: &Name, sealed: Bytes, ttl: Duration) -> Result<bool, StoreError> {
        self.space.put_if_absent(&session(name), sealed, ttl).await
    }

    /// Whether it was put: what was `read` stood there.
    pub(super) async fn replace(
        &self,
        name: &Name,
        read: Bytes,
        sealed: Bytes,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        self.space.compare_and_swap(&session(name), read, sealed, ttl).await
    }

    pub(super) async fn take(&self, name: &Name) -> Result<Option<Bytes>, StoreError> {
        self.space.take(&session(name)).await
    }

    /// Whether it was removed: what was `read` stood there.
    pub(super) async fn remove_if(&self, name: &Name, read: Bytes) -> Result<bool, StoreError> {
        self.space.remove_if(&session(name), read).await
    }

    /// Nothing can be put by this name for a while. What stands there is no session, and unlike others does not even claim
    /// to be one.
    pub(super) async fn bar(&self, name: &Name, ttl: Duration) -> Result<(), StoreError> {
        self.space.put(&session(name), Bytes::new(), ttl).await
    }

    /// Whether there still is one, which lives for `ttl` from now on.
    pub(super) async fn touch(&self, name: &Name, ttl: Duration) -> Result<bool, StoreError> {
        self.space.touch(&session(name), ttl).await
    }

    /// `None` while somebody else refreshes it.
    pub(super) async fn lock(&self, name: &Name, ttl: Duration) -> Result<Option<Lock>, StoreError> {
        self.space.lock(&session(name), ttl).await
    }

    /// If it is still ours; otherwise what was read before decides who writes.
    pub(super) async fn keep_lock(&self, lock: &Lock, ttl: Duration) {
        drop(self.space.renew(lock, ttl).await);
    }

    pub(super) async fn unlock(&self, lock: Lock) {
        // Otherwise it expires.
        drop(self.space.unlock(lock).await);
    }

    pub(super) async fn join(&self, group: Group<'_>, name: &Name, ttl: Duration) -> Result<(), StoreError> {
        self.space.add_to_set(&self.group(group), Bytes::copy_from_slice(name), ttl).await
    }

    pub(super) async fn leave(&self, group: Group<'_>, name: &Name) -> Result<(), StoreError> {
        self.space.remove_from_set(&self.group(group), Bytes::copy_from_slice(name)).await
    }

    /// The sessions of a group, and some that have ended.
    pub(super) async fn members(&self, group: Group<'_>) -> Result<Vec<Name>, StoreError> {
        let members = self.space.members(&self.group(group)).await?;
        Ok(members.iter().filter_map(|member| Name::try_from(&member[..]).ok()).collect())
    }

    /// Writes that what was `issued` until `since` has ended, for all who are just writing down such a session.
    pub(super) async fn mark_ended(
        &self,
        about: About<'_>,
        since: SystemTime,
        ttl: Duration,
    ) -> Result<(), StoreError> {
        let before = self.ended(about).await?;
        let last = before.map_or(since, |before| before.max(since));
        self.space.put(&self.about(about), millis(last).to_string().into(), ttl).await
    }

    /// Until when what was issued has ended, if that was lately.
    pub(super) async fn ended(&self, about: About<'_>) -> Result<Option<SystemTime>, StoreError> {
        let written = self.space.get(&self.about(about)).await?;
        let millis = written.and_then(|written| std::str::from_utf8(&written).ok()?.parse().ok());
        Ok(millis.and_then(|millis| UNIX_EPOCH.checked_add(Duration::from_millis(millis))))
    }

    /// Whether `what` of this `kind` was not noted before, for as long as it was to be remembered.
    pub(super) async fn note(&self, kind: &str, what: &str, remembered: Duration) -> Result<bool, StoreError> {
        let key = format!("once:{}", hex(&self.seal.name(&["once", kind, what])));
        self.space.put_if_absent(&key, Bytes::new(), remembered).await
    }

    /// Whether it can be written.
    pub(super) async fn try_out(&self) -> Result<(), StoreError> {
        self.space.put("trial", Bytes::new(), Duration::from_secs(1)).await
    }

    fn group(&self, group: Group<'_>) -> String {
        match group {
            Group::Subject(subject) => format!("sub:{}", hex(&self.seal.name(&["sub", subject]))),
            Group::Sid(sid) => format!("sid:{}", hex(&self.seal.name(&["sid", sid]))),
        }
    }

    fn about(&self, about: About<'_>) -> String {
        let name = match about {
            About { subject: Some(subject), sid: Some(sid) } => self.seal.name(&["ended", "both", subject, sid]),
            About { subject: Some(subject), sid: None } => self.seal.name(&["ended", "sub", subject]),
            About { subject: None, sid } => self.seal.name(&["ended", "sid", sid.unwrap_or_default()]),
        };
        format!("ended:{}", hex(&name))
    }
}

fn session(name: &Name) -> String {
    format!("session:{}", hex(name))
}
