//! The documents that one configuration is put together from, the weakest first: files, texts, the environment, arguments.
//! They are kept apart until the end, so that what a later one is called may be read from an earlier one, and so that
//! somebody can be shown who said what.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::arguments;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::environment::Environment;
use crate::files::Files;
use crate::interpolate::interpolate;
use crate::load::Loaded;
use crate::merge::{self, MergeRules};
use crate::node::{Node, Value};
use crate::source::{SourceId, Sources, Span};
use crate::yaml;

/// One document of several.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Where it came from: a path, `environment`, `command line`.
    pub name: String,
    /// What it says, always a map; nothing in it is interpolated.
    pub document: Node,
}

/// Documents from the weakest to the strongest.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    layers: Vec<Layer>,
    sources: Sources,
    diagnostics: Diagnostics,
    files: Files,
}

impl Layers {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lays the file at `path` on top. One that cannot be read is a mistake.
    pub fn file(&mut self, path: &Path) {
        self.files.note(path);
        match read(path) {
            Ok(bytes) => self.bytes(path, bytes),
            Err(error) => {
                let source = self.sources.add(path.display().to_string(), "");
                let span = Span::new(source, 0, 0);
                let message = format!("cannot read '{}': {error}", path.display());
                self.diagnostics.push(Diagnostic::error(message, span));
                self.diagnostics.damage(span);
            }
        }
    }

    /// The same, but the file need not be there: whether it was is said, and that it comes is a change of the configuration.
    pub fn file_if_there(&mut self, path: &Path) -> bool {
        self.files.note(path);
        let is_there = !matches!(std::fs::metadata(path), Err(error) if error.kind() == io::ErrorKind::NotFound);
        if is_there {
            self.file(path);
        }
        is_there
    }

    /// Lays a text on top that is already there, by the name that messages show.
    pub fn text(&mut self, name: &str, text: &str) {
        let source = self.sources.add(name, text);
        self.parse(source);
    }

    /// Lays every `GWANMUN__A__B_C=value` on top.
    pub fn environment(&mut self, environment: &Environment) {
        let documents = environment.documents(&mut self.sources, &mut self.diagnostics);
        self.together("environment", documents);
    }

    /// Lays arguments of the form `--a.b-c=value` on top.
    pub fn arguments(&mut self, arguments: &[String]) {
        let documents = arguments::documents(arguments, &mut self.sources, &mut self.diagnostics);
        self.together(arguments::NAME, documents);
    }

    /// Adds a mistake.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// A text that is no part of the configuration but that messages point into.
    pub fn source(&mut self, name: &str, text: &str) -> SourceId {
        self.sources.add(name, text)
    }

    /// The documents so far.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Everything merged and interpolated; `environment` is what `${NAME}` is looked up in.
    pub fn finish(self, environment: &Environment, rules: &MergeRules) -> Loaded {
        let Self { layers, sources, mut diagnostics, mut files } = self;
        let mut documents = layers.into_iter().map(|layer| layer.document);
        let first = documents.next().unwrap_or(Node::new(Value::Map(Vec::new()), Span::NOWHERE));
        let mut document = documents.fold(first, |base, over| merge::merge(base, over, rules));
        interpolate(&mut document, &sources, environment, &mut diagnostics, &mut files);
        merge::check_identities(&document, rules, &mut diagnostics);
        Loaded { document, sources, diagnostics, files }
    }

    fn bytes(&mut self, path: &Path, bytes: Vec<u8>) {
        let name = path.display().to_string();
        let source = match String::from_utf8(bytes) {
            Ok(text) => self.sources.add(name, text),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let source = self.sources.add(name, String::from_utf8_lossy(error.as_bytes()));
                let mistake = Diagnostic::error("the file is not UTF-8 from here on", Span::new(source, at, at + 1));
                self.diagnostics.push(mistake.with_hint("save it as UTF-8"));
                self.diagnostics.damage(Span::new(source, at, self.sources.text(source).len()));
                source
            }
        };
        self.parse(source);
    }

    fn parse(&mut self, source: SourceId) {
        let document = document(source, &self.sources, &mut self.diagnostics);
        self.layers.push(Layer { name: self.sources.name(source).to_owned(), document });
    }

    fn together(&mut self, name: &str, documents: Vec<Node>) {
        let mut documents = documents.into_iter();
        let Some(first) = documents.next() else { return };
        let document = documents.fold(first, |base, over| merge::merge(base, over, &MergeRules::default()));
        self.layers.push(Layer { name: name.to_owned(), document });
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than is parsed, so that the parser sees that it is too much.
    let limit = u64::try_from(yaml::MAX_BYTES + 1).unwrap_or(u64::MAX);
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn document(source: SourceId, sources: &Sources, diagnostics: &mut Diagnostics) -> Node {
    let node = yaml::parse(source, sources.text(source), diagnostics);
    let found = match &node.value {
        Value::Map(_) => return node,
        Value::Null => "",
        Value::Scalar(_) => "found a single value",
        Value::List(_) => "found a list",
    };
    if !found.is_empty() {
        let mistake = Diagnostic::error(format!("expected a map at the top of the file, {found}"), node.span);
        let colon = node.text().is_some_and(|text| text.contains(':'));
        let hint = if colon {
            "a key is followed by a colon and a space"
        } else {
            "a file begins with a key such as 'routes:'"
        };
        diagnostics.push(mistake.with_hint(hint));
        diagnostics.damage(node.span);
    }
    Node::new(Value::Map(Vec::new()), Span::new(source, 0, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_known_by_name_and_the_later_one_wins() {
        let folder = tempfile::tempdir().unwrap();
        let mut layers = Layers::new();
        assert!(!layers.file_if_there(&folder.path().join("a.yaml")));
        std::fs::write(folder.path().join("b.yaml"), "x: 0\ny: 0\nz: 0").unwrap();
        assert!(layers.file_if_there(&folder.path().join("b.yaml")));
        layers.text("c.yaml", "x: 1\ny: 1");
        let environment = Environment::from_pairs([("GWANMUN__Y", "2"), ("GWANMUN__W", "${A}"), ("A", "3")]);
        layers.environment(&environment);
        layers.arguments(&["--z=4".to_owned(), "--m.n=5".to_owned()]);
        let names: Vec<_> = layers.layers().iter().map(|layer| layer.name.rsplit('/').next().unwrap()).collect();
        assert_eq!(names, ["b.yaml", "c.yaml", "environment", "command line"]);
        let loaded = layers.finish(&environment, &MergeRules::default());
        let text = |key: &str| loaded.document.entry(key).and_then(|entry| entry.node.text()).unwrap().to_owned();
        assert_eq!([text("x"), text("y"), text("z"), text("w")], ["1", "2", "4", "3"]);
        assert_eq!(loaded.document.entry("m").unwrap().node.entry("n").unwrap().node.text(), Some("5"));
        let mut paths = loaded.files.paths();
        assert!(paths.next().is_some_and(|path| path.ends_with("a.yaml")), "its coming is a change");
    }

    #[test]
    fn a_file_that_is_there_and_cannot_be_read_is_a_mistake() {
        let folder = tempfile::tempdir().unwrap();
        let mut layers = Layers::new();
        assert!(layers.file_if_there(folder.path()));
        let loaded = layers.finish(&Environment::default(), &MergeRules::default());
        assert!(loaded.diagnostics.has_errors());
    }
}
