//! What is wrong with a configuration, in words a person can act on. Every step adds to one bounded collection; the end
//! of a run renders it.

use std::slice;
use std::vec;

use crate::source::Span;

/// Beyond this many, mistakes are counted and not kept: nobody reads on, and hostile input must not fill memory.
const LIMIT: usize = 200;

/// How bad it is. Complete: more grades would blur whether a run may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// The configuration works, but probably not as meant.
    Warning,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What was found and what was wanted; lower case, no full stop.
    pub message: String,
    /// Where.
    pub span: Option<Span>,
    /// A few words beside the marked text.
    pub label: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Other places that matter, each with a few words.
    pub related: Vec<(Span, String)>,
}

impl Diagnostic {
    /// A mistake that keeps the configuration from being used.
    pub fn error(message: impl Into<String>, span: impl Into<Option<Span>>) -> Self {
        Self::new(Severity::Error, message.into(), span.into())
    }

    /// Something that works, but probably not as meant.
    pub fn warning(message: impl Into<String>, span: impl Into<Option<Span>>) -> Self {
        Self::new(Severity::Warning, message.into(), span.into())
    }

    /// Adds what to do about it.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a few words beside the marked text.
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Adds another place that matters.
    pub fn with_related(mut self, span: Span, text: impl Into<String>) -> Self {
        self.related.push((span, text.into()));
        self
    }

    fn new(severity: Severity, message: String, span: Option<Span>) -> Self {
        Self { severity, message, span, label: None, hint: None, related: Vec::new() }
    }
}

/// All mistakes of a run. Keeps the first two hundred and counts the rest; the same mistake at the same place is kept
/// once.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    kept: Vec<Diagnostic>,
    dropped: usize,
    dropped_error: bool,
    damaged: Vec<Span>,
}

impl Diagnostics {
    /// No mistakes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if self.kept.contains(&diagnostic) {
            return;
        }
        if self.kept.len() < LIMIT {
            self.kept.push(diagnostic);
        } else {
            self.dropped += 1;
            self.dropped_error |= diagnostic.severity == Severity::Error;
        }
    }

    /// Brings them into the order of the sources; those without a place come first.
    pub fn sort(&mut self) {
        self.kept.sort_by_key(|diagnostic| diagnostic.span);
    }

    /// Notes a stretch of text that could not be read, so that nothing in it is reported as missing.
    pub(crate) fn damage(&mut self, span: Span) {
        self.damaged.push(span);
    }

    /// Whether any is an error.
    pub fn has_errors(&self) -> bool {
        self.dropped_error || self.kept.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Whether some text could not be read at all, so that what seems to be missing may well be there.
    pub fn is_incomplete(&self) -> bool {
        !self.damaged.is_empty()
    }

    /// Whether an error lies within `span`: what seems to be missing there may only have been left out.
    pub fn has_error_in(&self, span: Span) -> bool {
        let lies_within =
            |found: Span| found.source == span.source && span.start <= found.start && found.end <= span.end;
        self.kept.iter().any(|found| found.severity == Severity::Error && found.span.is_some_and(lies_within))
    }

    /// Changes those that were added since there were `before`.
    pub fn amend_since(&mut self, before: usize, change: impl FnMut(&mut Diagnostic)) {
        self.kept.iter_mut().skip(before).for_each(change);
    }

    /// Those that were kept.
    pub fn iter(&self) -> slice::Iter<'_, Diagnostic> {
        self.kept.iter()
    }

    /// How many there were, kept or not.
    pub fn len(&self) -> usize {
        self.kept.len() + self.dropped
    }

    /// Whether there was none.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// How many were counted and not kept.
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// Whether no more are kept: looking for more is a waste.
    pub(crate) fn is_full(&self) -> bool {
        self.kept.len() >= LIMIT
    }

    /// Whether unreadable text lies within `span`: what it says may not be what was meant.
    pub fn is_damaged(&self, span: Span) -> bool {
        self.damaged.iter().any(|hole| hole.source == span.source && hole.start < span.end && span.start < hole.end)
    }

    /// Whether `span` lies within unreadable text.
    pub(crate) fn is_lost(&self, span: Span) -> bool {
        self.damaged.iter().any(|hole| hole.source == span.source && hole.start <= span.start && span.end <= hole.end)
    }
}

impl Extend<Diagnostic> for Diagnostics {
    fn extend<I: IntoIterator<Item = Diagnostic>>(&mut self, diagnostics: I) {
        diagnostics.into_iter().for_each(|diagnostic| self.push(diagnostic));
    }
}

impl FromIterator<Diagnostic> for Diagnostics {
    fn from_iter<I: IntoIterator<Item = Diagnostic>>(diagnostics: I) -> Self {
        let mut all = Self::new();
        all.extend(diagnostics);
        all
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.kept.into_iter()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Sources;

    #[test]
    fn only_errors_count_as_errors() {
        let mut diagnostics = Diagnostics::new();
        diagnostics.push(Diagnostic::warning("odd", None));
        assert!(!diagnostics.has_errors());
        diagnostics.push(Diagnostic::error("wrong", None));
        assert!(diagnostics.has_errors());
    }

    #[test]
    fn the_collection_is_bounded_and_still_knows_of_errors_beyond() {
        let mut diagnostics: Diagnostics =
            (0..LIMIT).map(|number| Diagnostic::warning(format!("warning {number}"), None)).collect();
        assert!(!diagnostics.has_errors());
        diagnostics.push(Diagnostic::error("wrong", None));
        assert!(diagnostics.has_errors());
        assert_eq!(diagnostics.iter().count(), LIMIT);
        assert_eq!(diagnostics.len(), LIMIT + 1);
    }

    #[test]
    fn the_same_mistake_at_the_same_place_is_kept_once() {
        let mistake = Diagnostic::error("wrong", None);
        let diagnostics: Diagnostics = [mistake.clone(), mistake].into_iter().collect();
        assert_eq!(diagnostics.len(), 1);
    }

    #[test]
    fn sorting_follows_the_sources() {
        let mut sources = Sources::default();
        let (a, b) = (sources.add("a", "xx"), sources.add("b", "xx"));
        let mut diagnostics: Diagnostics = [
            Diagnostic::error("third", Span::new(b, 0, 1)),
            Diagnostic::error("second", Span::new(a, 1, 2)),
            Diagnostic::error("first", Span::new(a, 0, 1)),
        ]
        .into_iter()
        .collect();
        diagnostics.sort();
        let order: Vec<_> = diagnostics.iter().map(|diagnostic| diagnostic.message.as_str()).collect();
        assert_eq!(order, ["first", "second", "third"]);
    }
}
