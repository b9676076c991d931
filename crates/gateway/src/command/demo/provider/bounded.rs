//! What the provider remembers: as many things as it may, the oldest go first.

use std::collections::{HashMap, VecDeque};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use gwanmun_jose::base64url;

/// Things by names that nobody can guess.
pub(super) struct Bounded<T> {
    most: usize,
    things: HashMap<String, T>,
    /// Names in the order of their coming; some may be gone.
    order: VecDeque<String>,
}

impl<T> Bounded<T> {
    pub(super) fn new(most: usize) -> Self {
        Self { most, things: HashMap::new(), order: VecDeque::new() }
    }

    pub(super) fn put(&mut self, name: String, thing: T) {
        while self.order.len() >= self.most {
            let Some(oldest) = self.order.pop_front() else { break };
            self.things.remove(&oldest);
        }
        self.order.push_back(name.clone());
        self.things.insert(name, thing);
    }

    pub(super) fn find(&self, name: &str) -> Option<&T> {
        self.things.get(name)
    }

    pub(super) fn find_mut(&mut self, name: &str) -> Option<&mut T> {
        self.things.get_mut(name)
    }

    pub(super) fn take(&mut self, name: &str) -> Option<T> {
        self.things.remove(name)
    }

    /// The name of the first that `is_wanted`.
    pub(super) fn name_of(&self, is_wanted: impl Fn(&T) -> bool) -> Option<String> {
        self.things.iter().find(|(_, thing)| is_wanted(thing)).map(|(name, _)| name.clone())
    }
}

/// 32 random bytes, base64url.
pub(super) fn unguessable() -> Option<String> {
    let mut bytes = [0_u8; 32];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(base64url::encode(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first_and_memory_is_bounded() {
        let mut things = Bounded::new(3);
        (0..100).for_each(|number| things.put(number.to_string(), number));
        assert_eq!((things.things.len(), things.order.len()), (3, 3));
        assert_eq!(things.find("96"), None);
        assert_eq!([things.take("97"), things.take("97")], [Some(97), None]);
        things.put("new".to_owned(), 7);
        assert_eq!(things.name_of(|thing| *thing == 7).as_deref(), Some("new"));
        assert!(things.order.len() <= 3);
    }
}
