//! A bounded part of the memory. What has not been asked for lately makes room: a hand goes round the slots, forgives each
//! that was used since its last visit, and takes the first that was not (the "clock" of page replacement). What is being
//! fetched stays.

use std::collections::HashMap;
use std::hash::{Hash, RandomState};
use std::sync::Arc;

use crate::lookups::flight::Flight;
use crate::lookups::kept::{Kept, Span};

/// Slots by key.
pub(crate) struct Shard<K, V, E> {
    places: HashMap<K, usize, RandomState>,
    slots: Vec<Option<Slot<K, V, E>>>,
    free: Vec<usize>,
    hand: usize,
    capacity: usize,
}

/// All that is known about a key.
pub(crate) struct Slot<K, V, E> {
    key: K,
    pub(crate) is_used: bool,
    pub(crate) kept: Option<Kept<V>>,
    pub(crate) failure: Option<Failure<E>>,
    pub(crate) flight: Option<Arc<Flight<V, E>>>,
}

/// The last fetch failed, and there is none for a while.
pub(crate) struct Failure<E> {
    pub(crate) error: E,
    pub(crate) span: Span,
}

impl<K: Eq + Hash + Clone, V, E> Shard<K, V, E> {
    /// An empty one for `capacity` keys.
    pub(crate) fn new(capacity: usize, hasher: RandomState) -> Self {
        let places = HashMap::with_hasher(hasher);
        Self { places, slots: Vec::new(), free: Vec::new(), hand: 0, capacity: capacity.max(1) }
    }

    /// The slot of `key`.
    pub(crate) fn find(&mut self, key: &K) -> Option<&mut Slot<K, V, E>> {
        let place = *self.places.get(key)?;
        self.slots.get_mut(place)?.as_mut()
    }

    /// The slot of `key`, made if there is none; nothing when every slot is being fetched.
    pub(crate) fn enter(&mut self, key: &K) -> Option<&mut Slot<K, V, E>> {
        let place = match self.places.get(key) {
            Some(&place) => place,
            None => {
                let place = self.room()?;
                self.places.insert(key.clone(), place);
                let slot = Slot { key: key.clone(), is_used: false, kept: None, failure: None, flight: None };
                *self.slots.get_mut(place)? = Some(slot);
                place
            }
        };
        self.slots.get_mut(place)?.as_mut()
    }

    /// Forgets `key`.
    pub(crate) fn remove(&mut self, key: &K) {
        if let Some(place) = self.places.remove(key) {
            self.vacate(place);
            self.free.push(place);
        }
    }

    /// How many keys there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// What is being fetched.
    #[cfg(test)]
    pub(crate) fn flights(&self) -> impl Iterator<Item = Arc<Flight<V, E>>> {
        self.slots.iter().flatten().filter_map(|slot| slot.flight.clone())
    }

    /// An empty slot.
    fn room(&mut self) -> Option<usize> {
        if let Some(place) = self.free.pop() {
            return Some(place);
        }
        if self.slots.len() < self.capacity {
            self.slots.push(None);
            return Some(self.slots.len() - 1);
        }
        self.evict()
    }

    /// Two rounds at most: in the first everybody may have been used.
    fn evict(&mut self) -> Option<usize> {
        for _ in 0..self.slots.len() * 2 {
            let place = self.hand;
            self.hand = (place + 1) % self.slots.len().max(1);
            let Some(Some(slot)) = self.slots.get_mut(place) else { continue };
            if slot.flight.is_some() {
                continue;
            }
            if slot.is_used {
                slot.is_used = false;
                continue;
            }
            if let Some(slot) = self.vacate(place) {
                self.places.remove(&slot.key);
            }
            return Some(place);
        }
        None
    }

    fn vacate(&mut self, place: usize) -> Option<Slot<K, V, E>> {
        self.slots.get_mut(place)?.take()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    type Numbers = Shard<u32, (), ()>;

    fn shard(capacity: usize) -> Numbers {
        Shard::new(capacity, RandomState::new())
    }

    #[test]
    fn what_was_used_stays_and_what_was_not_goes() {
        let mut shard = shard(3);
        for key in 0..3 {
            shard.enter(&key).unwrap();
        }
        shard.find(&0).unwrap().is_used = true;
        shard.enter(&3).unwrap();
        let there: Vec<u32> = (0..4).filter(|key| shard.find(key).is_some()).collect();
        assert_eq!(there, [0, 2, 3]);
    }

    #[test]
    fn what_is_being_fetched_is_never_put_out() {
        let mut shard = shard(2);
        for key in 0..2 {
            shard.enter(&key).unwrap().flight = Some(Arc::default());
        }
        assert!(shard.enter(&2).is_none());
        shard.find(&1).unwrap().flight = None;
        assert!(shard.enter(&2).is_some());
        assert!(shard.find(&0).is_some() && shard.find(&1).is_none());
    }

    proptest! {
        #[test]
        fn it_never_grows_beyond_its_capacity_and_the_newest_is_always_there(
            capacity in 1usize..6, steps in prop::collection::vec((0u32..12, 0u8..4), 0..200),
        ) {
            let mut shard = shard(capacity);
            let mut maybe = HashSet::new();
            for (key, what) in steps {
                match what {
                    0 => {
                        shard.remove(&key);
                        maybe.remove(&key);
                        prop_assert!(shard.find(&key).is_none());
                    }
                    1 => {
                        if let Some(slot) = shard.find(&key) {
                            slot.is_used = true;
                            prop_assert!(maybe.contains(&key));
                        }
                    }
                    _ => {
                        prop_assert_eq!(shard.enter(&key).unwrap().key, key);
                        maybe.insert(key);
                        prop_assert!(shard.find(&key).is_some());
                    }
                }
                prop_assert!(shard.len() <= capacity && shard.slots.len() <= capacity);
                prop_assert_eq!(shard.slots.iter().flatten().count(), shard.len());
            }
        }
    }
}
