//! Syntax errors in a person's words: what stands there, and what usually causes it.

use std::ops::Range;

use granit_parser::ErrorKind;

use super::layout::{Column, Layout};
use crate::diagnostic::Diagnostic;
use crate::source::{SourceId, Span};

const QUOTE_INSIDE: &str = "quote values that have braces, brackets or commas";

/// What is wrong, where it begins, and what to do.
struct Finding {
    place: Range<usize>,
    message: String,
    hint: Option<String>,
}

/// The diagnostic for a stop of the parser at byte `at`. Its span is where the mistake begins, which may be some lines
/// above the stop.
pub(super) fn explain(source: SourceId, text: &str, layout: &Layout<'_>, kind: &ErrorKind, at: usize) -> Diagnostic {
    let at = text.floor_char_boundary(at);
    let finding = Scene { text, layout, at, line: layout.content_line_at(at) }.finding(kind);
    let mistake = Diagnostic::error(finding.message, Span::new(source, finding.place.start, finding.place.end));
    match finding.hint {
        Some(hint) => mistake.with_hint(hint),
        None => mistake,
    }
}

/// Where the parser stopped.
struct Scene<'s> {
    text: &'s str,
    layout: &'s Layout<'s>,
    at: usize,
    line: usize,
}

impl Scene<'_> {
    fn finding(&self, kind: &ErrorKind) -> Finding {
        use ErrorKind as Kind;
        if let Some(tab) = self.layout.indenting_tab(self.line)
            && !matches!(kind, Kind::UnclosedQuotedScalar)
        {
            return found(tab..tab + 1, "a tab in the indentation", "indent with spaces only");
        }
        match kind {
            Kind::MappingValueNotAllowed | Kind::MappingKeyNotAllowed | Kind::InvalidSimpleKey => self.stray_colon(),
            Kind::ExpectedBlockMappingKey
            | Kind::ExpectedBlockSequenceEntry
            | Kind::BlockSequenceEntryNotAllowed
            | Kind::ExpectedDocumentStart
            | Kind::InvalidIndentation => self.misplaced_line(),
            Kind::SimpleKeyExpected => self.key_without_colon(self.line),
            Kind::ExpectedFlowMappingSeparator | Kind::ExpectedFlowSequenceSeparator => self.flow_separator(kind),
            Kind::InvalidColonPlacement
            | Kind::InvalidFlowScalarIndent
            | Kind::UnclosedFlowCollection { .. }
            | Kind::UnexpectedEofFlowMapping
            | Kind::UnexpectedEofFlowSequence
            | Kind::UnexpectedEofImplicitFlowMapping => self.unclosed().unwrap_or_else(|| self.plainly(kind)),
            Kind::UnclosedQuotedScalar | Kind::InvalidQuotedScalarIndent => {
                self.unclosed().unwrap_or_else(|| self.plainly(kind))
            }
            Kind::InvalidTrailingSingleQuotedScalar => found(
                self.here(),
                "text after the closing quote",
                "inside single quotes a quote is written twice: 'it''s'",
            ),
            Kind::InvalidTrailingDoubleQuotedScalar => {
                found(self.here(), "text after the closing quote", "inside double quotes a quote is written \\\"")
            }
            Kind::UnknownQuotedScalarEscape => self.escape(),
            Kind::UnexpectedCharacter { character } => self.reserved(*character),
            Kind::MissingAnchorOrAliasName => self.reserved(self.character()),
            Kind::MisplacedFlowCollectionEnd | Kind::MismatchedFlowCollectionEnd { .. } => {
                found(self.here(), format!("a '{}' that closes nothing", self.character()), QUOTE_INSIDE)
            }
            _ => self.plainly(kind),
        }
    }

    /// `a: b: c`, or a key below a value, indented deeper.
    fn stray_colon(&self) -> Finding {
        let start = self.layout.content_start(self.line);
        let before = self.text.get(start..self.at).unwrap_or("");
        if let Some((_, value)) = before.trim_start_matches("- ").split_once(": ") {
            let place = self.at - value.len()..self.at + 1;
            let value = self.text.get(place.start..).unwrap_or("");
            let message = "a second ': ' in one value";
            return found(place, message, format!("quote the value: {}", quoted(rest_of_line(value))));
        }
        // `a:1` above is a text to YAML, which runs on into this line.
        let above =
            self.layout.content_line_at(self.layout.line(self.line).map_or(0, |line| line.start.saturating_sub(1)));
        if above < self.line && without_space(self.layout.content(above)).is_some() {
            return self.key_without_colon(above);
        }
        self.indentation(start..self.at.max(start + 1), "wrong indentation: a key inside the value above".to_owned())
    }

    /// A line in a column, or of a kind, that nothing above fits.
    fn misplaced_line(&self) -> Finding {
        let start = self.layout.content_start(self.line);
        let content = self.layout.content(self.line);
        let place = start..start + content.len();
        let dashes = if content.starts_with('-') { 2 } else { 0 };
        if self.at > start + dashes {
            let value = content.split_once(": ").map_or(content, |(_, value)| value);
            return found(self.here(), "text after the value", format!("quote the value: {}", quoted(value)));
        }
        let columns = self.layout.columns_above(self.line);
        let fits = columns.iter().any(|found| found.column == start - self.line_start());
        if dashes > 0 {
            return match fits {
                true => {
                    found(place, "a list item where it does not belong", "check the indentation of the lines above")
                }
                false => self.indentation(place, "a list item where a key was expected".to_owned()),
            };
        }
        self.indentation(place, "wrong indentation: this line belongs to nothing above".to_owned())
    }

    /// Says which columns would fit.
    fn indentation(&self, place: Range<usize>, message: String) -> Finding {
        let own = self.layout.content_start(self.line) - self.line_start();
        let mut columns = self.layout.columns_above(self.line);
        columns.sort_by_key(|above| above.column.abs_diff(own));
        columns.truncate(2);
        let like = |Column { column, line }: &Column| format!("by {column} spaces like line {line}");
        let all: Vec<String> = columns.iter().map(like).collect();
        let hint = if all.is_empty() { None } else { Some(format!("indent it {}", all.join(", or "))) };
        Finding { place, message, hint }
    }

    fn key_without_colon(&self, line: usize) -> Finding {
        let start = self.layout.content_start(line);
        let content = self.layout.content(line);
        let place = start..start + content.len();
        match without_space(content) {
            Some((key, value)) => found(place, "a colon without a space after it", format!("write {key}: {value}")),
            None => found(place, "expected a key with a colon", format!("write {content}: and its value")),
        }
    }

    fn flow_separator(&self, kind: &ErrorKind) -> Finding {
        let start = self.layout.content_start(self.line);
        let before = self.text.get(start..self.at).unwrap_or("");
        let begins =
            [": ", ", ", "[", "{ "].iter().filter_map(|mark| before.rfind(mark).map(|at| at + mark.len())).max();
        let value = begins.and_then(|begins| self.text.get(start + begins..)).map_or("", flow_value);
        if let Some(begins) = begins
            && start + begins + value.len() > self.at
            && value.contains(['{', '['])
        {
            let place = start + begins..start + begins + value.len();
            return found(
                place,
                "a value with braces or brackets that is not quoted",
                format!("quote it: {}", quoted(value)),
            );
        }
        match self.unclosed() {
            Some(unclosed) if self.layout.content_line_at(unclosed.place.start) != self.line => unclosed,
            _ => {
                let close = if *kind == ErrorKind::ExpectedFlowMappingSeparator { '}' } else { ']' };
                let message = format!("expected ',' or '{close}'");
                found(
                    self.here(),
                    message,
                    "divide entries by commas, and quote values that have braces, brackets or commas",
                )
            }
        }
    }

    fn unclosed(&self) -> Option<Finding> {
        let (at, opening) = self.layout.unclosed(self.line)?;
        let (close, hint) = match opening {
            '[' => (']', QUOTE_INSIDE),
            '{' => ('}', QUOTE_INSIDE),
            quote => (quote, "close it in the same line, or indent the lines after it deeper than its key"),
        };
        Some(found(at..at + 1, format!("the {opening} is never closed by a {close}"), hint))
    }

    fn escape(&self) -> Finding {
        let from = self.text.get(self.at..).unwrap_or("");
        let known = |letter: char| "0abtnvfre \"/\\N_LPxuU\t\n\r".contains(letter);
        let mut letters = from.char_indices();
        while let Some((at, letter)) = letters.next() {
            if letter != '\\' {
                continue;
            }
            if let Some((_, escaped)) = letters.next()
                && !known(escaped)
            {
                let place = self.at + at..self.at + at + 1 + escaped.len_utf8();
                let hint = format!("in double quotes write \\\\{escaped}, or use single quotes");
                return found(place, format!("\\{escaped} is no escape that YAML knows"), hint);
            }
        }
        found(self.here(), "an escape that YAML does not know", "in double quotes write \\\\, or use single quotes")
    }

    /// A value that begins with a character that YAML keeps for itself.
    fn reserved(&self, character: char) -> Finding {
        let text = self.text.get(self.at..).unwrap_or("");
        let value = if self.is_in_flow() { flow_value(text) } else { rest_of_line(text) };
        let message = format!("a value cannot begin with {character}");
        found(self.at..self.at + value.len().max(1), message, format!("quote it: {}", quoted(value)))
    }

    /// Whether a bracket or brace is open where the parser stopped.
    fn is_in_flow(&self) -> bool {
        let before = self.text.get(self.layout.content_start(self.line)..self.at).unwrap_or("");
        let count = |letters: [char; 2]| before.matches(letters).count();
        let above = self.line.checked_sub(1).and_then(|above| self.layout.unclosed(above));
        let is_open_above = above.is_some_and(|(_, letter)| matches!(letter, '[' | '{'));
        count(['{', '[']) > count(['}', ']']) || is_open_above
    }

    fn plainly(&self, kind: &ErrorKind) -> Finding {
        Finding { place: self.here(), message: kind.to_string(), hint: None }
    }

    fn character(&self) -> char {
        self.text.get(self.at..).and_then(|rest| rest.chars().next()).unwrap_or(' ')
    }

    fn here(&self) -> Range<usize> {
        self.at..self.at + self.character().len_utf8()
    }

    fn line_start(&self) -> usize {
        self.layout.line(self.line).map_or(0, |line| line.start)
    }
}

fn found(place: Range<usize>, message: impl Into<String>, hint: impl Into<String>) -> Finding {
    Finding { place, message: message.into(), hint: Some(hint.into()) }
}

/// Key and value of a line such as `- key:value`.
fn without_space(content: &str) -> Option<(&str, &str)> {
    let (key, value) = content.trim_start_matches("- ").split_once(':')?;
    (!key.contains(' ') && !value.is_empty() && !value.starts_with(' ')).then_some((key, value))
}

fn rest_of_line(text: &str) -> &str {
    let line = text.lines().next().unwrap_or("");
    line.split(" #").next().unwrap_or(line).trim_end()
}

/// The value at the start of `text` in a flow map or list, with the braces that are meant to belong to it.
fn flow_value(text: &str) -> &str {
    let mut open = 0_usize;
    for (at, letter) in text.char_indices() {
        match letter {
            '{' | '[' => open += 1,
            '}' | ']' if open > 0 => open -= 1,
            '}' | ']' | ',' | '\n' | '\r' if open == 0 || letter < ' ' => {
                return text.get(..at).unwrap_or(text).trim_end();
            }
            _ => {}
        }
    }
    text
}

/// The value as it may be written.
fn quoted(value: &str) -> String {
    if value.contains(['"', '\\']) { format!("'{}'", value.replace('\'', "''")) } else { format!("\"{value}\"") }
}
