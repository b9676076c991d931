//! What a predicate or filter is given when it is built: the facts of the route it stands in.

use std::collections::BTreeSet;
use std::sync::Arc;

use gwanmun_config::Span;
use gwanmun_core::Clock;

use crate::compile::Reader;
use crate::section::{Lasting, Sections};
use crate::spec::ApiVersionSpec;

/// The surroundings of a predicate or filter under construction.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Parts<'a> {
    /// What time it is.
    pub clock: &'a Arc<dyn Clock>,
    /// Names that the predicates of the route capture; empty for predicates and door filters.
    pub variables: &'a BTreeSet<String>,
    /// Names of the listeners.
    pub listeners: &'a BTreeSet<String>,
    /// Names of the door filters, which run before a route is found.
    pub door: &'a BTreeSet<String>,
    /// Where a request carries its API version, if it does.
    pub api_version: Option<&'a ApiVersionSpec>,
    /// What belongs to filters and has a key of its own in the configuration.
    pub sections: &'a Sections,
    /// Reads the files that the configuration names.
    pub reader: &'a Reader<'a>,
    /// What outlives a configuration.
    pub lasting: &'a Lasting,
    /// Where it stands.
    pub place: Place<'a>,
}

/// Where in the configuration a filter stands: the same after a reload, as long as what is written there is the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Place<'a> {
    /// The id of the route, also for its default filters; `None` at the door.
    pub route: Option<&'a str>,
    /// How many filters of its name stand before it in the same route, or at the door. Only counted for those that
    /// remember something ([`FilterSpec::REMEMBERS`](crate::FilterSpec::REMEMBERS)).
    pub nth: usize,
}

impl<'a> Parts<'a> {
    /// Parts for a predicate or a door filter: no variables are captured yet. There are no door filters.
    pub fn new(
        clock: &'a Arc<dyn Clock>,
        listeners: &'a BTreeSet<String>,
        api_version: Option<&'a ApiVersionSpec>,
        sections: &'a Sections,
        reader: &'a Reader<'a>,
        lasting: &'a Lasting,
    ) -> Self {
        static NOTHING: BTreeSet<String> = BTreeSet::new();
        let place = Place::default();
        Self { clock, variables: &NOTHING, listeners, door: &NOTHING, api_version, sections, reader, lasting, place }
    }

    /// The same behind door filters of these names.
    #[must_use]
    pub fn behind(self, door: &'a BTreeSet<String>) -> Self {
        Self { door, ..self }
    }

    /// The same in the route with this id.
    #[must_use]
    pub fn in_route(self, id: &'a str) -> Self {
        Self { place: Place { route: Some(id), nth: 0 }, ..self }
    }

    /// The same behind so many filters of the same name in the same place.
    #[must_use]
    pub(crate) fn after_alike(self, nth: usize) -> Self {
        Self { place: Place { nth, ..self.place }, ..self }
    }

    /// The same in a route whose predicates capture `variables`.
    #[must_use]
    pub fn capturing(self, variables: &'a BTreeSet<String>) -> Self {
        Self { variables, ..self }
    }
}

/// Why arguments that decode well still cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    argument: Option<&'static str>,
    span: Option<Span>,
    message: String,
    hint: Option<String>,
    /// Another mistake is the reason, and has been told.
    follows: bool,
    /// What else does not fit.
    also: Box<[Invalid]>,
}

impl Invalid {
    /// The arguments as a whole do not fit.
    pub fn new(message: impl Into<String>) -> Self {
        Self { argument: None, span: None, message: message.into(), hint: None, follows: false, also: Box::default() }
    }

    /// `argument` (its key in the configuration) does not fit.
    pub fn at(argument: &'static str, message: impl Into<String>) -> Self {
        Self { argument: Some(argument), ..Self::new(message) }
    }

    /// What stands at `span` does not fit.
    pub fn within(span: Span, message: impl Into<String>) -> Self {
        Self { span: Some(span), ..Self::new(message) }
    }

    /// Another mistake is the reason, and has been told: this one need not be shown.
    pub fn follows(message: impl Into<String>) -> Self {
        Self { follows: true, ..Self::new(message) }
    }

    /// Adds what the operator could do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Names the argument at fault, where the maker of the error did not know it.
    #[must_use]
    pub fn or_at(mut self, argument: &'static str) -> Self {
        self.argument.get_or_insert(argument);
        self
    }

    /// Whether another mistake is the reason, which has been told.
    pub fn is_follow_up(&self) -> bool {
        self.follows
    }

    /// Adds `others`, which are told too.
    #[must_use]
    pub fn and(mut self, others: impl IntoIterator<Item = Self>) -> Self {
        self.also = self.also.into_iter().chain(others).collect();
        self
    }

    /// What else does not fit.
    pub fn others(&self) -> &[Self] {
        &self.also
    }

    /// Says where the mistake is, where the maker of the error did not know it.
    #[must_use]
    pub fn or_within(mut self, span: Span) -> Self {
        self.span.get_or_insert(span);
        self
    }

    /// Where the mistake is, if that is known better than by the argument.
    pub fn span(&self) -> Option<Span> {
        self.span
    }

    /// The key of the argument at fault.
    pub fn argument(&self) -> Option<&'static str> {
        self.argument
    }

    /// What was found and what was wanted.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What the operator could do.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}
