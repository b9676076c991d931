//! One pass over a text that may hold secrets. Every rule begins at one byte, looks back a bounded way, and either masks
//! what follows or lets the pass go on behind that byte, so that the work grows with the length and no faster.

use std::borrow::Cow;
use std::ops::Range;

use super::{MASK, is_secret};

/// The longest name that is looked for in front of a separator.
const LONGEST_NAME: usize = 64;
/// What a token has at least, so that `eyJ` in a sentence is none.
const SHORTEST_TOKEN: usize = 16;
/// Words that follow `Bearer` where no token does.
const NO_CREDENTIALS: [&str; 12] = [
    "token",
    "tokens",
    "auth",
    "authentication",
    "authorization",
    "scheme",
    "challenge",
    "credentials",
    "is",
    "was",
    "and",
    "or",
];

/// `text` with every secret masked.
pub(super) fn without_secrets(text: &str) -> Cow<'_, str> {
    let mut scan = Scan { text, bytes: text.as_bytes(), url: None };
    let mut masked = String::new();
    let mut copied = 0;
    let mut place = 0;
    while let Some(next) = scan.bytes.get(place..).and_then(|rest| rest.iter().position(|byte| begins_rule(*byte))) {
        place += next;
        match scan.secret_at(place) {
            Some(secret) => {
                // Already masked: idempotent, and no copy.
                if text.get(secret.clone()) != Some(MASK) {
                    masked.push_str(text.get(copied..secret.start).unwrap_or_default());
                    masked.push_str(MASK);
                    copied = secret.end;
                }
                place = secret.end.max(place + 1);
            }
            None => place += 1,
        }
    }
    if copied == 0 && masked.is_empty() {
        return Cow::Borrowed(text);
    }
    masked.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(masked)
}

struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    /// The word with a URL in it that was looked at last: its end, and the last `@` in it.
    url: Option<(usize, Option<usize>)>,
}

impl Scan<'_> {
    /// What is to be masked, if the byte at `place` begins a rule. Ranges begin and end beside ASCII or at an end.
    fn secret_at(&mut self, place: usize) -> Option<Range<usize>> {
        match self.bytes.get(place)? {
            b'J' => self.token(place),
            b' ' => self.credentials(place),
            b':' if self.bytes.get(place + 1..place + 3) == Some(b"//") => self.user_of_url(place + 3),
            b':' | b'=' => self.value(place),
            _ => None,
        }
    }

    /// `eyJ…`: base64url of `{"`. All segments, so far as they are there.
    fn token(&self, place: usize) -> Option<Range<usize>> {
        let start = place.checked_sub(2).filter(|start| self.bytes.get(*start..place) == Some(b"ey"))?;
        let end = self.end_of(start, |byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')));
        // A dot at the end is a sentence's.
        let end = end - self.bytes.get(start..end)?.iter().rev().take_while(|byte| **byte == b'.').count();
        (end - start >= SHORTEST_TOKEN).then_some(start..end)
    }

    /// What follows a scheme and the space at `place`.
    fn credentials(&self, place: usize) -> Option<Range<usize>> {
        let follows = |scheme: &str| {
            place
                .checked_sub(scheme.len())
                .and_then(|start| self.bytes.get(start..place))
                .is_some_and(|before| before.eq_ignore_ascii_case(scheme.as_bytes()))
                && !self.is_word(place.wrapping_sub(scheme.len() + 1))
        };
        let (bearer, other) = match self.bytes.get(place.checked_sub(1)?)? {
            b'r' | b'R' => (follows("bearer"), false),
            b'c' | b'C' => (false, follows("basic")),
            b'p' | b'P' => (false, follows("dpop")),
            _ => return None,
        };
        if !bearer && !other {
            return None;
        }
        let start = self.end_of(place, |byte| byte != b' ');
        let is_token68 =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'*');
        let body = self.end_of(start, |byte| !is_token68(byte));
        let end = self.end_of(body, |byte| byte != b'=');
        // `Bearer realm="x"` is a challenge (RFC 9110 section 11.6.1).
        let is_parameter =
            end == body + 1 && self.bytes.get(end).is_some_and(|byte| *byte == b'"' || is_token68(*byte));
        let word = self.text.get(start..body).filter(|word| !word.is_empty() && !is_parameter)?;
        let is_secret = match bearer {
            true => !NO_CREDENTIALS.iter().any(|plain| plain.eq_ignore_ascii_case(word)),
            false => looks_made(word),
        };
        is_secret.then_some(start..end)
    }

    /// User and password of the URL whose authority begins at `start`.
    fn user_of_url(&mut self, start: usize) -> Option<Range<usize>> {
        let (end, last_at) = match self.url {
            Some((end, at)) if start < end => (end, at),
            _ => {
                let end = self.end_of(start, |byte| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'<' | b'>'));
                let at = self.bytes.get(start..end)?.iter().rposition(|byte| *byte == b'@').map(|at| start + at);
                self.url = Some((end, at));
                (end, at)
            }
        };
        let last_at = last_at.filter(|at| *at > start)?;
        let slash = self.end_of(start, |byte| matches!(byte, b'/' | b'?' | b'#')).min(end);
        let authority = self.text.get(start..slash)?;
        if let Some(at) = authority.rfind('@') {
            return (at > 0).then_some(start..start + at);
        }
        // A password with a slash in it, which should not be: what stands behind the colon is no port.
        let (_, port) = authority.rsplit_once(':')?;
        let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
        (!is_port && !authority.starts_with('[')).then_some(start..last_at)
    }

    /// What the name in front of the separator at `place` is for.
    fn value(&self, place: usize) -> Option<Range<usize>> {
        let separator = self.bytes.get(place)?;
        let name = self.name_before(place)?;
        if !is_secret(name) || (*separator == b':' && self.bytes.get(place + 1) == Some(&b':')) {
            return None;
        }
        let mut start = self.end_of(place + 1, |byte| byte != b' ');
        if self.bytes.get(start..start + 5) == Some(b"Some(") {
            start += 5;
        }
        let quote = self.end_of(start, |byte| byte != b'\\');
        if let Some(b'"' | b'\'') = self.bytes.get(quote) {
            let range = quote + 1..self.closing(quote, quote - start);
            return (!range.is_empty()).then_some(range);
        }
        let lower = name.to_ascii_lowercase();
        let is_line = *separator == b':' && (lower.ends_with("authorization") || lower.ends_with("cookie"));
        // A sentence may go on behind a colon.
        let may_tell = *separator == b':' && !is_line;
        if may_tell && self.bytes.get(start) == Some(&b'/') {
            // A path. Its end is not looked for: it may be far, and another name may stand in it.
            return None;
        }
        let end = if is_line {
            self.end_of(start, |byte| matches!(byte, b'\n' | b'\r'))
        } else {
            self.end_of(start, |byte| {
                byte.is_ascii_whitespace() || matches!(byte, b'&' | b';' | b',' | b'"' | b')' | b']' | b'}')
            })
        };
        let value = self.text.get(start..end).filter(|value| !value.is_empty())?;
        (!may_tell || looks_made(value)).then_some(start..end)
    }

    /// The name that ends in front of `place`, quotes and spaces aside.
    fn name_before(&self, place: usize) -> Option<&str> {
        let before = self.bytes.get(place.saturating_sub(LONGEST_NAME)..place)?;
        let between = before.iter().rev().take_while(|byte| matches!(byte, b' ' | b'"' | b'\'' | b'\\')).count();
        let end = place - between;
        let rest = before.get(..before.len() - between)?;
        let length = rest.iter().rev().take_while(|byte| is_name(**byte)).count();
        self.text.get(end - length..end)
    }

    /// Where the quote that opens at `quote` behind so many backslashes is closed, or the end.
    fn closing(&self, quote: usize, backslashes: usize) -> usize {
        let Some(mark) = self.bytes.get(quote) else { return quote };
        let mut found = 0;
        for (place, byte) in self.bytes.iter().enumerate().skip(quote + 1) {
            match byte {
                b'\\' => found += 1,
                byte if byte == mark && found <= backslashes => return place - found,
                _ => found = 0,
            }
        }
        self.bytes.len()
    }

    /// The first place from `start` on where `ends` holds, or the end.
    fn end_of(&self, start: usize, ends: impl Fn(u8) -> bool) -> usize {
        let rest = self.bytes.get(start..).unwrap_or_default();
        rest.iter().position(|byte| ends(*byte)).map_or(self.bytes.len(), |length| start + length)
    }

    fn is_word(&self, place: usize) -> bool {
        self.bytes.get(place).is_some_and(u8::is_ascii_alphanumeric)
    }
}

fn begins_rule(byte: u8) -> bool {
    matches!(byte, b'J' | b' ' | b':' | b'=')
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// Whether a machine or a careful person made it, rather than being a word of a sentence or a path.
fn looks_made(word: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || matches!(byte, b'.' | b'`' | b'\'');
    !word.starts_with('/') && word.bytes().skip(1).any(|byte| !plain(byte))
}
