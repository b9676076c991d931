//! Nodes become typed values through plain serde derives, and still every mistake is found: serde stops at the first,
//! so the part at fault is left out and decoding starts again, until nothing is wrong. What is missing only because it
//! was left out is not reported.

mod access;
mod decoder;
mod mistake;
mod words;

use std::collections::{HashMap, HashSet};

use serde::de::DeserializeOwned;

use crate::diagnostic::Diagnostics;
use crate::node::{Entry, Node};
use decoder::Decoder;
use mistake::Mistake;

/// Rounds of leaving out and starting again.
const MAX_ROUNDS: usize = 2000;

/// Decodes `node` and adds every mistake to `diagnostics`.
///
/// With mistakes, the value is what remains without the parts at fault, so that further checks can run on it: use it
/// only when [`Diagnostics::has_errors`] is false in the end. `None` when nothing remains.
///
/// Works with serde's derives: structs (with `deny_unknown_fields`), lists, tuples, maps with keys of text, options,
/// newtypes and externally tagged enums. Enum values may also be written in capitals with underscores. Texts take plain
/// numbers and booleans as they are written; numbers and booleans may stand in quotes. A key without a value is an empty
/// list, map or struct where one is expected. `flatten`, `untagged` and `tag` work, but their mistakes point at the
/// whole map.
pub fn decode<T: DeserializeOwned>(node: &Node, diagnostics: &mut Diagnostics) -> Option<T> {
    decode_through(Sieve::default(), node, diagnostics)
}

/// The same, and unknown keys are mistakes for structs without `deny_unknown_fields` too: for types that are written by
/// people who need not know of it. A struct with a `flatten` in it says for itself what it knows.
pub fn decode_strictly<T: DeserializeOwned>(node: &Node, diagnostics: &mut Diagnostics) -> Option<T> {
    decode_through(Sieve { is_strict: true, ..Sieve::default() }, node, diagnostics)
}

fn decode_through<T: DeserializeOwned>(mut sieve: Sieve, node: &Node, diagnostics: &mut Diagnostics) -> Option<T> {
    for _ in 0..MAX_ROUNDS {
        let mistake = match T::deserialize(Decoder::new(node, &sieve)) {
            Ok(value) if sieve.is_whole() => return Some(value),
            Ok(_) => {
                sieve.start_over();
                continue;
            }
            Err(mistake) => mistake.at(node),
        };
        if sieve.misleads(&mistake) {
            sieve.start_over();
            continue;
        }
        if !sieve.explains(&mistake) && !mistake.lies_in_damage(diagnostics) {
            diagnostics.push(mistake.diagnostic());
        }
        if diagnostics.is_full() || !sieve.omit(mistake) {
            return None;
        }
    }
    None
}

/// What a round of decoding does not look at. Nodes are known by their address: the document is borrowed and does not
/// move.
#[derive(Debug, Default)]
struct Sieve {
    /// Whether a struct has no keys but those that it lists.
    is_strict: bool,
    /// Parts at fault, left out for good.
    omitted: HashSet<usize>,
    /// Values under a misspelt key, and the key that was meant: they are checked as if it stood there.
    renamed: HashMap<usize, &'static str>,
    /// For each list or map that lost a part, or had one renamed: the keys.
    holes: HashMap<usize, Vec<String>>,
    /// Lists and maps that begin at a later part for now: all before it was good in the last round, and decoding ten
    /// thousand routes again for each mistake would take long.
    begin: HashMap<usize, usize>,
}

impl Sieve {
    fn start_over(&mut self) {
        self.begin.clear();
    }

    /// Leaves out the part that `mistake` names; `false` if it is the whole.
    fn omit(&mut self, mistake: Mistake) -> bool {
        let Some((trail, path)) = mistake.into_trail() else { return false };
        let keys = self.holes.entry(trail.container).or_default();
        match trail.meant.filter(|meant| !keys.iter().any(|key| key == meant)) {
            Some(meant) => {
                self.renamed.insert(trail.part, meant);
                keys.push(meant.to_owned());
            }
            None => {
                self.omitted.insert(trail.part);
                keys.extend(trail.key);
            }
        }
        self.begin = path.into_iter().collect();
        true
    }

    fn is_whole(&self) -> bool {
        self.begin.is_empty()
    }

    /// Whether a list or map shows this element or entry.
    fn shows(&self, node: &Node) -> bool {
        self.omitted.is_empty() || !self.omitted.contains(&address(node))
    }

    /// The key of an entry, as meant.
    fn key<'e>(&self, entry: &'e Entry) -> &'e str {
        if self.renamed.is_empty() {
            &entry.key
        } else {
            self.renamed.get(&address(&entry.node)).unwrap_or(&&*entry.key)
        }
    }

    /// The first part of a list or map to look at.
    fn begin(&self, node: &Node) -> usize {
        if self.begin.is_empty() { 0 } else { self.begin.get(&address(node)).copied().unwrap_or(0) }
    }

    /// Whether a mistake may come only from beginning later.
    fn misleads(&self, mistake: &Mistake) -> bool {
        mistake.home().is_some_and(|home| self.begin.contains_key(&home))
    }

    /// Whether a mistake may come only from what was left out.
    fn explains(&self, mistake: &Mistake) -> bool {
        let Some(keys) = mistake.home().and_then(|home| self.holes.get(&home)) else { return false };
        mistake.missing_key().is_none_or(|missing| keys.iter().any(|key| key == missing))
    }
}

fn address(node: &Node) -> usize {
    std::ptr::from_ref(node).addr()
}

#[cfg(test)]
mod tests;
