//! Passports that were verified a moment ago, by the hash of the token. One per thread: there is no lock in it.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;

use crate::verifier::Passport;

/// A bounded memory of verified Passports. It holds no token, and what it holds belongs to one verifier.
#[derive(Debug)]
pub struct Cache {
    half: usize,
    verifier: Option<u64>,
    /// What was used since `elder` was young. When this is full it becomes `elder`, and what nobody asked for is gone.
    young: Known,
    elder: Known,
}

type Known = HashMap<[u8; 32], Arc<Passport>>;

impl Cache {
    /// Remembers at most `most` Passports; with less than two, none.
    pub fn new(most: usize) -> Self {
        Self { half: most / 2, verifier: None, young: Known::new(), elder: Known::new() }
    }

    /// Forgets what another verifier accepted.
    pub(crate) fn belong_to(&mut self, verifier: u64) {
        if self.verifier != Some(verifier) {
            self.verifier = Some(verifier);
            self.young.clear();
            self.elder.clear();
        }
    }

    pub(crate) fn find(&mut self, hash: &[u8; 32]) -> Option<Arc<Passport>> {
        if let Some(known) = self.young.get(hash) {
            return Some(Arc::clone(known));
        }
        let known = self.elder.remove(hash)?;
        self.keep(*hash, Arc::clone(&known));
        Some(known)
    }

    pub(crate) fn keep(&mut self, hash: [u8; 32], passport: Arc<Passport>) {
        if self.half == 0 {
            return;
        }
        if self.young.len() >= self.half && !self.young.contains_key(&hash) {
            self.elder = mem::take(&mut self.young);
        }
        self.young.insert(hash, passport);
    }

    /// How many it remembers.
    pub fn len(&self) -> usize {
        self.young.len() + self.elder.len()
    }

    /// Whether it remembers none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
