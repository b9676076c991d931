//! YAML 1.2 text becomes nodes with places. This is the only door for YAML; behind it stands granit-parser's event
//! stream. Bounded in depth, size and copies made for aliases. A syntax error damages only the lines around it: they
//! are blanked out and the rest is read, so that one run finds the mistakes of the whole file.

mod build;
mod hint;
mod layout;
mod recover;

use std::borrow::Cow;

use granit_parser::ErrorKind;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::node::{Node, Value};
use crate::source::{SourceId, Span};

/// Larger texts are refused before parsing.
pub(crate) const MAX_BYTES: usize = 16 << 20;

/// Rounds of blanking and reading again, per text.
const MAX_ROUNDS: usize = 24;

/// Bytes read again and again for one text before recovery stops.
const MAX_REREAD: usize = 64 << 20;

/// Why reading stopped, and at which byte.
#[derive(Debug)]
enum Stop {
    /// Not YAML.
    Syntax { kind: ErrorKind, at: usize },
    /// YAML, but more of it than is read.
    Bomb { at: usize, until: usize, what: &'static str },
}

/// Reads one document. Mistakes go to `diagnostics`; what could be read is returned. An empty text is an empty map.
pub(crate) fn parse(source: SourceId, text: &str, diagnostics: &mut Diagnostics) -> Node {
    let empty = || Node::new(Value::Map(Vec::new()), Span::new(source, 0, 0));
    if text.len() > MAX_BYTES {
        let message = format!("the file has {} bytes, more than the {MAX_BYTES} that are read", text.len());
        diagnostics.push(Diagnostic::error(message, Span::new(source, 0, 0)));
        diagnostics.damage(Span::new(source, 0, text.len()));
        return empty();
    }
    let mut readable = Cow::Borrowed(text);
    let mut layout = None;
    let mut recovery = recover::Recovery::default();
    for _ in 0..MAX_ROUNDS.min(MAX_REREAD / text.len().max(1)).max(1) {
        let (outcome, findings) = build::build(source, &readable);
        match outcome {
            Ok(node) => {
                diagnostics.extend(findings);
                return node.unwrap_or_else(empty);
            }
            Err(Stop::Bomb { at, until, what }) => {
                let mistake = Diagnostic::error(what, Span::new(source, at, until));
                diagnostics.push(mistake.with_hint("write it out, or split it over several files"));
                break;
            }
            Err(Stop::Syntax { kind, at }) => {
                let layout = layout.get_or_insert_with(|| layout::Layout::new(text));
                let mistake = hint::explain(source, text, layout, &kind, at);
                let begin = mistake.span.map_or(at, |span| span.start);
                let Some(step) = recovery.next(layout, begin) else { break };
                if step.is_new {
                    diagnostics.push(mistake);
                }
                diagnostics.damage(Span::new(source, step.hole.start, step.hole.end));
                recover::blank(readable.to_mut(), step.hole);
            }
        }
    }
    diagnostics.damage(Span::new(source, 0, text.len().max(1)));
    empty()
}

#[cfg(test)]
mod tests;
