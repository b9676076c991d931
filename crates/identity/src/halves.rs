//! A bounded memory of two halves: what is used comes into the young one; when that is full the old one is forgotten as a
//! whole and the young one becomes old. So nothing has to be kept in order, and what is in use stays.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};

/// What takes room.
pub(crate) trait Weighed {
    /// About how many bytes it takes.
    fn weight(&self) -> usize;
}

/// Values by key, bounded in number and weight.
#[derive(Debug)]
pub(crate) struct Halves<K, V, S> {
    young: Half<K, V, S>,
    old: Half<K, V, S>,
    most: usize,
    most_bytes: usize,
}

#[derive(Debug, Default)]
struct Half<K, V, S> {
    entries: HashMap<K, V, S>,
    bytes: usize,
}

impl<K: Copy + Eq + Hash, V: Clone + Weighed, S: BuildHasher + Default> Halves<K, V, S> {
    /// For `most` values that weigh `most_bytes` together, at most.
    pub(crate) fn new(most: usize, most_bytes: usize) -> Self {
        Self { young: Half::new(), old: Half::new(), most, most_bytes }
    }

    /// What is remembered, if it is still good; what is not is forgotten.
    pub(crate) fn recall(&mut self, key: &K, is_good: impl Fn(&V) -> bool) -> Option<V> {
        if let Some(value) = self.young.entries.get(key) {
            if is_good(value) {
                return Some(value.clone());
            }
            self.young.remove(key);
            return None;
        }
        let value = self.old.remove(key).filter(is_good)?;
        self.remember(*key, value.clone());
        Some(value)
    }

    /// Remembers a value, unless it is too heavy.
    pub(crate) fn remember(&mut self, key: K, value: V) {
        let weight = value.weight();
        if weight > self.most_bytes / 2 {
            return;
        }
        self.young.remove(&key);
        self.old.remove(&key);
        if self.young.entries.len() >= self.most / 2 || self.young.bytes + weight > self.most_bytes / 2 {
            self.old = std::mem::replace(&mut self.young, Half::new());
        }
        self.young.bytes += weight;
        self.young.entries.insert(key, value);
    }
}

impl<K: Eq + Hash, V: Weighed, S: BuildHasher + Default> Half<K, V, S> {
    fn new() -> Self {
        Self { entries: HashMap::default(), bytes: 0 }
    }

    fn remove(&mut self, key: &K) -> Option<V> {
        let value = self.entries.remove(key)?;
        self.bytes -= value.weight();
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::hash_map::RandomState;

    use proptest::prelude::*;

    use super::*;

    impl Weighed for usize {
        fn weight(&self) -> usize {
            *self
        }
    }

    fn halves(most: usize, most_bytes: usize) -> Halves<u8, usize, RandomState> {
        Halves::new(most, most_bytes)
    }

    #[test]
    fn what_is_used_stays_while_others_come_and_go() {
        let mut known = halves(10, 1000);
        for number in 0..100 {
            known.remember(number, 1);
            assert!(known.recall(&0, |_| true).is_some(), "{number}");
        }
        assert!(known.recall(&1, |_| true).is_none());
    }

    #[test]
    fn what_is_not_good_any_more_is_forgotten() {
        let mut known = halves(10, 1000);
        known.remember(1, 7);
        assert_eq!(known.recall(&1, |_| false), None);
        assert_eq!(known.recall(&1, |_| true), None);
        assert_eq!(known.young.bytes, 0);
    }

    #[test]
    fn what_is_too_heavy_is_not_kept() {
        let mut known = halves(10, 1000);
        known.remember(1, 501);
        assert!(known.recall(&1, |_| true).is_none());
    }

    proptest! {
        #[test]
        fn it_never_weighs_more_than_it_may(steps in prop::collection::vec((0u8..30, 0usize..200, any::<bool>()), 0..200)) {
            let mut known = halves(8, 1000);
            for (number, weight, recalls) in steps {
                if recalls {
                    known.recall(&number, |_| true);
                } else {
                    known.remember(number, weight);
                }
                let bytes: usize = [&known.young, &known.old].iter().flat_map(|half| half.entries.values()).sum();
                prop_assert_eq!(bytes, known.young.bytes + known.old.bytes);
                prop_assert!(bytes <= 1000);
                prop_assert!(known.young.entries.len() + known.old.entries.len() <= 8);
            }
        }
    }
}
