//! Filters: from their place in the configuration to what runs. Equal ones are made once and shared, and so are equal
//! lists, so that thousands of routes with the same filters touch the same memory.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write;
use std::sync::Arc;

use gwanmun_config::{Diagnostics, Node, Piece, Span, Spanned, Value};

use crate::compile::Context;
use crate::compile::role::{Imposed, Placed};
use crate::compile::written::{on_one_line, spelt};
use crate::parts::Parts;
use crate::plan::PlannedFilter;
use crate::role::Addition;
use crate::template::NO_VARIABLES;

/// Filters made so far.
pub(super) struct Filters<'a> {
    context: &'a Context<'a>,
    imposed: Imposed,
    made: HashMap<String, Arc<PlannedFilter>>,
    /// How many of those that remember something there are in a route, or at the door, by their names.
    alike: HashMap<(Option<String>, &'static str), usize>,
    /// By the addresses of their filters, which stay as long as the lists do.
    lists: HashMap<Vec<usize>, Arc<[Arc<PlannedFilter>]>>,
    /// Default filters with a mistake: reported once, not once per route.
    faulty_defaults: HashSet<usize>,
}

impl<'a> Filters<'a> {
    pub(super) fn new(context: &'a Context<'a>, imposed: Imposed) -> Self {
        Self {
            context,
            imposed,
            made: HashMap::new(),
            alike: HashMap::new(),
            lists: HashMap::new(),
            faulty_defaults: HashSet::new(),
        }
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

    /// The role's name.
    pub(super) fn role(&self) -> Option<&'static str> {
        self.imposed.role
    }

    /// The door filters, and the names of those that are written or the role's: first what the role asks for, then what
    /// sections have put there, then the rest.
    pub(super) fn door(
        &mut self,
        pieces: &[Piece],
        parts: &Parts<'_>,
        diagnostics: &mut Diagnostics,
    ) -> (Arc<[Arc<PlannedFilter>]>, BTreeSet<String>) {
        let before = diagnostics.len();
        let imposed = std::mem::take(&mut self.imposed);
        let (first, rest) = imposed.door(pieces);
        let mut place = |placed: &Placed<'_>| match placed {
            Placed::Written(piece) => self.filter(&piece.0, parts, diagnostics),
            Placed::Added(addition) => self.added(addition, imposed.role, parts, diagnostics),
        };
        let mut planned: Vec<_> = first.iter().filter_map(&mut place).collect();
        planned.extend(parts.sections.door().iter().cloned());
        planned.extend(rest.iter().filter_map(place));
        diagnostics.amend_since(before, |mistake| {
            if mistake.hint.as_deref() == Some(NO_VARIABLES) {
                let why =
                    "door filters run before a route is found and have no variables; write {{ for a literal brace";
                mistake.hint = Some(why.to_owned());
            }
        });
        let names = imposed.door_names(pieces);
        self.imposed = imposed;
        (self.list(planned), names)
    }

    /// Adds to the filters of a route, `planned`, what the role asks for and nothing in `written` or at the door is.
    pub(super) fn add_to_route(
        &mut self,
        planned: &mut Vec<Arc<PlannedFilter>>,
        written: &[&[Piece]],
        parts: &Parts<'_>,
        diagnostics: &mut Diagnostics,
    ) {
        let imposed = std::mem::take(&mut self.imposed);
        for (addition, behind) in imposed.route(parts.door, written) {
            if let Some(filter) = self.added(addition, imposed.role, parts, diagnostics) {
                let last = planned.iter().rposition(|planned| behind.contains(&planned.name));
                planned.insert(last.map_or(0, |last| last + 1), filter);
            }
        }
        self.imposed = imposed;
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
        let written = on_one_line(&arguments, self.context.reader.sources);
        self.make(&Named { name, span, arguments: &arguments, written, role: None }, parts, diagnostics)
    }

    fn added(
        &mut self,
        addition: &Addition,
        role: Option<&'static str>,
        parts: &Parts<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Arc<PlannedFilter>> {
        let Addition { name, arguments } = addition;
        let written = spelt(arguments);
        self.make(&Named { name, span: arguments.span, arguments, written, role }, parts, diagnostics)
    }

    fn make(
        &mut self,
        named: &Named<'_>,
        parts: &Parts<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Arc<PlannedFilter>> {
        let Named { name, span, arguments, written, role } = named;
        let item = self.context.catalog.filter(name, *span, arguments, diagnostics)?;
        // Files that arguments name are relative to where they stand.
        let directory = self.context.reader.sources.directory(arguments.span.source);
        let mut key = format!("{name} {written} {role:?} {:?} {} ", parts.variables, directory.display());
        spell(arguments, &mut key);
        if let Some(made) = self.made.get(&key) {
            return Some(Arc::clone(made));
        }
        let nth = if item.remembers { self.count_alike(parts, item.name) } else { 0 };
        let filter = item.build(arguments, &parts.after_alike(nth), diagnostics)?;
        let planned =
            Arc::new(PlannedFilter { name: item.name, arguments: written.as_str().into(), role: *role, filter });
        if !item.remembers {
            self.made.insert(key, Arc::clone(&planned));
        }
        Some(planned)
    }

    /// How many of this name there are already in the place of `parts`; from now on one more.
    fn count_alike(&mut self, parts: &Parts<'_>, name: &'static str) -> usize {
        let count = self.alike.entry((parts.place.route.map(str::to_owned), name)).or_default();
        *count += 1;
        *count - 1
    }
}

/// A filter with its arguments, about to be made.
struct Named<'n> {
    name: &'n str,
    span: Span,
    arguments: &'n Node,
    /// The arguments on one line.
    written: String,
    role: Option<&'static str>,
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
