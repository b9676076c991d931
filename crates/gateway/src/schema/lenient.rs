//! What the decoder takes and a schema made of Rust types does not: `${NAME}` where a number, a word or a duration
//! stands, and a plain `7` or `true` where text stands.

use schemars::Schema;
use schemars::transform::transform_subschemas;
use serde_json::{Value, json};

/// A text with an interpolation in it.
const INTERPOLATED: &str = r"\$\{";

/// Makes `schema` and everything in it take what the decoder takes. The parts come first: what is added needs nothing.
pub(super) fn loosen(schema: &mut Schema) {
    transform_subschemas(&mut loosen, schema);
    loosen_one(schema);
}

fn loosen_one(schema: &mut Schema) {
    let Some(entries) = schema.as_object_mut() else { return };
    if let Some(names) = entries.remove("enum") {
        entries.insert("anyOf".to_owned(), json!([{"enum": names}, {"type": "string", "pattern": INTERPOLATED}]));
        return;
    }
    if let Some(Value::Array(alternatives)) = entries.get_mut("oneOf") {
        if alternatives.iter().all(|alternative| alternative.get("const").is_some()) {
            alternatives.push(json!({"type": "string", "pattern": INTERPOLATED}));
        }
        return;
    }
    if entries.contains_key("const") {
        return;
    }
    let pattern = entries.get("pattern").and_then(Value::as_str).map(|pattern| format!("{pattern}|{INTERPOLATED}"));
    let mut types: Vec<String> = match entries.get("type") {
        Some(Value::String(only)) => vec![only.clone()],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => return,
    };
    let has = |name: &str| types.iter().any(|known| known == name);
    if has("string") {
        match pattern {
            Some(pattern) => drop(entries.insert("pattern".to_owned(), pattern.into())),
            None => types.extend(
                ["number", "boolean"]
                    .iter()
                    .filter(|name| !has(name))
                    .map(|name| (*name).to_owned())
                    .collect::<Vec<_>>(),
            ),
        }
    } else if has("integer") || has("number") || has("boolean") {
        types.push("string".to_owned());
        entries.insert("pattern".to_owned(), INTERPOLATED.into());
    } else {
        return;
    }
    let types = if let [only] = types.as_slice() { json!(only) } else { json!(types) };
    entries.insert("type".to_owned(), types);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loosened(schema: Value) -> Value {
        let mut schema: Schema = schema.try_into().unwrap();
        loosen(&mut schema);
        schema.to_value()
    }

    #[test]
    fn a_number_may_be_interpolated() {
        assert_eq!(
            loosened(json!({"type": "integer", "minimum": 1})),
            json!({"type": ["integer", "string"], "minimum": 1, "pattern": INTERPOLATED})
        );
    }

    #[test]
    fn text_may_look_like_something_else() {
        assert_eq!(
            loosened(json!({"type": ["string", "null"]})),
            json!({"type": ["string", "null", "number", "boolean"]})
        );
    }

    #[test]
    fn text_of_a_form_and_names_may_be_interpolated() {
        assert_eq!(
            loosened(json!({"type": "string", "pattern": "^a$"})),
            json!({"type": "string", "pattern": r"^a$|\$\{"})
        );
        let loose = json!({"type": "string", "pattern": INTERPOLATED});
        assert_eq!(loosened(json!({"enum": ["a"]})), json!({"anyOf": [{"enum": ["a"]}, loose]}));
        assert_eq!(loosened(json!({"oneOf": [{"const": "a"}]})), json!({"oneOf": [{"const": "a"}, loose]}));
    }

    #[test]
    fn a_property_called_like_a_keyword_is_a_property() {
        let schema =
            json!({"type": "object", "properties": {"default": {"type": "string"}, "enum": {"type": "boolean"}}});
        let loose = loosened(schema);
        assert_eq!(loose["properties"]["default"]["type"], json!(["string", "number", "boolean"]));
        assert_eq!(loose["properties"]["enum"]["type"], json!(["boolean", "string"]));
    }
}
