//! The JSON Schema of a whole configuration (draft 2020-12). The engine's specification leaves open what stands in lists of
//! predicates and filters and in tests; here they become known.

mod lenient;

use gwanmun_filters::Registry;
use gwanmun_proxy::GatewaySpec;
use gwanmun_proxy::catalog::Item;
use gwanmun_proxy::spec::EndpointSpec;
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use crate::testing::TestSpec;

const ID: &str = "urn:gwanmun:configuration";

/// The schema, with everything in `registry`.
pub(crate) fn schema(registry: &Registry) -> Value {
    let mut generator = SchemaGenerator::default();
    // First, so that the parts of the specification have the short names among the definitions.
    generator.root_schema_for::<GatewaySpec>();
    let endpoint = json!({"anyOf": [{"type": "string"}, generator.subschema_for::<EndpointSpec>()]});
    let test = generator.subschema_for::<TestSpec>().to_value();
    let catalog = registry.catalog();
    let predicates = Named::of(catalog.predicates(), &mut generator);
    let filters = Named::of(catalog.filters(), &mut generator);
    let sections = catalog.section_items().map(|section| (section.key.to_owned(), section.schema(&mut generator)));
    let sections: Vec<_> = sections.collect();

    let mut root = generator.root_schema_for::<GatewaySpec>();
    for (key, schema) in sections {
        if let Some(properties) = root.get_mut("properties").and_then(Value::as_object_mut) {
            properties.insert(key, schema.to_value());
        }
    }
    root.insert("$id".to_owned(), ID.into());
    root.insert("title".to_owned(), "Gwanmun configuration".into());
    lenient::loosen(&mut root);
    let mut document = root.to_value();
    let roles = catalog.roles().map(|role| json!({"const": role.name, "description": role.purpose}));
    let role = json!({
        "description": document.pointer("/properties/role/description"),
        "anyOf": roles.chain([json!({"type": "null"})]).collect::<Vec<_>>(),
    });
    let (predicate, filter) = (json!({"$ref": "#/$defs/Predicate"}), json!({"$ref": "#/$defs/Filter"}));
    if let Some(definitions) = document.get_mut("$defs").and_then(Value::as_object_mut) {
        definitions.insert(
            "Predicate".to_owned(),
            predicates.with_combinations(&predicate).schema("A predicate: its name and its arguments."),
        );
        definitions.insert("Filter".to_owned(), filters.schema("A filter: its name and its arguments."));
    }
    for (place, known) in [
        ("/properties/role", &role),
        ("/properties/filters/items", &filter),
        ("/properties/default-filters/items", &filter),
        ("/properties/tests/items", &test),
        ("/$defs/RouteSpec/properties/predicates/items", &predicate),
        ("/$defs/RouteSpec/properties/filters/items", &filter),
        (
            "/$defs/UpstreamSpec/properties/endpoints",
            &json!({
                "description": "Where it listens.",
                "anyOf": [endpoint, {"type": "array", "items": endpoint}],
            }),
        ),
    ] {
        if let Some(open) = document.pointer_mut(place) {
            *open = known.clone();
        }
    }
    document
}

/// Predicates or filters: what may stand behind each name, and which names may stand alone.
struct Named {
    properties: Map<String, Value>,
    bare: Vec<&'static str>,
}

impl Named {
    fn of<'a, T: 'a>(items: impl Iterator<Item = &'a Item<T>>, generator: &mut SchemaGenerator) -> Self {
        let mut named = Self { properties: Map::new(), bare: Vec::new() };
        for item in items {
            let reference = item.schema(generator).to_value();
            let schema = definition(&reference, generator).unwrap_or(&reference);
            let mut alternatives = vec![reference.clone()];
            let sole = item.sole_argument().and_then(|argument| schema.get("properties")?.get(argument));
            if let Some(sole) = sole {
                let mut sole = sole.clone();
                if let Ok(sole) = (&mut sole).try_into() {
                    lenient::loosen(sole);
                }
                alternatives.push(sole);
            }
            if schema.get("required").is_none() {
                named.bare.push(item.name);
                alternatives.push(json!({"type": "null"}));
            }
            let description = schema.get("description").cloned().unwrap_or_default();
            named.properties.insert(item.name.to_owned(), json!({"description": description, "anyOf": alternatives}));
        }
        named
    }

    fn with_combinations(mut self, predicate: &Value) -> Self {
        let several = json!({"type": "array", "minItems": 1, "items": predicate});
        for (name, description, value) in [
            ("all", "Holds when every predicate below it holds.", several.clone()),
            ("any", "Holds when one predicate below it holds.", several.clone()),
            ("not", "Holds when the predicate below it does not.", json!({"anyOf": [predicate, several]})),
        ] {
            self.properties.insert(name.to_owned(), json!({"description": description, "allOf": [value]}));
        }
        self
    }

    fn schema(self, description: &str) -> Value {
        let map = json!({
            "type": "object",
            "properties": self.properties,
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1,
        });
        let bare = (!self.bare.is_empty()).then(|| json!({"enum": self.bare}));
        let alternatives: Vec<Value> = [map].into_iter().chain(bare).collect();
        json!({"description": description, "anyOf": alternatives})
    }
}

fn definition<'a>(reference: &Value, generator: &'a SchemaGenerator) -> Option<&'a Value> {
    let name = reference.get("$ref")?.as_str()?.rsplit('/').next()?;
    generator.definitions().get(name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn document() -> Value {
        schema(&Registry::standard())
    }

    /// Every place in the schema that allows anything.
    fn open_places(value: &Value, place: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(entries) => {
                for (key, value) in entries {
                    if value == &Value::Bool(true) && matches!(key.as_str(), "items") {
                        found.push(format!("{place}/{key}"));
                    }
                    open_places(value, &format!("{place}/{key}"), found);
                }
            }
            Value::Array(items) => {
                for (index, value) in items.iter().enumerate() {
                    if value == &Value::Bool(true) {
                        found.push(format!("{place}/{index}"));
                    }
                    open_places(value, &format!("{place}/{index}"), found);
                }
            }
            _ => {}
        }
    }

    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(entries) => {
                found.extend(entries.get("$ref").and_then(Value::as_str).map(str::to_owned));
                entries.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn nothing_is_left_open_and_every_reference_leads_somewhere() {
        let document = document();
        let mut open = Vec::new();
        open_places(&document, "", &mut open);
        assert_eq!(open, Vec::<String>::new());
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(found.len() > 40, "only {} references", found.len());
        for reference in found {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference} leads nowhere");
        }
    }

    #[test]
    fn every_name_has_its_own_arguments() {
        let (document, registry) = (document(), Registry::standard());
        let (predicates, filters) = (
            &document["$defs"]["Predicate"]["anyOf"][0]["properties"],
            &document["$defs"]["Filter"]["anyOf"][0]["properties"],
        );
        for name in registry.catalog().predicates().map(|item| item.name).chain(["any", "all", "not"]) {
            assert!(predicates[name].is_object(), "{name} is missing");
        }
        for name in registry.catalog().filters().map(|item| item.name) {
            assert!(filters[name].is_object(), "{name} is missing");
        }
        let strip_prefix = &filters["strip-prefix"]["anyOf"];
        assert_eq!(strip_prefix[0], json!({"$ref": "#/$defs/StripPrefixSpec"}));
        assert_eq!(strip_prefix[1]["minimum"], 1);
        assert!(
            document["$defs"]["Filter"]["anyOf"][1]["enum"]
                .as_array()
                .unwrap()
                .contains(&json!("preserve-host-header"))
        );
        assert_eq!(filters["preserve-host-header"]["anyOf"][1], json!({"type": "null"}));
    }

    #[test]
    fn it_says_what_it_is() {
        let document = document();
        assert_eq!(document["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(document["$id"], ID);
        assert_eq!(document["additionalProperties"], false);
        assert_eq!(
            document["$defs"]["RouteSpec"]["properties"]["predicates"]["items"],
            json!({"$ref": "#/$defs/Predicate"})
        );
        assert_eq!(document["properties"]["tests"]["items"], json!({"$ref": "#/$defs/TestSpec"}));
        assert!(document["$defs"]["TestSpec"]["properties"]["expect"].is_object());
    }
}
