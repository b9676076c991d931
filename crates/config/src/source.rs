//! The texts that configuration came from, and places in them. Everything that can be wrong points here, so that a
//! message can name file, line and column long after parsing.

use std::path::{Path, PathBuf};

/// One text among [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(u32);

impl SourceId {
    pub(crate) fn raw(self) -> u32 {
        self.0
    }

    pub(crate) fn from_raw(raw: u32) -> Self {
        Self(raw)
    }
}

/// A half-open range of bytes in one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The text this is a part of.
    pub source: SourceId,
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Span {
    /// The place of what nobody wrote, such as a default: shown without a snippet.
    pub const NOWHERE: Self = Self { source: SourceId(u32::MAX), start: 0, end: 0 };

    pub(crate) fn new(source: SourceId, start: usize, end: usize) -> Self {
        Self { source, start, end: end.max(start) }
    }
}

impl Default for Span {
    fn default() -> Self {
        Self::NOWHERE
    }
}

/// Names and texts of everything that was read.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    sources: Vec<Source>,
}

#[derive(Clone, Debug)]
struct Source {
    name: String,
    text: String,
    line_starts: Vec<usize>,
}

impl Sources {
    /// Adds a text under the name that messages show: a path, or words such as `environment GWANMUN__WORKERS`.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> SourceId {
        let text = text.into();
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let id = SourceId(u32::try_from(self.sources.len()).unwrap_or(u32::MAX));
        self.sources.push(Source { name: name.into(), text, line_starts });
        id
    }

    /// The name of a source; empty for [`Span::NOWHERE`].
    pub fn name(&self, id: SourceId) -> &str {
        self.source(id).map_or("", |source| &source.name)
    }

    /// The first source of this name.
    pub fn by_name(&self, name: &str) -> Option<SourceId> {
        let at = self.sources.iter().position(|source| source.name == name)?;
        u32::try_from(at).ok().map(SourceId)
    }

    /// The whole text of a source; empty for [`Span::NOWHERE`].
    pub fn text(&self, id: SourceId) -> &str {
        self.source(id).map_or("", |source| &source.text)
    }

    /// The text under a span; empty when the span does not fit its source.
    pub fn slice(&self, span: Span) -> &str {
        self.text(span.source).get(span.start..span.end).unwrap_or("")
    }

    /// Where a span begins: name, line and column, both counted from 1, columns in characters.
    pub fn location(&self, span: Span) -> (&str, usize, usize) {
        let Some(source) = self.source(span.source) else { return ("", 1, 1) };
        let line = source.line_of(span.start);
        let start = source.line_start(line);
        let before = source.text.get(start..span.start).unwrap_or("");
        (&source.name, line + 1, before.chars().count() + 1)
    }

    /// The folder of a source's file, from which relative paths in it are reckoned; the working folder for the others.
    pub fn directory(&self, id: SourceId) -> PathBuf {
        match Path::new(self.name(id)).parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
            _ => PathBuf::from("."),
        }
    }

    /// The lines from the one with byte `start` to the one with byte `end`: line number from 1, first byte, text.
    pub(crate) fn lines(&self, id: SourceId, start: usize, end: usize) -> (usize, usize, &str) {
        let Some(source) = self.source(id) else { return (1, 0, "") };
        let first = source.line_of(start);
        let from = source.line_start(first);
        let until = source.line_starts.get(source.line_of(end) + 1).copied().unwrap_or(source.text.len());
        (first + 1, from, source.text.get(from..until).unwrap_or(""))
    }

    /// The same sources with other texts, whose lines have to begin where they did.
    pub(crate) fn map_texts(&self, change: fn(&str) -> String) -> Self {
        let changed = |source: &Source| Source { text: change(&source.text), ..source.clone() };
        Self { sources: self.sources.iter().map(changed).collect() }
    }

    fn source(&self, id: SourceId) -> Option<&Source> {
        self.sources.get(usize::try_from(id.0).ok()?)
    }
}

impl Source {
    fn line_of(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|&start| start <= offset).saturating_sub(1)
    }

    fn line_start(&self, line: usize) -> usize {
        self.line_starts.get(line).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_and_columns_count_characters() {
        let mut sources = Sources::default();
        let id = sources.add("conf/gw.yaml", "a: 1\nö: x\n");
        assert_eq!(sources.location(Span::new(id, 0, 1)), ("conf/gw.yaml", 1, 1));
        assert_eq!(sources.location(Span::new(id, 9, 10)), ("conf/gw.yaml", 2, 4));
        assert_eq!(sources.slice(Span::new(id, 9, 10)), "x");
        assert_eq!(sources.directory(id), Path::new("conf"));
    }

    #[test]
    fn a_span_of_nowhere_has_no_text() {
        let sources = Sources::default();
        assert_eq!(sources.slice(Span::NOWHERE), "");
        assert_eq!(sources.location(Span::NOWHERE), ("", 1, 1));
        assert_eq!(sources.directory(Span::NOWHERE.source), Path::new("."));
    }
}
