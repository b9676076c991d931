//! Arguments on one line, as their author would have written them there: for tables and explanations. Only the texts of
//! the files are shown, so a value from the environment appears as `${NAME}`.

use gwanmun_config::{Node, Sources, Value};

use crate::catalog::quoted;

/// `arguments` on one line; empty for none.
pub(super) fn on_one_line(arguments: &Node, sources: &Sources) -> String {
    let text = sources.slice(arguments.span).trim();
    let is_flow = |open| text.starts_with(open) && !text.contains('\n');
    match &arguments.value {
        Value::Null => String::new(),
        Value::Scalar(_) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        Value::List(_) if is_flow('[') => text.to_owned(),
        Value::Map(_) if is_flow('{') => text.to_owned(),
        Value::List(items) => format!("[{}]", joined(items.iter().map(|item| on_one_line(item, sources)))),
        Value::Map(entries) => {
            format!(
                "{{{}}}",
                joined(entries.iter().map(|entry| format!("{}: {}", entry.key, on_one_line(&entry.node, sources))))
            )
        }
    }
}

/// The same of what nobody has written, as it could be written.
pub(super) fn spelt(arguments: &Node) -> String {
    match &arguments.value {
        Value::Null => String::new(),
        Value::Scalar(scalar) => quoted(scalar.text()),
        Value::List(items) => format!("[{}]", joined(items.iter().map(spelt))),
        Value::Map(entries) => {
            format!("{{{}}}", joined(entries.iter().map(|entry| format!("{}: {}", entry.key, spelt(&entry.node)))))
        }
    }
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use gwanmun_config::{Environment, MergeRules, load_texts};

    use super::*;

    fn written(text: &str) -> String {
        let texts = [("test".to_owned(), format!("arguments: {text}\n"))];
        let loaded = load_texts(&texts, &Environment::from_pairs([("SECRET", "s3cret")]), &MergeRules::default());
        on_one_line(&loaded.document.entry("arguments").unwrap().node, &loaded.sources)
    }

    #[test]
    fn what_stands_on_one_line_stays_as_it_is() {
        assert_eq!(written("[ /a,  '/b' ]"), "[ /a,  '/b' ]");
        assert_eq!(written("{name: X, value: \"{id}\"} # why"), "{name: X, value: \"{id}\"}");
        assert_eq!(written("'/a b'"), "'/a b'");
        assert_eq!(written(""), "");
    }

    #[test]
    fn blocks_become_flow() {
        assert_eq!(written("\n  name: X\n  value: \"{id}\" # why\n"), "{name: X, value: \"{id}\"}");
        assert_eq!(written("\n  - /a\n  - '/b'\n"), "[/a, '/b']");
        assert_eq!(written("[/a, # why\n  {b: c}]"), "[/a, {b: c}]");
        assert_eq!(written("\n  only: one\n"), "{only: one}");
    }

    #[test]
    fn what_comes_from_the_environment_is_not_shown() {
        assert_eq!(written("\n  key: ${SECRET}\n"), "{key: ${SECRET}}");
    }
}
