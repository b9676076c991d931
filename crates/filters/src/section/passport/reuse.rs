//! Passports that are used again: bounded, one memory per worker, so that there is no lock in it. What a Passport says is
//! compared word for word; a hash only finds the place.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::mem;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gwanmun_core::{Level, Principal};
use http::HeaderValue;

use super::device::Known;
use super::map::About;

/// How many one worker remembers is up to twice this.
const HALF: usize = 1024;

/// What has to be left of its life.
const LEFT: Duration = Duration::from_secs(1);

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
}

/// What a Passport tells of, but for the transaction.
pub(super) struct Asked<'a> {
    pub(super) principal: &'a Arc<Principal>,
    pub(super) about: Option<&'a Arc<About>>,
    pub(super) level: Level,
    pub(super) client: Option<IpAddr>,
    pub(super) device: &'a Known<&'a str>,
}

/// A Passport, and what it tells of.
struct Kept {
    principal: Arc<Principal>,
    about: Option<Arc<About>>,
    level: Level,
    client: Option<IpAddr>,
    device: Known<Box<str>>,
    value: HeaderValue,
    minted: SystemTime,
    expires: SystemTime,
}

/// What one worker remembers for one office. When `young` is full it becomes `elder`, and what nobody asked for is gone.
#[derive(Default)]
struct Memory {
    office: u64,
    hasher: RandomState,
    young: HashMap<u64, Kept>,
    elder: HashMap<u64, Kept>,
}

/// A Passport that `office` has made for the same less than `reuse` ago, if it has life left.
pub(super) fn recall(office: u64, asked: &Asked<'_>, reuse: Duration, now: SystemTime) -> Option<HeaderValue> {
    MEMORY.with_borrow_mut(|memory| memory.of(office).recall(asked, reuse, now))
}

/// Keeps a Passport that `office` has made.
pub(super) fn keep(office: u64, asked: &Asked<'_>, value: HeaderValue, minted: SystemTime, expires: SystemTime) {
    let kept = Kept {
        principal: Arc::clone(asked.principal),
        about: asked.about.cloned(),
        level: asked.level,
        client: asked.client,
        device: asked.device.to_kept(),
        value,
        minted,
        expires,
    };
    MEMORY.with_borrow_mut(|memory| {
        let memory = memory.of(office);
        let place = memory.place(asked);
        memory.put(place, kept);
    });
}

impl Memory {
    /// The same, without what another office made.
    fn of(&mut self, office: u64) -> &mut Self {
        if self.office != office {
            self.office = office;
            self.young.clear();
            self.elder.clear();
        }
        self
    }

    fn recall(&mut self, asked: &Asked<'_>, reuse: Duration, now: SystemTime) -> Option<HeaderValue> {
        let place = self.place(asked);
        if let Some(kept) = self.elder.remove(&place) {
            self.put(place, kept);
        }
        let kept = self.young.get(&place)?;
        kept.is_good(asked, reuse, now).then(|| kept.value.clone())
    }

    fn put(&mut self, place: u64, kept: Kept) {
        if self.young.len() >= HALF && !self.young.contains_key(&place) {
            self.elder = mem::take(&mut self.young);
        }
        self.young.insert(place, kept);
    }

    fn place(&self, asked: &Asked<'_>) -> u64 {
        self.hasher.hash_one((&asked.principal.subject, asked.level, asked.client, asked.device))
    }
}

impl Kept {
    fn is_good(&self, asked: &Asked<'_>, reuse: Duration, now: SystemTime) -> bool {
        // A clock that steps back does not prolong it.
        now.duration_since(self.minted).is_ok_and(|age| age < reuse)
            && self.expires.duration_since(now).is_ok_and(|left| left >= LEFT)
            && self.level == asked.level
            && self.client == asked.client
            && self.device.is(asked.device)
            && is_same_about(self.about.as_ref(), asked.about)
            && is_same_principal(&self.principal, asked.principal)
    }
}

fn is_same_about(one: Option<&Arc<About>>, other: Option<&Arc<About>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other) || one == other,
        (one, other) => one.is_none() && other.is_none(),
    }
}

/// Whether a Passport of the one says of the other what is true. Its end counts too: no Passport outlives its credential.
fn is_same_principal(one: &Arc<Principal>, other: &Arc<Principal>) -> bool {
    Arc::ptr_eq(one, other)
        || (one.subject == other.subject
            && one.credential == other.credential
            && one.expires == other.expires
            && one.roles == other.roles
            && one.scopes == other.scopes
            && one.claims.get("act") == other.claims.get("act"))
}
