//! The JSON Schema of the value types: what editors complete and check.

use gwanmun_config::{ByteSize, OneOrMany, Piece, Spanned, Timespan};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Value, json};

fn schema<T: JsonSchema>() -> Value {
    let inlined = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = inlined.into_generator().into_root_schema_for::<T>();
    schema.remove("$schema");
    schema.remove("title");
    schema.to_value()
}

#[test]
fn a_place_leaves_no_trace() {
    assert_eq!(schema::<Spanned<u8>>(), schema::<u8>());
}

#[test]
fn a_piece_is_anything() {
    assert_eq!(schema::<Vec<Piece>>(), json!({"type": "array", "items": true}));
}

#[test]
fn one_or_many_is_either() {
    let expected = json!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]});
    assert_eq!(schema::<OneOrMany<String>>(), expected);
}

#[test]
fn durations_and_sizes_have_patterns_and_examples_that_hold() {
    for (schema, parses) in [
        (schema::<Timespan>(), (|text| Timespan::parse(text).is_some()) as fn(&str) -> bool),
        (schema::<ByteSize>(), |text| ByteSize::parse(text).is_some()),
    ] {
        assert!(schema["description"].is_string() && schema["anyOf"][0]["pattern"].is_string());
        let examples = schema["examples"].as_array().unwrap();
        assert!(examples.len() > 2 && examples.iter().all(|example| parses(example.as_str().unwrap())));
    }
}
