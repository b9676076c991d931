//! Arguments that say what a file could say: `--a.b-c=value`, over everything else.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::environment::{MAX_LEVELS, leaf, nest};
use crate::masked::is_secret;
use crate::node::Node;
use crate::source::{Sources, Span};

/// What their layer is called.
pub(crate) const NAME: &str = "command line";

/// One document for each argument, each with a source of its own, which shows the argument.
pub(crate) fn documents(arguments: &[String], sources: &mut Sources, diagnostics: &mut Diagnostics) -> Vec<Node> {
    arguments.iter().filter_map(|argument| document(argument, sources, diagnostics)).collect()
}

fn document(argument: &str, sources: &mut Sources, diagnostics: &mut Diagnostics) -> Option<Node> {
    let (name, value) = match argument.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (argument, None),
    };
    let key = name.strip_prefix("--").unwrap_or(name);
    let levels: Vec<String> = key.split('.').map(str::to_owned).collect();
    let is_secret = levels.iter().any(|level| is_secret(level));
    let shown = match value {
        Some(value) if is_secret => format!("{name}={}", "*".repeat(value.len())),
        Some(value) => format!("{name}={value}"),
        None => name.to_owned(),
    };
    let start = shown.len().min(name.len() + 1);
    let end = shown.len();
    let source = sources.add(NAME, shown);
    let key_span = Span::new(source, name.len() - key.len(), name.len());
    let Some(value) = value else {
        diagnostics.push(
            Diagnostic::error(format!("the argument {name} has no value"), key_span)
                .with_hint(format!("write {name}=VALUE, without a space")),
        );
        return None;
    };
    let is_odd = |level: &String| {
        level.is_empty()
            || level.starts_with('-')
            || level.ends_with('-')
            || !level.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    if levels.len() > MAX_LEVELS || levels.iter().any(is_odd) {
        let hint = "a dot divides levels: --server.body-bytes=64KiB sets body-bytes of server";
        diagnostics
            .push(Diagnostic::error(format!("the argument {name} does not lead to a key"), key_span).with_hint(hint));
        return None;
    }
    let injected = if is_secret { Injected::Yes } else { Injected::No };
    let leaf = leaf(value, Span::new(source, start, end), injected, diagnostics);
    Some(nest(levels, leaf, key_span))
}

/// Whether a value may be a secret, so that messages and dumps do not show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Injected {
    Yes,
    No,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::{Scalar, Value};
    use crate::render::Style;

    fn read(arguments: &[&str]) -> (Vec<Node>, Sources, Diagnostics) {
        let (mut sources, mut diagnostics) = (Sources::default(), Diagnostics::new());
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let documents = documents(&arguments, &mut sources, &mut diagnostics);
        (documents, sources, diagnostics)
    }

    #[test]
    fn dots_divide_levels_and_the_place_is_the_argument() {
        let (documents, sources, diagnostics) = read(&["--server.body-bytes=64KiB", "--a=[x, {b: 1}]", "--c="]);
        assert!(diagnostics.is_empty());
        let node = &documents[0].entry("server").unwrap().node.entry("body-bytes").unwrap().node;
        assert_eq!(node.value, Value::Scalar(Scalar::plain("64KiB")));
        assert_eq!(sources.location(node.span), ("command line", 1, 21));
        assert_eq!(sources.slice(node.span), "64KiB");
        let Value::List(items) = &documents[1].entry("a").unwrap().node.value else { panic!("a list") };
        assert_eq!(sources.slice(items[0].span), "x");
        assert_eq!(documents[2].entry("c").unwrap().node.value, Value::Null);
    }

    #[test]
    fn what_leads_to_no_key_is_refused() {
        for argument in ["--a", "--=1", "--a..b=1", "--a.=1", "--a b=1", "-=1"] {
            let (documents, sources, diagnostics) = read(&[argument]);
            assert!(documents.is_empty() && diagnostics.has_errors(), "{argument}");
            assert!(diagnostics.render(&sources, Style::Plain).contains("--> command line:1:"), "{argument}");
        }
        let deep = format!("--{}=1", ["a"; MAX_LEVELS + 1].join("."));
        assert!(read(&[&deep]).2.has_errors());
    }

    #[test]
    fn secrets_are_not_shown() {
        let (documents, sources, _) = read(&["--database.password=hunter2", "--b.token=[hunter2]"]);
        let node = &documents[0].entry("database").unwrap().node.entry("password").unwrap().node;
        assert!(matches!(&node.value, Value::Scalar(scalar) if scalar.is_injected() && scalar.text() == "hunter2"));
        assert_eq!(sources.text(node.span.source), "--database.password=*******");
        assert!(!sources.text(documents[1].span.source).contains("hunter2"));
    }
}
