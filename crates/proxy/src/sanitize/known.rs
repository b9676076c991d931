//! Finding a header in the table: by the length of its name and one byte of it, since every header of every request is
//! looked for here.

use std::borrow::Cow;

use gwanmun_telemetry::sanitized::What;
use http::header::HeaderName;

use super::table::{Row, Rule, TABLE};

/// What the gateway writes into every request that it sends on.
const WRITTEN_ANEW: [&str; 6] =
    ["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-forwarded-prefix"];

/// The known headers, without those that the operator wants as they come.
#[derive(Debug, Clone)]
pub struct KnownHeaders {
    /// By the length of their names.
    exact: Vec<Vec<Known>>,
    /// Those of which only the beginning is known.
    prefixes: Vec<Known>,
}

/// A row, ready to be found.
#[derive(Debug, Clone)]
pub(super) struct Known {
    name: Cow<'static, str>,
    /// A byte of the name that tells most names apart, so that they need not be compared.
    probe: Option<u8>,
    pub(super) what: What,
    pub(super) rule: Rule,
}

impl Known {
    fn new(name: Cow<'static, str>, what: What, rule: Rule) -> Self {
        Self { probe: probe(&name), name, what, rule }
    }
}

/// Why a header cannot be kept as it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotKept {
    /// Nothing is done with it anyway.
    Unknown,
    /// The gateway needs it, or writes it itself.
    Needed,
}

impl KnownHeaders {
    /// All of the table.
    pub fn all() -> Self {
        let mut known = Self { exact: Vec::new(), prefixes: Vec::new() };
        for Row { name, what, rule } in TABLE.iter().copied() {
            match name.strip_suffix('*') {
                Some(prefix) => known.prefixes.push(Known::new(prefix.into(), what, rule)),
                None => known.add(Known::new(name.into(), what, rule)),
            }
        }
        known
    }

    /// Leaves `name` as it comes from now on.
    pub(crate) fn keep(&mut self, name: &HeaderName) -> Result<(), NotKept> {
        let name = name.as_str();
        let Known { what, rule, .. } = self.find(name).ok_or(NotKept::Unknown)?;
        let may_be_kept = match rule {
            Rule::Hop | Rule::Framing(..) | Rule::Trace => false,
            Rule::Claim(..) => !WRITTEN_ANEW.contains(&name),
            Rule::Never | Rule::Value(..) | Rule::Cookie | Rule::Kept => true,
        };
        if !may_be_kept {
            return Err(NotKept::Needed);
        }
        let kept = Known::new(name.to_owned().into(), *what, Rule::Kept);
        self.exact.iter_mut().for_each(|same_length| same_length.retain(|known| known.name != name));
        self.add(kept);
        Ok(())
    }

    /// The names in the table, for hints.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        TABLE.iter().map(|row| row.name).filter(|name| !name.ends_with('*'))
    }

    /// Whether `name` tells who the client is, so that only trusted proxies are believed.
    pub(crate) fn is_claim(&self, name: &str) -> bool {
        self.find(name).is_some_and(|known| matches!(known.rule, Rule::Claim(..)))
    }

    /// Whether `name` is removed, whoever sends it, since services would see another request than the gateway.
    pub(crate) fn is_override(&self, name: &str) -> bool {
        self.find(name).is_some_and(|known| matches!(known.rule, Rule::Never))
    }

    /// Whether something is done with `name`.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.find(name).is_some_and(|known| !matches!(known.rule, Rule::Kept))
    }

    /// What is done with `name`.
    pub(super) fn find(&self, name: &str) -> Option<&Known> {
        let probe = probe(name);
        self.exact(name)
            .or_else(|| self.prefixes.iter().find(|known| known.probe == probe && name.starts_with(&*known.name)))
    }

    /// The same, where the whole name is known.
    pub(super) fn exact(&self, name: &str) -> Option<&Known> {
        let probe = probe(name);
        let same_length = self.exact.get(name.len()).map(Vec::as_slice).unwrap_or_default();
        same_length.iter().find(|known| known.probe == probe && known.name == name)
    }

    fn add(&mut self, known: Known) {
        let length = known.name.len();
        while self.exact.len() <= length {
            self.exact.push(Vec::new());
        }
        if let Some(same_length) = self.exact.get_mut(length) {
            same_length.push(known);
        }
    }
}

/// The third byte: many names begin with `x-`.
fn probe(name: &str) -> Option<u8> {
    name.as_bytes().get(2).copied()
}
