//! Routes that can never be reached, for the warnings of `check`. Certain or silent: an earlier route shadows a later one
//! if it is a plain conjunction each part of which the later one implies.

use std::collections::HashMap;

use crate::route::host_pattern::Label;
use crate::route::index::{Candidates, Index};
use crate::route::matcher::{Leaf, Matcher, Node, Test};
use crate::route::segment::Segment;
use crate::route::{HostPattern, HostPatterns, PathPattern, PathPatterns};

/// Earlier routes that one is compared with; beyond it a shadow may go unnoticed.
const MOST_COMPARED: usize = 64;

/// Other predicates whose every combination is looked up.
const MOST_COMBINED: usize = 4;

/// Stands for whatever a pattern leaves open; no literal part of a pattern has it.
const ANY: &str = "\u{1}";

/// A conjunction of predicates, taken apart.
#[derive(Default)]
struct Conjunction<'a> {
    paths: Vec<&'a PathPatterns>,
    hosts: Vec<&'a HostPatterns>,
    /// Texts of the other predicates: the same text means the same test.
    others: Vec<&'a str>,
    /// Whether something else is demanded, so that it can shadow nothing.
    more: bool,
}

/// Each shadowed route with one that shadows it, by place. Earlier routes are kept in one index per set of other
/// predicates and asked with a sample of the later route's host and path, so that it stays linear in the routes.
pub(crate) fn shadowed(matchers: &[Matcher]) -> Vec<(usize, usize)> {
    let conjunctions: Vec<_> = matchers.iter().map(conjunction).collect();
    let mut known: HashMap<Vec<&str>, Index> = HashMap::new();
    let mut found = Vec::new();
    for (rank, (later, matcher)) in (0u32..).zip(conjunctions.iter().zip(matchers)) {
        let by = subsets(&later.others).into_iter().filter_map(|subset| known.get(&subset)).find_map(|index| {
            candidates(index, later)
                .into_iter()
                .filter_map(|rank| usize::try_from(rank).ok())
                .find(|&place| conjunctions.get(place).is_some_and(|earlier| earlier.covers(later)))
        });
        match (by, usize::try_from(rank)) {
            (Some(by), Ok(place)) => found.push((place, by)),
            _ if !later.more => {
                let index = known.entry(later.others.clone()).or_default();
                matcher.keys().into_iter().for_each(|key| index.insert(key, rank));
            }
            _ => {}
        }
    }
    found
}

impl Conjunction<'_> {
    fn covers(&self, later: &Self) -> bool {
        self.paths.iter().all(|mine| later.paths.iter().any(|theirs| mine.covers(theirs)))
            && self.hosts.iter().all(|mine| later.hosts.iter().any(|theirs| mine.covers(theirs)))
            && self.others.iter().all(|mine| later.others.contains(mine))
    }
}

fn conjunction(matcher: &Matcher) -> Conjunction<'_> {
    let mut found = Conjunction::default();
    take_apart(matcher, &mut found);
    found.others.sort_unstable();
    found.others.dedup();
    found
}

fn take_apart<'a>(matcher: &'a Matcher, found: &mut Conjunction<'a>) {
    match &matcher.node {
        Node::All(parts) => parts.iter().for_each(|part| take_apart(part, found)),
        Node::Any(_) | Node::Not(_) | Node::Leaf(Leaf { test: Test::Weight(_), .. }) => found.more = true,
        Node::Leaf(Leaf { test: Test::Path(patterns), .. }) => found.paths.push(patterns),
        Node::Leaf(Leaf { test: Test::Host(patterns), .. }) => found.hosts.push(patterns),
        Node::Leaf(Leaf { test: Test::Other(_), text }) => found.others.push(text),
    }
}

/// Earlier routes of `index` that may cover `later`: whatever covers a pattern stands on the way of a request made of the
/// pattern's literal parts.
fn candidates(index: &Index, later: &Conjunction<'_>) -> Vec<u32> {
    let mut paths: Vec<_> =
        later.paths.iter().filter_map(|patterns| patterns.patterns().first()).map(sample_path).collect();
    let mut hosts: Vec<_> =
        later.hosts.iter().filter_map(|patterns| patterns.patterns().first()).map(sample_host).collect();
    if paths.is_empty() {
        paths.push("*".to_owned());
    }
    if hosts.is_empty() {
        hosts.push(String::new());
    }
    let mut found = Vec::new();
    for (host, path) in hosts.iter().flat_map(|host| paths.iter().map(move |path| (host, path))) {
        let mut some = Candidates::new();
        index.candidates(host, path, &mut some);
        found.extend(some.into_iter().take(MOST_COMPARED));
    }
    found
}

fn sample_path(pattern: &PathPattern) -> String {
    let mut path = String::new();
    for segment in pattern.segments() {
        path.push('/');
        match segment {
            Segment::Literal(text) => path.push_str(&text.replace('%', "%25").replace('/', "%2F")),
            _ => path.push_str(ANY),
        }
    }
    if path.is_empty() { "/".to_owned() } else { path }
}

fn sample_host(pattern: &HostPattern) -> String {
    let labels = pattern.labels().iter().map(|label| match label {
        Label::One(Segment::Literal(text)) => text,
        _ => ANY,
    });
    labels.collect::<Vec<_>>().join(".")
}

/// The sets of predicates that an earlier route may have if it shadows one with `others`; of many, not all sets.
fn subsets<'a>(others: &[&'a str]) -> Vec<Vec<&'a str>> {
    if others.len() > MOST_COMBINED {
        let singles = others.iter().map(|one| vec![*one]);
        return [Vec::new(), others.to_vec()].into_iter().chain(singles).collect();
    }
    others.iter().fold(vec![Vec::new()], |mut sets, one| {
        let with: Vec<_> = sets.iter().map(|set| [set.as_slice(), &[*one]].concat()).collect();
        sets.extend(with);
        sets
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Exchange;
    use crate::route::{Condition, Predicate, TrailingSlash};

    struct Never;

    impl Predicate for Never {
        fn holds(&self, _: &Exchange) -> bool {
            false
        }
    }

    /// `path /a/**`, `host a.com`, `weight g 1` or any other predicate, by its text.
    fn leaf(text: &str) -> Matcher {
        let (name, arguments) = text.split_once(' ').unwrap();
        let condition = match name {
            "path" => Condition::Path(PathPatterns::parse(arguments.split(' '), TrailingSlash::Optional).unwrap()),
            "exact" => Condition::Path(PathPatterns::parse(arguments.split(' '), TrailingSlash::Exact).unwrap()),
            "host" => Condition::Host(HostPatterns::parse(arguments.split(' ')).unwrap()),
            "weight" => Condition::Weight { group: arguments.to_owned(), weight: 1 },
            _ => Condition::Test(Box::new(Never)),
        };
        Matcher::leaf(name, arguments, condition)
    }

    fn found(routes: &[&[&str]]) -> Vec<(usize, usize)> {
        let matchers: Vec<_> =
            routes.iter().map(|predicates| Matcher::all(predicates.iter().map(|text| leaf(text)).collect())).collect();
        shadowed(&matchers)
    }

    #[test]
    fn a_wider_route_shadows_what_comes_after_it() {
        assert_eq!(found(&[&["path /a/**"], &["path /a/b"]]), [(1, 0)]);
        assert_eq!(found(&[&["path /a/b"], &["path /a/**"]]), []);
        assert_eq!(found(&[&[], &["path /a"]]), [(1, 0)]);
        assert_eq!(found(&[&["path /**"], &["path /a", "method GET"]]), [(1, 0)]);
        assert_eq!(found(&[&["host **.com"], &["host {x}.a.com", "path /x"]]), [(1, 0)]);
        assert_eq!(found(&[&["path /a /b/{x}"], &["path /b/1 /a"]]), [(1, 0)]);
        assert_eq!(found(&[&["path /{x}/b"], &["path /c"], &["path /a%2Fb/b"]]), [(2, 0)]);
        assert_eq!(found(&[&["path /*"], &["path /*"]]), [(1, 0)]);
    }

    #[test]
    fn another_predicate_has_to_be_the_same_on_both() {
        assert_eq!(found(&[&["path /a", "method GET"], &["path /a", "method POST"]]), []);
        assert_eq!(found(&[&["path /a", "method GET"], &["path /a"]]), []);
        assert_eq!(found(&[&["path /a/**", "method GET"], &["header X", "path /a", "method GET"]]), [(1, 0)]);
    }

    #[test]
    fn what_is_not_certain_is_not_said() {
        assert_eq!(found(&[&["path /a", "weight g"], &["path /a"]]), []);
        assert_eq!(found(&[&["path /**"], &[]]), [], "the asterisk form goes to the second");
        assert_eq!(found(&[&["exact /a"], &["path /a"]]), [], "/a/ goes to the second");
        assert_eq!(found(&[&["path /a"], &["path /a /b"]]), []);
        let either = Matcher::any(vec![leaf("path /a"), leaf("path /b")]);
        assert_eq!(shadowed(&[either, leaf("path /a")]), []);
        assert_eq!(shadowed(&[Matcher::not(leaf("path /a")), leaf("path /b")]), []);
    }

    #[test]
    fn parts_that_are_not_understood_only_narrow_the_later_route() {
        let later = Matcher::all(vec![leaf("path /a/b"), Matcher::not(leaf("method GET"))]);
        assert_eq!(shadowed(&[leaf("path /a/**"), later]), [(1, 0)]);
    }

    #[test]
    fn a_second_path_predicate_counts_too() {
        assert_eq!(found(&[&["path /b/**"], &["path /{x}/**", "path /b/c"]]), [(1, 0)]);
    }
}
