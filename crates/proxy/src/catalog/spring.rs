//! Spring Cloud Gateway's spelling, recognised to be told how it is written here: names come from the catalog, since they
//! differ by their case only.

use gwanmun_config::{Entry, Node, Value};

use super::shape::Shape;

/// Where all of it stands.
const RECIPE: &str = "docs/recipes/from-spring-cloud-gateway.md";

/// Names of Spring that have no counterpart yet.
const NOT_YET: [&str; 13] = [
    "CacheRequestBody",
    "CircuitBreaker",
    "FallbackHeaders",
    "JsonToGrpc",
    "JSONToGRPC",
    "LocalResponseCache",
    "ModifyRequestBody",
    "ModifyResponseBody",
    "ReadBody",
    "RemoveJsonAttributesResponseBody",
    "RequestHeaderToRequestUri",
    "Retry",
    "SpringCloudCircuitBreaker",
];

/// The shape of the item with a name, if there is one.
pub(super) type Shapes<'s> = dyn Fn(&str) -> Option<&'s Shape> + 's;

/// How `word` with its arguments is written here, where it is Spring's: `Path=/red/**`, `StripPrefix: 1`, `name: Path`.
pub(super) fn hint(word: &str, arguments: &Node, shapes: &Shapes<'_>) -> Option<String> {
    if let Some((name, values)) = word.split_once('=') {
        let values: Vec<&str> = values.split(',').map(str::trim).collect();
        let written = |shape: &Shape| {
            let written = shape.with_values(&kebab(name), &values);
            format!("Spring's short form is written with names here: `{written}`; see {RECIPE}")
        };
        return shapes(&kebab(name)).map(written).or_else(|| elsewhere(name));
    }
    if word == "name" {
        return long_form(word, arguments, None, shapes);
    }
    let name = kebab(word);
    let written = |shape| format!("write `{}`", with_arguments(shape, &name, arguments));
    shapes(&name).filter(|_| name != word).map(written).or_else(|| elsewhere(word))
}

/// How `{name: AddRequestHeader, args: …}` is written here.
pub(super) fn in_long_form(entries: &[Entry], shapes: &Shapes<'_>) -> Option<String> {
    let [Entry { key, node, .. }, Entry { key: second, node: arguments, .. }] = entries else { return None };
    (second == "args").then(|| long_form(key, node, Some(arguments), shapes))?
}

/// How `arguments` without names are written, or with too few of them.
pub(super) fn with_arguments(shape: &Shape, name: &str, arguments: &Node) -> String {
    match &arguments.value {
        Value::Null => shape.with_values(name, &[]),
        Value::Scalar(_) => shape.with_values(name, &[shown(arguments)]),
        Value::List(items) => shape.with_values(name, &items.iter().map(shown).collect::<Vec<_>>()),
        Value::Map(entries) if entries.iter().all(|entry| entry.key.starts_with("_genkey_")) => {
            shape.with_values(name, &entries.iter().map(|entry| shown(&entry.node)).collect::<Vec<_>>())
        }
        Value::Map(entries) => {
            let pairs: Vec<_> = entries.iter().map(|entry| (kebab(&entry.key), shown(&entry.node))).collect();
            shape.with_names(name, &pairs)
        }
    }
}

fn long_form(key: &str, name: &Node, arguments: Option<&Node>, shapes: &Shapes<'_>) -> Option<String> {
    let name = name.text().filter(|_| key == "name")?;
    let nothing = Node { value: Value::Null, span: gwanmun_config::Span::NOWHERE };
    let kebab = kebab(name);
    let written = |shape| format!("write `{}`", with_arguments(shape, &kebab, arguments.unwrap_or(&nothing)));
    shapes(&kebab).map(written).or_else(|| elsewhere(name))
}

/// What is no predicate or filter here.
fn elsewhere(name: &str) -> Option<String> {
    let is = |known: &str| name == known || name == kebab(known);
    if is("RequestSize") {
        return Some("write `limits: {body-bytes: 5MB}` at the top or at a listener".to_owned());
    }
    if is("RequestHeaderSize") {
        return Some("write `limits: {header-bytes: 32KiB}` at the top or at a listener".to_owned());
    }
    NOT_YET.iter().any(|known| is(known)).then(|| format!("{name} is not there yet; {RECIPE} tells what is"))
}

/// A value as a hint may show it: what comes from outside of the files may be secret.
fn shown(node: &Node) -> &str {
    match &node.value {
        Value::Scalar(scalar) if !scalar.is_injected() => scalar.text(),
        _ => "",
    }
}

/// `AddRequestHeader` -> `add-request-header`.
fn kebab(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}
