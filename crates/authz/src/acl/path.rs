//! The paths that lines are for: patterns with the meaning they have in the predicate `path`, as far as a list needs them,
//! in a tree of segments.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::action::decoded;
use crate::decision::shortened;
use crate::invalid::Mistake;

/// The most segments of a pattern.
const DEEPEST: usize = 64;

/// A pattern for paths.
#[derive(Debug)]
pub(crate) struct PathPattern {
    segments: Vec<Segment>,
    end: End,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// This text, decoded.
    Literal(Box<[u8]>),
    /// Any that is not empty.
    One,
    /// Any, as the last.
    OneOrEmpty,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Nothing may follow.
    Here,
    /// Anything may follow.
    Open,
}

/// Patterns with something at the end of each.
#[derive(Debug)]
pub(crate) struct PathTree<T> {
    literals: HashMap<Box<[u8]>, PathTree<T>>,
    one: Option<Box<PathTree<T>>>,
    /// For `*` as the last segment.
    last: Option<T>,
    here: Option<T>,
    open: Option<T>,
}

impl PathPattern {
    /// `*`.
    pub(crate) fn every() -> Self {
        Self { segments: Vec::new(), end: End::Open }
    }

    /// `*`, or a path with segments `*` and `{name}` and an end `/**`.
    pub(crate) fn parse(text: &str) -> Result<Self, Mistake> {
        if text == "*" {
            return Ok(Self::every());
        }
        let found = |wanted: &str| Mistake::new(format!("found path '{}', wanted {wanted}", shortened(text, 80)));
        let Some(relative) = text.strip_prefix('/') else {
            let hint = (!text.is_empty()).then(|| format!("write '/{}'", shortened(text, 80)));
            return Err(Mistake { hint, ..found("one that begins with '/'") });
        };
        if text.len() > 2048 {
            return Err(found("at most 2048 bytes"));
        }
        if text.contains(['?', '#']) {
            return Err(found("neither '?' nor '#'").with_hint("the query is not looked at; '?' itself is '%3F'"));
        }
        let mut parts: Vec<_> = relative.split('/').collect();
        let end = match parts.last() {
            Some(&"**") => End::Open,
            _ => End::Here,
        };
        if end == End::Open {
            parts.pop();
        }
        if parts.len() > DEEPEST {
            return Err(found("at most 64 segments"));
        }
        let mut segments = parts.into_iter().map(|part| segment(part, &found)).collect::<Result<Vec<_>, _>>()?;
        if let (End::Here, Some(last), true) = (end, segments.last_mut(), text.ends_with("/*")) {
            *last = Segment::OneOrEmpty;
        }
        Ok(Self { segments, end })
    }
}

impl<T: Default> PathTree<T> {
    /// What stands at the end of `pattern`, made if need be.
    pub(crate) fn leaf(&mut self, pattern: &PathPattern) -> &mut T {
        let mut tree = self;
        for segment in &pattern.segments {
            tree = match segment {
                Segment::Literal(text) => tree.literals.entry(text.clone()).or_default(),
                Segment::One => tree.one.get_or_insert_default(),
                Segment::OneOrEmpty => return tree.last.get_or_insert_default(),
            };
        }
        match pattern.end {
            End::Here => tree.here.get_or_insert_default(),
            End::Open => tree.open.get_or_insert_default(),
        }
    }
}

impl<T> PathTree<T> {
    /// The smallest line that `line` finds at the ends of the patterns that match `path` (canonical, percent-encoded).
    /// Each node of the tree is met at most once, and none deeper than the deepest pattern.
    pub(crate) fn find(&self, path: &str, line: impl Fn(&T) -> Option<usize>) -> Option<usize> {
        let mut best: Option<usize> = None;
        let mut see = |found: Option<&T>| {
            if let Some(line) = found.and_then(&line) {
                best = Some(best.map_or(line, |best| best.min(line)));
            }
        };
        let mut waiting = vec![(self, path)];
        while let Some((tree, rest)) = waiting.pop() {
            see(tree.open.as_ref());
            let Some(begun) = rest.strip_prefix('/') else {
                see(tree.here.as_ref());
                continue;
            };
            if tree.one.is_none() && tree.last.is_none() && tree.literals.is_empty() {
                continue;
            }
            let (raw, after) = begun.split_at(begun.find('/').unwrap_or(begun.len()));
            let Some(segment) = decoded(raw) else { continue };
            if after.is_empty() {
                see(tree.last.as_ref());
            }
            if let Some(one) = tree.one.as_deref().filter(|_| !segment.is_empty()) {
                waiting.push((one, after));
            }
            if let Some(literal) = tree.literals.get(&*segment) {
                waiting.push((literal, after));
            }
        }
        best
    }
}

impl<T> Default for PathTree<T> {
    fn default() -> Self {
        Self { literals: HashMap::new(), one: None, last: None, here: None, open: None }
    }
}

fn segment(part: &str, found: &impl Fn(&str) -> Mistake) -> Result<Segment, Mistake> {
    match part {
        "*" => return Ok(Segment::One),
        "**" => return Err(found("'**' as the last segment only").with_hint("use '*' for exactly one segment")),
        _ => {}
    }
    if let Some(name) = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        return match is_name && !name.is_empty() {
            true => Ok(Segment::One),
            false => Err(found("'{name}' for one segment, without an expression").with_hint("use '*'")),
        };
    }
    if part.contains(['*', '{', '}']) {
        return Err(found("'*' and '{name}' as whole segments only")
            .with_hint("the characters themselves are '%2A', '%7B' and '%7D'"));
    }
    let literal = decoded(part).ok_or_else(|| found("whole percent escapes"))?;
    if literal.iter().any(u8::is_ascii_control) || part.contains([' ', '\\']) {
        return Err(found("neither blanks nor control characters nor backslashes"));
    }
    if matches!(&*literal, b"." | b"..") {
        return Err(found("no dot segments").with_hint("paths are compared when they are resolved"));
    }
    Ok(Segment::Literal(match literal {
        Cow::Borrowed(literal) => literal.into(),
        Cow::Owned(literal) => literal.into(),
    }))
}
