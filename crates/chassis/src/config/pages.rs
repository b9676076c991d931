//! `/env` and `/configprops` as Spring Boot has them. Secrets are masked: what is called one, what came from a variable or
//! from a file that a value names, and users in URLs. Defaults of the code are in neither: nobody said them.

use gwanmun_config::{Masked, Node, Sources, Value as Written};
use serde_json::{Map, Value, json};

use super::record::Record;

/// Who says what, the strongest first.
pub(super) fn environment(record: &Record) -> String {
    let sources: Vec<Value> = record
        .layers
        .iter()
        .rev()
        .map(|layer| {
            let mut properties = Map::new();
            flat(String::new(), Masked::as_written(&layer.document), &record.sources, &mut properties);
            json!({"name": layer.name, "properties": properties})
        })
        .collect();
    json!({"activeProfiles": record.profiles, "propertySources": sources}).to_string()
}

/// What is in force, as one would write it, and where each value was written.
pub(super) fn properties(record: &Record, service: &str) -> String {
    let mut beans = Map::new();
    if let Written::Map(entries) = &record.document.value {
        for entry in entries {
            let masked = Masked::of(&record.document).under(&entry.key, &entry.node);
            let bean = json!({
                "prefix": entry.key,
                "properties": masked.in_json(),
                "inputs": inputs(masked, &record.sources),
            });
            beans.insert(entry.key.clone(), bean);
        }
    }
    let mut contexts = Map::new();
    contexts.insert(service.to_owned(), json!({ "beans": beans }));
    json!({ "contexts": contexts }).to_string()
}

/// `a.b[0]: {value, origin}`.
fn flat(path: String, masked: Masked<'_>, sources: &Sources, out: &mut Map<String, Value>) {
    match &masked.node().value {
        Written::Map(entries) if !entries.is_empty() => {
            for entry in entries {
                let path = match (path.is_empty(), entry.key.contains(['.', '[', ']'])) {
                    (true, false) => entry.key.clone(),
                    (false, false) => format!("{path}.{}", entry.key),
                    (_, true) => format!("{path}[{}]", entry.key),
                };
                flat(path, masked.under(&entry.key, &entry.node), sources, out);
            }
        }
        Written::List(items) if !items.is_empty() => {
            for (at, item) in items.iter().enumerate() {
                flat(format!("{path}[{at}]"), masked.element(item), sources, out);
            }
        }
        _ if path.is_empty() => {}
        _ => {
            out.insert(path, told(masked, sources));
        }
    }
}

fn inputs(masked: Masked<'_>, sources: &Sources) -> Value {
    match &masked.node().value {
        Written::Map(entries) => {
            let entry = |entry: &gwanmun_config::Entry| {
                (entry.key.clone(), inputs(masked.under(&entry.key, &entry.node), sources))
            };
            Value::Object(entries.iter().map(entry).collect())
        }
        Written::List(items) => items.iter().map(|item| inputs(masked.element(item), sources)).collect(),
        _ => told(masked, sources),
    }
}

fn told(masked: Masked<'_>, sources: &Sources) -> Value {
    json!({"value": masked.in_json(), "origin": origin(masked.node(), sources)})
}

/// `application.yaml:3:12`; variables and arguments have no lines.
fn origin(node: &Node, sources: &Sources) -> String {
    let (name, line, column) = sources.location(node.span);
    if name.starts_with("environment ") || name == "command line" {
        return name.to_owned();
    }
    format!("{name}:{line}:{column}")
}

/// A masked value in JSON.
trait InJson {
    fn in_json(self) -> Value;
}

impl InJson for Masked<'_> {
    fn in_json(self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}
