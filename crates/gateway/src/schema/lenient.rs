//! What the decoder takes and a schema made of Rust types does not: `${NAME}` where a number, a word or a duration
//! stands, a number in quotes, a plain `7` or `true` where text stands, a word in capitals, a key with nothing behind it.

use schemars::Schema;
use schemars::transform::transform_subschemas;
use serde_json::{Value, json};

/// A text with an interpolation in it.
const INTERPOLATED: &str = r"\$\{";

/// Texts that are a whole number, any number, or a yes or no.
const INTEGER: &str = "^([-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+)$";
const NUMBER: &str = r"^[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?$";
const BOOLEAN: &str = "^(true|True|TRUE|false|False|FALSE)$";

/// Makes `schema` and everything in it take what the decoder takes. The parts come first: what is added needs nothing.
pub(super) fn loosen(schema: &mut Schema) {
    transform_subschemas(&mut loosen, schema);
    loosen_one(schema);
}

fn loosen_one(schema: &mut Schema) {
    let Some(entries) = schema.as_object_mut() else { return };
    if let Some(names) = entries.remove("enum") {
        let words = names.as_array().into_iter().flatten().filter_map(Value::as_str);
        let loose = loose_words(words);
        entries.insert("anyOf".to_owned(), json!([{"enum": names}, loose]));
        return;
    }
    let are_words = |alternatives: &[Value]| alternatives.iter().all(|one| one.get("const").is_some());
    if entries.get("oneOf").and_then(Value::as_array).is_some_and(|alternatives| are_words(alternatives)) {
        // A word as it is and a word in capitals overlap: not exactly one holds.
        if let Some(Value::Array(mut alternatives)) = entries.remove("oneOf") {
            let loose = loose_words(alternatives.iter().filter_map(|one| one.get("const")?.as_str()));
            alternatives.push(loose);
            entries.insert("anyOf".to_owned(), alternatives.into());
        }
        return;
    }
    if entries.contains_key("oneOf") {
        return;
    }
    if entries.contains_key("const") {
        return;
    }
    if let Some(Value::Object(properties)) = entries.get_mut("properties") {
        properties.values_mut().for_each(allow_nothing);
        if !["required", "minProperties"].iter().any(|key| entries.contains_key(*key)) {
            entries.insert("type".to_owned(), json!(["object", "null"]));
        }
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
    } else {
        let forms = [("integer", INTEGER), ("number", NUMBER), ("boolean", BOOLEAN)];
        let Some((_, form)) = forms.iter().find(|(name, _)| has(name)) else { return };
        types.push("string".to_owned());
        entries.insert("pattern".to_owned(), format!("{form}|{INTERPOLATED}").into());
    }
    let types = if let [only] = types.as_slice() { json!(only) } else { json!(types) };
    entries.insert("type".to_owned(), types);
}

/// A key without a value is an empty list or map.
fn allow_nothing(property: &mut Value) {
    let Some(entries) = property.as_object_mut() else { return };
    let is_empty_one_good = !["minItems", "minProperties", "required"].iter().any(|key| entries.contains_key(*key));
    if let Some(kind @ ("array" | "object")) = entries.get("type").and_then(Value::as_str)
        && is_empty_one_good
    {
        let kinds = json!([kind, "null"]);
        entries.insert("type".to_owned(), kinds);
    }
}

/// `ROUND_ROBIN` for `round-robin`, and an interpolation.
fn loose_words<'a>(words: impl Iterator<Item = &'a str>) -> Value {
    let letter = |letter: char| match letter {
        '-' => "[-_]".to_owned(),
        letter if letter.is_ascii_lowercase() => format!("[{letter}{}]", letter.to_ascii_uppercase()),
        letter => letter.to_string(),
    };
    let is_foldable = |word: &&str| word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    let mut forms: Vec<String> =
        words.filter(is_foldable).map(|word| format!("^{}$", word.chars().map(letter).collect::<String>())).collect();
    forms.push(INTERPOLATED.to_owned());
    json!({"type": "string", "pattern": forms.join("|")})
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
    fn a_number_may_stand_in_quotes_or_be_interpolated() {
        assert_eq!(
            loosened(json!({"type": "integer", "minimum": 1})),
            json!({"type": ["integer", "string"], "minimum": 1, "pattern": format!(r"{INTEGER}|\$\{{")})
        );
        assert_eq!(loosened(json!({"type": "number"}))["pattern"], format!("{NUMBER}|{INTERPOLATED}"));
        assert_eq!(loosened(json!({"type": "boolean"}))["pattern"], format!("{BOOLEAN}|{INTERPOLATED}"));
    }

    #[test]
    fn text_may_look_like_something_else() {
        assert_eq!(
            loosened(json!({"type": ["string", "null"]})),
            json!({"type": ["string", "null", "number", "boolean"]})
        );
    }

    #[test]
    fn text_of_a_form_may_be_interpolated() {
        assert_eq!(
            loosened(json!({"type": "string", "pattern": "^a$"})),
            json!({"type": "string", "pattern": r"^a$|\$\{"})
        );
    }

    #[test]
    fn words_may_be_interpolated_or_written_in_capitals() {
        let loose = json!({"type": "string", "pattern": r"^[aA][-_][bB]$|\$\{"});
        assert_eq!(loosened(json!({"enum": ["a-b"]})), json!({"anyOf": [{"enum": ["a-b"]}, loose]}));
        assert_eq!(loosened(json!({"oneOf": [{"const": "a-b"}]})), json!({"anyOf": [{"const": "a-b"}, loose]}));
    }

    #[test]
    fn nothing_may_stand_where_an_empty_map_or_list_may() {
        let property =
            |schema: Value| loosened(json!({"properties": {"p": schema}}))["properties"]["p"]["type"].clone();
        assert_eq!(property(json!({"type": "array"})), json!(["array", "null"]));
        assert_eq!(property(json!({"type": "object", "properties": {}})), json!(["object", "null"]));
        assert_eq!(property(json!({"type": "object", "additionalProperties": true})), json!(["object", "null"]));
        assert_eq!(property(json!({"type": "array", "minItems": 1})), "array");
        assert_eq!(property(json!({"type": "object", "properties": {}, "required": ["a"]})), "object");
        assert_eq!(property(json!({"type": "object", "properties": {}, "minProperties": 1})), "object");
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
