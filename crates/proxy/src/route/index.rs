//! Narrows thousands of routes down to the few that a request's host and path allow: exact hosts in a hash map, patterns
//! in a tree over the labels from the right, and below each a radix tree over path segments. What it names still has to
//! be asked; what it leaves out cannot match.

use std::collections::HashMap;

use smallvec::SmallVec;

use crate::route::escape::percent_decoded;
use crate::route::host_pattern::{HostPattern, Label};
use crate::route::path_pattern::{PathPattern, next_segment};
use crate::route::segment::Segment;

/// Ranks of routes, lowest first.
pub(crate) type Candidates = SmallVec<[u32; 16]>;

/// What a request must look like for a route to match: one of the route's keys fits. `None` fits everything.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Key<'a> {
    pub(crate) host: Option<&'a HostPattern>,
    pub(crate) path: Option<&'a PathPattern>,
}

/// The index over all routes.
#[derive(Debug, Default)]
pub(crate) struct Index {
    exact_hosts: HashMap<Box<str>, PathTree>,
    host_ends: LabelTree,
}

/// Below a label, the label to its left. The root stands for any host at all.
#[derive(Debug, Default)]
struct LabelTree {
    left: HashMap<Box<str>, LabelTree>,
    paths: PathTree,
}

#[derive(Debug, Default)]
struct PathTree {
    /// Without a path predicate: also `*` and the empty path.
    pathless: Vec<u32>,
    root: PathNode,
}

#[derive(Debug, Default)]
struct PathNode {
    literal: Literals,
    wildcard: Option<Box<PathNode>>,
    /// Patterns that end here.
    here: Ranks,
    /// Patterns that take any rest from here on.
    open: Ranks,
}

/// The children behind literal segments. Most nodes have none or one, and a map is large.
#[derive(Debug, Default)]
struct Literals {
    first: Option<Box<(Box<str>, PathNode)>>,
    others: HashMap<Box<str>, PathNode>,
}

type Ranks = SmallVec<[u32; 2]>;

impl Index {
    /// Adds one key of the route at `rank`.
    pub(crate) fn insert(&mut self, key: Key<'_>, rank: u32) {
        let tree = match key.host {
            None => &mut self.host_ends.paths,
            Some(host) => match exact_name(host) {
                Some(name) => self.exact_hosts.entry(name.into()).or_default(),
                None => self.host_ends.node(host),
            },
        };
        tree.insert(key.path, rank);
    }

    /// Whether any route asks for a host.
    pub(crate) fn looks_at_hosts(&self) -> bool {
        !self.exact_hosts.is_empty() || !self.host_ends.left.is_empty()
    }

    /// The routes that may take a request for `host` (lower-case, without a port) and `path` (percent-encoded).
    pub(crate) fn candidates(&self, host: &str, path: &str, found: &mut Candidates) {
        if let Some(tree) = self.exact_hosts.get(host) {
            tree.collect(path, found);
        }
        self.host_ends.paths.collect(path, found);
        let mut node = &self.host_ends;
        for label in host.rsplit('.') {
            match node.left.get(label) {
                Some(left) => node = left,
                None => break,
            }
            node.paths.collect(path, found);
        }
        found.sort_unstable();
        found.dedup();
    }
}

impl LabelTree {
    /// The node behind the labels that follow the pattern's last wildcard.
    fn node(&mut self, host: &HostPattern) -> &mut PathTree {
        let mut node = self;
        for label in host.labels().iter().rev() {
            match label {
                Label::One(Segment::Literal(text)) => node = node.left.entry(text.clone()).or_default(),
                _ => break,
            }
        }
        &mut node.paths
    }
}

impl PathTree {
    fn insert(&mut self, path: Option<&PathPattern>, rank: u32) {
        let Some(path) = path else {
            self.pathless.push(rank);
            return;
        };
        let mut node = &mut self.root;
        for segment in path.segments() {
            node = match segment {
                Segment::Literal(text) => node.literal.child(text),
                _ => node.wildcard.get_or_insert_default(),
            };
        }
        if path.is_open() { node.open.push(rank) } else { node.here.push(rank) }
    }

    fn collect(&self, path: &str, found: &mut Candidates) {
        found.extend_from_slice(&self.pathless);
        if path.starts_with('/') {
            self.root.collect(path, found);
        }
    }
}

impl PathNode {
    fn collect(&self, path: &str, found: &mut Candidates) {
        found.extend_from_slice(&self.open);
        // A slash too many at the end may be allowed; the pattern itself knows.
        if path.is_empty() || path == "/" {
            found.extend_from_slice(&self.here);
        }
        let Some((raw, rest)) = next_segment(path) else { return };
        if let Some(child) = self.literal.find(&percent_decoded(raw)) {
            child.collect(rest, found);
        }
        if let Some(child) = &self.wildcard {
            child.collect(rest, found);
        }
    }
}

impl Literals {
    fn find(&self, text: &str) -> Option<&PathNode> {
        let (first, node) = self.first.as_deref()?;
        if **first == *text { Some(node) } else { self.others.get(text) }
    }

    fn child(&mut self, text: &str) -> &mut PathNode {
        let (first, node) = &mut **self.first.get_or_insert_with(|| Box::new((text.into(), PathNode::default())));
        if **first == *text { node } else { self.others.entry(text.into()).or_default() }
    }
}

/// The name, if the pattern has no wildcard and no capture.
fn exact_name(host: &HostPattern) -> Option<String> {
    let labels = host.labels().iter().map(|label| match label {
        Label::One(Segment::Literal(text)) => Some(&**text),
        _ => None,
    });
    labels.collect::<Option<Vec<_>>>().map(|labels| labels.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(routes: &[(Option<&str>, Option<&str>)]) -> Index {
        let mut index = Index::default();
        for (rank, (host, path)) in (0u32..).zip(routes) {
            let host = host.map(|text| HostPattern::parse(text).unwrap());
            let path = path.map(|text| PathPattern::parse(text).unwrap());
            index.insert(Key { host: host.as_ref(), path: path.as_ref() }, rank);
        }
        index
    }

    fn named(index: &Index, host: &str, path: &str) -> Vec<u32> {
        let mut found = Candidates::new();
        index.candidates(host, path, &mut found);
        found.to_vec()
    }

    #[test]
    fn routes_told_apart_by_path_are_not_named_together() {
        let index =
            index(&[(None, Some("/a/1/**")), (None, Some("/a/2/**")), (None, Some("/a/{x}")), (None, Some("/b"))]);
        assert_eq!(named(&index, "", "/a/1"), [0, 2]);
        assert_eq!(named(&index, "", "/a/1/x"), [0]);
        assert_eq!(named(&index, "", "/a/3"), [2]);
        assert_eq!(named(&index, "", "/c"), [0; 0]);
    }

    #[test]
    fn routes_told_apart_by_host_are_not_named_together() {
        let index = index(&[
            (Some("a.com"), None),
            (Some("b.com"), None),
            (Some("**.a.com"), None),
            (Some("{x}.b.com"), None),
            (None, None),
        ]);
        assert_eq!(named(&index, "a.com", "/"), [0, 2, 4]);
        assert_eq!(named(&index, "x.b.com", "/"), [3, 4]);
        assert_eq!(named(&index, "", "/"), [4]);
    }

    #[test]
    fn routes_without_a_path_are_named_for_the_asterisk_form() {
        let index = index(&[(None, None), (None, Some("/**")), (None, Some("/*"))]);
        assert_eq!(named(&index, "", "*"), [0]);
    }

    #[test]
    fn ten_thousand_routes_name_as_few_as_ten() {
        let paths: Vec<_> = (0..10_000).map(|n| format!("/api/service-{n}/**")).collect();
        let routes: Vec<_> = paths.iter().map(|path| (None, Some(path.as_str()))).collect();
        assert_eq!(named(&index(&routes), "", "/api/service-1234/x"), [1234]);
        let hosts: Vec<_> = (0..10_000).map(|n| format!("**.tenant-{n}.example.com")).collect();
        let routes: Vec<_> = hosts.iter().map(|host| (Some(host.as_str()), None)).collect();
        assert_eq!(named(&index(&routes), "a.tenant-77.example.com", "/"), [77]);
    }
}
