//! Several documents become one: maps merge deeply, named lists append, and of everything else the last wins.

use std::collections::HashMap;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::node::{Entry, Node, Value};

/// Which lists at the top of the document append, instead of the last one winning.
#[derive(Clone, Copy, Debug, Default)]
pub struct MergeRules {
    /// The key of each such list, and the field by which its elements are told apart, if any: two elements with the same
    /// one are an error.
    pub append: &'static [(&'static str, Option<&'static str>)],
}

impl MergeRules {
    fn appends(&self, key: &str) -> bool {
        self.append.iter().any(|(name, _)| *name == key)
    }
}

/// Lays `over` on top of `base`. Both are whole documents.
pub(crate) fn merge(base: Node, over: Node, rules: &MergeRules) -> Node {
    merge_nodes(base, over, &|key| rules.appends(key))
}

/// Reports elements of appending lists that carry the same identity.
pub(crate) fn check_identities(document: &Node, rules: &MergeRules, diagnostics: &mut Diagnostics) {
    for (key, identity) in rules.append {
        let (Some(identity), Some(entry)) = (identity, document.entry(key)) else { continue };
        let Value::List(items) = &entry.node.value else { continue };
        let mut seen = HashMap::new();
        for node in items.iter().filter_map(|item| item.entry(identity)).map(|entry| &entry.node) {
            let Some(text) = node.text() else { continue };
            let Some(first) = seen.insert(text, node.span) else { continue };
            seen.insert(text, first);
            let mistake = Diagnostic::error(format!("the {identity} '{text}' stands twice in {key}"), node.span);
            diagnostics.push(mistake.with_label("again here").with_related(first, "first here"));
        }
    }
}

/// `appends` says for which keys of this map lists append. A key without a value says nothing about a map or an
/// appending list; anything else it unsets.
fn merge_nodes(base: Node, over: Node, appends: &dyn Fn(&str) -> bool) -> Node {
    match (base.value, over.value) {
        (Value::Map(entries), Value::Null) => Node::new(Value::Map(entries), base.span),
        (Value::Map(entries), Value::Map(others)) => {
            // The place of a merged map is the later one: "missing key" points there.
            let span = if others.is_empty() { base.span } else { over.span };
            Node::new(Value::Map(merge_maps(entries, others, appends)), span)
        }
        (_, value) => Node::new(value, over.span),
    }
}

fn merge_maps(mut entries: Vec<Entry>, others: Vec<Entry>, appends: &dyn Fn(&str) -> bool) -> Vec<Entry> {
    let places: HashMap<String, usize> = match others.is_empty() {
        true => HashMap::new(),
        false => entries.iter().enumerate().map(|(at, entry)| (entry.key.clone(), at)).collect(),
    };
    for other in others {
        let Some(entry) = places.get(&other.key).and_then(|&at| entries.get_mut(at)) else {
            entries.push(other);
            continue;
        };
        let base = std::mem::replace(&mut entry.node, Node::new(Value::Null, other.key_span));
        let node =
            if appends(&other.key) { append(base, other.node) } else { merge_nodes(base, other.node, &|_| false) };
        *entry = Entry { node, ..other };
    }
    entries
}

fn append(base: Node, over: Node) -> Node {
    match (base.value, over.value) {
        (Value::List(mut items), Value::List(others)) => {
            items.extend(others);
            Node::new(Value::List(items), over.span)
        }
        (Value::List(items), Value::Null) => Node::new(Value::List(items), base.span),
        (_, value) => Node::new(value, over.span),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::node::Scalar;
    use crate::source::{SourceId, Span};
    use crate::yaml;

    const RULES: MergeRules = MergeRules { append: &[("routes", Some("id")), ("tests", None)] };

    fn document(text: &str) -> Node {
        yaml::parse(SourceId::from_raw(0), text, &mut Diagnostics::new())
    }

    /// A node as flow YAML, places left out.
    fn plainly(node: &Node) -> String {
        let all = |parts: Vec<String>| parts.join(", ");
        match &node.value {
            Value::Null => "null".to_owned(),
            Value::Scalar(scalar) => scalar.text().to_owned(),
            Value::List(items) => format!("[{}]", all(items.iter().map(plainly).collect())),
            Value::Map(entries) => {
                let entry = |entry: &Entry| format!("{}: {}", entry.key, plainly(&entry.node));
                format!("{{{}}}", all(entries.iter().map(entry).collect()))
            }
        }
    }

    fn merged(base: &str, over: &str) -> String {
        plainly(&merge(document(base), document(over), &RULES))
    }

    #[test]
    fn maps_merge_deeply_and_keep_the_order_of_the_first() {
        assert_eq!(merged("a: {b: 1, c: {d: 2}}\ne: 3", "a: {c: {f: 4}, b: 5}"), "{a: {b: 5, c: {d: 2, f: 4}}, e: 3}");
    }

    #[test]
    fn named_lists_append_and_others_are_replaced() {
        assert_eq!(merged("routes: [a]\nfilters: [a]", "routes: [b]\nfilters: [b]"), "{routes: [a, b], filters: [b]}");
    }

    #[test]
    fn lists_append_only_at_the_top() {
        assert_eq!(merged("a: {routes: [a]}", "a: {routes: [b]}"), "{a: {routes: [b]}}");
    }

    #[test]
    fn a_key_without_a_value_leaves_maps_and_appending_lists_and_unsets_the_rest() {
        assert_eq!(
            merged("a: {b: 1}\nroutes: [x]\nc: 1\nd: [y]", "a:\nroutes:\nc:\nd:"),
            "{a: {b: 1}, routes: [x], c: null, d: null}"
        );
    }

    #[test]
    fn an_identity_twice_is_an_error_that_shows_both_places() {
        let document = document("routes: [{id: a}, {id: b}, {id: a}, {}, x]\ntests: [{id: a}, {id: a}]");
        let mut diagnostics = Diagnostics::new();
        check_identities(&document, &RULES, &mut diagnostics);
        let [mistake] = diagnostics.iter().collect::<Vec<_>>()[..] else { panic!("one mistake, not {diagnostics:?}") };
        assert_eq!(mistake.message, "the id 'a' stands twice in routes");
        assert_eq!(mistake.span.unwrap().start, 32);
        assert_eq!(mistake.related[0].0.start, 14);
    }

    /// Documents in which a key always has the same kind, as in files that fit one schema.
    fn documents() -> impl Strategy<Value = Node> {
        let scalar = "[a-z0-9]{0,3}".prop_map(|text| Value::Scalar(Scalar::quoted(text))).boxed();
        let list = prop::collection::vec(scalar.clone(), 0..4)
            .prop_map(|items| Value::List(items.into_iter().map(|value| Node::new(value, Span::NOWHERE)).collect()))
            .boxed();
        let map = |fields: Vec<(&'static str, BoxedStrategy<Value>)>| {
            let entries: Vec<_> = fields
                .into_iter()
                .map(|(key, value)| {
                    prop::option::of(value.prop_map(move |value| Entry {
                        key: key.to_owned(),
                        key_span: Span::NOWHERE,
                        node: Node::new(value, Span::NOWHERE),
                    }))
                })
                .collect();
            entries.prop_map(|entries| Value::Map(entries.into_iter().flatten().collect())).boxed()
        };
        let inner = map(vec![("x", scalar.clone()), ("routes", list.clone()), ("y", scalar.clone())]);
        let outer = map(vec![("inner", inner), ("routes", list.clone()), ("tests", list), ("z", scalar)]);
        outer.prop_map(|value| Node::new(value, Span::NOWHERE))
    }

    /// Entries by key: merging may reorder keys, never lists.
    fn sorted(mut node: Node) -> Node {
        if let Value::Map(entries) = &mut node.value {
            entries.sort_by(|one, other| one.key.cmp(&other.key));
            for entry in entries {
                entry.node = sorted(entry.node.clone());
            }
        }
        node
    }

    proptest! {
        #[test]
        fn merging_is_associative(a in documents(), b in documents(), c in documents()) {
            let left = merge(merge(a.clone(), b.clone(), &RULES), c.clone(), &RULES);
            let right = merge(a, merge(b, c, &RULES), &RULES);
            prop_assert_eq!(sorted(left), sorted(right));
        }

        #[test]
        fn an_empty_document_changes_nothing(a in documents()) {
            let empty = || Node::new(Value::Map(Vec::new()), Span::NOWHERE);
            prop_assert_eq!(merge(a.clone(), empty(), &RULES), a.clone());
            prop_assert_eq!(merge(empty(), a.clone(), &RULES), a);
        }
    }
}
