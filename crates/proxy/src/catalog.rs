//! The predicates and filters that a configuration may name. The engine looks them up here and knows none by itself.

use std::collections::BTreeMap;

use gwanmun_config::{Diagnostic, Diagnostics, Entry, Node, Span, Value, decode, did_you_mean};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;

use crate::filter::{Filter, FilterSpec};
use crate::parts::{Invalid, Parts};
use crate::route::{Condition, PredicateSpec};

/// Predicates and filters by name.
#[derive(Default)]
pub struct Catalog {
    predicates: BTreeMap<&'static str, Item<Condition>>,
    filters: BTreeMap<&'static str, Item<Box<dyn Filter>>>,
}

/// One predicate or filter, known by its specification only.
pub struct Item<T> {
    /// The key in the configuration.
    pub name: &'static str,
    /// A complete configuration with tests that shows it at work.
    pub example: &'static str,
    /// Whether each place in the configuration needs its own.
    pub(crate) remembers: bool,
    schema: fn(&mut SchemaGenerator) -> Schema,
    /// The argument that may stand alone: the only one that is required.
    sole: Option<Sole>,
    build: fn(&Node, &Parts<'_>, &mut Diagnostics) -> Option<T>,
}

/// An argument that may stand alone.
struct Sole {
    name: String,
    /// All arguments, this one too.
    arguments: Vec<String>,
    /// Whether it may be a map itself.
    may_be_map: bool,
}

impl<T> Item<T> {
    /// The JSON Schema of its arguments; the description is its documentation.
    pub fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        (self.schema)(generator)
    }

    /// The argument that may stand alone (`strip-prefix: 1`).
    pub fn sole_argument(&self) -> Option<&str> {
        self.sole.as_ref().map(|sole| sole.name.as_str())
    }

    /// Decodes `arguments` and makes what runs; mistakes go to `diagnostics`.
    pub fn build(&self, arguments: &Node, parts: &Parts<'_>, diagnostics: &mut Diagnostics) -> Option<T> {
        (self.build)(&self.spell_out(arguments), parts, diagnostics)
    }

    /// `strip-prefix: 1` means `strip-prefix: {parts: 1}`; a bare name means no arguments.
    fn spell_out(&self, arguments: &Node) -> Node {
        let value = match (&arguments.value, self.sole.as_ref().map(|sole| &sole.name)) {
            // `set-path: {id}` is meant as text: taken as the argument, it gets the hint that says so.
            (Value::Map(entries), Some(key))
                if is_unquoted_template(entries, key)
                    || self.sole.as_ref().is_some_and(|sole| sole.is_map(entries)) =>
            {
                Value::Map(vec![Entry { key: key.clone(), key_span: arguments.span, node: arguments.clone() }])
            }
            (Value::Map(_), _) => return arguments.clone(),
            (Value::Null, _) => Value::Map(Vec::new()),
            (_, Some(key)) => {
                Value::Map(vec![Entry { key: key.clone(), key_span: arguments.span, node: arguments.clone() }])
            }
            (_, None) => return arguments.clone(),
        };
        Node { value, span: arguments.span }
    }
}

impl Sole {
    /// The only required argument of `S`, if it has exactly one.
    fn of<S: JsonSchema>() -> Option<Self> {
        let schema = schemars::schema_for!(S);
        let [name] = schema.get("required")?.as_array()?.as_slice() else { return None };
        let name = name.as_str()?.to_owned();
        let properties = schema.get("properties")?.as_object()?;
        let argument = properties.get(&name).and_then(|argument| <&Schema>::try_from(argument).ok());
        let may_be_map = argument.is_some_and(|argument| takes_map(argument, &schema));
        Some(Self { name, arguments: properties.keys().cloned().collect(), may_be_map })
    }

    /// Whether `entries` are the argument itself: no key is an argument, or like one.
    fn is_map(&self, entries: &[Entry]) -> bool {
        let names_argument =
            |entry: &Entry| did_you_mean(&entry.key, self.arguments.iter().map(String::as_str)).is_some();
        self.may_be_map && !entries.is_empty() && !entries.iter().any(names_argument)
    }
}

impl Catalog {
    /// Adds a filter; a later one of the same name replaces it.
    pub fn add_filter<S: FilterSpec>(&mut self) {
        let (name, example, sole) = (S::NAME, S::EXAMPLE, Sole::of::<S>());
        let schema = |generator: &mut SchemaGenerator| generator.subschema_for::<S>();
        self.filters
            .insert(name, Item { name, example, remembers: S::REMEMBERS, schema, sole, build: decode_filter::<S> });
    }

    /// Adds a predicate; a later one of the same name replaces it.
    pub fn add_predicate<S: PredicateSpec>(&mut self) {
        let (name, example, sole) = (S::NAME, S::EXAMPLE, Sole::of::<S>());
        let schema = |generator: &mut SchemaGenerator| generator.subschema_for::<S>();
        self.predicates
            .insert(name, Item { name, example, remembers: false, schema, sole, build: decode_predicate::<S> });
    }

    /// All filters, by name.
    pub fn filters(&self) -> impl Iterator<Item = &Item<Box<dyn Filter>>> {
        self.filters.values()
    }

    /// All predicates, by name.
    pub fn predicates(&self) -> impl Iterator<Item = &Item<Condition>> {
        self.predicates.values()
    }

    /// The filter called `name`, or a diagnostic at `span`.
    pub fn filter(&self, name: &str, span: Span, diagnostics: &mut Diagnostics) -> Option<&Item<Box<dyn Filter>>> {
        find(&self.filters, "filter", name, span, &[], diagnostics)
    }

    /// The predicate called `name`, or a diagnostic at `span`.
    pub fn predicate(&self, name: &str, span: Span, diagnostics: &mut Diagnostics) -> Option<&Item<Condition>> {
        find(&self.predicates, "predicate", name, span, &["any", "all", "not"], diagnostics)
    }
}

/// The name and arguments in one element of a list of predicates or filters: `name`, or `name: arguments`.
pub(crate) fn name_and_arguments<'a>(
    node: &'a Node,
    kind: &str,
    diagnostics: &mut Diagnostics,
) -> Option<(&'a str, Span, Node)> {
    match &node.value {
        Value::Scalar(scalar) => Some((scalar.text(), node.span, Node { value: Value::Null, span: node.span })),
        Value::Map(entries) => match entries.as_slice() {
            [entry] => Some((&entry.key, entry.key_span, entry.node.clone())),
            [first, second, ..] => {
                diagnostics.push(
                    Diagnostic::error(
                        format!("found {} keys, a {kind} has one: its name", entries.len()),
                        second.key_span,
                    )
                    .with_related(first.key_span, format!("this is the {kind}"))
                    .with_hint(format!(
                        "begin the next {kind} with '- ', or indent its arguments below '{}'",
                        first.key
                    )),
                );
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
    spec.build(parts).map_err(|invalid| diagnostics.push(place(&invalid, arguments))).ok()
}

fn decode_predicate<S: PredicateSpec>(
    arguments: &Node,
    parts: &Parts<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Condition> {
    let spec: S = decode_whole(arguments, diagnostics)?;
    spec.build(parts).map_err(|invalid| diagnostics.push(place(&invalid, arguments))).ok()
}

/// Decodes only what has no mistake: half a specification would be told wrong things about.
fn decode_whole<S: DeserializeOwned>(arguments: &Node, diagnostics: &mut Diagnostics) -> Option<S> {
    let before = diagnostics.len();
    let spec = decode(arguments, diagnostics);
    spec.filter(|_| diagnostics.len() == before)
}

/// An [`Invalid`] at the argument it names.
fn place(invalid: &Invalid, arguments: &Node) -> Diagnostic {
    let argument = match (&arguments.value, invalid.argument()) {
        (Value::Map(entries), Some(name)) => entries.iter().find(|entry| entry.key == name),
        _ => None,
    };
    let span = argument.map_or(arguments.span, |entry| entry.node.span);
    let diagnostic = Diagnostic::error(invalid.message(), span);
    match invalid.hint() {
        Some(hint) => diagnostic.with_hint(hint),
        None => diagnostic,
    }
}

fn find<'a, T>(
    items: &'a BTreeMap<&'static str, Item<T>>,
    kind: &str,
    name: &str,
    span: Span,
    also: &[&str],
    diagnostics: &mut Diagnostics,
) -> Option<&'a Item<T>> {
    let found = items.get(name);
    if found.is_none() {
        let names = items.keys().copied().chain(also.iter().copied());
        let hint = match did_you_mean(name, names) {
            Some(close) => format!("did you mean '{close}'?"),
            None => "`gwanmun filters` lists them all".to_owned(),
        };
        diagnostics.push(Diagnostic::error(format!("unknown {kind} '{name}'"), span).with_hint(hint));
    }
    found
}

/// Whether a map is `{name}` without quotes, and `name` is no argument left empty.
fn is_unquoted_template(entries: &[Entry], sole: &str) -> bool {
    matches!(entries, [entry] if matches!(entry.node.value, Value::Null) && entry.key != sole)
}

/// Whether a map of any keys fits `schema`, a part of `whole`.
fn takes_map(schema: &Schema, whole: &Schema) -> bool {
    let referred = schema.get("$ref").and_then(|place| whole.pointer(place.as_str()?.trim_start_matches('#')));
    let alternatives = ["anyOf", "oneOf"].into_iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
    let is_open = schema.get("type").is_some_and(|kind| kind == "object") && schema.get("properties").is_none();
    is_open
        || referred
            .into_iter()
            .chain(alternatives)
            .filter_map(|part| <&Schema>::try_from(part).ok())
            .any(|part| takes_map(part, whole))
}
