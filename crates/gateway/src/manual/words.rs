//! A JSON Schema in a few words: `whole number from 1`, `text, or a list`.

use serde_json::{Map, Value};

/// Of long lists of names so many are shown.
const SHOWN_NAMES: usize = 8;
const NAME_LIKE: &str = "a name like";

/// What a value of `schema` is.
pub(super) fn of(schema: &Value, definitions: &Map<String, Value>) -> String {
    let schema = resolved(schema, definitions);
    if let Some(alternatives) = list(schema, "anyOf").or_else(|| list(schema, "oneOf")) {
        return of_any(alternatives, definitions);
    }
    if let Some(names) = list(schema, "enum") {
        return one_of(names.iter().filter_map(Value::as_str));
    }
    if let Some(only) = schema.get("const") {
        return format!("`{}`", only.as_str().map_or_else(|| only.to_string(), str::to_owned));
    }
    match types(schema).first().copied() {
        Some("integer") => number(schema, "whole number"),
        Some("number") => number(schema, "number"),
        Some("boolean") => "true or false".to_owned(),
        Some("array") => match schema.get("items") {
            Some(items) => format!("list of {}", plural(&of(items, definitions))),
            None => "list".to_owned(),
        },
        Some("object") if schema.get("properties").is_none() => "map".to_owned(),
        Some("object") => {
            let names: Vec<&str> = schema
                .get("properties")
                .and_then(Value::as_object)
                .into_iter()
                .flat_map(Map::keys)
                .map(String::as_str)
                .collect();
            format!("{{{}}}", names.join(", "))
        }
        Some("string") => match list(schema, "examples").and_then(<[Value]>::first).and_then(Value::as_str) {
            Some(example) => format!("text like `{example}`"),
            None => "text".to_owned(),
        },
        _ => "anything".to_owned(),
    }
}

/// The schema that a reference means.
pub(super) fn resolved<'a>(schema: &'a Value, definitions: &'a Map<String, Value>) -> &'a Value {
    let name = schema.get("$ref").and_then(Value::as_str).and_then(|reference| reference.rsplit('/').next());
    name.and_then(|name| definitions.get(name)).unwrap_or(schema)
}

fn of_any(alternatives: &[Value], definitions: &Map<String, Value>) -> String {
    if let Some(names) =
        alternatives.iter().map(|schema| schema.get("const").and_then(Value::as_str)).collect::<Option<Vec<_>>>()
    {
        return one_of(names.into_iter());
    }
    let is_list = |schema: &Value| types(schema).contains(&"array");
    if let [one, many] = alternatives
        && is_list(many)
        && many.get("items") == Some(one)
    {
        return format!("{}, or a list", of(one, definitions));
    }
    let mut words: Vec<String> = Vec::new();
    for schema in alternatives.iter().filter(|schema| types(schema) != ["null"]) {
        let word = of(schema, definitions);
        if !words.contains(&word) {
            words.push(word);
        }
    }
    // A list of names is told by its beginning; the form of the others adds nothing.
    if words.iter().any(|word| word.starts_with(NAME_LIKE)) {
        words.retain(|word| word != "text");
    }
    words.join(", or ")
}

/// Names; of `RETAIN_LAST` beside `retain-last` only the latter.
fn one_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut seen: Vec<&str> = Vec::new();
    for name in names {
        let folded =
            |other: &str| other.to_ascii_lowercase().replace('_', "-") == name.to_ascii_lowercase().replace('_', "-");
        if !seen.iter().any(|known| folded(known)) {
            seen.push(name);
        }
    }
    let shown: Vec<String> = seen.iter().take(SHOWN_NAMES).map(|name| format!("`{name}`")).collect();
    if seen.len() > SHOWN_NAMES {
        format!("{NAME_LIKE} {}, …", shown.get(..2).unwrap_or_default().join(", "))
    } else {
        shown.join(" | ")
    }
}

fn number(schema: &Value, kind: &str) -> String {
    let bound = |key| schema.get(key).map(Value::to_string);
    match (bound("minimum"), bound("maximum")) {
        (Some(least), Some(most)) => format!("{kind} from {least} to {most}"),
        (Some(least), None) => format!("{kind} from {least}"),
        (None, Some(most)) => format!("{kind} up to {most}"),
        (None, None) => kind.to_owned(),
    }
}

fn plural(words: &str) -> String {
    match words {
        "text" => "texts".to_owned(),
        _ => words.replacen("number", "numbers", 1),
    }
}

/// The types, without `null`.
fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(only)) => vec![only],
        Some(Value::Array(several)) => {
            several.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect()
        }
        _ => Vec::new(),
    }
}

fn list<'a>(schema: &'a Value, key: &str) -> Option<&'a [Value]> {
    schema.get(key).and_then(Value::as_array).map(Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn schemas_become_words() {
        let mut definitions = Map::new();
        definitions.insert("Time".to_owned(), json!({"type": "string", "examples": ["10s"]}));
        for (schema, words) in [
            (json!({"type": ["string", "null"]}), "text"),
            (json!({"type": "integer", "minimum": 1}), "whole number from 1"),
            (json!({"type": "integer", "minimum": 200, "maximum": 599}), "whole number from 200 to 599"),
            (json!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}), "text, or a list"),
            (json!({"type": "array", "items": {"type": "integer"}}), "list of whole numbers"),
            (json!({"enum": ["retain-last", "never", "RETAIN_LAST"]}), "`retain-last` | `never`"),
            (json!({"oneOf": [{"const": "a"}, {"const": "b"}]}), "`a` | `b`"),
            (json!({"anyOf": [{"$ref": "#/$defs/Time"}, {"type": "null"}]}), "text like `10s`"),
            (json!({"type": "object", "additionalProperties": {"type": "string"}}), "map"),
            (json!(true), "anything"),
        ] {
            assert_eq!(of(&schema, &definitions), words, "{schema}");
        }
    }

    #[test]
    fn of_many_names_a_few_are_shown() {
        let names: Vec<String> = (0..30).map(|number| format!("n{number}")).collect();
        assert_eq!(of(&json!({"enum": names}), &Map::new()), "a name like `n0`, `n1`, …");
    }
}
