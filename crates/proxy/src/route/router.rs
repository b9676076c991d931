//! Finds the route of a request: the index names candidates, their predicates decide in order of priority.

use std::collections::HashMap;
use std::fmt;

use crate::exchange::Exchange;
use crate::route::Variables;
use crate::route::host_pattern::AskedHost;
use crate::route::index::{Candidates, Index};
use crate::route::matcher::{Matcher, Outcome, Share, Weight};
use crate::route::shadow::shadowed;

/// All routes, ready to be asked.
pub struct Router {
    matchers: Vec<Matcher>,
    index: Index,
    /// Whether being named by the index is enough. Most routes of large configurations are told apart by what the index
    /// knows; asking their predicates too would fetch a dozen cold cache lines to hear yes.
    certain: Vec<bool>,
}

/// A group of weighted routes that could never choose one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoWeight {
    /// The group's name.
    pub group: String,
    /// The routes in it: their places.
    pub routes: Vec<usize>,
}

impl fmt::Display for NoWeight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "every weight of the group '{}' is 0, wanted at least one above", self.group)
    }
}

impl std::error::Error for NoWeight {}

impl Router {
    /// A router over `matchers` in order of priority; everywhere else a route is known by its place among them.
    ///
    /// # Errors
    /// The groups whose weights are all zero.
    pub fn build(mut matchers: Vec<Matcher>) -> Result<Self, Vec<NoWeight>> {
        deal_out(&mut matchers)?;
        let mut index = Index::default();
        for (rank, matcher) in (0u32..).zip(&matchers) {
            for key in matcher.keys() {
                index.insert(key, rank);
            }
        }
        let certain = matchers.iter().map(Matcher::is_told_by_its_keys).collect();
        Ok(Self { matchers, index, certain })
    }

    /// The first route that takes `exchange`, and what its predicates captured.
    pub fn find(&self, exchange: &Exchange) -> Option<(usize, Variables)> {
        let path = exchange.request.path();
        let mut candidates = Candidates::new();
        if self.index.looks_at_hosts() {
            self.index.candidates(&AskedHost::of(exchange).name, path, &mut candidates);
        } else {
            self.index.candidates("", path, &mut candidates);
        }
        let mut variables = Variables::default();
        candidates.into_iter().filter_map(|rank| usize::try_from(rank).ok()).find_map(|place| {
            if self.certain.get(place) == Some(&true) {
                return Some((place, Variables::default()));
            }
            let matcher = self.matchers.get(place)?;
            let held = !(path == "*" && matcher.looks_at_path()) && matcher.holds(exchange, &mut variables);
            held.then(|| (place, std::mem::take(&mut variables)))
        })
    }

    /// How each route's predicates turn out for `exchange`, in order of priority.
    pub fn outcomes(&self, exchange: &Exchange) -> Vec<Outcome> {
        let pathless = exchange.request.path() == "*";
        self.matchers
            .iter()
            .map(|matcher| {
                let mut outcome = matcher.outcome(exchange);
                outcome.held &= !(pathless && matcher.looks_at_path());
                outcome
            })
            .collect()
    }

    /// The predicates of the route at `place`, as written.
    pub fn predicates(&self, place: usize) -> Vec<String> {
        self.matchers.get(place).map(Matcher::texts).unwrap_or_default()
    }

    /// Routes that no request can reach, each with an earlier one that takes all of its requests. Says nothing where it
    /// is not certain.
    pub fn shadowed(&self) -> Vec<(usize, usize)> {
        shadowed(&self.matchers)
    }
}

/// Gives every weight its share of its group.
fn deal_out(matchers: &mut [Matcher]) -> Result<(), Vec<NoWeight>> {
    let mut groups: HashMap<String, Vec<(usize, &mut Weight)>> = HashMap::new();
    for (place, matcher) in matchers.iter_mut().enumerate() {
        let mut weights = Vec::new();
        matcher.weights_mut(&mut weights);
        for weight in weights {
            groups.entry(weight.group.clone()).or_default().push((place, weight));
        }
    }
    let mut refused = Vec::new();
    for (group, members) in groups {
        let total = members.iter().map(|(_, weight)| u64::from(weight.weight)).sum();
        if total == 0 {
            refused.push(NoWeight { group, routes: members.iter().map(|(place, _)| *place).collect() });
            continue;
        }
        let salt = salt(&group);
        let mut from = 0;
        for (_, weight) in members {
            let to = from + u64::from(weight.weight);
            weight.share = Share { salt, total, from, to };
            from = to;
        }
    }
    refused.sort_by(|one, other| one.routes.cmp(&other.routes));
    if refused.is_empty() { Ok(()) } else { Err(refused) }
}

/// FNV-1a of the group's name: the same in every worker and after every reload.
fn salt(group: &str) -> u64 {
    group.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::route::fixture::{exchange, exchange_drawing};
    use crate::route::{Condition, HostPatterns, PathPatterns, TrailingSlash};

    fn path(pattern: &str, slash: TrailingSlash) -> Matcher {
        Matcher::leaf("path", pattern, Condition::Path(PathPatterns::parse([pattern], slash).unwrap()))
    }

    fn host(pattern: &str) -> Matcher {
        Matcher::leaf("host", pattern, Condition::Host(HostPatterns::parse([pattern]).unwrap()))
    }

    fn weight(group: &str, weight: u32) -> Matcher {
        Matcher::leaf("weight", group, Condition::Weight { group: group.to_owned(), weight })
    }

    fn place(router: &Router, host: &str, path: &str) -> Option<usize> {
        router.find(&exchange(host, path)).map(|(place, _)| place)
    }

    #[test]
    fn the_first_route_that_holds_is_found_with_its_captures() {
        let router = Router::build(vec![
            Matcher::all(vec![path("/{a}/x", TrailingSlash::Exact), host("no.com")]),
            path("/{b}/**", TrailingSlash::Exact),
            path("/1/**", TrailingSlash::Exact),
        ])
        .unwrap();
        let (found, variables) = router.find(&exchange("yes.com", "/1/x")).unwrap();
        assert_eq!(found, 1);
        assert_eq!(variables.iter().collect::<Vec<_>>(), [("b", "1")]);
    }

    #[test]
    fn the_asterisk_form_goes_to_routes_that_look_at_no_path() {
        let anything = Matcher::not(path("/a", TrailingSlash::Exact));
        let router = Router::build(vec![anything, path("/**", TrailingSlash::Exact), host("a.com")]).unwrap();
        assert_eq!(place(&router, "a.com", "*"), Some(2));
        assert!(router.outcomes(&exchange("a.com", "*")).iter().map(|outcome| outcome.held).eq([false, false, true]));
    }

    #[test]
    fn a_group_shares_requests_by_weight_and_each_request_is_certain() {
        let router = Router::build(vec![weight("g", 3), weight("g", 0), weight("g", 1)]).unwrap();
        let mut counts = [0u32; 3];
        for draw in 0..4000u64 {
            let exchange = exchange_drawing("", "/", draw.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let found = router.find(&exchange).map(|(place, _)| place);
            assert_eq!(found, router.find(&exchange).map(|(place, _)| place));
            counts[found.unwrap()] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((2800..3200).contains(&counts[0]), "{counts:?}");
    }

    #[test]
    fn groups_draw_for_themselves() {
        let both = Matcher::all(vec![weight("g", 1), weight("h", 1)]);
        let router =
            Router::build(vec![both, Matcher::all(vec![weight("g", 1), Matcher::not(weight("h", 1))])]).unwrap();
        let taken = |draw: u64| router.find(&exchange_drawing("", "/", draw)).map(|(place, _)| place);
        let counts =
            (0..400).map(|draw: u64| taken(draw.wrapping_mul(0x9E37_79B9_7F4A_7C15))).filter(Option::is_none).count();
        assert!((100..300).contains(&counts), "half of the requests of one group are not the other's: {counts}");
    }

    #[test]
    fn a_group_without_any_weight_is_refused() {
        let refused = Router::build(vec![weight("g", 0), weight("h", 1), weight("g", 0)]).err().unwrap();
        assert_eq!(refused, [NoWeight { group: "g".to_owned(), routes: vec![0, 2] }]);
        assert_eq!(refused[0].to_string(), "every weight of the group 'g' is 0, wanted at least one above");
    }

    /// Parts of patterns and requests that are often equal, some only after decoding.
    fn pattern() -> impl Strategy<Value = String> {
        let segment = prop::sample::select(vec![
            "a",
            "b",
            "%61",
            "a%2Fb",
            "é",
            "%C3%A9",
            "*",
            "{x}",
            "?",
            "a*",
            "{x:[ab]+}",
            "{x}b",
            "",
        ]);
        let end = prop::sample::select(vec!["", "", "/", "/**", "/{*rest}"]);
        (prop::collection::vec(segment, 0..4), end).prop_filter_map("a name twice", |(segments, end)| {
            let text: String = segments.iter().flat_map(|segment| ["/", segment]).chain([end]).collect();
            PathPatterns::parse([text.as_str()], TrailingSlash::Exact).is_ok().then_some(text)
        })
    }

    fn requested_path() -> impl Strategy<Value = String> {
        let segment = prop::sample::select(vec!["a", "b", "%61", "ab", "a%2Fb", "a%2fb", "%C3%A9", "%2561", ""]);
        prop::collection::vec(segment, 1..5)
            .prop_map(|segments| segments.iter().flat_map(|segment| ["/", segment]).collect())
    }

    fn host_pattern() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "a.com",
            "A.com:80",
            "x.a.com",
            "*.a.com",
            "**.a.com",
            "{y}.a.com",
            "x.**",
            "**",
            "*.*",
            "a.com:81",
            "x*.a.com",
        ])
    }

    fn requested_host() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec!["", "a.com", "A.Com:81", "x.a.com", "X.a.com.", "x.y.a.com", "b.org", "com"])
    }

    fn matcher() -> impl Strategy<Value = Matcher> {
        let slash = prop::sample::select(vec![TrailingSlash::Exact, TrailingSlash::Optional]);
        let paths = (prop::collection::vec(pattern(), 1..3), slash).prop_map(|(texts, slash)| {
            let patterns = PathPatterns::parse(texts.iter().map(String::as_str), slash).unwrap();
            Matcher::leaf("path", &format!("{texts:?} {slash:?}"), Condition::Path(patterns))
        });
        let hosts = prop::collection::vec(host_pattern(), 1..3).prop_map(|texts| {
            let patterns = HostPatterns::parse(texts.iter().copied()).unwrap();
            Matcher::leaf("host", &format!("{texts:?}"), Condition::Host(patterns))
        });
        prop_oneof![3 => paths, 1 => hosts].prop_recursive(3, 8, 3, |inner| {
            let parts = prop::collection::vec(inner.clone(), 0..3);
            prop_oneof![
                3 => parts.clone().prop_map(Matcher::all),
                2 => parts.prop_map(Matcher::any),
                1 => inner.prop_map(Matcher::not),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn the_index_finds_what_asking_every_route_finds(
            matchers in prop::collection::vec(matcher(), 1..8),
            requests in prop::collection::vec((requested_host(), requested_path()), 1..8),
        ) {
            let router = Router::build(matchers).unwrap();
            for (host, path) in requests {
                let exchange = exchange(host, &path);
                let mut variables = Variables::default();
                let scanned = router.matchers.iter().position(|matcher| matcher.holds(&exchange, &mut variables));
                let found = router.find(&exchange);
                prop_assert_eq!(found.as_ref().map(|(place, _)| *place), scanned, "{} {}", host, path);
                prop_assert_eq!(found.map(|(_, captured)| captured).unwrap_or_default(), variables);
            }
        }

        #[test]
        fn a_shadowed_route_is_never_found(
            matchers in prop::collection::vec(matcher(), 2..8),
            requests in prop::collection::vec((requested_host(), requested_path()), 1..32),
        ) {
            let router = Router::build(matchers).unwrap();
            let shadowed = router.shadowed();
            for (host, path) in requests {
                let found = place(&router, host, &path);
                prop_assert!(!shadowed.iter().any(|(never, _)| Some(*never) == found), "{} {} {:?}", host, path, shadowed);
            }
        }
    }
}
