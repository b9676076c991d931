//! The notation of patterns taken apart: separators, wildcards, braces.

use std::sync::Arc;

use crate::parts::Invalid;
use crate::route::escape::percent_decoded;
use crate::route::segment::Spelling;

/// A piece of a segment's pattern.
pub(super) enum Token {
    /// Text, decoded.
    Literal(String),
    /// `?`.
    One,
    /// `*`.
    Star,
    /// `{name}` or `{name:regexp}`.
    Capture(Arc<str>, Option<String>),
}

/// The parts of `text` between separators that stand outside of braces.
pub(crate) fn split_outside_braces(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut depth, mut escaped) = (0, 0usize, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if depth > 0 => escaped = true,
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ if character == separator && depth == 0 => {
                parts.extend(text.get(start..at));
                start = at + character.len_utf8();
            }
            _ => {}
        }
    }
    parts.extend(text.get(start..));
    parts
}

/// The pieces of `text`, which stands between two separators.
pub(super) fn tokenize(text: &str, spelling: Spelling) -> Result<Vec<Token>, Invalid> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        match character {
            '?' => tokens.push(Token::One),
            '*' => tokens.push(Token::Star),
            '}' => return Err(Invalid::new(format!("'}}' has no '{{' before it in '{text}'"))),
            '{' => {
                let (inside, after) =
                    braces(rest).ok_or_else(|| Invalid::new(format!("'{{' is never closed in '{text}'")))?;
                tokens.push(capture(inside)?);
                rest = after;
                continue;
            }
            _ => {
                let end = rest.find(['?', '*', '{', '}']).unwrap_or(rest.len());
                let (literal, after) = rest.split_at(end);
                tokens.push(Token::Literal(match spelling {
                    Spelling::Path => percent_decoded(literal).into_owned(),
                    Spelling::Host => literal.to_ascii_lowercase(),
                }));
                rest = after;
                continue;
            }
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    Ok(tokens)
}

/// What is between the brace that `text` begins with and the one that closes it, and what follows.
fn braces(text: &str) -> Option<(&str, &str)> {
    let (mut depth, mut escaped) = (0usize, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '{' => depth += 1,
            '}' if depth == 1 => return Some((text.get(1..at)?, text.get(at + 1..)?)),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn capture(inside: &str) -> Result<Token, Invalid> {
    let (name, constraint) = match inside.split_once(':') {
        Some((name, constraint)) => (name, Some(constraint)),
        None => (inside, None),
    };
    let name = variable_name(name)?;
    if constraint == Some("") {
        return Err(Invalid::new(format!("'{{{name}:}}' has no expression after the colon")));
    }
    Ok(Token::Capture(name, constraint.map(str::to_owned)))
}

/// `name` as the name of a variable: a letter, `_` or `$`, then also digits and `-`.
pub(crate) fn variable_name(name: &str) -> Result<Arc<str>, Invalid> {
    let mut characters = name.chars();
    let starts = |c: char| c.is_alphabetic() || c == '_' || c == '$';
    let good = characters.next().is_some_and(starts) && characters.all(|c| starts(c) || c.is_numeric() || c == '-');
    if good {
        return Ok(name.into());
    }
    Err(Invalid::new(format!(
        "found '{{{name}}}', wanted a name of letters, digits, '_' and '-' that begins with a letter"
    )))
}
