//! The pages know every key that every service has, and `gwanmun new service` knows which names they take.

#![allow(clippy::unwrap_used, clippy::panic, reason = "whatever goes wrong in a test is a failed test")]

use std::path::Path;

use gwanmun_chassis::settings::ServiceSpec;
use serde_json::Value;

/// Keys as they are written, `NAME` for any name, `[]` for what is in a list, each with what its field says.
fn keys(path: &str, schema: &Value, root: &Value, found: &mut Vec<(String, String)>) {
    let schema = resolved(schema, root);
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let before = found.len();
        keys(&path, value, root, found);
        if found.len() == before {
            let words = value["description"].as_str().unwrap_or_default().replace('\n', " ");
            found.push((path, words));
        }
    }
    if schema["additionalProperties"].is_object() {
        keys(&format!("{path}.NAME"), &schema["additionalProperties"], root, found);
    }
    if schema["items"].is_object() {
        keys(&format!("{path}[]"), &schema["items"], root, found);
    }
}

/// What a schema refers to, or the alternative that is a map or a list of maps.
fn resolved<'s>(schema: &'s Value, root: &'s Value) -> &'s Value {
    if let Some(reference) = schema["$ref"].as_str() {
        return resolved(root.pointer(reference.trim_start_matches('#')).unwrap(), root);
    }
    let alternatives = ["anyOf", "oneOf"].iter().filter_map(|word| schema[*word].as_array()).flatten();
    let mut alternatives = alternatives.map(|one| resolved(one, root));
    alternatives.find(|one| one["properties"].is_object()).unwrap_or(schema)
}

fn page(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
}

#[test]
fn every_key_stands_in_the_table_of_the_page_about_configuration() {
    let schema = serde_json::to_value(schemars::schema_for!(ServiceSpec)).unwrap();
    let mut found = Vec::new();
    keys("", &schema, &schema, &mut found);
    assert!(found.len() > 40, "the schema is understood: {found:?}");
    let page = page("docs/chassis/configuration.md");
    let missing = found.iter().filter(|(key, _)| !page.contains(&format!("| `{key}` |")));
    let lines: Vec<String> = missing.map(|(key, words)| format!("| `{key}` | {words} |")).collect();
    assert!(lines.is_empty(), "docs/chassis/configuration.md lacks\n{}", lines.join("\n"));
    let known = |line: &&str| found.iter().any(|(key, _)| line.starts_with(&format!("| `{key}` |")));
    let table = page.split("<!-- keys -->").nth(1).unwrap();
    let strange: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).filter(|line| !known(line)).collect();
    assert!(strange.is_empty(), "these are no keys:\n{}", strange.join("\n"));
}

#[test]
fn a_new_service_is_not_called_like_a_key_of_every_service() {
    let schema = serde_json::to_value(schemars::schema_for!(ServiceSpec)).unwrap();
    let names = page("crates/gateway/src/command/new/name.rs");
    for key in schema["properties"].as_object().unwrap().keys() {
        assert!(names.contains(&format!("\"{key}\"")), "`gwanmun new service {key}` is not refused");
    }
}
