//! What is written in tables is complete: keys, filters, predicates, faults; and links lead somewhere.

use std::collections::BTreeSet;
use std::fs;

use gwanmun::core::{Abort, Code, Reason};
use serde_json::Value;

use crate::{documents, gwanmun, root};

#[test]
fn every_filter_and_predicate_is_in_its_table() {
    let output = gwanmun(&["filters"]);
    let list = String::from_utf8(output.stdout).unwrap();
    let (predicates, filters) = list.split_once("\nFilters\n").unwrap();
    for (names, document) in [(predicates, "routing.md"), (filters, "filters.md")] {
        let text = document_text(document);
        for name in names.lines().filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next()) {
            assert!(text.contains(&format!("`{name}`")), "{document} does not speak of '{name}'");
        }
    }
}

#[test]
fn every_key_is_documented() {
    let output = gwanmun(&["schema"]);
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut keys = BTreeSet::new();
    collect_keys(&schema, &schema, &mut BTreeSet::new(), &mut keys);
    assert!(keys.len() > 40, "only {} keys", keys.len());
    let text = ["configuration.md", "identity.md", "sessions.md", "passport.md"].map(document_text).concat();
    let missing: Vec<_> = keys.iter().filter(|key| !text.contains(&format!("`{key}`"))).collect();
    assert!(
        missing.is_empty(),
        "none of configuration.md, identity.md, sessions.md and passport.md speaks of {missing:?}"
    );
}

#[test]
fn every_fault_is_in_its_table() {
    let text = document_text("operating.md");
    for code in Code::ALL {
        let row = format!("| `{}` | {} |", code.name(), code.status().as_u16());
        assert!(text.contains(&row), "operating.md has no row that begins with {row}");
    }
}

#[test]
fn every_reason_is_in_its_table() {
    let text = document_text("operating.md");
    for reason in Reason::ALL {
        let row = format!("| `{}` | `", reason.name());
        assert!(text.contains(&row), "operating.md has no row that begins with {row}");
    }
}

#[test]
fn every_reason_to_end_a_connection_is_in_its_table() {
    let text = document_text("operating.md");
    let missing: Vec<_> = Abort::ALL.iter().filter(|why| !text.contains(&format!("\n| `{}` | ", why.name()))).collect();
    assert!(missing.is_empty(), "operating.md has no row for {missing:?}");
}

#[test]
fn links_lead_somewhere() {
    let others =
        ["ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/shop/README.md"].map(|name| root().join(name));
    for path in documents().into_iter().chain(others) {
        let text = fs::read_to_string(&path).unwrap();
        for (at, _) in text.match_indices("](") {
            let rest = &text[at + 2..];
            let target = &rest[..rest.find(')').unwrap()];
            let file = target.split('#').next().unwrap();
            let leads = target.contains("://") || file.is_empty() || path.with_file_name(file).exists();
            assert!(leads, "{}: '{target}' leads nowhere", path.display());
        }
    }
}

fn document_text(name: &str) -> String {
    fs::read_to_string(root().join("docs").join(name)).unwrap()
}

/// All keys of `part` and of what it refers to; arguments of predicates and filters have pages of their own.
fn collect_keys<'a>(part: &'a Value, schema: &'a Value, seen: &mut BTreeSet<&'a str>, keys: &mut BTreeSet<&'a str>) {
    let children = match part {
        Value::Object(entries) => entries.iter().filter(|(name, _)| *name != "$defs").map(|(_, value)| value).collect(),
        Value::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    };
    children.into_iter().for_each(|child| collect_keys(child, schema, seen, keys));
    keys.extend(part["properties"].as_object().into_iter().flatten().map(|(key, _)| key.as_str()));
    if let Some(name) = part["$ref"].as_str().and_then(|reference| reference.strip_prefix("#/$defs/"))
        && !matches!(name, "Predicate" | "Filter")
        && seen.insert(name)
    {
        collect_keys(&schema["$defs"][name], schema, seen, keys);
    }
}

#[test]
fn every_test_that_the_threats_are_told_with_is_there() {
    let mut sources = Vec::new();
    crate::collect(&crate::root().join("crates"), "rs", &mut sources);
    let sources: String = sources.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let text = document_text("threats.md");
    let cells = text.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.rsplit(" | ").next());
    let names: Vec<&str> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert!(names.len() > 30, "only {} tests are named", names.len());
    let missing: Vec<_> = names.into_iter().filter(|name| !sources.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "threats.md names tests that are not there: {missing:?}");
}
