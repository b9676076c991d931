//! `gwanmun schema`.

use gwanmun::Registry;
use serde_json::Value;

use crate::gwanmun;

#[test]
fn the_schema_is_json_and_knows_every_name() {
    let ended = gwanmun(&["schema"]);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    let schema: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(schema["$id"], "urn:gwanmun:configuration");
    let registry = Registry::standard();
    for name in
        registry.catalog().predicates().map(|item| item.name).chain(registry.catalog().filters().map(|item| item.name))
    {
        assert!(ended.out.contains(&format!("\"{name}\": {{")), "{name} is not in the schema");
    }
}
