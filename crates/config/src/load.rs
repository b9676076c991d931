//! The whole way from files and environment to one document.

use std::path::PathBuf;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::environment::Environment;
use crate::files::Files;
use crate::layers::Layers;
use crate::merge::MergeRules;
use crate::node::{Entry, Node, Value};
use crate::source::Sources;
use crate::yaml;

/// What a run starts from: the document, the texts it came from, and what is wrong so far.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Everything merged and interpolated: always a map.
    pub document: Node,
    /// The texts, for messages.
    pub sources: Sources,
    /// What is wrong so far; [`crate::decode`] adds to it.
    pub diagnostics: Diagnostics,
    /// The files that were read, and those that should have been.
    pub files: Files,
}

/// Reads `files` in order, lays the environment on top and interpolates. A file that cannot be read is a diagnostic at
/// its name; the others are read all the same.
pub fn load(files: &[PathBuf], environment: &Environment, merge: &MergeRules) -> Loaded {
    let mut layers = Layers::new();
    files.iter().for_each(|path| layers.file(path));
    layers.environment(environment);
    layers.finish(environment, merge)
}

/// The same for texts that are already there, each with the name that messages show.
pub fn load_texts(texts: &[(String, String)], environment: &Environment, merge: &MergeRules) -> Loaded {
    let mut layers = Layers::new();
    texts.iter().for_each(|(name, text)| layers.text(name, text));
    layers.environment(environment);
    layers.finish(environment, merge)
}

/// Reads a text that is a list at its top: keys, an access list. The document is a map whose only key is `list`; values are
/// taken as they are, `${…}` stands for nothing.
pub fn load_list(name: &str, text: &str) -> Loaded {
    let mut sources = Sources::default();
    let mut diagnostics = Diagnostics::new();
    let source = sources.add(name, text);
    let mut node = yaml::parse(source, sources.text(source), &mut diagnostics);
    let span = node.span;
    // Nothing at all is read as a map without keys.
    if matches!(&node.value, Value::Map(entries) if entries.is_empty()) {
        node.value = Value::List(Vec::new());
    }
    if !matches!(node.value, Value::List(_) | Value::Null) {
        diagnostics.push(Diagnostic::error("expected a list at the top of the file", span));
        diagnostics.damage(span);
    }
    let list = Entry { key: "list".to_owned(), key_span: span, node };
    Loaded { document: Node::new(Value::Map(vec![list]), span), sources, diagnostics, files: Files::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_it_stands_and_anything_else_is_none() {
        let good = load_list("keys.yaml", "# keys\n- {id: a}\n- id: ${B}\n");
        assert!(good.diagnostics.is_empty());
        let Some(Value::List(items)) = good.document.entry("list").map(|entry| &entry.node.value) else { panic!() };
        assert_eq!(items[1].entry("id").unwrap().node.text(), Some("${B}"));
        assert_eq!(good.sources.location(items[1].span), ("keys.yaml", 3, 3));
        assert!(
            load_list("keys.yaml", "[]").diagnostics.is_empty() && load_list("keys.yaml", "").diagnostics.is_empty()
        );
        for text in ["a: 1", "text"] {
            assert!(load_list("keys.yaml", text).diagnostics.has_errors(), "{text}");
        }
    }

    const RULES: MergeRules = MergeRules { append: &[("routes", Some("id"))] };

    fn texts(files: &[(&str, &str)], pairs: &[(&str, &str)]) -> Loaded {
        let files: Vec<_> = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        load_texts(&files, &Environment::from_pairs(pairs.iter().copied()), &RULES)
    }

    fn text<'l>(loaded: &'l Loaded, key: &str) -> &'l str {
        loaded.document.entry(key).and_then(|entry| entry.node.text()).unwrap()
    }

    fn messages(loaded: &Loaded) -> Vec<String> {
        let line = |mistake: &Diagnostic| {
            let (name, line, column) = loaded.sources.location(mistake.span.unwrap());
            format!("{name}:{line}:{column} {}", mistake.message)
        };
        loaded.diagnostics.iter().map(line).collect()
    }

    #[test]
    fn the_environment_overrides_later_files_which_override_earlier_ones() {
        let files = [("a.yaml", "x: 1\ny: 1\nz: 1\n"), ("b.yaml", "y: 2\nz: 2\n")];
        let loaded = texts(&files, &[("GWANMUN__Z", "3"), ("GWANMUN__DEEP__KEY_NAME", "4")]);
        assert_eq!((text(&loaded, "x"), text(&loaded, "y"), text(&loaded, "z")), ("1", "2", "3"));
        assert_eq!(loaded.document.entry("deep").unwrap().node.entry("key-name").unwrap().node.text(), Some("4"));
        let (name, ..) = loaded.sources.location(loaded.document.entry("y").unwrap().node.span);
        assert_eq!(name, "b.yaml");
    }

    #[test]
    fn an_overridden_value_needs_no_variable() {
        let loaded = texts(&[("a.yaml", "x: ${UNSET}\n"), ("b.yaml", "x: 1\n")], &[]);
        assert!(loaded.diagnostics.is_empty());
    }

    #[test]
    fn identities_are_compared_after_interpolation() {
        let loaded = texts(&[("a.yaml", "routes: [{id: \"${A}\"}, {id: b}]")], &[("A", "b")]);
        assert_eq!(messages(&loaded), ["a.yaml:1:29 the id 'b' stands twice in routes"]);
    }

    #[test]
    fn no_files_and_empty_files_are_an_empty_map() {
        assert_eq!(texts(&[], &[]).document.value, Value::Map(Vec::new()));
        let loaded = texts(&[("a.yaml", ""), ("b.yaml", "# nothing\n")], &[]);
        assert!(loaded.diagnostics.is_empty());
        assert_eq!(loaded.document.value, Value::Map(Vec::new()));
    }

    #[test]
    fn a_file_begins_with_a_key() {
        assert_eq!(
            messages(&texts(&[("a.yaml", "- x")], &[])),
            ["a.yaml:1:1 expected a map at the top of the file, found a list"]
        );
        assert_eq!(
            messages(&texts(&[("a.yaml", "x")], &[])),
            ["a.yaml:1:1 expected a map at the top of the file, found a single value"]
        );
    }

    #[test]
    fn a_file_that_cannot_be_read_does_not_hide_mistakes_of_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("latin.yaml"), b"a: \xe9\nb: 1\n").unwrap();
        std::fs::write(path("wrong.yaml"), "c: 1\nc: 2\n").unwrap();
        std::fs::write(path("good.yaml"), "d: ${file:secret.txt}\n").unwrap();
        std::fs::write(path("secret.txt"), "s3cret\n").unwrap();
        let files = ["gone.yaml", "latin.yaml", "wrong.yaml", "good.yaml"].map(path);
        let loaded = load(&files, &Environment::default(), &RULES);
        let shown: Vec<_> = messages(&loaded)
            .iter()
            .map(|message| message.replace(&format!("{}/", folder.path().display()), ""))
            .collect();
        assert_eq!(
            shown,
            [
                "gone.yaml:1:1 cannot read 'gone.yaml': No such file or directory (os error 2)",
                "latin.yaml:1:4 the file is not UTF-8 from here on",
                "wrong.yaml:2:1 the key 'c' stands twice in one map",
            ]
        );
        assert_eq!(text(&loaded, "d"), "s3cret");
        assert!(loaded.diagnostics.is_incomplete());
    }
}
