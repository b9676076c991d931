//! `${NAME}`, `${NAME:-default}` and `${file:/path}` in scalar values; `$${` stands for `${`. The result is a scalar
//! again, never structure, so that no variable can add keys. `$1` and `$\{name}` mean something to filters and stay.

use std::cell::RefCell;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::environment::Environment;
use crate::files::Files;
use crate::node::{Node, Resolved, Scalar, Value, resolve_plain};
use crate::source::{Sources, Span};
use crate::suggest::did_you_mean;

/// The largest file that a value may name.
const MAX_FILE: usize = 1 << 20;

/// All values of a configuration together, once replaced.
const MAX_TOTAL: usize = 64 << 20;

/// Defaults within defaults.
const MAX_NESTED: usize = 8;

const SYNTAX: &str = "write ${NAME}, ${NAME:-default} or ${file:/path}; $${ stands for ${";

/// Replaces every reference in `node`, in place. A value that cannot be replaced stays as it is and counts as damaged, so
/// that nothing else is said about it.
pub(crate) fn interpolate(
    node: &mut Node,
    sources: &Sources,
    environment: &Environment,
    diagnostics: &mut Diagnostics,
    files: &mut Files,
) {
    Interpolation { sources, environment, diagnostics, files: RefCell::new(files), total: 0 }.node(node);
}

struct Interpolation<'a> {
    sources: &'a Sources,
    environment: &'a Environment,
    diagnostics: &'a mut Diagnostics,
    files: RefCell<&'a mut Files>,
    total: usize,
}

/// A replaced text, and whether a part of it came from outside of the files.
#[derive(Debug, Default, PartialEq)]
struct Replaced {
    text: String,
    injected: bool,
}

/// What is wrong with which reference.
struct Wrong {
    reference: String,
    message: String,
    hint: String,
}

impl Interpolation<'_> {
    fn node(&mut self, node: &mut Node) {
        match &mut node.value {
            Value::Null => {}
            Value::List(items) => items.iter_mut().for_each(|item| self.node(item)),
            Value::Map(entries) => entries.iter_mut().for_each(|entry| self.node(&mut entry.node)),
            Value::Scalar(scalar) if scalar.text().contains("${") => match self.scalar(scalar, node.span) {
                Ok(value) => node.value = value,
                Err(wrong) => self.report(wrong, node.span),
            },
            Value::Scalar(_) => {}
        }
    }

    fn scalar(&mut self, scalar: &Scalar, span: Span) -> Result<Value, Wrong> {
        let replaced = self.text(scalar.text(), span, 0)?;
        self.total += replaced.text.len();
        if self.total > MAX_TOTAL {
            return Err(Wrong::new(
                "",
                "the values of this configuration grow beyond what is read",
                "name fewer or smaller files",
            ));
        }
        if !scalar.is_quoted() && resolve_plain(&replaced.text) == Resolved::Null {
            return Ok(Value::Null);
        }
        let fresh = if scalar.is_quoted() { Scalar::quoted(replaced.text) } else { Scalar::plain(replaced.text) };
        Ok(Value::Scalar(if replaced.injected || scalar.is_injected() { fresh.injected() } else { fresh }))
    }

    fn text(&self, text: &str, span: Span, nested: usize) -> Result<Replaced, Wrong> {
        let mut replaced = Replaced::default();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            let (before, from) = rest.split_at(at);
            replaced.text.push_str(before);
            if let Some(after) = from.strip_prefix("$${") {
                replaced.text.push_str("${");
                rest = after;
            } else if let Some(inside) = from.strip_prefix("${") {
                let length = closing(inside).ok_or_else(|| Wrong::new("${", "expected '}' after '${'", SYNTAX))?;
                let (reference, after) = inside.split_at(length);
                let value = self.reference(reference, span, nested)?;
                replaced.text.push_str(&value.text);
                replaced.injected |= value.injected;
                rest = after.strip_prefix('}').unwrap_or(after);
            } else {
                replaced.text.push('$');
                rest = from.strip_prefix('$').unwrap_or("");
            }
            if replaced.text.len() > MAX_TOTAL {
                return Err(Wrong::new("", "this value grows beyond what is read", "name fewer or smaller files"));
            }
        }
        replaced.text.push_str(rest);
        Ok(replaced)
    }

    /// The value of what stands between the braces.
    fn reference(&self, reference: &str, span: Span, nested: usize) -> Result<Replaced, Wrong> {
        if let Some(path) = reference.strip_prefix("file:") {
            return self.file(path, span).map(|text| Replaced { text, injected: true });
        }
        let (name, default) = match reference.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (reference, None),
        };
        if !is_name(name) {
            let message = format!("'{name}' is not the name of a variable");
            return Err(Wrong::new(&format!("${{{reference}}}"), &message, SYNTAX));
        }
        match (self.environment.variable(name), default) {
            (Some(value), _) => Ok(Replaced { text: value.to_owned(), injected: true }),
            (None, Some(_)) if nested >= MAX_NESTED => {
                Err(Wrong::new(&format!("${{{reference}}}"), "too many defaults within defaults", SYNTAX))
            }
            (None, Some(default)) => self.text(default, span, nested + 1),
            (None, None) => {
                let hint = match did_you_mean(name, self.environment.names()) {
                    Some(near) => format!("did you mean '${{{near}}}'?"),
                    // Environments are written in capitals: this is probably Spring's or a regular expression's notation.
                    None if name.bytes().any(|byte| byte.is_ascii_lowercase()) => format!(
                        "set {name}, or write a default: ${{{name}:-default}}; a group of a regular expression is written $\\{{{name}}}, a captured variable {{{name}}}"
                    ),
                    None => format!("set {name}, or write a default: ${{{name}:-default}}"),
                };
                Err(Wrong::new(&format!("${{{name}}}"), &format!("the variable {name} is not set"), &hint))
            }
        }
    }

    fn file(&self, path: &str, span: Span) -> Result<String, Wrong> {
        let wrong = |message: String, hint: &str| Wrong::new(&format!("${{file:{path}}}"), &message, hint);
        if path.is_empty() {
            return Err(wrong("expected a path after 'file:'".to_owned(), SYNTAX));
        }
        let full = self.sources.directory(span.source).join(path);
        let shown = full.display();
        self.files.borrow_mut().note(&full);
        let bytes = read(&full).map_err(|error| {
            let hint = if Path::new(path).is_absolute() {
                ""
            } else {
                "a relative path starts at the folder of the file it stands in"
            };
            wrong(format!("cannot read '{shown}': {error}"), hint)
        })?;
        if bytes.len() > MAX_FILE {
            return Err(wrong(format!("'{shown}' has more than the {MAX_FILE} bytes that are read"), ""));
        }
        let mut text = String::from_utf8(bytes).map_err(|_| wrong(format!("'{shown}' is not UTF-8"), ""))?;
        if text.ends_with('\n') {
            text.pop();
            if text.ends_with('\r') {
                text.pop();
            }
        }
        Ok(text)
    }

    /// Points at the reference itself where the text of the source shows it.
    fn report(&mut self, wrong: Wrong, span: Span) {
        let found = self.sources.slice(span).find(&wrong.reference).filter(|_| !wrong.reference.is_empty());
        let place =
            found.map_or(span, |at| Span::new(span.source, span.start + at, span.start + at + wrong.reference.len()));
        let mistake = Diagnostic::error(wrong.message, place);
        self.diagnostics.push(if wrong.hint.is_empty() { mistake } else { mistake.with_hint(wrong.hint) });
        self.diagnostics.damage(span);
    }
}

impl Wrong {
    fn new(reference: &str, message: &str, hint: &str) -> Self {
        Self { reference: reference.to_owned(), message: message.to_owned(), hint: hint.to_owned() }
    }
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_FILE + 1).unwrap_or(u64::MAX);
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Where the brace that closes the reference stands; a default may have braces of its own.
fn closing(inside: &str) -> Option<usize> {
    let mut open = 0_usize;
    for (at, byte) in inside.bytes().enumerate() {
        match byte {
            b'{' => open += 1,
            b'}' if open == 0 => return Some(at),
            b'}' => open -= 1,
            _ => {}
        }
    }
    None
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::source::SourceId;

    /// What a scalar becomes, and the messages on the way.
    fn replaced(scalar: Scalar, pairs: &[(&str, &str)]) -> (Value, Vec<String>) {
        let mut node = Node::new(Value::Scalar(scalar), Span::new(SourceId::from_raw(0), 0, 0));
        let environment = Environment::from_pairs(pairs.iter().copied());
        let mut diagnostics = Diagnostics::new();
        interpolate(&mut node, &Sources::default(), &environment, &mut diagnostics, &mut Files::default());
        (node.value, diagnostics.into_iter().map(|mistake| mistake.message).collect())
    }

    fn text(written: &str) -> String {
        let (value, messages) = replaced(Scalar::quoted(written), &[("A", "1"), ("B_2", "${A}"), ("EMPTY", "")]);
        assert!(messages.is_empty(), "{written}: {messages:?}");
        let Value::Scalar(scalar) = value else { panic!("{written} became {value:?}") };
        scalar.text().to_owned()
    }

    #[test]
    fn references_are_replaced_wherever_they_stand() {
        assert_eq!(text("${A}"), "1");
        assert_eq!(text("x${A}y${A}z"), "x1y1z");
        assert_eq!(text("${EMPTY}"), "");
    }

    #[test]
    fn a_default_stands_in_for_an_unset_variable_only() {
        assert_eq!(text("${NO:-fallback}"), "fallback");
        assert_eq!(text("${NO:-}"), "");
        assert_eq!(text("${A:-fallback}"), "1");
        assert_eq!(text("${EMPTY:-fallback}"), "");
        assert_eq!(text("${NO:-/a/{id}/b}"), "/a/{id}/b");
        assert_eq!(text("${NO:-${ALSO_NO:-${A}}}"), "1");
        assert_eq!(text("${NO:-http://x:-1}"), "http://x:-1");
    }

    #[test]
    fn a_variable_is_not_looked_into() {
        assert_eq!(text("${B_2}"), "${A}");
    }

    #[test]
    fn two_dollars_escape_and_other_dollars_stay() {
        assert_eq!(text("$${A}"), "${A}");
        assert_eq!(text("$$${A}"), "$${A}");
        assert_eq!(text("$1 $\\{name} $ $$ ${A} $"), "$1 $\\{name} $ $$ 1 $");
    }

    #[test]
    fn what_is_wrong_is_said_once_for_each_value() {
        for (written, message) in [
            ("${NO}", "the variable NO is not set"),
            ("${NO", "expected '}' after '${'"),
            ("${}", "'' is not the name of a variable"),
            ("${a b}", "'a b' is not the name of a variable"),
            ("${1}", "'1' is not the name of a variable"),
            ("${file:}", "expected a path after 'file:'"),
            ("${file:/no/such/file}", "cannot read '/no/such/file': No such file or directory (os error 2)"),
        ] {
            let (value, messages) = replaced(Scalar::plain(written), &[]);
            assert_eq!(messages, [message], "{written}");
            assert_eq!(value, Value::Scalar(Scalar::plain(written)));
        }
    }

    #[test]
    fn a_plain_result_counts_as_what_it_looks_like() {
        let number = replaced(Scalar::plain("${A}"), &[("A", "5")]).0;
        assert!(matches!(number, Value::Scalar(scalar) if scalar.resolve() == Resolved::Integer(5)));
        let quoted = replaced(Scalar::quoted("${A}"), &[("A", "5")]).0;
        assert!(matches!(quoted, Value::Scalar(scalar) if scalar.resolve() == Resolved::Text("5")));
        assert_eq!(replaced(Scalar::plain("${A:-}"), &[]).0, Value::Null);
        assert_eq!(replaced(Scalar::quoted("${A:-}"), &[]).0, Value::Scalar(Scalar::quoted("")));
    }

    #[test]
    fn a_result_never_becomes_structure() {
        let value = replaced(Scalar::plain("${A}"), &[("A", "{b: [1]}\nc: 2")]).0;
        assert_eq!(value, Value::Scalar(Scalar::plain("{b: [1]}\nc: 2").injected()));
    }

    #[test]
    fn values_from_outside_are_marked_and_defaults_are_not() {
        let injected = |written| match replaced(Scalar::quoted(written), &[("A", "1")]).0 {
            Value::Scalar(scalar) => scalar.is_injected(),
            other => panic!("{other:?}"),
        };
        assert!(injected("x${A}"));
        assert!(!injected("${B:-x}"));
        assert!(!injected("$${A}"));
    }

    #[test]
    fn files_lose_one_newline_and_relative_paths_start_at_the_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "hunter2\n\n").unwrap();
        let mut sources = Sources::default();
        let name = folder.path().join("gw.yaml").display().to_string();
        let source = sources.add(name, "${file:secret}");
        let absolute = format!("${{file:{}}}", folder.path().join("secret").display());
        for written in ["${file:secret}", &absolute] {
            let mut node = Node::new(Value::Scalar(Scalar::quoted(written)), Span::new(source, 0, 14));
            interpolate(&mut node, &sources, &Environment::default(), &mut Diagnostics::new(), &mut Files::default());
            assert_eq!(node.value, Value::Scalar(Scalar::quoted("hunter2\n").injected()));
        }
    }

    #[test]
    fn the_mark_is_on_the_reference_itself() {
        let mut sources = Sources::default();
        let source = sources.add("gw.yaml", "a: x-${NO}-y");
        let mut node = Node::new(Value::Scalar(Scalar::plain("x-${NO}-y")), Span::new(source, 3, 12));
        let mut diagnostics = Diagnostics::new();
        interpolate(&mut node, &sources, &Environment::default(), &mut diagnostics, &mut Files::default());
        assert_eq!(sources.slice(diagnostics.iter().next().unwrap().span.unwrap()), "${NO}");
    }

    #[test]
    fn defaults_within_defaults_are_bounded() {
        let deep = "${A:-".repeat(100_000) + &"}".repeat(100_000);
        assert_eq!(replaced(Scalar::quoted(deep), &[]).1, ["too many defaults within defaults"]);
    }

    proptest! {
        #[test]
        fn any_text_is_replaced_or_refused(written in "[$]{0,3}[{]?[A-C:\\-/}ö ]{0,12}[$]?[}]?(.|\\$\\{A\\}){0,8}") {
            let (value, messages) = replaced(Scalar::quoted(&*written), &[("A", "$${B}"), ("B", "x")]);
            let unchanged = value == Value::Scalar(Scalar::quoted(&*written));
            prop_assert!(messages.is_empty() || unchanged);
            let has_reference = written.contains("${");
            prop_assert!(has_reference || unchanged);
        }
    }
}
