//! What a configuration that was read anew changes: keys that may change while the service runs take their new value, all
//! others keep the one that they have.

use gwanmun_config::{Entry, Node, Sources, Span, Value};

/// The keys that may change while a service runs: those of every service, and those that it says of its own section.
#[derive(Debug, Clone)]
pub(super) struct Reloadable(Vec<Vec<String>>);

/// What is in force after a change.
#[derive(Debug)]
pub(super) struct Change {
    /// The new values of what may change, the old ones of everything else.
    pub(super) document: Node,
    /// Keys that have another value from now on.
    pub(super) changed: Vec<String>,
    /// Keys that will have another value after the next start.
    pub(super) waiting: Vec<String>,
}

impl Reloadable {
    /// `common` are keys of every service, `*` for any name; `own` are keys of the section `service`.
    pub(super) fn new(common: &[&str], service: &str, own: &[&str]) -> Self {
        let levels = |key: &str| key.split('.').map(str::to_owned).collect::<Vec<_>>();
        let own = own.iter().map(|key| levels(&format!("{service}.{key}")));
        Self(common.iter().map(|key| levels(key)).chain(own).collect())
    }

    /// Whether what stands at `path` may change as a whole.
    fn covers(&self, path: &[String]) -> bool {
        self.0.iter().any(|key| key.len() <= path.len() && fits(key, path))
    }

    /// Whether `path` names one of several things of a kind, of which only a part may change: it comes and goes as a whole,
    /// with a start.
    fn is_one_of_many(&self, path: &[String]) -> bool {
        self.0.iter().any(|key| {
            let (Some(last), true) = (path.len().checked_sub(1), key.len() > path.len()) else { return false };
            key.get(last).is_some_and(|level| level == "*") && fits(key, path)
        })
    }
}

/// Whether the levels that both have are the same.
fn fits(key: &[String], path: &[String]) -> bool {
    key.iter().zip(path).all(|(level, name)| level == "*" || level == name)
}

impl Change {
    /// From what is `in_force` to what was read as `new`, of whose `sources` all places are afterwards.
    pub(super) fn of(in_force: &Node, old: &Sources, new: &Node, sources: &Sources, reloadable: &Reloadable) -> Self {
        let mut walk = Walk { reloadable, old, sources, changed: Vec::new(), waiting: Vec::new(), path: Vec::new() };
        let document = walk.both(in_force, new);
        Self { document, changed: walk.changed, waiting: walk.waiting }
    }
}

struct Walk<'a> {
    reloadable: &'a Reloadable,
    old: &'a Sources,
    sources: &'a Sources,
    changed: Vec<String>,
    waiting: Vec<String>,
    path: Vec<String>,
}

impl Walk<'_> {
    fn both(&mut self, old: &Node, new: &Node) -> Node {
        let nothing = Vec::new();
        let entries = |node: &Node| match &node.value {
            Value::Map(entries) => entries.clone(),
            _ => nothing.clone(),
        };
        let (olds, news) = (entries(old), entries(new));
        let mut out = Vec::new();
        for entry in &news {
            let before = olds.iter().find(|other| other.key == entry.key).map(|entry| &entry.node);
            self.path.push(entry.key.clone());
            if let Some(node) = self.one(before, Some(&entry.node)) {
                out.push(Entry { node, ..entry.clone() });
            }
            self.path.pop();
        }
        for entry in olds.iter().filter(|entry| new.entry(&entry.key).is_none()) {
            self.path.push(entry.key.clone());
            if let Some(node) = self.one(Some(&entry.node), None) {
                out.push(Entry { key: entry.key.clone(), key_span: self.moved(entry.key_span), node });
            }
            self.path.pop();
        }
        Node::new(Value::Map(out), new.span)
    }

    /// What stands at the path from now on.
    fn one(&mut self, old: Option<&Node>, new: Option<&Node>) -> Option<Node> {
        let is_map = |node: Option<&Node>| node.is_none_or(|node| matches!(node.value, Value::Map(_) | Value::Null));
        if let (Some(old), Some(new)) = (old, new)
            && is_same(old, new)
        {
            return Some(new.clone());
        }
        if self.reloadable.covers(&self.path) {
            self.changed.push(self.path.join("."));
            return new.cloned();
        }
        let partly = is_map(old)
            && is_map(new)
            && (old.is_some() && new.is_some() || !self.reloadable.is_one_of_many(&self.path));
        if !partly {
            self.waiting.push(self.path.join("."));
            return old.map(|old| self.kept(old));
        }
        let nothing = Node::new(Value::Map(Vec::new()), Span::NOWHERE);
        let told = self.told();
        let node = self.both(old.unwrap_or(&nothing), new.unwrap_or(&nothing));
        if told == self.told() {
            // Nothing in it is another: it is the map itself that comes or goes.
            self.waiting.push(self.path.join("."));
            return old.map(|old| self.kept(old));
        }
        let is_empty = matches!(&node.value, Value::Map(entries) if entries.is_empty());
        (!is_empty || old.is_some() && new.is_some()).then_some(node)
    }

    fn told(&self) -> usize {
        self.changed.len() + self.waiting.len()
    }

    /// An old value; relative paths in it are still reckoned from the folder of its file.
    fn kept(&self, old: &Node) -> Node {
        let value = match &old.value {
            Value::Null | Value::Scalar(_) => old.value.clone(),
            Value::List(items) => Value::List(items.iter().map(|item| self.kept(item)).collect()),
            Value::Map(entries) => Value::Map(
                entries
                    .iter()
                    .map(|entry| Entry {
                        key: entry.key.clone(),
                        key_span: self.moved(entry.key_span),
                        node: self.kept(&entry.node),
                    })
                    .collect(),
            ),
        };
        Node::new(value, self.moved(old.span))
    }

    /// The beginning of the same file as it is now, if it was read again.
    fn moved(&self, span: Span) -> Span {
        let name = self.old.name(span.source);
        let source = self.sources.by_name(name).filter(|_| !name.is_empty());
        source.map_or(Span::NOWHERE, |source| Span { source, start: 0, end: 0 })
    }
}

/// Whether both say the same, wherever they stand.
fn is_same(one: &Node, other: &Node) -> bool {
    match (&one.value, &other.value) {
        (Value::Null, Value::Null) => true,
        (Value::Scalar(one), Value::Scalar(other)) => {
            one.text() == other.text() && one.is_quoted() == other.is_quoted()
        }
        (Value::List(one), Value::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (Value::Map(one), Value::Map(others)) => {
            one.len() == others.len()
                && one
                    .iter()
                    .all(|entry| other.entry(&entry.key).is_some_and(|other| is_same(&entry.node, &other.node)))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use gwanmun_config::{Environment, Loaded, Masked, MergeRules, load_texts};

    use super::*;

    fn read(text: &str) -> Loaded {
        load_texts(&[("conf/a.yaml".to_owned(), text.to_owned())], &Environment::default(), &MergeRules::default())
    }

    /// What is in force afterwards, what changed, what waits.
    fn change(old: &str, new: &str) -> (String, Vec<String>, Vec<String>) {
        let reloadable = Reloadable::new(&["logs.level", "clients.*.timeout"], "orders", &["max", "deep.part"]);
        let (old, new) = (read(old), read(new));
        let change = Change::of(&old.document, &old.sources, &new.document, &new.sources, &reloadable);
        (serde_json::to_string(&Masked::of(&change.document)).unwrap(), change.changed, change.waiting)
    }

    #[test]
    fn what_may_change_does_and_the_rest_waits() {
        for (old, new, document, changed, waiting) in [
            ("{a: 1}", "{a: 1}", r#"{"a":1}"#, &[][..], &[][..]),
            (
                "{orders: {max: 1, b: 1}}",
                "{orders: {max: 2, b: 2}}",
                r#"{"orders":{"max":2,"b":1}}"#,
                &["orders.max"],
                &["orders.b"],
            ),
            ("{}", "{orders: {max: 2, b: 2}}", r#"{"orders":{"max":2}}"#, &["orders.max"], &["orders.b"]),
            ("{orders: {max: 2, b: 2}}", "{}", r#"{"orders":{"b":2}}"#, &["orders.max"], &["orders.b"]),
            ("{orders: {max: 2}}", "{}", "{}", &["orders.max"], &[]),
            (
                "{orders: {deep: {part: {x: 1}}}}",
                "{orders: {deep: {part: {x: 2}}}}",
                r#"{"orders":{"deep":{"part":{"x":2}}}}"#,
                &["orders.deep.part"],
                &[],
            ),
            (
                "{clients: {a: {url: u, timeout: 1}}}",
                "{clients: {a: {url: v, timeout: 2}}}",
                r#"{"clients":{"a":{"url":"u","timeout":2}}}"#,
                &["clients.a.timeout"],
                &["clients.a.url"],
            ),
            ("{}", "{clients: {a: {url: u, timeout: 1}}}", "{}", &[], &["clients.a"]),
            (
                "{clients: {a: {url: u, timeout: 1}}}",
                "{}",
                r#"{"clients":{"a":{"url":"u","timeout":1}}}"#,
                &[],
                &["clients.a"],
            ),
            ("{b: [1, 2]}", "{b: [1, 3]}", r#"{"b":[1,2]}"#, &[], &["b"]),
            ("{b: {c: 1}}", "{b: 5}", r#"{"b":{"c":1}}"#, &[], &["b"]),
            ("{b: 5}", "{b: {c: 1}}", r#"{"b":5}"#, &[], &["b"]),
            ("{}", "{b: {}}", "{}", &[], &["b"]),
        ] {
            let (found, now, later) = change(old, new);
            assert_eq!(found, document, "{old} -> {new}");
            assert_eq!(
                (now, later),
                (changed.iter().map(ToString::to_string).collect(), waiting.iter().map(ToString::to_string).collect()),
                "{old} -> {new}"
            );
        }
    }

    #[test]
    fn paths_in_what_stays_are_reckoned_from_the_same_folder() {
        let (old, new) = (read("tls: edge.pem"), read("tls: other.pem"));
        let reloadable = Reloadable::new(&[], "orders", &[]);
        let change = Change::of(&old.document, &old.sources, &new.document, &new.sources, &reloadable);
        let node = &change.document.entry("tls").unwrap().node;
        assert_eq!((node.text(), new.sources.directory(node.span.source)), (Some("edge.pem"), "conf".into()));
    }
}
