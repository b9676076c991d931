//! What serde reports while decoding, gathered until it is a diagnostic: the words come from serde, the place and the
//! shape of what was found from the innermost node on the way out.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use super::address;
use super::words;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::node::Node;
use crate::source::Span;
use crate::suggest::did_you_mean;

/// A decoding error. Boxed, since results of every field carry it.
#[derive(Debug)]
pub(super) struct Mistake(Box<Details>);

#[derive(Debug)]
struct Details {
    what: What,
    place: Option<Place>,
    trail: Option<Trail>,
    path: Vec<(usize, usize)>,
}

#[derive(Debug)]
enum What {
    Custom(String),
    Unfit { expected: String, keys: &'static [&'static str] },
    UnknownKey { key: String, known: &'static [&'static str] },
    UnknownValue { value: String, known: &'static [&'static str] },
    MissingKey(&'static str),
}

#[derive(Debug)]
struct Place {
    span: Span,
    /// The node that the mistake is about.
    node: usize,
    found: String,
    hint: Option<String>,
}

/// What to leave out so that the mistake does not come again.
#[derive(Debug)]
pub(super) struct Trail {
    pub(super) part: usize,
    pub(super) container: usize,
    /// The key that gets lost with it.
    pub(super) key: Option<String>,
    /// The key that was meant instead, if the container does not have it.
    pub(super) meant: Option<&'static str>,
}

impl Mistake {
    /// Settles the place, unless a part of `node` did so before.
    pub(super) fn at(mut self, node: &Node) -> Self {
        if self.0.place.is_none() {
            let hint = match &self.0.what {
                What::Unfit { expected, keys } => words::shape_hint(node, expected, keys),
                _ => None,
            };
            let found = words::found(node);
            self.0.place = Some(Place { span: node.span, node: address(node), found, hint });
        }
        self
    }

    /// Settles the place on a key.
    pub(super) fn at_key(mut self, key: &str, span: Span, node: &Node) -> Self {
        if self.0.place.is_none() {
            let found = words::found_text(key);
            self.0.place = Some(Place { span, node: address(node), found, hint: None });
        }
        self
    }

    /// Says what to leave out: `part` of `container`, unless a part further inside was named before. `index` is where the
    /// part stands.
    pub(super) fn within(mut self, container: &Node, index: usize, part: &Node, key: Option<&str>) -> Self {
        let is_innermost = self.0.trail.is_none();
        if is_innermost {
            let meant = match &self.0.what {
                What::UnknownKey { key, known } => did_you_mean(key, known.iter().copied()),
                _ => None,
            };
            let meant = meant.filter(|meant| container.entry(meant).is_none());
            let key = key.map(str::to_owned);
            self.0.trail = Some(Trail { part: address(part), container: address(container), key, meant });
        }
        // The map that loses an entry is looked at as a whole again: what it lacks is known only then.
        if !is_innermost || key.is_none() {
            self.0.path.push((address(container), index));
        }
        self
    }

    /// Passes out of a list whose elements cannot be left out one by one.
    pub(super) fn through(mut self, container: &Node) -> Self {
        self.0.path.push((address(container), 0));
        self
    }

    /// What to leave out, and for each list or map around it where it goes on.
    pub(super) fn into_trail(self) -> Option<(Trail, Vec<(usize, usize)>)> {
        let details = *self.0;
        details.trail.map(|trail| (trail, details.path))
    }

    /// The node that the mistake is about.
    pub(super) fn home(&self) -> Option<usize> {
        self.0.place.as_ref().map(|place| place.node)
    }

    pub(super) fn missing_key(&self) -> Option<&'static str> {
        match self.0.what {
            What::MissingKey(key) => Some(key),
            _ => None,
        }
    }

    /// Whether it may come only from text that could not be read: a key that seems to be missing there, or a value that
    /// could not be interpolated.
    pub(super) fn lies_in_damage(&self, diagnostics: &Diagnostics) -> bool {
        let Some(place) = &self.0.place else { return false };
        diagnostics.is_lost(place.span) || (self.missing_key().is_some() && diagnostics.is_damaged(place.span))
    }

    pub(super) fn diagnostic(&self) -> Diagnostic {
        let place = self.0.place.as_ref();
        let span = place.map_or(Span::NOWHERE, |place| place.span);
        let found = place.map_or("something else", |place| &place.found);
        match &self.0.what {
            What::Custom(message) => Diagnostic::error(message.clone(), span),
            What::Unfit { expected, .. } => {
                let mistake = Diagnostic::error(format!("expected {expected}, found {found}"), span);
                match place.and_then(|place| place.hint.clone()) {
                    Some(hint) => mistake.with_hint(hint),
                    None => mistake,
                }
            }
            What::UnknownKey { key, known } => {
                Diagnostic::error(format!("unknown key '{key}'"), span).with_hint(words::choice(key, known, "keys"))
            }
            What::UnknownValue { value, known } => Diagnostic::error(format!("unknown value: {found}"), span)
                .with_hint(words::choice(value, known, "values")),
            What::MissingKey(key) => Diagnostic::error(format!("missing key '{key}'"), span),
        }
    }

    /// Something stands where a map with `keys` was expected.
    pub(super) fn no_map(keys: &'static [&'static str]) -> Self {
        Self::new(What::Unfit { expected: "a map".to_owned(), keys })
    }

    fn new(what: What) -> Self {
        Self(Box::new(Details { what, place: None, trail: None, path: Vec::new() }))
    }
}

impl de::Error for Mistake {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(What::Custom(message.to_string()))
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(What::Unfit { expected: words::expected(&expected.to_string()), keys: &[] })
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(What::Unfit { expected: words::expected(&expected.to_string()), keys: &[] })
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self::new(What::Unfit { expected: words::expected(&expected.to_string()), keys: &[] })
    }

    fn unknown_variant(value: &str, known: &'static [&'static str]) -> Self {
        Self::new(What::UnknownValue { value: value.to_owned(), known })
    }

    fn unknown_field(key: &str, known: &'static [&'static str]) -> Self {
        Self::new(What::UnknownKey { key: key.to_owned(), known })
    }

    fn missing_field(key: &'static str) -> Self {
        Self::new(What::MissingKey(key))
    }

    fn duplicate_field(key: &'static str) -> Self {
        Self::new(What::Custom(format!("the key '{key}' stands twice, perhaps under another name for it")))
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.diagnostic().message)
    }
}

impl std::error::Error for Mistake {}
