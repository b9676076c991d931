//! Spring's PathPattern: which paths a route takes. Patterns are parsed once into segments; matching walks the path once,
//! decodes a segment at a time, so that an encoded slash never separates, and allocates for captures and escapes only.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::parts::Invalid;
use crate::route::Variables;
use crate::route::escape::percent_decoded;
use crate::route::segment::{Segment, Spelling, split_outside_braces, variable_name};

/// One pattern for a path:
///
/// - `?` is one character, `*` any number of them within a segment; a segment `*` wants at least one, except at the end,
/// - `/**` at the end is any number of further segments, also none,
/// - `{name}` captures a segment or a part of it (as much as it can), `{name:regexp}` one that the expression matches as a
///   whole, `{*name}` at the end captures everything that follows with its leading slash; it is empty if nothing follows.
///
/// Case matters. Literal text may be percent-encoded; both sides are compared decoded, so `%2F` is a slash *within* a
/// segment and `%2A` a literal star. Captured values are decoded.
#[derive(Debug, Clone)]
pub struct PathPattern {
    text: Box<str>,
    segments: Box<[Segment]>,
    rest: Rest,
}

/// What may follow the segments.
#[derive(Debug, Clone)]
enum Rest {
    Nothing,
    Anything,
    Capture(Arc<str>),
}

/// Whether `/a/` is matched by what matches `/a`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrailingSlash {
    /// The pattern says it all.
    Exact,
    /// One slash more at the end of the path does not matter.
    Optional,
}

/// Several patterns; the first that matches decides.
#[derive(Debug, Clone)]
pub struct PathPatterns {
    patterns: Box<[PathPattern]>,
    trailing_slash: TrailingSlash,
}

impl PathPattern {
    /// Parses `text`.
    ///
    /// # Errors
    /// No leading slash, `**` or `{*name}` before the end, an unclosed brace, an unusable expression, a name twice.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let Some(relative) = text.strip_prefix('/') else {
            return Err(Invalid::new(format!("found '{text}', wanted a pattern that begins with '/'"))
                .with_hint(format!("write '/{text}'")));
        };
        let mut parts = split_outside_braces(relative, '/');
        let rest = match parts.last() {
            Some(&"**") => Rest::Anything,
            Some(last) => match last.strip_prefix("{*").and_then(|name| name.strip_suffix('}')) {
                Some(name) => Rest::Capture(variable_name(name)?),
                None => Rest::Nothing,
            },
            None => Rest::Nothing,
        };
        if !matches!(rest, Rest::Nothing) {
            parts.pop();
        }
        let mut segments: Box<[Segment]> = parts.iter().map(|part| segment(part, text)).collect::<Result<_, _>>()?;
        if let (Rest::Nothing, Some(last @ Segment::Any)) = (&rest, segments.last_mut()) {
            *last = Segment::AnyOrEmpty;
        }
        let pattern = Self { text: text.into(), segments, rest };
        captured_once(pattern.variables(), text)?;
        Ok(pattern)
    }

    /// The pattern as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names it captures.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        let rest = match &self.rest {
            Rest::Capture(name) => Some(&**name),
            Rest::Nothing | Rest::Anything => None,
        };
        self.segments.iter().flat_map(Segment::variables).chain(rest)
    }

    /// Whether it matches `path` (canonical, percent-encoded). Captures go to `captures`, none of a failed attempt.
    pub fn matches(&self, path: &str, captures: &mut Variables) -> bool {
        let mark = captures.len();
        let held = self.walk(path, captures);
        if !held {
            captures.truncate(mark);
        }
        held
    }

    /// The segments, for the index.
    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether further segments may follow.
    /// Whether being found by the index says that it matches, and there is nothing to capture.
    pub(crate) fn is_told_by_index(&self) -> bool {
        matches!(self.rest, Rest::Anything)
            && self.segments.iter().all(|segment| matches!(segment, Segment::Literal(_)))
    }

    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.rest, Rest::Nothing)
    }

    /// Whether it certainly matches whatever `other` matches.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let enough = if self.is_open() {
            self.segments.len() <= other.segments.len()
        } else {
            self.segments.len() == other.segments.len() && !other.is_open()
        };
        enough && self.segments.iter().zip(&other.segments).all(|(mine, theirs)| mine.covers(theirs))
    }

    fn walk(&self, path: &str, captures: &mut Variables) -> bool {
        let mut rest = path;
        for segment in &self.segments {
            let Some((raw, after)) = next_segment(rest) else { return false };
            if !segment.matches(&percent_decoded(raw), captures) {
                return false;
            }
            rest = after;
        }
        match &self.rest {
            Rest::Nothing => rest.is_empty(),
            _ if !rest.is_empty() && !rest.starts_with('/') => false,
            Rest::Anything => true,
            Rest::Capture(name) => {
                captures.push(name, &percent_decoded(rest));
                true
            }
        }
    }
}

impl PathPatterns {
    /// Any of `patterns`.
    pub fn new(patterns: impl IntoIterator<Item = PathPattern>, trailing_slash: TrailingSlash) -> Self {
        Self { patterns: patterns.into_iter().collect(), trailing_slash }
    }

    /// Parses all of `texts`.
    ///
    /// # Errors
    /// The first that is no pattern; none at all.
    pub fn parse<'t>(texts: impl IntoIterator<Item = &'t str>, trailing_slash: TrailingSlash) -> Result<Self, Invalid> {
        let patterns: Vec<_> = texts.into_iter().map(PathPattern::parse).collect::<Result<_, _>>()?;
        if patterns.is_empty() {
            return Err(Invalid::new("found an empty list, wanted at least one pattern"));
        }
        Ok(Self::new(patterns, trailing_slash))
    }

    /// The patterns in the order of the file.
    pub fn patterns(&self) -> &[PathPattern] {
        &self.patterns
    }

    /// The names that are captured whichever pattern matches.
    pub fn variables(&self) -> BTreeSet<String> {
        common(self.patterns.iter().map(|pattern| pattern.variables().map(str::to_owned).collect()))
    }

    /// Whether one matches `path`; its captures go to `captures`. As in Spring, where a trailing slash is optional each
    /// pattern is tried with the path as it is, then without its last slash.
    pub fn matches(&self, path: &str, captures: &mut Variables) -> bool {
        let shorter = match self.trailing_slash {
            TrailingSlash::Optional => path.strip_suffix('/').filter(|shorter| !shorter.is_empty()),
            TrailingSlash::Exact => None,
        };
        self.patterns.iter().any(|pattern| {
            pattern.matches(path, captures) || shorter.is_some_and(|shorter| pattern.matches(shorter, captures))
        })
    }

    /// Whether it certainly matches whatever `other` matches.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let slash = self.trailing_slash == TrailingSlash::Optional || other.trailing_slash == TrailingSlash::Exact;
        other
            .patterns
            .iter()
            .all(|theirs| self.patterns.iter().any(|mine| mine.covers(theirs) && (slash || mine.is_open())))
    }
}

/// The first segment of `path`, which begins with a slash, and what follows it.
pub(crate) fn next_segment(path: &str) -> Option<(&str, &str)> {
    let begun = path.strip_prefix('/')?;
    let end = memchr::memchr(b'/', begun.as_bytes()).unwrap_or(begun.len());
    Some(begun.split_at(end))
}

/// Refuses a pattern (its `text`) that captures one of `names` twice.
pub(crate) fn captured_once<'n>(names: impl Iterator<Item = &'n str>, text: &str) -> Result<(), Invalid> {
    let mut known = BTreeSet::new();
    for name in names {
        if !known.insert(name) {
            return Err(Invalid::new(format!("'{text}' captures {{{name}}} twice")));
        }
    }
    Ok(())
}

/// What is in all of `sets`.
pub(crate) fn common(mut sets: impl Iterator<Item = BTreeSet<String>>) -> BTreeSet<String> {
    let first = sets.next().unwrap_or_default();
    sets.fold(first, |common, set| common.intersection(&set).cloned().collect())
}

fn segment(part: &str, pattern: &str) -> Result<Segment, Invalid> {
    if part == "**" || part.starts_with("{*") {
        return Err(Invalid::new(format!("found '{part}' in '{pattern}', wanted it as the last segment only"))
            .with_hint("use '*' or '{name}' for exactly one segment"));
    }
    Segment::parse(part, Spelling::Path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captures(pattern: &str, path: &str) -> Option<Vec<(String, String)>> {
        let mut found = Variables::default();
        let held = PathPattern::parse(pattern).unwrap().matches(path, &mut found);
        assert!(held || found.is_empty(), "captures of a failed attempt were left behind");
        held.then(|| found.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    fn matches(pattern: &str, path: &str) -> bool {
        captures(pattern, path).is_some()
    }

    fn value(pattern: &str, path: &str, name: &str) -> String {
        let found = captures(pattern, path).unwrap_or_else(|| panic!("{pattern} does not match {path}"));
        found.into_iter().rfind(|(known, _)| known == name).unwrap().1
    }

    fn refusal(pattern: &str) -> String {
        PathPattern::parse(pattern).unwrap_err().message().to_owned()
    }

    #[test]
    fn literals_match_themselves_and_case_matters() {
        for (pattern, path) in [("/", "/"), ("/foo", "/foo"), ("/foo/", "/foo/"), ("/foo/bar/woo", "/foo/bar/woo")] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("/foo", "/bar"),
            ("/foo", "/Foo"),
            ("/foo", "/food"),
            ("/food", "/foo"),
            ("/foo", "/foo/"),
            ("/foo/", "/foo"),
            ("/foo", "/foo//"),
            ("/foo/bar", "/foo//bar"),
            ("/", "/a"),
            ("/abc", "/"),
            ("/foo", "*"),
        ] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn a_question_mark_is_one_character() {
        assert!(matches("/t?st", "/test"));
        assert!(matches("/t?st", "/t%C3%A9st"), "one character, two bytes");
        assert!(!matches("/t?st", "/tst"));
        assert!(!matches("/t?st", "/toast"));
        assert!(matches("/??", "/ab"));
        assert!(!matches("/??", "/a"));
    }

    #[test]
    fn a_star_stays_within_a_segment() {
        for (pattern, path) in [
            ("/*", "/foo"),
            ("/*", "/"),
            ("/*/bar", "/foo/bar"),
            ("/f*", "/f"),
            ("/f*", "/foo"),
            ("/*.html", "/.html"),
            ("/a*b*c", "/a-b-b-c"),
            ("/*y*", "/xyzxyz"),
            ("/a/*", "/a/"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("/*", "/foo/bar"),
            ("/*", "/foo/"),
            ("/*/bar", "//bar"),
            ("/*/bar", "/foo/baz"),
            ("/a*b*c", "/abdd"),
            ("/a*a", "/a"),
            ("/a/*", "/a"),
            ("/a/*/b", "/a//b"),
        ] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn two_stars_at_the_end_are_any_number_of_segments() {
        for path in ["/a", "/a/", "/a/b", "/a/b/c/", "/a//b"] {
            assert!(matches("/a/**", path), "{path}");
        }
        for path in ["/ab", "/", "/b/a"] {
            assert!(!matches("/a/**", path), "{path}");
        }
        assert!(matches("/**", "/"));
        assert!(matches("/**", "//x//"));
        assert!(!matches("/**", "*"), "`*` is no path");
    }

    #[test]
    fn a_name_captures_a_segment_decoded() {
        assert_eq!(value("/orders/{id}", "/orders/7", "id"), "7");
        assert_eq!(value("/{a}/x/{b}", "/1/x/2", "b"), "2");
        assert_eq!(value("/{var}", "/f%20o%7c", "var"), "f o|");
        assert_eq!(value("/{item-no}", "/7", "item-no"), "7");
        assert!(!matches("/orders/{id}", "/orders/"));
        assert!(!matches("/orders/{id}", "/orders/7/8"));
    }

    #[test]
    fn an_encoded_slash_never_separates() {
        assert!(!matches("/a/b", "/a%2Fb"));
        assert_eq!(value("/{x}", "/a%2Fb", "x"), "a/b");
        assert!(matches("/a%2Fb", "/a%2fb"));
        assert!(!matches("/a%2Fb", "/a/b"));
    }

    #[test]
    fn literals_of_a_pattern_may_be_encoded() {
        assert!(matches("/caf%C3%A9", "/caf%c3%a9"));
        assert!(matches("/café", "/caf%C3%A9"));
        assert!(matches("/a b", "/a%20b"));
        assert!(matches("/%2A%3F%7Bx%7D", "/*%3F%7Bx%7D"));
        assert!(!matches("/%2A", "/x"), "an encoded star is no wildcard");
        assert!(matches("/100%", "/100%25"));
    }

    #[test]
    fn a_name_with_an_expression_wants_the_whole_part() {
        assert_eq!(value("/{id:[0-9]+}", "/12", "id"), "12");
        assert!(!matches("/{id:[0-9]+}", "/12a"));
        assert_eq!(value("/{id:a|b}", "/b", "id"), "b");
        assert!(!matches("/{id:a|b}", "/ab"));
        assert_eq!(value("/{y:[0-9]{4}}-{m:[0-9]{2}}", "/2024-05", "m"), "05");
        assert_eq!(value("/{v:f o}_{w}", "/f%20o_x", "v"), "f o");
        assert_eq!(value("/{slash:a/b}", "/a%2Fb", "slash"), "a/b");
        assert_eq!(value("/{all:.*}", "/x%0Ay", "all"), "x\ny");
        assert_eq!(value("/{brace:x\\}}", "/x%7D", "brace"), "x}");
    }

    #[test]
    fn several_names_in_a_segment_take_as_much_as_they_can_from_the_left() {
        assert_eq!(value("/{a}_{b}", "/1_2", "a"), "1");
        assert_eq!(value("/{a}_{b}", "/1_2_3", "a"), "1_2");
        assert_eq!(value("/{a}_{b}", "/1_2_3", "b"), "3");
        assert_eq!(value("/{file}.{ext}", "/x.tar.gz", "ext"), "gz");
        assert_eq!(value("/{a}{b}", "/xy", "a"), "xy");
        assert_eq!(value("/v{n}", "/v", "n"), "");
        assert_eq!(value("/x{a}?{b}y", "/x123y", "a"), "12");
        assert!(!matches("/{a}*", "/"));
    }

    #[test]
    fn a_starred_name_captures_the_rest_with_its_slash() {
        assert_eq!(value("/a/{*rest}", "/a/b/c", "rest"), "/b/c");
        assert_eq!(value("/a/{*rest}", "/a/", "rest"), "/");
        assert_eq!(value("/a/{*rest}", "/a", "rest"), "");
        assert_eq!(value("/{*rest}", "/", "rest"), "/");
        assert_eq!(value("/{one}/{*rest}", "/f%20o/f%7Co", "rest"), "/f|o");
        assert!(!matches("/a/{*rest}", "/ab"));
    }

    #[test]
    fn a_trailing_slash_may_be_optional() {
        let held = |pattern: &str, path: &str, slash| {
            PathPatterns::parse([pattern], slash).unwrap().matches(path, &mut Variables::default())
        };
        assert!(held("/a", "/a/", TrailingSlash::Optional));
        assert!(held("/{x}", "/a/", TrailingSlash::Optional));
        assert!(!held("/a", "/a/", TrailingSlash::Exact));
        assert!(!held("/a", "/a//", TrailingSlash::Optional));
        assert!(!held("/a/", "/a", TrailingSlash::Optional));
        assert!(held("/", "/", TrailingSlash::Optional));
    }

    #[test]
    fn the_first_pattern_that_matches_captures() {
        let patterns = PathPatterns::parse(["/{a}/x", "/{b}/**"], TrailingSlash::Exact).unwrap();
        let mut found = Variables::default();
        assert!(patterns.matches("/1/y", &mut found));
        assert_eq!(found.iter().collect::<Vec<_>>(), [("b", "1")]);
    }

    #[test]
    fn only_names_of_all_patterns_are_certain() {
        let patterns = PathPatterns::parse(["/{a}/{b}", "/{b}-{c}"], TrailingSlash::Exact).unwrap();
        assert_eq!(patterns.variables().into_iter().collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        assert!(refusal("orders").contains("begins with '/'"));
        assert!(refusal("/a/**/b").contains("found '**' in '/a/**/b', wanted it as the last segment only"));
        assert!(refusal("/{*rest}/b").contains("wanted it as the last segment only"));
        assert!(refusal("/{a").contains("never closed"));
        assert!(refusal("/a}").contains("no '{' before it"));
        assert!(refusal("/{}").contains("wanted a name"));
        assert!(refusal("/{1a}").contains("wanted a name"));
        assert!(refusal("/{*1a}").contains("wanted a name"));
        assert!(refusal("/{a:}").contains("no expression"));
        assert!(refusal("/{a:[}").contains("no usable regular expression"));
        assert!(refusal("/{a:(?=x)x}").contains("look-around"));
        assert!(refusal("/{a:(x)}").contains("group of its own"));
        assert!(refusal("/{a}/{a}").contains("captures {a} twice"));
        assert!(refusal("/{a}/{*a}").contains("captures {a} twice"));
        assert!(refusal("/x{*a}").contains("wanted a name"));
    }

    #[test]
    fn a_pattern_covers_what_matches_whenever_the_other_does() {
        let covers =
            |one: &str, other: &str| PathPattern::parse(one).unwrap().covers(&PathPattern::parse(other).unwrap());
        for (one, other) in [
            ("/**", "/"),
            ("/**", "/a/{*x}"),
            ("/a/**", "/a"),
            ("/a/**", "/a/{b}/c/**"),
            ("/{x}", "/a"),
            ("/*", "/{x}"),
            ("/*", "/*"),
            ("/a*", "/ab"),
            ("/a*", "/a*"),
            ("/{x:[0-9]+}", "/12"),
        ] {
            assert!(covers(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("/", "/**"),
            ("/a", "/{x}"),
            ("/{x}", "/*"),
            ("/a*", "/{x}"),
            ("/{x:[0-9]+}", "/{x}"),
            ("/a/b/**", "/a/**"),
            ("/{x}/**", "/**"),
            ("/a", "/a/**"),
        ] {
            assert!(!covers(one, other), "{one} {other}");
        }
    }
}
