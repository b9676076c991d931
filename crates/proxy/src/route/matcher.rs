//! The predicates of one route as they run: combined by all, any and not, in the order of the file, with what they
//! capture and the words to explain themselves.

use std::collections::BTreeSet;
use std::fmt;

use crate::exchange::Exchange;
use crate::route::host_pattern::{AskedHost, HostPattern};
use crate::route::index::Key;
use crate::route::path_pattern::{PathPattern, common};
use crate::route::{Condition, HostPatterns, PathPatterns, Predicate, Variables};

/// More alternatives of host and path than these are not told apart by the index.
const MOST_KEYS: usize = 64;

/// A predicate or a combination of predicates.
pub struct Matcher {
    pub(crate) node: Node,
}

pub(crate) enum Node {
    All(Vec<Matcher>),
    Any(Vec<Matcher>),
    Not(Box<Matcher>),
    Leaf(Leaf),
}

/// One predicate with its text as written.
pub(crate) struct Leaf {
    pub(crate) text: Box<str>,
    pub(crate) test: Test,
}

pub(crate) enum Test {
    Path(PathPatterns),
    Host(HostPatterns),
    Weight(Weight),
    Other(Box<dyn Predicate>),
}

/// A share of a group; [`Router::build`](crate::route::Router::build) deals the shares out.
pub(crate) struct Weight {
    pub(crate) group: String,
    pub(crate) weight: u32,
    pub(crate) share: Share,
}

/// The draws from `from` up to `to` (exclusive) of `0..total` are this route's.
#[derive(Default)]
pub(crate) struct Share {
    pub(crate) salt: u64,
    pub(crate) total: u64,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// Whether a predicate held for one request, and its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The predicate as written, or `all`, `any`, `not`.
    pub text: String,
    /// Whether it held.
    pub held: bool,
    /// What it is made of.
    pub children: Vec<Outcome>,
}

impl Matcher {
    /// One predicate: its name and its arguments as written (`path`, `/orders/**`).
    pub fn leaf(name: &str, arguments: &str, condition: Condition) -> Self {
        let text = if arguments.is_empty() { name.into() } else { format!("{name}: {arguments}").into() };
        let test = match condition {
            Condition::Path(patterns) => Test::Path(patterns),
            Condition::Host(patterns) => Test::Host(patterns),
            Condition::Weight { group, weight } => Test::Weight(Weight { group, weight, share: Share::default() }),
            Condition::Test(predicate) => Test::Other(predicate),
        };
        Self { node: Node::Leaf(Leaf { text, test }) }
    }

    /// Holds when all `parts` hold; so do none.
    pub fn all(parts: Vec<Matcher>) -> Self {
        Self { node: Node::All(parts) }
    }

    /// Holds when one of `parts` holds; the first that does captures.
    pub fn any(parts: Vec<Matcher>) -> Self {
        Self { node: Node::Any(parts) }
    }

    /// Holds when `part` does not; captures nothing.
    #[expect(clippy::should_implement_trait, reason = "a constructor beside `all` and `any`, not an operator")]
    pub fn not(part: Matcher) -> Self {
        Self { node: Node::Not(Box::new(part)) }
    }

    /// Whether it holds for `exchange`. Captures go to `variables`; a part that does not hold leaves none.
    pub fn holds(&self, exchange: &Exchange, variables: &mut Variables) -> bool {
        let mark = variables.len();
        let held = match &self.node {
            Node::All(parts) => parts.iter().all(|part| part.holds(exchange, variables)),
            Node::Any(parts) => parts.iter().any(|part| part.holds(exchange, variables)),
            Node::Not(part) => {
                let held = part.holds(exchange, variables);
                variables.truncate(mark);
                !held
            }
            Node::Leaf(leaf) => leaf.test.holds(exchange, variables),
        };
        if !held {
            variables.truncate(mark);
        }
        held
    }

    /// Whether it and each of its parts hold for `exchange`: nothing is left out.
    pub fn outcome(&self, exchange: &Exchange) -> Outcome {
        let (text, parts) = self.words();
        let children: Vec<_> = parts.iter().map(|part| part.outcome(exchange)).collect();
        let held = match &self.node {
            Node::All(_) => children.iter().all(|child| child.held),
            Node::Any(_) => children.iter().any(|child| child.held),
            Node::Not(_) => !children.iter().any(|child| child.held),
            Node::Leaf(leaf) => leaf.test.holds(exchange, &mut Variables::default()),
        };
        Outcome { text: text.to_owned(), held, children }
    }

    /// The names that are certainly captured when it holds. A name that only some patterns of a list, or some parts of
    /// an `any`, capture is not among them.
    pub fn variables(&self) -> BTreeSet<String> {
        match &self.node {
            Node::All(parts) => parts.iter().flat_map(Matcher::variables).collect(),
            Node::Any(parts) => common(parts.iter().map(Matcher::variables)),
            Node::Not(_) => BTreeSet::new(),
            Node::Leaf(leaf) => match &leaf.test {
                Test::Path(patterns) => patterns.variables(),
                Test::Host(patterns) => patterns.variables(),
                Test::Weight(_) | Test::Other(_) => BTreeSet::new(),
            },
        }
    }

    /// Its parts in words; of anything but `all`, itself.
    pub(crate) fn texts(&self) -> Vec<String> {
        match &self.node {
            Node::All(parts) => parts.iter().map(Matcher::text).collect(),
            Node::Any(_) | Node::Not(_) | Node::Leaf(_) => vec![self.text()],
        }
    }

    /// Itself in words, on one line.
    fn text(&self) -> String {
        let (text, parts) = self.words();
        match &self.node {
            Node::Leaf(_) => text.to_owned(),
            Node::Not(part) => format!("not: {{{}}}", part.text()),
            Node::All(_) | Node::Any(_) => {
                format!("{text}: [{}]", parts.iter().map(Matcher::text).collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// Whether a path predicate is anywhere in it.
    pub(crate) fn looks_at_path(&self) -> bool {
        match &self.node {
            Node::All(parts) | Node::Any(parts) => parts.iter().any(Matcher::looks_at_path),
            Node::Not(part) => part.looks_at_path(),
            Node::Leaf(leaf) => matches!(leaf.test, Test::Path(_)),
        }
    }

    /// Where the index finds it: whenever it holds, one of these fits.
    pub(crate) fn keys(&self) -> Vec<Key<'_>> {
        match &self.node {
            Node::All(parts) => parts.iter().map(Matcher::keys).fold(vec![Key::default()], narrow),
            Node::Any(parts) => parts.iter().flat_map(Matcher::keys).collect(),
            Node::Not(_) => vec![Key::default()],
            Node::Leaf(leaf) => match &leaf.test {
                Test::Path(paths) => paths.patterns().iter().map(|path| Key { host: None, path: Some(path) }).collect(),
                Test::Host(hosts) => hosts.patterns().iter().map(|host| Key { host: Some(host), path: None }).collect(),
                Test::Weight(_) | Test::Other(_) => vec![Key::default()],
            },
        }
    }

    /// Whether it holds, and captures nothing, whenever the index finds one of its keys: a path, a host, or one of each,
    /// of which the index knows every word.
    pub(crate) fn is_told_by_its_keys(&self) -> bool {
        let whole = std::slice::from_ref(self);
        let parts = if let Node::All(parts) = &self.node { parts.as_slice() } else { whole };
        let (mut paths, mut hosts) = (0, 0);
        for part in parts {
            match &part.node {
                Node::Leaf(Leaf { test: Test::Path(patterns), .. })
                    if patterns.patterns().iter().all(PathPattern::is_told_by_index) =>
                {
                    paths += 1
                }
                Node::Leaf(Leaf { test: Test::Host(patterns), .. })
                    if patterns.patterns().iter().all(HostPattern::is_told_by_index) =>
                {
                    hosts += 1
                }
                _ => return false,
            }
        }
        // Too many alternatives are not told apart by the index: `keys` then is one that fits everything.
        let narrowed =
            self.keys().iter().all(|key| key.path.is_some() == (paths == 1) && key.host.is_some() == (hosts == 1));
        !parts.is_empty() && paths <= 1 && hosts <= 1 && narrowed
    }

    /// How it calls itself, and its parts.
    fn words(&self) -> (&str, &[Matcher]) {
        match &self.node {
            Node::All(parts) => ("all", parts),
            Node::Any(parts) => ("any", parts),
            Node::Not(part) => ("not", std::slice::from_ref(part)),
            Node::Leaf(leaf) => (&leaf.text, &[]),
        }
    }

    /// Each weight in it.
    pub(crate) fn weights_mut<'a>(&'a mut self, found: &mut Vec<&'a mut Weight>) {
        match &mut self.node {
            Node::All(parts) | Node::Any(parts) => parts.iter_mut().for_each(|part| part.weights_mut(found)),
            Node::Not(part) => part.weights_mut(found),
            Node::Leaf(Leaf { test: Test::Weight(weight), .. }) => found.push(weight),
            Node::Leaf(_) => {}
        }
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, parts) = self.words();
        f.write_str(text)?;
        if matches!(self.node, Node::Leaf(_)) { Ok(()) } else { f.debug_list().entries(parts).finish() }
    }
}

impl Test {
    fn holds(&self, exchange: &Exchange, variables: &mut Variables) -> bool {
        match self {
            Self::Path(patterns) => patterns.matches(exchange.request.path(), variables),
            Self::Host(patterns) => patterns.matches_asked(&AskedHost::of(exchange), variables),
            Self::Weight(Weight { share, .. }) => {
                (share.from..share.to).contains(&exchange.draw(share.salt, share.total))
            }
            Self::Other(predicate) => predicate.holds(exchange),
        }
    }
}

/// Keys for what needs one of `some` and one of `others`.
fn narrow<'a>(some: Vec<Key<'a>>, others: Vec<Key<'a>>) -> Vec<Key<'a>> {
    if some.len().saturating_mul(others.len()) > MOST_KEYS {
        return if others.iter().any(|key| key.path.is_some() || key.host.is_some()) && some.len() == 1 {
            others
        } else {
            some
        };
    }
    let pairs = some.iter().flat_map(|one| others.iter().map(move |other| (one, other)));
    pairs.map(|(one, other)| Key { host: one.host.or(other.host), path: one.path.or(other.path) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::TrailingSlash;
    use crate::route::fixture::exchange;

    struct Always(bool);

    impl Predicate for Always {
        fn holds(&self, _: &Exchange) -> bool {
            self.0
        }
    }

    fn path(pattern: &str) -> Matcher {
        let patterns = PathPatterns::parse([pattern], TrailingSlash::Exact).unwrap();
        Matcher::leaf("path", pattern, Condition::Path(patterns))
    }

    fn host(pattern: &str) -> Matcher {
        Matcher::leaf("host", pattern, Condition::Host(HostPatterns::parse([pattern]).unwrap()))
    }

    fn always(held: bool) -> Matcher {
        Matcher::leaf("always", "", Condition::Test(Box::new(Always(held))))
    }

    fn captured(matcher: &Matcher) -> Option<Vec<(String, String)>> {
        let mut found = Variables::default();
        let held = matcher.holds(&exchange("t.example.com", "/a/1"), &mut found);
        assert!(held || found.is_empty(), "captures of a failed part were left behind");
        held.then(|| found.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    fn pairs(expected: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
        Some(expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn all_wants_every_part_and_keeps_every_capture() {
        assert_eq!(
            captured(&Matcher::all(vec![path("/a/{x}"), host("{y}.example.com")])),
            pairs(&[("x", "1"), ("y", "t")])
        );
        assert_eq!(captured(&Matcher::all(vec![path("/a/{x}"), always(false)])), None);
        assert_eq!(captured(&Matcher::all(Vec::new())), pairs(&[]));
    }

    #[test]
    fn any_captures_what_the_first_part_that_holds_captured() {
        let failing = Matcher::all(vec![path("/{w}/1"), always(false)]);
        assert_eq!(captured(&Matcher::any(vec![failing, path("/a/{x}"), path("/{y}/1")])), pairs(&[("x", "1")]));
        assert_eq!(captured(&Matcher::any(vec![always(false)])), None);
        assert_eq!(captured(&Matcher::any(Vec::new())), None);
    }

    #[test]
    fn not_turns_around_and_captures_nothing() {
        assert_eq!(captured(&Matcher::not(path("/{x}"))), pairs(&[]));
        assert_eq!(captured(&Matcher::not(path("/a/{x}"))), None);
        assert_eq!(captured(&Matcher::not(Matcher::not(path("/a/{x}")))), pairs(&[]));
    }

    #[test]
    fn certain_variables_are_those_of_every_way_to_hold() {
        let either = Matcher::any(vec![path("/{a}/{b}"), host("{b}.{c}.com")]);
        let matcher = Matcher::all(vec![either, host("{d}.**"), Matcher::not(path("/{e}"))]);
        assert_eq!(matcher.variables().into_iter().collect::<Vec<_>>(), ["b", "d"]);
    }

    #[test]
    fn an_outcome_tells_of_every_part() {
        let matcher =
            Matcher::all(vec![path("/b"), Matcher::any(vec![always(true), path("/a/*")]), Matcher::not(path("/b"))]);
        let outcome = matcher.outcome(&exchange("", "/a/1"));
        assert!(!outcome.held);
        let told: Vec<_> = outcome.children.iter().map(|child| (child.text.as_str(), child.held)).collect();
        assert_eq!(told, [("path: /b", false), ("any", true), ("not", true)]);
        let told: Vec<_> = outcome.children[1].children.iter().map(|child| (child.text.as_str(), child.held)).collect();
        assert_eq!(told, [("always", true), ("path: /a/*", true)]);
        assert!(!outcome.children[2].children[0].held);
    }

    #[test]
    fn predicates_are_told_on_one_line_each() {
        let either = Matcher::any(vec![path("/a"), Matcher::not(host("b"))]);
        assert_eq!(Matcher::all(vec![path("/c"), either]).texts(), ["path: /c", "any: [path: /a, not: {host: b}]"]);
        assert_eq!(path("/c").texts(), ["path: /c"]);
    }

    #[test]
    fn keys_combine_host_and_path() {
        let either = Matcher::any(vec![path("/a"), path("/b")]);
        let matcher = Matcher::all(vec![host("a.com"), either, always(true)]);
        let keys: Vec<_> =
            matcher.keys().iter().map(|key| (key.host.unwrap().text(), key.path.unwrap().text())).collect();
        assert_eq!(keys, [("a.com", "/a"), ("a.com", "/b")]);
        let open = Matcher::any(vec![path("/a"), always(true)]);
        assert!(open.keys().iter().any(|key| key.host.is_none() && key.path.is_none()));
    }
}
