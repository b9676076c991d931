//! Spring's Host patterns: Ant style with `.` between the labels, case aside. What the name of the virtual host is on
//! other gateways.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::exchange::Exchange;
use crate::parts::Invalid;
use crate::route::Variables;
use crate::route::path_pattern::{captured_once, common};
use crate::route::segment::{Segment, Spelling, split_outside_braces};

/// One pattern for a host:
///
/// - `*` is exactly one label (or a part of one: `api-*`), `**` any number of labels, also none: `**.example.com` takes
///   `a.b.example.com`, `a.example.com` and, as in Spring, `example.com` itself,
/// - `{name}` captures a label or a part of it, `{name:regexp}` one that the expression matches as a whole; captured
///   values are lower-case,
/// - `:8080` at the end wants this port; without it any port will do.
///
/// Case and a dot at the end of the name do not matter.
#[derive(Debug, Clone)]
pub struct HostPattern {
    text: Box<str>,
    labels: Box<[Label]>,
    port: Option<u16>,
}

#[derive(Debug, Clone)]
pub(crate) enum Label {
    One(Segment),
    Many,
}

/// Several patterns; the first that matches decides.
#[derive(Debug, Clone)]
pub struct HostPatterns {
    patterns: Box<[HostPattern]>,
}

/// The host that a request asks for: its name in lower case and its port.
#[derive(Debug)]
pub(crate) struct AskedHost<'a> {
    /// Without port and trailing dot.
    pub(crate) name: Cow<'a, str>,
    /// As sent, else the scheme's.
    pub(crate) port: u16,
}

impl<'a> AskedHost<'a> {
    /// What `exchange` asks for.
    pub(crate) fn of(exchange: &'a Exchange) -> Self {
        let name = exchange.host_name();
        let raw = exchange.host.as_ref().and_then(|value| value.to_str().ok()).unwrap_or_default();
        let port = raw.get(name.len()..).and_then(|rest| rest.strip_prefix(':')).and_then(|port| port.parse().ok());
        Self { name: canonical(name), port: port.unwrap_or_else(|| exchange.connection.scheme.default_port()) }
    }
}

/// `name` in lower case, without a trailing dot; borrowed if it already is.
fn canonical(name: &str) -> Cow<'_, str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

impl HostPattern {
    /// Parses `text`.
    ///
    /// # Errors
    /// An empty label, a bad port, an unclosed brace, an unusable expression, a name twice.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let (name, port) = split_port(text)?;
        let name = name.strip_suffix('.').unwrap_or(name);
        if let Some(scheme) = name.find("://") {
            let host = text.get(scheme + 3..).unwrap_or_default();
            return Err(Invalid::new(format!("found '{text}', wanted a host without a scheme"))
                .with_hint(format!("write '{host}'")));
        }
        if name.contains('/') && !name.contains('{') {
            return Err(Invalid::new(format!("found '{text}', wanted a host without a path"))
                .with_hint("the predicate 'path' looks at the path"));
        }
        let labels: Box<[Label]> = split_outside_braces(name, '.')
            .into_iter()
            .map(|label| parse_label(label, text))
            .collect::<Result<_, _>>()?;
        let pattern = Self { text: text.into(), labels, port };
        captured_once(pattern.variables(), text)?;
        Ok(pattern)
    }

    /// The pattern as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names it captures.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.labels.iter().filter_map(Label::segment).flat_map(Segment::variables)
    }

    /// Whether it matches `host` (a name without a port) and `port`. Captures go to `captures`, none of a failed attempt.
    pub fn matches(&self, host: &str, port: u16, captures: &mut Variables) -> bool {
        self.matches_canonical(&canonical(host), port, captures)
    }

    fn matches_canonical(&self, host: &str, port: u16, captures: &mut Variables) -> bool {
        if host.is_empty() || self.port.is_some_and(|wanted| wanted != port) {
            return false;
        }
        let mark = captures.len();
        let held = walk(&self.labels, host, captures);
        if !held {
            captures.truncate(mark);
        }
        held
    }

    /// The labels, for the index.
    /// Whether being found by the index says that it matches, and there is nothing to capture.
    pub(crate) fn is_told_by_index(&self) -> bool {
        self.port.is_none() && self.labels.iter().all(|label| matches!(label, Label::One(Segment::Literal(_))))
    }

    pub(crate) fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// Whether it certainly matches whatever `other` matches.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let port = self.port.is_none() || self.port == other.port;
        let labels = match &*self.labels {
            // `**` before a fixed end takes whatever has that end.
            [Label::Many, end @ ..] if end.iter().all(|label| label.segment().is_some()) => {
                let skipped = other.labels.len().checked_sub(end.len());
                skipped.and_then(|skipped| other.labels.get(skipped..)).is_some_and(|labels| pairwise(end, labels))
            }
            labels => labels.len() == other.labels.len() && pairwise(labels, &other.labels),
        };
        port && labels
    }
}

impl Label {
    pub(crate) fn segment(&self) -> Option<&Segment> {
        match self {
            Self::One(segment) => Some(segment),
            Self::Many => None,
        }
    }
}

impl HostPatterns {
    /// Any of `patterns`.
    pub fn new(patterns: impl IntoIterator<Item = HostPattern>) -> Self {
        Self { patterns: patterns.into_iter().collect() }
    }

    /// Parses all of `texts`.
    ///
    /// # Errors
    /// The first that is no pattern; none at all.
    pub fn parse<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self, Invalid> {
        let patterns: Vec<_> = texts.into_iter().map(HostPattern::parse).collect::<Result<_, _>>()?;
        if patterns.is_empty() {
            return Err(Invalid::new("found an empty list, wanted at least one pattern"));
        }
        Ok(Self::new(patterns))
    }

    /// The patterns in the order of the file.
    pub fn patterns(&self) -> &[HostPattern] {
        &self.patterns
    }

    /// The names that are captured whichever pattern matches.
    pub fn variables(&self) -> BTreeSet<String> {
        common(self.patterns.iter().map(|pattern| pattern.variables().map(str::to_owned).collect()))
    }

    /// Whether one matches `host` (a name without a port) and `port`; its captures go to `captures`.
    pub fn matches(&self, host: &str, port: u16, captures: &mut Variables) -> bool {
        self.matches_asked(&AskedHost { name: canonical(host), port }, captures)
    }

    pub(crate) fn matches_asked(&self, host: &AskedHost<'_>, captures: &mut Variables) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches_canonical(&host.name, host.port, captures))
    }

    /// Whether it certainly matches whatever `other` matches.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        other.patterns.iter().all(|theirs| self.patterns.iter().any(|mine| mine.covers(theirs)))
    }
}

fn pairwise(mine: &[Label], theirs: &[Label]) -> bool {
    mine.iter().zip(theirs).all(|pair| match pair {
        (Label::Many, Label::Many) => true,
        (Label::One(mine), Label::One(theirs)) => mine.covers(theirs),
        _ => false,
    })
}

/// Whether `labels` match all of `name`. Where that fails, the last `**` takes one label more: earlier ones need not,
/// since what follows them has been found as early as it can be.
fn walk(labels: &[Label], name: &str, captures: &mut Variables) -> bool {
    let (mut labels, mut rest) = (labels, Some(name));
    let mut retry = None;
    loop {
        match (labels.split_first(), rest) {
            (None, None) => return true,
            (Some((Label::Many, others)), _) => {
                retry = Some((others, rest, captures.len()));
                labels = others;
                continue;
            }
            (Some((Label::One(segment), others)), Some(name)) => {
                let (label, after) = first_label(name);
                if segment.matches(label, captures) {
                    (labels, rest) = (others, after);
                    continue;
                }
            }
            _ => {}
        }
        let Some((others, Some(name), mark)) = retry else { return false };
        captures.truncate(mark);
        (labels, rest) = (others, first_label(name).1);
        retry = Some((others, rest, mark));
    }
}

fn first_label(name: &str) -> (&str, Option<&str>) {
    match name.split_once('.') {
        Some((label, rest)) => (label, Some(rest)),
        None => (name, None),
    }
}

fn parse_label(label: &str, pattern: &str) -> Result<Label, Invalid> {
    match label {
        "" => Err(Invalid::new(format!("'{pattern}' has an empty label"))),
        "**" => Ok(Label::Many),
        _ if label.starts_with("{*") => {
            Err(Invalid::new(format!("found '{label}' in '{pattern}', wanted {{name}} for one label")))
        }
        _ => Segment::parse(label, Spelling::Host).map(Label::One),
    }
}

fn split_port(text: &str) -> Result<(&str, Option<u16>), Invalid> {
    let Some((name, port)) = text.rsplit_once(':').filter(|(_, rest)| !rest.contains(['}', ']'])) else {
        return Ok((text, None));
    };
    if port.starts_with('/') {
        return Ok((text, None));
    }
    match port.parse() {
        Ok(port) => Ok((name, Some(port))),
        Err(_) => Err(Invalid::new(format!("found '{port}' after the colon in '{text}', wanted a port"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::fixture::exchange;

    fn matches(pattern: &str, host: &str) -> bool {
        let mut found = Variables::default();
        let held = HostPattern::parse(pattern).unwrap().matches(host, 80, &mut found);
        assert!(held || found.is_empty(), "captures of a failed attempt were left behind");
        held
    }

    fn value(pattern: &str, host: &str, name: &str) -> String {
        let mut found = Variables::default();
        assert!(HostPattern::parse(pattern).unwrap().matches(host, 80, &mut found), "{pattern} {host}");
        found.value(name).unwrap().to_owned()
    }

    fn refusal(pattern: &str) -> String {
        HostPattern::parse(pattern).unwrap_err().message().to_owned()
    }

    #[test]
    fn a_name_matches_itself_whatever_its_case() {
        assert!(matches("www.example.com", "WWW.Example.com"));
        assert!(matches("WWW.Example.com", "www.example.com"));
        assert!(!matches("example.com", "www.example.com"));
        assert!(!matches("example.com", "examplexcom"));
        assert!(!matches("example.com", ""));
    }

    #[test]
    fn a_dot_at_the_end_does_not_matter() {
        assert!(matches("example.com", "example.com."));
        assert!(matches("example.com.", "example.com"));
    }

    #[test]
    fn a_star_is_one_label_or_a_part_of_one() {
        assert!(matches("*.example.com", "a.example.com"));
        assert!(!matches("*.example.com", "a.b.example.com"));
        assert!(!matches("*.example.com", "example.com"));
        assert!(!matches("*.example.com", ".example.com"));
        assert!(matches("api-*.example.com", "api-1.example.com"));
        assert!(matches("*", "localhost"));
        assert!(!matches("*", "a.b"));
    }

    #[test]
    fn two_stars_are_any_number_of_labels() {
        for host in ["example.com", "a.example.com", "a.b.example.com"] {
            assert!(matches("**.example.com", host), "{host}");
        }
        assert!(!matches("**.example.com", "badexample.com"));
        assert!(!matches("**.example.com", "example.com.evil.org"));
        assert!(matches("**", "a.b.c"));
        assert!(matches("a.**.c.**", "a.x.c.y.c"));
        assert!(matches("www.**", "www"));
    }

    #[test]
    fn a_name_captures_a_label_in_lower_case() {
        assert_eq!(value("{sub}.example.com", "Shop.Example.com", "sub"), "shop");
        assert_eq!(value("**.{tenant}.example.com", "x.y.t.example.com", "tenant"), "t");
        assert_eq!(value("{env:dev|prod}-{n}.x.y", "dev-7.x.y", "n"), "7");
        assert_eq!(value("{v:a.b}.c", "axb.c", "v"), "axb");
        assert!(!matches("{env:dev|prod}.x", "test.x"));
    }

    #[test]
    fn a_port_is_wanted_only_where_one_is_written() {
        let held = |pattern: &str, host: &str| {
            let patterns = HostPatterns::parse([pattern]).unwrap();
            patterns.matches_asked(&AskedHost::of(&exchange(host, "/")), &mut Variables::default())
        };
        assert!(held("example.com", "example.com:8080"));
        assert!(held("example.com:8080", "example.com:8080"));
        assert!(!held("example.com:8080", "example.com:8081"));
        assert!(!held("example.com:8080", "example.com"));
        assert!(held("example.com:80", "example.com"), "the scheme's own port goes without saying");
        assert!(held("[::1]:8080", "[::1]:8080"));
        assert!(held("[::1]", "[::1]:8080"));
        assert!(!held("**", ""), "without a host nothing matches");
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        assert!(refusal("a..b").contains("empty label"));
        assert!(refusal("").contains("empty label"));
        assert!(refusal("https://example.com").contains("without a scheme"));
        assert!(refusal("example.com/a").contains("without a path"));
        assert!(refusal("example.com:port").contains("wanted a port"));
        assert!(refusal("example.com:99999").contains("wanted a port"));
        assert!(refusal("{a}.{a}").contains("captures {a} twice"));
        assert!(refusal("{*a}.b").contains("for one label"));
        assert!(refusal("{a.b").contains("never closed"));
    }

    #[test]
    fn a_pattern_covers_what_matches_whenever_the_other_does() {
        let covers =
            |one: &str, other: &str| HostPattern::parse(one).unwrap().covers(&HostPattern::parse(other).unwrap());
        for (one, other) in [
            ("**", "a.b"),
            ("**.com", "**.a.com"),
            ("**.a.com", "a.com"),
            ("*.a.com", "{x}.a.com"),
            ("a.com", "a.com:80"),
        ] {
            assert!(covers(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("*.com", "**.com"),
            ("a.com:80", "a.com"),
            ("*.a.com", "a.com"),
            ("**.a.com", "**.com"),
            ("a.com", "b.com"),
        ] {
            assert!(!covers(one, other), "{one} {other}");
        }
    }
}
