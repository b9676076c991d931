//! Filters: from their place in the configuration to what runs. Equal ones are made once and shared, and so are equal
//! lists, so that thousands of routes with the same filters touch the same memory.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write;
use std::sync::Arc;

use gwanmun_config::{Diagnostics, Node, Piece, Spanned, Value};

use crate::compile::Context;
use crate::compile::written::on_one_line;
use crate::parts::Parts;
use crate::plan::PlannedFilter;
use crate::template::NO_VARIABLES;

/// Filters made so far.
pub(super) struct Filters<'a> {
    context: &'a Context<'a>,
    made: HashMap<String, Arc<PlannedFilter>>,
    /// By the addresses of their filters, which stay as long as the lists do.
    lists: HashMap<Vec<usize>, Arc<[Arc<PlannedFilter>]>>,
    /// Default filters with a mistake: reported once, not once per route.
    faulty_defaults: HashSet<usize>,
}

impl<'a> Filters<'a> {
    pub(super) fn new(context: &'a Context<'a>) -> Self {
        Self { context, made: HashMap::new(), lists: HashMap::new(), faulty_defaults: HashSet::new() }
    }

    /// The filters of a list, in its order; mistakes leave gaps.
    pub(super) fn of(
        &mut self,
        pieces: &[Piece],
        parts: &Parts<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Vec<Arc<PlannedFilter>> {
        pieces.iter().filter_map(|piece| self.filter(&piece.0, parts, diagnostics)).collect()
    }

    /// The door filters.
    pub(super) fn door(
        &mut self,
        pieces: &[Piece],
        parts: &Parts<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Vec<Arc<PlannedFilter>> {
        let before = diagnostics.len();
        let planned = self.of(pieces, parts, diagnostics);
        diagnostics.amend_since(before, |mistake| {
            if mistake.hint.as_deref() == Some(NO_VARIABLES) {
                let why =
                    "door filters run before a route is found and have no variables; write {{ for a literal brace";
                mistake.hint = Some(why.to_owned());
            }
        });
        planned
    }

    /// The default filters for one route.
    pub(super) fn defaults(
        &mut self,
        pieces: &[Piece],
        parts: &Parts<'_>,
        route: &Spanned<String>,
        diagnostics: &mut Diagnostics,
    ) -> Vec<Arc<PlannedFilter>> {
        let before = diagnostics.len();
        let mut planned = Vec::with_capacity(pieces.len());
        for (place, piece) in pieces.iter().enumerate() {
            if self.faulty_defaults.contains(&place) {
                continue;
            }
            match self.filter(&piece.0, parts, diagnostics) {
                Some(filter) => planned.push(filter),
                None => {
                    self.faulty_defaults.insert(place);
                }
            }
        }
        diagnostics.amend_since(before, |mistake| {
            if mistake.hint.as_deref() == Some(NO_VARIABLES) {
                mistake.related.push((route.span, "this route captures none".to_owned()));
                let why = format!("route '{}' captures no variables; write {{{{ for a literal brace", route.value);
                mistake.hint = Some(why);
            }
        });
        planned
    }

    /// The list itself; the same one for the same filters.
    pub(super) fn list(&mut self, filters: Vec<Arc<PlannedFilter>>) -> Arc<[Arc<PlannedFilter>]> {
        let addresses = filters.iter().map(|filter| Arc::as_ptr(filter).addr()).collect();
        Arc::clone(self.lists.entry(addresses).or_insert_with(|| filters.into()))
    }

    fn filter(&mut self, node: &Node, parts: &Parts<'_>, diagnostics: &mut Diagnostics) -> Option<Arc<PlannedFilter>> {
        let (name, span, arguments) = self.context.catalog.filter_in(node, diagnostics)?;
        let item = self.context.catalog.filter(name, span, &arguments, diagnostics)?;
        let written = on_one_line(&arguments, self.context.reader.sources);
        // Files that arguments name are relative to where they stand.
        let directory = self.context.reader.sources.directory(arguments.span.source);
        let mut key = format!("{name} {written} {:?} {} ", parts.variables, directory.display());
        spell(&arguments, &mut key);
        if let Some(made) = self.made.get(&key) {
            return Some(Arc::clone(made));
        }
        let filter = item.build(&arguments, parts, diagnostics)?;
        let planned = Arc::new(PlannedFilter { name: item.name, arguments: written.into(), filter });
        if !item.remembers {
            self.made.insert(key, Arc::clone(&planned));
        }
        Some(planned)
    }
}

/// The names of the filters in a list, as they are written.
pub(super) fn names(pieces: &[Piece]) -> BTreeSet<String> {
    let name = |piece: &Piece| match &piece.0.value {
        Value::Map(entries) => entries.first().map(|entry| entry.key.clone()),
        _ => piece.0.text().map(str::to_owned),
    };
    pieces.iter().filter_map(name).collect()
}

/// Writes `node` so that different ones are never written the same.
fn spell(node: &Node, out: &mut String) {
    // Writing into a string cannot fail.
    let _ = match &node.value {
        Value::Null => write!(out, "~"),
        Value::Scalar(scalar) => write!(out, "{}{:?}", if scalar.is_quoted() { 'q' } else { 'p' }, scalar.text()),
        Value::List(items) => {
            out.push('[');
            items.iter().for_each(|item| spell(item, out));
            write!(out, "]")
        }
        Value::Map(entries) => {
            out.push('{');
            for entry in entries {
                let _ = write!(out, "{:?}:", entry.key);
                spell(&entry.node, out);
            }
            write!(out, "}}")
        }
    };
}
