//! A part of the memory: entries, and in which order they expire and were written. Pure: the time is given.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;

use crate::error::StoreError;
use crate::operation::{Answer, Operation, Ttl};
use crate::space::MAX_MEMBERS;
use crate::store::Bounds;

/// What an entry costs besides its key and its value, in bytes: the entry, two places in the orders, allocations.
const OVERHEAD: usize = 256;

/// What a member of a set costs besides itself.
const MEMBER_OVERHEAD: usize = 64;

/// How many expired entries a write clears away, so that what nobody asks for again does not stay.
const SWEEP: usize = 8;

/// Milliseconds since 1970.
type Moment = u64;

pub(crate) struct Shard {
    bounds: Bounds,
    entries: HashMap<Arc<str>, Entry>,
    /// By age, which is unique: the oldest first.
    by_age: BTreeMap<u64, Arc<str>>,
    by_expiry: BTreeSet<(Moment, u64)>,
    bytes: usize,
    next_age: u64,
    evicted: u64,
}

struct Entry {
    content: Content,
    expires: Moment,
    age: u64,
    cost: usize,
}

enum Content {
    Value(Bytes),
    /// Members, and when each expires.
    Set(HashMap<Bytes, Moment>),
}

impl Shard {
    pub(crate) fn new(bounds: Bounds) -> Self {
        let (entries, by_age, by_expiry) = (HashMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { bounds, entries, by_age, by_expiry, bytes: 0, next_age: 0, evicted: 0 }
    }

    pub(crate) fn perform(&mut self, key: &str, operation: &Operation, now: Moment) -> Result<Answer, StoreError> {
        if self.entries.get(key).is_some_and(|entry| entry.expires <= now) {
            self.remove(key);
        }
        match operation {
            Operation::Get => Ok(Answer::Value(self.value(key)?.cloned())),
            Operation::Take => {
                let value = self.value(key)?.cloned();
                self.remove(key);
                Ok(Answer::Value(value))
            }
            Operation::Remove => Ok(Answer::Done(self.remove(key).is_some())),
            Operation::Put { value, ttl } => self.put(key, value, *ttl, now),
            Operation::PutIfAbsent { value, ttl } => match self.entries.contains_key(key) {
                true => Ok(Answer::Done(false)),
                false => self.put(key, value, *ttl, now),
            },
            Operation::Swap { expected, value, ttl } => match self.value(key)? == Some(expected) {
                true => self.put(key, value, *ttl, now),
                false => Ok(Answer::Done(false)),
            },
            Operation::RemoveIf { expected } => {
                let fits = self.value(key)? == Some(expected);
                Ok(Answer::Done(fits && self.remove(key).is_some()))
            }
            Operation::Touch { ttl } => match self.remove(key) {
                Some(entry) => {
                    self.insert(key, entry.content, now.saturating_add(ttl.millis()), now)?;
                    Ok(Answer::Done(true))
                }
                None => Ok(Answer::Done(false)),
            },
            Operation::AddToSet { member, ttl } => self.add(key, member, *ttl, now),
            Operation::RemoveFromSet { member } => self.remove_member(key, member, now),
            Operation::Members => {
                let Some(set) = self.set(key)? else { return Ok(Answer::Members(Vec::new())) };
                let lasting = set.iter().filter(|(_, expires)| **expires > now);
                Ok(Answer::Members(lasting.map(|(member, _)| member.clone()).collect()))
            }
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.bounds);
    }

    /// How many unexpired entries had to go since this was last asked.
    pub(crate) fn evicted(&mut self) -> u64 {
        std::mem::take(&mut self.evicted)
    }

    fn put(&mut self, key: &str, value: &Bytes, ttl: Ttl, now: Moment) -> Result<Answer, StoreError> {
        // A copy of its own: a slice would keep the buffer it is cut from.
        let value = Bytes::copy_from_slice(value);
        self.insert(key, Content::Value(value), now.saturating_add(ttl.millis()), now)?;
        Ok(Answer::Done(true))
    }

    fn add(&mut self, key: &str, member: &Bytes, ttl: Ttl, now: Moment) -> Result<Answer, StoreError> {
        if let Some(set) = self.set(key)? {
            let lasting = set.iter().filter(|(other, expires)| **expires > now && *other != member).count();
            if lasting >= MAX_MEMBERS {
                return Err(StoreError::TooLarge { what: "set", found: lasting + 1, allowed: MAX_MEMBERS });
            }
        }
        let mut set = self.remove(key).map(Entry::into_set).unwrap_or_default();
        set.retain(|_, expires| *expires > now);
        let added = set.insert(Bytes::copy_from_slice(member), now.saturating_add(ttl.millis())).is_none();
        self.insert_set(key, set, now)?;
        Ok(Answer::Done(added))
    }

    fn remove_member(&mut self, key: &str, member: &Bytes, now: Moment) -> Result<Answer, StoreError> {
        if self.set(key)?.is_none() {
            return Ok(Answer::Done(false));
        }
        let mut set = self.remove(key).map(Entry::into_set).unwrap_or_default();
        let removed = set.remove(member).is_some_and(|expires| expires > now);
        self.insert_set(key, set, now)?;
        Ok(Answer::Done(removed))
    }

    /// A set lives as long as the last of its members.
    fn insert_set(&mut self, key: &str, set: HashMap<Bytes, Moment>, now: Moment) -> Result<(), StoreError> {
        match set.values().max().copied() {
            Some(expires) => self.insert(key, Content::Set(set), expires, now),
            None => Ok(()),
        }
    }

    fn value(&self, key: &str) -> Result<Option<&Bytes>, StoreError> {
        match self.entries.get(key).map(|entry| &entry.content) {
            None => Ok(None),
            Some(Content::Value(value)) => Ok(Some(value)),
            Some(Content::Set(_)) => Err(StoreError::WrongType),
        }
    }

    fn set(&self, key: &str) -> Result<Option<&HashMap<Bytes, Moment>>, StoreError> {
        match self.entries.get(key).map(|entry| &entry.content) {
            None => Ok(None),
            Some(Content::Set(set)) => Ok(Some(set)),
            Some(Content::Value(_)) => Err(StoreError::WrongType),
        }
    }

    fn insert(&mut self, key: &str, content: Content, expires: Moment, now: Moment) -> Result<(), StoreError> {
        let cost = OVERHEAD + key.len() + content.cost();
        if cost > self.bounds.bytes {
            return Err(StoreError::TooLarge { what: "value", found: cost, allowed: self.bounds.bytes });
        }
        self.remove(key);
        self.make_room(cost, now);
        let (key, age) = (Arc::<str>::from(key), self.next_age);
        self.next_age += 1;
        self.bytes += cost;
        self.by_age.insert(age, Arc::clone(&key));
        self.by_expiry.insert((expires, age));
        self.entries.insert(key, Entry { content, expires, age, cost });
        Ok(())
    }

    /// Clears away a few of the expired, then as many as needed: expired ones, then the oldest.
    fn make_room(&mut self, cost: usize, now: Moment) {
        for _ in 0..SWEEP {
            if !self.remove_expired(now) {
                break;
            }
        }
        while self.bytes + cost > self.bounds.bytes || self.entries.len() >= self.bounds.entries {
            if self.remove_expired(now) {
                continue;
            }
            let Some(oldest) = self.by_age.values().next().cloned() else { return };
            self.remove(&oldest);
            self.evicted += 1;
        }
    }

    fn remove_expired(&mut self, now: Moment) -> bool {
        let first = self.by_expiry.first().filter(|(expires, _)| *expires <= now);
        let Some(key) = first.and_then(|(_, age)| self.by_age.get(age)).cloned() else { return false };
        self.remove(&key).is_some()
    }

    fn remove(&mut self, key: &str) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        self.by_age.remove(&entry.age);
        self.by_expiry.remove(&(entry.expires, entry.age));
        self.bytes -= entry.cost;
        Some(entry)
    }
}

impl Entry {
    fn into_set(self) -> HashMap<Bytes, Moment> {
        match self.content {
            Content::Set(set) => set,
            Content::Value(_) => HashMap::new(),
        }
    }
}

impl Content {
    fn cost(&self) -> usize {
        match self {
            Self::Value(value) => value.len(),
            Self::Set(set) => set.keys().map(|member| member.len() + MEMBER_OVERHEAD).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn put(value: &'static [u8], millis: u64) -> Operation {
        Operation::Put { value: Bytes::from_static(value), ttl: Duration::from_millis(millis).into() }
    }

    fn held(shard: &mut Shard, key: &str, now: Moment) -> bool {
        shard.perform(key, &Operation::Get, now).unwrap() != Answer::Value(None)
    }

    #[test]
    fn the_expired_go_first_and_then_the_oldest() {
        let mut shard = Shard::new(Bounds { entries: 3, bytes: 10_000 });
        for (key, millis) in [("old", 100), ("brief", 10), ("young", 100)] {
            shard.perform(key, &put(b"", millis), 0).unwrap();
        }
        shard.perform("one", &put(b"", 100), 10).unwrap();
        assert_eq!(shard.evicted(), 0, "`brief` had expired");
        assert!(held(&mut shard, "old", 10));
        shard.perform("two", &put(b"", 100), 10).unwrap();
        assert_eq!(shard.evicted(), 1);
        assert!(!held(&mut shard, "old", 10));
        assert!(["young", "one", "two"].iter().all(|key| held(&mut shard, key, 10)));
    }

    #[test]
    fn bytes_are_bounded_too() {
        let mut shard = Shard::new(Bounds { entries: 100, bytes: 2 * (OVERHEAD + 100) });
        for key in ["a", "b", "c"] {
            shard.perform(key, &put(&[0; 99], 100), 0).unwrap();
        }
        assert!(!held(&mut shard, "a", 0) && held(&mut shard, "b", 0) && held(&mut shard, "c", 0));
        let refused = shard.perform("d", &put(&[0; 1000], 100), 0).unwrap_err();
        assert_eq!(refused.name(), "too-large");
        assert!(held(&mut shard, "b", 0) && held(&mut shard, "c", 0), "nothing went for what does not fit");
    }

    #[test]
    fn what_nobody_asks_for_again_does_not_stay() {
        let mut shard = Shard::new(Bounds { entries: 1000, bytes: 1_000_000 });
        for key in ["a", "b", "c", "d"] {
            shard.perform(key, &put(b"", 10), 0).unwrap();
        }
        shard.perform("e", &put(b"", 10), 10).unwrap();
        assert_eq!(shard.entries.len(), 1);
    }

    fn operation() -> impl Strategy<Value = Operation> {
        let value = || "[ab]{0,90}".prop_map(Bytes::from);
        let ttl = || (1u64..60).prop_map(|millis| Duration::from_millis(millis).into());
        prop_oneof![
            Just(Operation::Get),
            Just(Operation::Take),
            Just(Operation::Remove),
            Just(Operation::Members),
            (value(), ttl()).prop_map(|(value, ttl)| Operation::Put { value, ttl }),
            (value(), ttl()).prop_map(|(value, ttl)| Operation::PutIfAbsent { value, ttl }),
            (value(), value(), ttl()).prop_map(|(expected, value, ttl)| Operation::Swap { expected, value, ttl }),
            ttl().prop_map(|ttl| Operation::Touch { ttl }),
            (value(), ttl()).prop_map(|(member, ttl)| Operation::AddToSet { member, ttl }),
            value().prop_map(|member| Operation::RemoveFromSet { member }),
        ]
    }

    proptest! {
        #[test]
        fn orders_and_bounds_hold_whatever_is_done(
            steps in prop::collection::vec(("[a-h]", operation(), 0u64..20), 1..80),
        ) {
            let bounds = Bounds { entries: 5, bytes: 5 * OVERHEAD + 300 };
            let (mut shard, mut now) = (Shard::new(bounds), 0);
            for (key, operation, later) in steps {
                now += later;
                let _ = shard.perform(&key, &operation, now);
                prop_assert!(shard.entries.len() <= bounds.entries);
                prop_assert!(shard.bytes <= bounds.bytes);
                prop_assert_eq!(shard.bytes, shard.entries.values().map(|entry| entry.cost).sum::<usize>());
                prop_assert_eq!(shard.entries.len(), shard.by_age.len());
                prop_assert_eq!(shard.entries.len(), shard.by_expiry.len());
            }
        }
    }
}
