//! Patterns for routes and resources in `authorization`: segments as they are, `*` and `{name}` for any one, `/**` at the
//! end for the path itself and everything below.

use std::fmt;

/// A pattern of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    segments: Vec<Segment>,
    /// Whether everything below is meant too.
    has_tail: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Any,
    Literal(Box<str>),
}

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoPattern {
    /// Nothing is in it.
    Empty,
    /// `**` stands before the end.
    TailInside,
    /// A brace, a star or an odd character stands in a segment that is no variable.
    Segment,
}

impl Pattern {
    /// Reads one, with or without a slash before it.
    pub(super) fn parse(text: &str) -> Result<Self, NoPattern> {
        let mut segments = Vec::new();
        let mut has_tail = false;
        let path = text.strip_prefix('/').unwrap_or(text);
        if text.is_empty() {
            return Err(NoPattern::Empty);
        }
        for segment in path.split('/') {
            if has_tail {
                return Err(NoPattern::TailInside);
            }
            let is_variable = segment.starts_with('{') && segment.ends_with('}');
            match segment {
                "**" => has_tail = true,
                "*" => segments.push(Segment::Any),
                _ if is_variable && segment.starts_with("{*") => has_tail = true,
                _ if is_variable => segments.push(Segment::Any),
                _ if segment.contains(['{', '}', '*']) || segment.chars().any(char::is_control) => {
                    return Err(NoPattern::Segment);
                }
                literal => segments.push(Segment::Literal(literal.into())),
            }
        }
        Ok(Self { segments, has_tail })
    }

    /// Whether `path` is meant: a path as it came, or the pattern of a route, whose variables are any one here too.
    /// Escapes are undone, so that nobody gets around a pattern by writing a letter in another way.
    pub(super) fn is_for(&self, path: &str) -> bool {
        let mut found = path.strip_prefix('/').unwrap_or(path).split('/');
        for wanted in &self.segments {
            let Some(segment) = found.next() else { return false };
            if let Segment::Literal(literal) = wanted
                && !is_same(literal, segment)
            {
                return false;
            }
        }
        let rest = found.next();
        // `/orders/` is `/orders` to some and not to others: what is said of one holds for both.
        self.has_tail || rest.is_none() || (rest == Some("") && found.next().is_none())
    }
}

/// `path` for who takes an escaped slash for a slash, leaves out empty segments and follows dots, as a handler does that
/// opens a file of that name; nothing where that reads no other path.
pub(super) fn otherwise(path: &str) -> Option<String> {
    if !path.contains(['%', '\\']) && !path.contains("//") && !path.contains("/.") {
        return None;
    }
    let decoded = decoded(path);
    let decoded = String::from_utf8_lossy(&decoded);
    let mut segments = Vec::new();
    for segment in decoded.split(['/', '\\']) {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    Some(format!("/{}", segments.join("/")))
}

fn is_same(literal: &str, segment: &str) -> bool {
    literal == segment || (segment.contains('%') && decoded(segment) == literal.as_bytes())
}

/// What is escaped wrongly stays as it is.
fn decoded(segment: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(segment.len());
    let mut bytes = segment.as_bytes();
    while let Some((first, rest)) = bytes.split_first() {
        let digit = |place: usize| rest.get(place).and_then(|byte| char::from(*byte).to_digit(16));
        let escaped = (*first == b'%').then(|| Some((digit(0)?, digit(1)?))).flatten();
        match escaped.and_then(|(high, low)| u8::try_from(high * 16 + low).ok()) {
            Some(byte) => {
                out.push(byte);
                bytes = rest.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                bytes = rest;
            }
        }
    }
    out
}

impl fmt::Display for NoPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "found nothing, wanted a path like /orders/{id}",
            Self::TailInside => "found '**' before the end, wanted it as the last segment",
            Self::Segment => "found a part of a segment that is a variable, wanted {name} or * for all of it",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_for(pattern: &str, path: &str) -> bool {
        Pattern::parse(pattern).unwrap().is_for(path)
    }

    #[test]
    fn segments_are_literal_or_any_one() {
        for (pattern, path) in [
            ("/orders", "/orders"),
            ("orders", "/orders"),
            ("/orders/{id}", "/orders/7"),
            ("/orders/{id}", "/orders/{order_id}"),
            ("/orders/*/items", "/orders/7/items"),
            ("/orders/**", "/orders"),
            ("/orders/**", "/orders/7/items"),
            ("/files/{*rest}", "/files/a/b"),
            ("/**", "/"),
            ("/", "/"),
            ("/orders", "/orders/"),
            ("/orders", "/%6frders"),
            ("/orders/7", "/orders/%37"),
            ("order/*", "order/7"),
        ] {
            assert!(is_for(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("/orders", "/order"),
            ("/orders", "/orders/7"),
            ("/orders/{id}", "/orders"),
            ("/orders/{id}", "/orders/7/items"),
            ("/orders/**", "/ordersx"),
            ("/", "/a"),
            ("/orders", "/orders%2F"),
            ("/orders", "/%zzorders"),
        ] {
            assert!(!is_for(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn what_would_be_misread_is_refused() {
        assert_eq!(Pattern::parse(""), Err(NoPattern::Empty));
        assert_eq!(Pattern::parse("/**/a"), Err(NoPattern::TailInside));
        for pattern in ["/a{id}", "/{id}.json", "/a*", "/{", "/a\n"] {
            assert_eq!(Pattern::parse(pattern), Err(NoPattern::Segment), "{pattern}");
        }
    }

    #[test]
    fn a_path_may_be_read_otherwise() {
        for path in ["/", "/a", "/a/b", "/a/", "/a.b/c", ""] {
            assert_eq!(otherwise(path), None, "{path}");
        }
        for (path, read) in [
            ("/a%2Fb", "/a/b"),
            ("/a//b/", "/a/b"),
            ("/a/./b", "/a/b"),
            ("/x/../a/%2e%2E/a%5cb", "/a/b"),
            ("/../../a", "/a"),
            ("/a\\b", "/a/b"),
            ("/%ff/%zz", "/\u{fffd}/%zz"),
        ] {
            assert_eq!(otherwise(path).as_deref(), Some(read), "{path}");
        }
    }

    proptest! {
        #[test]
        fn a_literal_path_is_for_itself_however_it_is_escaped(path in "(/[a-z0-9._-]{1,5}){1,4}", mask in any::<u64>()) {
            let escaped: String = path
                .chars()
                .enumerate()
                .map(|(place, letter)| match letter != '/' && mask >> (place % 64) & 1 == 1 {
                    true => format!("%{:02x}", u32::from(letter)),
                    false => letter.to_string(),
                })
                .collect();
            prop_assert!(is_for(&path, &escaped));
        }

        #[test]
        fn nothing_panics(pattern in ".{0,20}", path in ".{0,20}") {
            if let Ok(pattern) = Pattern::parse(&pattern) {
                let _ = pattern.is_for(&path);
            }
            let _ = otherwise(&path);
        }
    }
}
