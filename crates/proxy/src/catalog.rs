//! The predicates, filters, sections and roles that a configuration may name. The engine looks them up here and knows none by itself.

mod role;
mod section;
mod shape;
mod spring;

use std::collections::BTreeMap;

use gwanmun_config::{Diagnostic, Diagnostics, Entry, Node, Span, Value, decode, did_you_mean};
use schemars::{Schema, SchemaGenerator};
use serde::de::DeserializeOwned;

use crate::filter::{Filter, FilterSpec};
use crate::parts::{Invalid, Parts};
use crate::route::{Condition, PredicateSpec};
pub use role::RoleItem;
pub use section::{Aside, SectionItem};
use shape::Shape;
pub(crate) use shape::quoted;
use spring::Shapes;

/// Predicates, filters, sections and roles by name.
#[derive(Default)]
pub struct Catalog {
    predicates: BTreeMap<&'static str, Item<Condition>>,
    filters: BTreeMap<&'static str, Item<Box<dyn Filter>>>,
    sections: Vec<SectionItem>,
    roles: BTreeMap<&'static str, RoleItem>,
}

/// One predicate or filter, known by its specification only.
pub struct Item<T> {
    /// The key in the configuration.
    pub name: &'static str,
    /// A complete configuration with tests that shows it at work.
    pub example: &'static str,
    /// Whether each place in the configuration needs its own.
    pub(crate) remembers: bool,
    /// Whether it answers by itself, whoever asks.
    pub(crate) answers: bool,
    schema: fn(&mut SchemaGenerator) -> Schema,
    shape: Shape,
    build: fn(&Node, &Parts<'_>, &mut Diagnostics) -> Option<T>,
}

impl<T> Item<T> {
    /// The JSON Schema of its arguments; the description is its documentation.
    pub fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        (self.schema)(generator)
    }

    /// The argument that may stand alone (`strip-prefix: 1`).
    pub fn sole_argument(&self) -> Option<&str> {
        self.shape.sole()
    }

    /// Decodes `arguments` and makes what runs; mistakes go to `diagnostics`.
    pub fn build(&self, arguments: &Node, parts: &Parts<'_>, diagnostics: &mut Diagnostics) -> Option<T> {
        let spelt = self.spell_out(arguments);
        if let Some(mistake) = self.without_names(&spelt, arguments) {
            if !diagnostics.is_damaged(arguments.span) {
                diagnostics.push(mistake);
            }
            return None;
        }
        (self.build)(&spelt, parts, diagnostics)
    }

    /// What is wrong with arguments that have no names, or that are not there at all.
    fn without_names(&self, spelt: &Node, written: &Node) -> Option<Diagnostic> {
        let required: Vec<&str> = self.shape.required().collect();
        let found = match (&spelt.value, &written.value) {
            (Value::Map(_), Value::Null) if !required.is_empty() => "nothing",
            (Value::Map(_), _) => return None,
            (Value::List(_), _) => "a list",
            _ => "a single value",
        };
        let wanted = if required.is_empty() { "a map".to_owned() } else { required.join(" and ") };
        let hint = format!("write `{}`", spring::with_arguments(&self.shape, self.name, written));
        Some(Diagnostic::error(format!("'{}' needs {wanted}, found {found}", self.name), written.span).with_hint(hint))
    }

    /// `strip-prefix: 1` means `strip-prefix: {parts: 1}`; a bare name means no arguments.
    pub(crate) fn spell_out(&self, arguments: &Node) -> Node {
        let value = match (&arguments.value, self.shape.sole()) {
            // `set-path: {id}` is meant as text: taken as the argument, it gets the hint that says so.
            (Value::Map(entries), Some(key))
                if is_unquoted_template(entries, key) || self.shape.is_sole_map(entries) =>
            {
                Value::Map(vec![Entry { key: key.to_owned(), key_span: arguments.span, node: arguments.clone() }])
            }
            (Value::Map(_), _) => return arguments.clone(),
            (Value::Null, _) => Value::Map(Vec::new()),
            (_, Some(key)) => {
                Value::Map(vec![Entry { key: key.to_owned(), key_span: arguments.span, node: arguments.clone() }])
            }
            (_, None) => return arguments.clone(),
        };
        Node { value, span: arguments.span }
    }
}

impl Catalog {
    /// Adds a filter; a later one of the same name replaces it.
    pub fn add_filter<S: FilterSpec>(&mut self) {
        let (name, example, shape) = (S::NAME, S::EXAMPLE, Shape::of::<S>());
        let schema = |generator: &mut SchemaGenerator| generator.subschema_for::<S>();
        let (remembers, answers) = (S::REMEMBERS, S::ANSWERS);
        let item = Item { name, example, remembers, answers, schema, shape, build: decode_filter::<S> };
        self.filters.insert(name, item);
    }

    /// Adds a predicate; a later one of the same name replaces it.
    pub fn add_predicate<S: PredicateSpec>(&mut self) {
        let (name, example, shape) = (S::NAME, S::EXAMPLE, Shape::of::<S>());
        let schema = |generator: &mut SchemaGenerator| generator.subschema_for::<S>();
        let (remembers, answers) = (false, false);
        let item = Item { name, example, remembers, answers, schema, shape, build: decode_predicate::<S> };
        self.predicates.insert(name, item);
    }

    /// All filters, by name.
    pub fn filters(&self) -> impl Iterator<Item = &Item<Box<dyn Filter>>> {
        self.filters.values()
    }

    /// All predicates, by name.
    pub fn predicates(&self) -> impl Iterator<Item = &Item<Condition>> {
        self.predicates.values()
    }

    /// The filter called `name`, or a diagnostic at `span` that shows what could be meant with these arguments.
    pub fn filter(
        &self,
        name: &str,
        span: Span,
        arguments: &Node,
        diagnostics: &mut Diagnostics,
    ) -> Option<&Item<Box<dyn Filter>>> {
        self.filters.get(name).or_else(|| {
            let unknown = Unknown { kind: "filter", name, span, arguments };
            diagnostics.push(unknown.diagnostic(self.filters.keys().copied(), &|name| self.filter_shape(name)));
            None
        })
    }

    /// The predicate called `name`, or a diagnostic at `span` that shows what could be meant with these arguments.
    pub fn predicate(
        &self,
        name: &str,
        span: Span,
        arguments: &Node,
        diagnostics: &mut Diagnostics,
    ) -> Option<&Item<Condition>> {
        self.predicates.get(name).or_else(|| {
            let unknown = Unknown { kind: "predicate", name, span, arguments };
            let names = self.predicates.keys().copied().chain(["any", "all", "not"]);
            diagnostics.push(unknown.diagnostic(names, &|name| self.predicate_shape(name)));
            None
        })
    }

    /// The name and arguments of a filter in one element of a list.
    pub(crate) fn filter_in<'n>(&self, node: &'n Node, diagnostics: &mut Diagnostics) -> Option<(&'n str, Span, Node)> {
        name_and_arguments(node, "filter", &|name| self.filter_shape(name), diagnostics)
    }

    /// The name and arguments of a predicate in one element of a list.
    pub(crate) fn predicate_in<'n>(
        &self,
        node: &'n Node,
        diagnostics: &mut Diagnostics,
    ) -> Option<(&'n str, Span, Node)> {
        name_and_arguments(node, "predicate", &|name| self.predicate_shape(name), diagnostics)
    }

    fn filter_shape(&self, name: &str) -> Option<&Shape> {
        self.filters.get(name).map(|item| &item.shape)
    }

    fn predicate_shape(&self, name: &str) -> Option<&Shape> {
        self.predicates.get(name).map(|item| &item.shape)
    }
}

/// The name and arguments in one element of a list of predicates or filters: `name`, or `name: arguments`.
fn name_and_arguments<'a>(
    node: &'a Node,
    kind: &str,
    shapes: &Shapes<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<(&'a str, Span, Node)> {
    match &node.value {
        Value::Scalar(scalar) => Some((scalar.text(), node.span, Node { value: Value::Null, span: node.span })),
        Value::Map(entries) => match entries.as_slice() {
            [entry] => Some((&entry.key, entry.key_span, entry.node.clone())),
            [first, second, ..] => {
                let mistake = Diagnostic::error(
                    format!("found {} keys, a {kind} has one: its name", entries.len()),
                    second.key_span,
                );
                diagnostics.push(match spring::in_long_form(entries, shapes) {
                    Some(hint) => mistake.with_hint(hint),
                    None => mistake.with_related(first.key_span, format!("this is the {kind}")).with_hint(format!(
                        "begin the next {kind} with '- ', or indent its arguments below '{}'",
                        first.key
                    )),
                });
                None
            }
            [] => {
                diagnostics.push(Diagnostic::error(format!("found an empty map, wanted a {kind}"), node.span));
                None
            }
        },
        _ => {
            diagnostics
                .push(Diagnostic::error(format!("wanted a {kind}: its name, or its name and arguments"), node.span));
            None
        }
    }
}

fn decode_filter<S: FilterSpec>(
    arguments: &Node,
    parts: &Parts<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Box<dyn Filter>> {
    let spec: S = decode_whole(arguments, diagnostics)?;
    spec.build(parts).map_err(|invalid| report(&invalid, arguments, diagnostics)).ok()
}

fn decode_predicate<S: PredicateSpec>(
    arguments: &Node,
    parts: &Parts<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Condition> {
    let spec: S = decode_whole(arguments, diagnostics)?;
    spec.build(parts).map_err(|invalid| report(&invalid, arguments, diagnostics)).ok()
}

/// Decodes only what has no mistake: half a specification would be told wrong things about.
fn decode_whole<S: DeserializeOwned>(arguments: &Node, diagnostics: &mut Diagnostics) -> Option<S> {
    let before = diagnostics.len();
    let spec = decode(arguments, diagnostics);
    spec.filter(|_| diagnostics.len() == before)
}

/// Tells an [`Invalid`] at the argument it names, unless that could not be read as it was meant, and those with it.
fn report(invalid: &Invalid, arguments: &Node, diagnostics: &mut Diagnostics) {
    report_one(invalid, arguments, diagnostics);
    invalid.others().iter().for_each(|other| report(other, arguments, diagnostics));
}

fn report_one(invalid: &Invalid, arguments: &Node, diagnostics: &mut Diagnostics) {
    let argument = match (&arguments.value, invalid.argument()) {
        (Value::Map(entries), Some(name)) => entries.iter().find(|entry| entry.key == name),
        _ => None,
    };
    let span = invalid.span().filter(|span| *span != Span::NOWHERE);
    let span = span.unwrap_or_else(|| argument.map_or(arguments.span, |entry| entry.node.span));
    if diagnostics.is_damaged(span) || (invalid.is_follow_up() && diagnostics.has_errors()) {
        return;
    }
    let diagnostic = Diagnostic::error(invalid.message(), span);
    diagnostics.push(match invalid.hint() {
        Some(hint) => diagnostic.with_hint(hint),
        None => diagnostic,
    });
}

/// A name that is not in the catalog, with what stands behind it.
struct Unknown<'a> {
    kind: &'static str,
    name: &'a str,
    span: Span,
    arguments: &'a Node,
}

impl Unknown<'_> {
    fn diagnostic<'n>(&self, names: impl Iterator<Item = &'n str> + Clone, shapes: &Shapes<'_>) -> Diagnostic {
        let Self { kind, name, span, arguments } = self;
        let without_space = name.split_once(':').filter(|(key, _)| names.clone().any(|known| known == *key));
        let hint = if let Some((key, value)) = without_space {
            format!("write a space after the colon: {key}: {value}")
        } else if let Some(hint) = spring::hint(name, arguments, shapes) {
            hint
        } else if let Some(close) = did_you_mean(name.split(['=', ':']).next().unwrap_or(name), names) {
            format!("did you mean '{close}'?")
        } else {
            "`gwanmun filters` lists them all".to_owned()
        };
        Diagnostic::error(format!("unknown {kind} '{name}'"), *span).with_hint(hint)
    }
}

/// Whether a map is `{name}` without quotes, and `name` is no argument left empty.
fn is_unquoted_template(entries: &[Entry], sole: &str) -> bool {
    matches!(entries, [entry] if matches!(entry.node.value, Value::Null) && entry.key != sole)
}
