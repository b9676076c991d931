//! The environment: names for `${NAME}`, and `GWANMUN__A__B_C=value`, which sets `a.b-c` over all files.

use std::collections::BTreeMap;

use crate::arguments::Injected;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::node::{Entry, Node, Resolved, Scalar, Value, resolve_plain};
use crate::source::{Sources, Span};
use crate::yaml;

const PREFIX: &str = "GWANMUN__";

/// The beginning of names that lack an underscore, when they have two further on.
const SLIP: &str = "GWANMUN_";

/// Deeper names are refused: the document must stay shallow enough to walk.
pub(crate) const MAX_LEVELS: usize = 32;

/// Environment variables, taken once so that a run sees one state of them. Variables that are not UTF-8 count as unset.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// The variables of this process.
    pub fn from_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self { variables: std::env::vars_os().filter_map(text).collect() }
    }

    /// The given variables and no others.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        Self { variables: pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }

    /// The value of a variable.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// The names of all variables, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }

    /// One document for each `GWANMUN__…` variable, each with a source of its own.
    pub(crate) fn documents(&self, sources: &mut Sources, diagnostics: &mut Diagnostics) -> Vec<Node> {
        self.warn_about_slips(sources, diagnostics);
        let from = PREFIX.to_owned();
        let ours = self.variables.range(from..).take_while(|(name, _)| name.starts_with(PREFIX));
        ours.filter_map(|(name, value)| document(name, value, sources, diagnostics)).collect()
    }

    /// `GWANMUN_LIMITS__CONNECTIONS` is nobody's, and meant for us.
    fn warn_about_slips(&self, sources: &mut Sources, diagnostics: &mut Diagnostics) {
        for name in self.names() {
            let Some(rest) = name.strip_prefix(SLIP).filter(|rest| !rest.starts_with('_') && rest.contains("__"))
            else {
                continue;
            };
            let source = sources.add(format!("environment {name}"), "***");
            diagnostics.push(
                Diagnostic::warning(format!("{name} is ignored"), Span::new(source, 0, 3))
                    .with_hint(format!("two underscores divide levels, after GWANMUN too: {PREFIX}{rest}")),
            );
        }
    }
}

impl std::fmt::Debug for Environment {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

fn document(name: &str, value: &str, sources: &mut Sources, diagnostics: &mut Diagnostics) -> Option<Node> {
    let shown = if is_structured(value) { masked(value) } else { "***".to_owned() };
    let span_end = shown.len();
    let source = sources.add(format!("environment {name}"), shown);
    let span = Span::new(source, 0, span_end);
    let levels: Vec<String> =
        name.strip_prefix(PREFIX)?.split("__").map(|level| level.to_ascii_lowercase().replace('_', "-")).collect();
    let is_odd = |level: &String| level.is_empty() || level.starts_with('-') || level.ends_with('-');
    if levels.len() > MAX_LEVELS || levels.iter().any(is_odd) {
        let message = format!("the name {name} does not lead to a key");
        let hint = "two underscores divide levels, one stands for a dash: GWANMUN__LIMITS__HEADER_BYTES sets limits.header-bytes";
        diagnostics.push(Diagnostic::error(message, span).with_hint(hint));
        return None;
    }
    let leaf = leaf(value, span, Injected::Yes, diagnostics);
    Some(nest(levels, leaf, span))
}

/// The value that stands in a variable or an argument: flow YAML where it looks like it, else a plain scalar.
pub(crate) fn leaf(value: &str, span: Span, injected: Injected, diagnostics: &mut Diagnostics) -> Node {
    if !is_structured(value) {
        return Node::new(plain(value, injected), span);
    }
    let mut node = yaml::parse(span.source, value, diagnostics);
    shift(&mut node, span.start);
    if injected == Injected::Yes {
        inject(&mut node);
    }
    node
}

/// A document in which `leaf` stands under these keys.
pub(crate) fn nest(levels: Vec<String>, leaf: Node, span: Span) -> Node {
    let wrap = |node, key| Node::new(Value::Map(vec![Entry { key, key_span: span, node }]), span);
    levels.into_iter().rev().fold(leaf, wrap)
}

fn is_structured(value: &str) -> bool {
    value.trim_start().starts_with(['{', '[', '"', '\''])
}

/// The value begins `by` bytes into the text that is shown.
fn shift(node: &mut Node, by: usize) {
    let moved = |span: &mut Span| (span.start, span.end) = (span.start + by, span.end + by);
    moved(&mut node.span);
    match &mut node.value {
        Value::Null | Value::Scalar(_) => {}
        Value::List(items) => items.iter_mut().for_each(|item| shift(item, by)),
        Value::Map(entries) => entries.iter_mut().for_each(|entry| {
            moved(&mut entry.key_span);
            shift(&mut entry.node, by);
        }),
    }
}

/// A text of the same layout that does not tell the value: it ends up in messages.
fn masked(value: &str) -> String {
    let mask = |letter: char| match letter {
        '[' | ']' | '{' | '}' | ',' | ':' | '"' | '\'' | ' ' | '\n' => letter.to_string(),
        other => "*".repeat(other.len_utf8()),
    };
    value.chars().map(mask).collect()
}

fn plain(value: &str, injected: Injected) -> Value {
    let text = value.trim();
    if resolve_plain(text) == Resolved::Null {
        return Value::Null;
    }
    let scalar = Scalar::plain(text);
    Value::Scalar(if injected == Injected::Yes { scalar.injected() } else { scalar })
}

/// Marks every scalar as coming from the environment.
fn inject(node: &mut Node) {
    match &mut node.value {
        Value::Null => {}
        Value::Scalar(scalar) => *scalar = scalar.clone().injected(),
        Value::List(items) => items.iter_mut().for_each(inject),
        Value::Map(entries) => entries.iter_mut().for_each(|entry| inject(&mut entry.node)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(pairs: &[(&str, &str)]) -> (Vec<Node>, Sources, Diagnostics) {
        let (mut sources, mut diagnostics) = (Sources::default(), Diagnostics::new());
        let environment = Environment::from_pairs(pairs.iter().copied());
        (environment.documents(&mut sources, &mut diagnostics), sources, diagnostics)
    }

    #[test]
    fn two_underscores_divide_levels_and_one_is_a_dash() {
        let (documents, sources, _) =
            documents(&[("GWANMUN__LIMITS__HEADER_BYTES", "64KiB"), ("GWANMUN_X", "1"), ("PATH", "/")]);
        let [document] = &documents[..] else { panic!("one document") };
        let leaf = &document.entry("limits").unwrap().node.entry("header-bytes").unwrap().node;
        assert_eq!(leaf.text(), Some("64KiB"));
        assert_eq!(sources.location(leaf.span), ("environment GWANMUN__LIMITS__HEADER_BYTES", 1, 1));
        assert!(matches!(&leaf.value, Value::Scalar(scalar) if scalar.is_injected()));
    }

    #[test]
    fn values_are_plain_scalars_or_flow_yaml() {
        let value = |text: &str| documents(&[("GWANMUN__A", text)]).0.remove(0).entry("a").unwrap().node.value.clone();
        assert_eq!(value(" 5 "), Value::Scalar(Scalar::plain("5").injected()));
        assert_eq!(value("*.x: y"), Value::Scalar(Scalar::plain("*.x: y").injected()));
        assert_eq!(value("\"5\""), Value::Scalar(Scalar::quoted("5").injected()));
        assert_eq!(value(""), Value::Null);
        assert!(matches!(value("[a, b]"), Value::List(items) if items.len() == 2 && items[1].text() == Some("b")));
        assert!(matches!(value("{a: {b: 1}}"), Value::Map(entries) if entries[0].key == "a"));
    }

    #[test]
    fn a_name_that_leads_nowhere_is_an_error() {
        for name in ["GWANMUN__", "GWANMUN__A____B", "GWANMUN__A__", "GWANMUN___A"] {
            let (documents, _, diagnostics) = documents(&[(name, "1")]);
            assert!(documents.is_empty() && diagnostics.has_errors(), "{name}");
        }
    }

    #[test]
    fn a_name_that_lacks_an_underscore_is_told() {
        let (documents, _, diagnostics) = documents(&[("GWANMUN_LIMITS__STREAMS", "1"), ("GWANMUN_HOME", "/")]);
        assert!(documents.is_empty() && !diagnostics.has_errors());
        let warnings: Vec<_> = diagnostics.iter().map(|warning| warning.message.as_str()).collect();
        assert_eq!(warnings, ["GWANMUN_LIMITS__STREAMS is ignored"]);
    }

    #[test]
    fn a_syntax_error_points_at_the_variable() {
        let (_, sources, diagnostics) = documents(&[("GWANMUN__A", "[1, 2")]);
        let mistake = diagnostics.iter().next().unwrap();
        assert_eq!(sources.location(mistake.span.unwrap()), ("environment GWANMUN__A", 1, 1));
    }

    #[test]
    fn values_do_not_print() {
        let environment = Environment::from_pairs([("PASSWORD", "hunter2")]);
        assert_eq!(format!("{environment:?}"), "{\"PASSWORD\"}");
        let (_, sources, _) = documents(&[("GWANMUN__A", "hunter2"), ("GWANMUN__B", "[hünter, 2]")]);
        assert_eq!(sources.text(crate::source::SourceId::from_raw(0)), "***");
        assert_eq!(sources.text(crate::source::SourceId::from_raw(1)), "[*******, *]");
    }
}
