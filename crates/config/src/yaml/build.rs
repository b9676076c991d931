//! From parser events to nodes: duplicate keys, aliases, merge keys and the budgets.

use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Parser, ScalarStyle, Tag};

use super::Stop;
use crate::diagnostic::Diagnostic;
use crate::node::{Entry, Node, Resolved, Scalar, Value, resolve_plain};
use crate::source::{SourceId, Span};

/// Lists and maps within one another; of each style, and again through aliases.
const MAX_DEPTH: usize = 64;

/// Nodes of one text, copies included.
const MAX_NODES: usize = 1_000_000;

/// Nodes copied for anchors and aliases of one text.
const MAX_COPIES: usize = 100_000;

/// Bytes of text copied for anchors and aliases of one text.
const MAX_COPIED_BYTES: usize = 16 << 20;

/// Maps up to this size are searched for duplicates entry by entry.
const SMALL_MAP: usize = 16;

/// Reads `text` until its end or until it cannot go on. Mistakes that do not stop it are returned beside.
pub(super) fn build(source: SourceId, text: &str) -> (Result<Option<Node>, Stop>, Vec<Diagnostic>) {
    let mut builder = Builder::new(source, text);
    let outcome = builder.run();
    (outcome.map(|()| builder.root), builder.findings)
}

struct Builder<'t> {
    source: SourceId,
    text: &'t str,
    root: Option<Node>,
    open: Vec<Open>,
    /// The items of all open lists, and the entries of all open maps: each takes its own from the end when it closes.
    items: Vec<Node>,
    entries: Vec<Entry>,
    anchors: HashMap<usize, Anchored>,
    nodes: usize,
    copies: usize,
    copied_bytes: usize,
    documents: usize,
    findings: Vec<Diagnostic>,
}

/// A list or map whose end has not come yet.
struct Open {
    start: usize,
    anchor: usize,
    /// How many items or entries of the lists or maps around it there are.
    first: usize,
    /// `None` for a list.
    map: Option<OpenMap>,
}

#[derive(Default)]
struct OpenMap {
    key: Option<(String, Span)>,
    seen: HashSet<String>,
}

struct Anchored {
    node: Node,
    size: Size,
}

#[derive(Clone, Copy, Default)]
struct Size {
    nodes: usize,
    bytes: usize,
    depth: usize,
}

impl<'t> Builder<'t> {
    fn new(source: SourceId, text: &'t str) -> Self {
        Self {
            source,
            text,
            root: None,
            open: Vec::new(),
            items: Vec::new(),
            entries: Vec::new(),
            anchors: HashMap::new(),
            nodes: 0,
            copies: 0,
            copied_bytes: 0,
            documents: 0,
            findings: Vec::new(),
        }
    }

    fn run(&mut self) -> Result<(), Stop> {
        let options = granit_parser::options! {
            emit_comments: false,
            emit_unresolved_aliases: true,
            flow_nesting_limit: MAX_DEPTH,
            block_nesting_limit: MAX_DEPTH,
        };
        for event in Parser::new_from_str_with_options(self.text, options) {
            let (event, place) = event.map_err(|error| self.stop(&error))?;
            let range = place.byte_range().unwrap_or_default();
            let span = Span::new(self.source, range.start, range.end);
            match event {
                Event::DocumentStart(..) => {
                    self.documents += 1;
                    if self.documents == 2 {
                        let mistake = Diagnostic::error("a second document in one file", span);
                        self.findings.push(mistake.with_hint("one document per file: split the file at '---'"));
                        return Ok(());
                    }
                }
                Event::Scalar(text, style, anchor, tag) => {
                    self.count(1, span)?;
                    let node = self.scalar(&text, style, tag.as_deref(), span);
                    self.complete(node, anchor)?;
                }
                Event::SequenceStart(_, anchor, tag) => {
                    self.count(1, span)?;
                    self.collection_tag(tag.as_deref(), span);
                    self.open.push(Open { start: span.start, anchor, first: self.items.len(), map: None });
                }
                Event::MappingStart(_, anchor, tag) => {
                    self.count(1, span)?;
                    self.collection_tag(tag.as_deref(), span);
                    let map = Some(OpenMap::default());
                    self.open.push(Open { start: span.start, anchor, first: self.entries.len(), map });
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    if let Some(open) = self.open.pop() {
                        let (node, anchor) = self.close(open, span.end);
                        self.complete(node, anchor)?;
                    }
                }
                Event::Alias(anchor) => self.alias(anchor, span)?,
                Event::UnresolvedAlias(name) => {
                    self.count(1, span)?;
                    let mistake = Diagnostic::error(format!("'*{name}' names an anchor that does not exist"), span);
                    self.findings
                        .push(mistake.with_hint(format!("a value that begins with * must be quoted: \"*{name}\"")));
                    self.complete(Node::new(Value::Scalar(Scalar::quoted(format!("*{name}"))), span), 0)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn stop(&self, error: &granit_parser::ScanError) -> Stop {
        let at = error.marker().byte_offset().unwrap_or(self.text.len()).min(self.text.len());
        match error.kind() {
            granit_parser::ErrorKind::RecursionLimitExceeded => {
                Stop::Bomb { at, until: at + 1, what: "lists and maps are nested too deeply" }
            }
            kind => Stop::Syntax { kind: kind.clone(), at },
        }
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), Stop> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            return Err(bomb(span, "the file has more than a million values"));
        }
        Ok(())
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Node {
        let tag = tag.map(|tag| (tag.core_suffix(), tag.original()));
        let plain = match &tag {
            Some((Some("str"), _)) => false,
            Some((Some("null" | "bool" | "int" | "float"), _)) => true,
            Some((_, written)) if written != "!" => {
                self.unknown_tag(written, span);
                style == ScalarStyle::Plain
            }
            Some(_) => false,
            None => style == ScalarStyle::Plain,
        };
        let value = if !plain {
            Value::Scalar(Scalar::quoted(text))
        } else if resolve_plain(text) == Resolved::Null {
            Value::Null
        } else {
            Value::Scalar(Scalar::plain(text))
        };
        Node::new(value, span)
    }

    fn collection_tag(&mut self, tag: Option<&Tag>, span: Span) {
        if let Some(tag) = tag
            && !matches!(tag.core_suffix(), Some("map" | "seq"))
        {
            self.unknown_tag(&tag.original(), span);
        }
    }

    fn unknown_tag(&mut self, written: &str, span: Span) {
        let mistake = Diagnostic::error(format!("the tag '{written}' means nothing here"), span);
        self.findings.push(mistake.with_hint("quote a value that begins with '!'"));
    }

    fn close(&mut self, open: Open, end: usize) -> (Node, usize) {
        let span = Span::new(self.source, open.start, end);
        let value = if open.map.is_some() {
            let entries = self.entries.drain(open.first..).collect();
            Value::Map(self.merge_keys(entries))
        } else {
            Value::List(self.items.drain(open.first..).collect())
        };
        (Node::new(value, span), open.anchor)
    }

    /// Puts a finished node where it belongs: the root, a list, or a map's key or value.
    fn complete(&mut self, node: Node, anchor: usize) -> Result<(), Stop> {
        if anchor != 0 {
            let size = measure(&node);
            self.copy(size, node.span)?;
            self.anchors.insert(anchor, Anchored { node: node.clone(), size });
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        let Some(map) = &mut open.map else {
            self.items.push(node);
            return Ok(());
        };
        let Some((key, key_span)) = map.key.take() else {
            let (text, finding) = key_text(node.value, node.span, self.text);
            self.findings.extend(finding);
            map.key = Some((text, node.span));
            return Ok(());
        };
        // What was left out has no place of its own: its key shows where it should be.
        let span = if node.span.start == node.span.end { key_span } else { node.span };
        let node = Node::new(node.value, span);
        let own = self.entries.get(open.first..).unwrap_or_default();
        if let Some(first) = duplicate(own, &mut map.seen, &key) {
            let mistake = Diagnostic::error(format!("the key '{key}' stands twice in one map"), key_span);
            self.findings.push(mistake.with_label("again here").with_related(first, "first here"));
        } else {
            self.entries.push(Entry { key, key_span, node });
        }
        Ok(())
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Stop> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            self.count(1, span)?;
            self.findings.push(Diagnostic::error("an alias inside of the value that it stands for", span));
            return self.complete(Node::new(Value::Null, span), 0);
        };
        let size = anchored.size;
        if self.open.len() + size.depth > 2 * MAX_DEPTH {
            return Err(bomb(span, "lists and maps are nested too deeply through aliases"));
        }
        self.copy(size, span)?;
        self.count(size.nodes, span)?;
        let node = self.anchors.get(&anchor).map(|anchored| anchored.node.clone());
        self.complete(node.unwrap_or(Node::new(Value::Null, span)), 0)
    }

    /// Charges a copy before it is made.
    fn copy(&mut self, size: Size, span: Span) -> Result<(), Stop> {
        self.copies += size.nodes;
        self.copied_bytes += size.bytes;
        if self.copies > MAX_COPIES || self.copied_bytes > MAX_COPIED_BYTES {
            return Err(bomb(span, "the aliases of this file expand to too much"));
        }
        Ok(())
    }

    /// `<<: *defaults` or `<<: [*a, *b]`: their entries count where the map has none of that key; the first wins.
    fn merge_keys(&mut self, mut entries: Vec<Entry>) -> Vec<Entry> {
        let Some(at) = entries.iter().position(|entry| entry.key == "<<") else { return entries };
        let merge = entries.remove(at);
        let maps = match merge.node.value {
            Value::List(items) => items,
            _ => vec![merge.node],
        };
        for map in maps {
            let Value::Map(inherited) = map.value else {
                let mistake = Diagnostic::error("expected a map to merge with '<<'", merge.key_span);
                self.findings.push(mistake.with_hint("<<: *anchor, where &anchor stands before a map"));
                continue;
            };
            for entry in inherited {
                if !entries.iter().any(|own| own.key == entry.key) {
                    entries.push(entry);
                }
            }
        }
        entries
    }
}

fn bomb(span: Span, what: &'static str) -> Stop {
    Stop::Bomb { at: span.start, until: span.end, what }
}

fn key_text(value: Value, span: Span, text: &str) -> (String, Option<Diagnostic>) {
    match value {
        // A key called `null` is a word like any other.
        Value::Null => (text.get(span.start..span.end).unwrap_or("").to_owned(), None),
        Value::Scalar(scalar) => (scalar.into_text(), None),
        Value::List(_) | Value::Map(_) => {
            let mistake = Diagnostic::error("expected a word as key, found a list or map", span);
            (String::new(), Some(mistake.with_hint("quote a value that has braces or brackets: \"{{x}}\"")))
        }
    }
}

/// Where `key` stands already, noting it if it does not.
fn duplicate(entries: &[Entry], seen: &mut HashSet<String>, key: &str) -> Option<Span> {
    let find = || entries.iter().find(|entry| entry.key == key).map(|entry| entry.key_span);
    if entries.len() < SMALL_MAP {
        return find();
    }
    if seen.is_empty() {
        seen.extend(entries.iter().map(|entry| entry.key.clone()));
    }
    if seen.insert(key.to_owned()) { None } else { find() }
}

fn measure(node: &Node) -> Size {
    let of_children = |children: &mut dyn Iterator<Item = (usize, &Node)>| {
        children.fold(Size { nodes: 1, bytes: 0, depth: 1 }, |total, (key, child)| {
            let size = measure(child);
            Size {
                nodes: total.nodes + size.nodes,
                bytes: total.bytes + size.bytes + key,
                depth: total.depth.max(size.depth + 1),
            }
        })
    };
    match &node.value {
        Value::Null => Size { nodes: 1, bytes: 0, depth: 0 },
        Value::Scalar(scalar) => Size { nodes: 1, bytes: scalar.text().len(), depth: 0 },
        Value::List(items) => of_children(&mut items.iter().map(|item| (0, item))),
        Value::Map(entries) => of_children(&mut entries.iter().map(|entry| (entry.key.len(), &entry.node))),
    }
}
