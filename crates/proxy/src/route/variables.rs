//! Values that a route's predicates captured from one request.

use std::sync::Arc;

use smallvec::SmallVec;

/// Names and values, in the order of capture; a name captured twice keeps its latest value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables {
    entries: SmallVec<[(Arc<str>, Box<str>); 2]>,
}

impl Variables {
    /// Adds a capture.
    pub fn push(&mut self, name: &Arc<str>, value: &str) {
        self.entries.push((Arc::clone(name), value.into()));
    }

    /// Forgets the captures after the first `len`: a pattern that failed half-way takes its own back.
    pub fn truncate(&mut self, len: usize) {
        self.entries.truncate(len);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The latest value captured under `name`.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.entries.iter().rev().find(|(known, _)| &**known == name).map(|(_, value)| &**value)
    }

    /// All captures, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|(name, value)| (&**name, &**value))
    }
}
