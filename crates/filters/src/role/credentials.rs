//! What stands in `authenticate`, and what `identity` has for it.

use gwanmun_config::{Node, Resolved, Span, Value};
use gwanmun_identity::Identity;
use gwanmun_proxy::role::{Rules, Written, WrittenFilter, WrittenRoute};
use gwanmun_proxy::{NoSection, Sections};

/// The name of the filter.
pub(super) const AUTHENTICATE: &str = "authenticate";

/// One entry of `any`.
pub(super) struct Listed<'n> {
    /// The kind of credential.
    pub(super) kind: &'n str,
    /// Where it stands.
    pub(super) span: Span,
}

/// The entries of a written `authenticate`.
pub(super) fn listed<'n>(filter: &'n WrittenFilter<'_>) -> Vec<Listed<'n>> {
    let any = filter.arguments.entry("any").map(|entry| &entry.node);
    let entries: &[Node] = match any.map(|node| &node.value) {
        Some(Value::List(entries)) => entries,
        _ => &[],
    };
    let entry = |node: &'n Node| match &node.value {
        Value::Map(entries) => entries.first().map(|entry| Listed { kind: &entry.key, span: entry.key_span }),
        _ => node.text().map(|kind| Listed { kind, span: node.span }),
    };
    entries.iter().filter_map(entry).collect()
}

/// Every `authenticate` that is written.
pub(super) fn authenticates<'w, 'a>(written: &'w Written<'a>) -> impl Iterator<Item = &'w WrittenFilter<'a>> {
    written.filters().filter(|filter| filter.name == AUTHENTICATE)
}

/// Refuses lists that let pass who brings nothing.
pub(super) fn refuse_anonymous(role: &str, written: &Written<'_>, rules: &mut Rules<'_>) {
    for filter in authenticates(written) {
        let Some(anonymous) = filter.arguments.entry("anonymous") else { continue };
        let is_on = |node: &Node| match &node.value {
            Value::Scalar(scalar) => scalar.resolve() != Resolved::Bool(false),
            _ => true,
        };
        if is_on(&anonymous.node) {
            let hint = "what everybody may see belongs to a gateway with `role: public`";
            rules.refuse(anonymous.key_span, format!("the role '{role}' lets nobody pass who is not known"), hint);
        }
    }
}

/// The names under `identity.KIND`.
pub(super) fn configured<'a>(kind: &str, written: &Written<'a>) -> Vec<&'a str> {
    let identity = written.section("identity").map(|entry| &entry.node);
    let found = identity.and_then(|identity| identity.entry(kind)).map(|entry| &entry.node.value);
    match found {
        Some(Value::Map(entries)) => entries.iter().map(|entry| entry.key.as_str()).collect(),
        _ => Vec::new(),
    }
}

/// The routes that no filter called `name` is written for.
pub(super) fn routes_without<'w, 'a>(
    name: &'w str,
    written: &'w Written<'a>,
) -> impl Iterator<Item = &'w WrittenRoute<'a>> {
    let lacks = move |route: &&WrittenRoute<'a>| !written.on(route).any(|filter| filter.name == name);
    written.routes.iter().filter(|route| route.is_whole).filter(lacks)
}

/// Whether `identity` has mistakes, which have been told: what seems to be missing may be one of them.
pub(super) fn is_faulty(sections: &Sections) -> bool {
    matches!(sections.of::<Identity>(), Err(NoSection::Faulty))
}

/// A kind of credential of which there usually is one.
pub(super) struct Only {
    /// What `authenticate` calls it.
    pub(super) kind: &'static str,
    /// Where it stands under `identity`.
    pub(super) key: &'static str,
    /// How one is written.
    pub(super) example: &'static str,
}

/// Has every route without an `authenticate` take the only one there is; where there are none or more, tells what to
/// write.
pub(super) fn take_the_only(only: &Only, written: &Written<'_>, sections: &Sections, rules: &mut Rules<'_>) {
    let Only { kind, key, example } = *only;
    match configured(key, written).as_slice() {
        [] if is_faulty(sections) => {}
        [] => {
            let message = format!("nobody could pass: there is nothing under `identity.{key}`");
            rules.refuse(written.span, message, format!("identity: {{{key}: {{NAME: {example}}}}}"));
        }
        [only] => rules.on_every_route(AUTHENTICATE, Some(list(written, [(kind, *only)]))),
        several @ [first, ..] => {
            // Where one is written it is that; what the role adds besides stands behind it.
            rules.on_every_route(AUTHENTICATE, Some(list(written, [(kind, *first)])));
            for route in routes_without(AUTHENTICATE, written) {
                let message = format!("route '{}' does not say which {kind} it takes", route.id.value);
                let hint = format!(
                    "there are {}: `authenticate: {{any: [{{{kind}: {first}}}]}}` on the route, in `default-filters` or at \
                     the door",
                    several.join(", ")
                );
                rules.refuse(route.id.span, message, hint);
            }
        }
    }
}

/// The arguments of an `authenticate` that takes these.
pub(super) fn list<'k>(written: &Written<'_>, entries: impl IntoIterator<Item = (&'k str, &'k str)>) -> Node {
    let entry = |(kind, name): (&'k str, &str)| written.map([(kind, written.text(name))]);
    written.map([("any", written.list(entries.into_iter().map(entry)))])
}
