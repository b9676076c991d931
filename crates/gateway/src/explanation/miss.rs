//! Which routes came nearest to taking a request that they did not take.

use std::cmp::Reverse;

use gwanmun_proxy::route::Outcome;

/// So many are shown.
const SHOWN: usize = 3;

/// Predicates of the time hold or not whatever the request is: that they hold says nothing about what was meant.
const OF_TIME: [&str; 3] = ["after:", "before:", "between:"];

/// Places of the nearest misses: most predicates held, then the pattern that begins most like `path`, then fewest failed,
/// then the order of the routes. Where `taken` is a route, only those that were asked before it and of which something
/// held.
pub(super) fn nearest(outcomes: &[Outcome], path: &str, taken: Option<usize>) -> Vec<usize> {
    let mut misses: Vec<_> = outcomes
        .iter()
        .enumerate()
        .take(taken.unwrap_or(outcomes.len()))
        .filter(|(_, outcome)| !outcome.held)
        .map(|(place, outcome)| {
            (Reverse(telling(outcome)), Reverse(likeness(outcome, path)), outcome.children.len() - held(outcome), place)
        })
        .filter(|(Reverse(telling), ..)| taken.is_none() || *telling > 0)
        .collect();
    misses.sort_unstable();
    misses.into_iter().take(SHOWN).map(|(.., place)| place).collect()
}

/// How many of a route's predicates held.
pub(super) fn held(outcome: &Outcome) -> usize {
    outcome.children.iter().filter(|child| child.held).count()
}

/// How many of them say something about the request.
fn telling(outcome: &Outcome) -> usize {
    let is_of_time = |child: &Outcome| OF_TIME.iter().any(|name| child.text.starts_with(name));
    outcome.children.iter().filter(|child| child.held && !is_of_time(child)).count()
}

/// How far `path` and a pattern in the predicates go together, in characters.
fn likeness(outcome: &Outcome, path: &str) -> usize {
    let own = outcome
        .text
        .match_indices('/')
        .filter_map(|(at, _)| outcome.text.get(at..))
        .map(|pattern| common(pattern, path));
    own.chain(outcome.children.iter().map(|child| likeness(child, path))).max().unwrap_or(0)
}

fn common(one: &str, other: &str) -> usize {
    one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(predicates: &[(&str, bool)]) -> Outcome {
        let leaf =
            |(text, held): &(&str, bool)| Outcome { text: (*text).to_owned(), held: *held, children: Vec::new() };
        let children: Vec<_> = predicates.iter().map(leaf).collect();
        Outcome { text: "all".to_owned(), held: children.iter().all(|child| child.held), children }
    }

    #[test]
    fn the_route_with_most_that_held_and_least_that_failed_is_nearest() {
        let outcomes = [
            route(&[("method: GET", true), ("host: b", false), ("host: a", false)]),
            route(&[("method: GET", true), ("host: a", false)]),
            route(&[("a", true), ("b", true), ("c", false)]),
            route(&[("d", true)]),
        ];
        assert_eq!(nearest(&outcomes, "/", None), [2, 1, 0]);
    }

    #[test]
    fn where_a_route_took_it_only_those_asked_before_are_misses() {
        let outcomes = [
            route(&[("method: GET", true), ("host: b", false)]),
            route(&[("host: b", false)]),
            route(&[("method: GET", true)]),
            route(&[("method: GET", true), ("host: c", false)]),
        ];
        assert_eq!(nearest(&outcomes, "/", Some(2)), [0]);
        assert_eq!(nearest(&outcomes, "/", Some(0)), [0_usize; 0]);
    }

    #[test]
    fn that_a_time_holds_makes_no_route_nearer() {
        let outcomes = [
            route(&[("after: 2020-01-01T00:00:00Z", true), ("host: b", false)]),
            route(&[("path: /orders", false)]),
            route(&[("method: GET", true), ("host: b", false)]),
        ];
        assert_eq!(nearest(&outcomes, "/orders/7", None), [2, 1, 0]);
        assert_eq!(nearest(&outcomes[..2], "/orders/7", Some(2)), [0_usize; 0]);
    }

    #[test]
    fn among_equals_the_pattern_that_begins_alike_is_nearest() {
        let paths = ["path: /a", "path: [/a, \"/orders/{id}\"]", "path: /order", "path: /orde", "path: /b"];
        let outcomes: Vec<_> = paths.iter().map(|path| route(&[(path, false)])).collect();
        assert_eq!(nearest(&outcomes, "/orders/7", None), [1, 2, 3]);
        assert!(nearest(&outcomes, "/orders/7", Some(9)).is_empty());
    }
}
