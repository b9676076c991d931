//! Roles: what a gateway is for (`role: public`). A role looks at what is written before filters are built, adds filters
//! that are always on, and refuses what contradicts it. The engine knows no role by name.

use gwanmun_config::{Diagnostic, Diagnostics, Entry, Node, Scalar, Span, Spanned, Value};

use crate::sanitize::KnownHeaders;
use crate::section::Sections;
use crate::spec::GatewaySpec;

/// What people choose with `role: NAME`.
pub trait Role: 'static {
    /// The word behind `role`.
    const NAME: &'static str;

    /// What it is for, in a sentence.
    const PURPOSE: &'static str;

    /// Sections that are there although nobody wrote them: key and content, which is used where the key is not written.
    fn sections(written: &Written<'_>) -> Vec<(&'static str, Node)> {
        let _ = written;
        Vec::new()
    }

    /// Adds what is always on, and refuses what contradicts the role. Sections have been built, filters have not.
    fn impose(written: &Written<'_>, sections: &Sections, rules: &mut Rules<'_>);
}

/// What is written, as a role sees it. What has mistakes of its own is not in it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Written<'a> {
    /// Where the role is chosen.
    pub span: Span,
    /// The engine's keys, decoded.
    pub spec: &'a GatewaySpec,
    /// The filters at the door.
    pub door: Vec<WrittenFilter<'a>>,
    /// The filters of every route.
    pub defaults: Vec<WrittenFilter<'a>>,
    /// The routes.
    pub routes: Vec<WrittenRoute<'a>>,
    /// The sections.
    pub(crate) sections: Vec<&'a Entry>,
}

/// A route as it is written.
#[derive(Debug)]
#[non_exhaustive]
pub struct WrittenRoute<'a> {
    /// Its id.
    pub id: &'a Spanned<String>,
    /// Its own filters.
    pub filters: Vec<WrittenFilter<'a>>,
    /// Whether all of it could be read: what seems to be missing otherwise may well be there.
    pub is_whole: bool,
}

/// A filter as it is written.
#[derive(Debug)]
#[non_exhaustive]
pub struct WrittenFilter<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where the name stands.
    pub span: Span,
    /// Its arguments by name, also where they were written in a shorter form.
    pub arguments: Node,
    /// Whether it answers by itself, whoever asks ([`FilterSpec::ANSWERS`](crate::FilterSpec::ANSWERS)).
    pub answers: bool,
}

impl<'a> Written<'a> {
    /// What stands under the key of a section.
    pub fn section(&self, key: &str) -> Option<&'a Entry> {
        self.sections.iter().find(|entry| entry.key == key).copied()
    }

    /// What `headers.keep` leaves as it comes although it tells services who the client or its user is.
    pub fn kept_claims(&self) -> impl Iterator<Item = &'a Spanned<String>> {
        let known = KnownHeaders::all();
        self.spec.headers.keep.iter().filter(move |name| known.is_claim(&name.to_ascii_lowercase()))
    }

    /// What `headers.keep` leaves as it comes although services may see another method, path or host for it.
    pub fn kept_overrides(&self) -> impl Iterator<Item = &'a Spanned<String>> {
        let known = KnownHeaders::all();
        self.spec.headers.keep.iter().filter(move |name| known.is_override(&name.to_ascii_lowercase()))
    }

    /// The filters that a request meets on `route`, in their order.
    pub fn on<'w>(&'w self, route: &'w WrittenRoute<'a>) -> impl Iterator<Item = &'w WrittenFilter<'a>> {
        self.door.iter().chain(&self.defaults).chain(&route.filters)
    }

    /// Every filter that is written, once.
    pub fn filters(&self) -> impl Iterator<Item = &WrittenFilter<'a>> {
        self.door.iter().chain(&self.defaults).chain(self.routes.iter().flat_map(|route| &route.filters))
    }

    /// A text in what a role adds.
    pub fn text(&self, text: impl Into<String>) -> Node {
        Node::new(Value::Scalar(Scalar::plain(text)), self.span)
    }

    /// A list in what a role adds.
    pub fn list(&self, items: impl IntoIterator<Item = Node>) -> Node {
        Node::new(Value::List(items.into_iter().collect()), self.span)
    }

    /// A map in what a role adds.
    pub fn map<'k>(&self, entries: impl IntoIterator<Item = (&'k str, Node)>) -> Node {
        let entry = |(key, node): (&str, Node)| Entry { key: key.to_owned(), key_span: self.span, node };
        Node::new(Value::Map(entries.into_iter().map(entry).collect()), self.span)
    }
}

/// What a role asks for.
#[derive(Debug)]
pub struct Rules<'d> {
    span: Span,
    pub(crate) door: Vec<Addition>,
    pub(crate) routes: Vec<Addition>,
    diagnostics: &'d mut Diagnostics,
}

/// Why something that is good elsewhere is a mistake.
const NOT_HERE: &str = "not in this role";

/// A filter that a role adds.
#[derive(Debug, Clone)]
pub(crate) struct Addition {
    pub(crate) name: &'static str,
    pub(crate) arguments: Node,
}

impl<'d> Rules<'d> {
    pub(crate) fn of(span: Span, diagnostics: &'d mut Diagnostics) -> Self {
        Self { span, door: Vec::new(), routes: Vec::new(), diagnostics }
    }

    /// Has a filter stand at the door, before all others, in the order of these calls. One of the same name that is written
    /// at the door takes its place.
    pub fn at_the_door(&mut self, name: &'static str, arguments: Option<Node>) {
        self.door.push(self.addition(name, arguments));
    }

    /// Has every route pass a filter, in the order of these calls: where neither the door nor the route has one of this
    /// name, it stands behind those that were asked for before it.
    pub fn on_every_route(&mut self, name: &'static str, arguments: Option<Node>) {
        self.routes.push(self.addition(name, arguments));
    }

    /// Tells what contradicts the role, and what the operator could do.
    pub fn refuse(&mut self, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        let mistake = Diagnostic::error(message, span).with_hint(hint);
        self.tell(match span == self.span {
            true => mistake,
            false => mistake.with_related(self.span, NOT_HERE),
        });
    }

    /// Tells what is good, but hardly meant.
    pub fn warn(&mut self, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.tell(Diagnostic::warning(message, span).with_hint(hint));
    }

    fn tell(&mut self, diagnostic: Diagnostic) {
        // What seems to be missing may be in the part that could not be read.
        if !self.diagnostics.is_incomplete() {
            self.diagnostics.push(diagnostic);
        }
    }

    fn addition(&self, name: &'static str, arguments: Option<Node>) -> Addition {
        Addition { name, arguments: arguments.unwrap_or(Node::new(Value::Null, self.span)) }
    }
}
