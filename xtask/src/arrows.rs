//! The arrows of the house: which crate may use which. Checked on every lint and every test run, so that the picture in
//! ARCHITECTURE.md stays true.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::failure::{Failure, While};
use crate::steps;
use crate::workspace;

/// Each crate and the crates directly above it; what stands above those may be used as well. `gateway` stands below all.
const ABOVE: &[(&str, &[&str])] = &[
    ("memory", &[]),
    ("core", &[]),
    ("resilience", &["core"]),
    ("config", &["core"]),
    ("client", &["core", "resilience"]),
    ("telemetry", &["core", "client", "config"]),
    ("store", &["core", "resilience"]),
    ("jose", &["core"]),
    ("audit", &["core", "jose"]),
    ("passport", &["core", "jose"]),
    ("identity", &["client", "store", "jose", "passport"]),
    ("authz", &["core"]),
    ("fraud", &["store"]),
    ("proxy", &["config", "telemetry", "resilience"]),
    ("filters", &["proxy", "audit", "identity", "authz", "fraud"]),
    ("chassis", &["config", "client", "telemetry", "audit", "identity", "authz"]),
    ("console", &["chassis", "store"]),
];

/// Crates for development: nothing that ships may depend on them.
const DEVELOPMENT: &[&str] = &["testkit", "fuzz", "xtask"];

/// Fails with every arrow that points the wrong way.
pub(crate) fn check() -> Result<(), Failure> {
    let command = workspace::cargo(["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&steps::output(command)?).while_doing("reading cargo metadata")?;
    let crates = crates(&metadata);
    let wrong = wrong_arrows(&crates);
    if wrong.is_empty() {
        println!("    {} crates, every arrow points up", crates.len());
        return Ok(());
    }
    Err(Failure::new(format!("arrows between crates point the wrong way:\n  {}", wrong.join("\n  "))))
}

/// The workspace's crates and, of what they need to be built (so without dev-dependencies), those of the workspace.
fn crates(metadata: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let packages: Vec<&Value> = metadata["packages"].as_array().into_iter().flatten().collect();
    let folders: BTreeMap<&str, String> = packages.iter().filter_map(|package| folder(package)).collect();
    packages
        .iter()
        .filter_map(|package| {
            let dependencies = package["dependencies"].as_array().into_iter().flatten();
            let used = dependencies
                .filter(|dependency| dependency["kind"].as_str() != Some("dev"))
                .filter_map(|dependency| folders.get(dependency["name"].as_str()?).cloned())
                .collect();
            Some((folders.get(package["name"].as_str()?)?.clone(), used))
        })
        .collect()
}

/// A package's name and what the picture calls it: the folder of a crate, or `examples/...`.
fn folder(package: &Value) -> Option<(&str, String)> {
    let name = package["name"].as_str()?;
    let manifest = package["manifest_path"].as_str()?;
    let folder = match name {
        "gwanmun" => "gateway".to_owned(),
        _ if manifest.contains("/examples/") => format!("examples/{name}"),
        _ => name.strip_prefix("gwanmun-").unwrap_or(name).to_owned(),
    };
    Some((name, folder))
}

fn wrong_arrows(crates: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, used) in crates {
        if DEVELOPMENT.contains(&name.as_str()) {
            continue;
        }
        let everything = name == "gateway" || name.starts_with("examples/");
        let above = above(name);
        if above.is_none() && !everything {
            wrong.push(format!(
                "{name} is not in the picture: give it a place in xtask/src/arrows.rs and ARCHITECTURE.md"
            ));
            continue;
        }
        for other in used {
            let allowed = match &above {
                _ if DEVELOPMENT.contains(&other.as_str()) => false,
                Some(above) => above.contains(other.as_str()),
                None => true,
            };
            if !allowed {
                wrong.push(format!("{name} -> {other}"));
            }
        }
    }
    wrong
}

/// Everything that stands above a crate, near or far; `None` for a crate that is not in the picture.
fn above(name: &str) -> Option<BTreeSet<&'static str>> {
    let direct = ABOVE.iter().find(|(crate_name, _)| *crate_name == name).map(|(_, above)| *above)?;
    let mut all = BTreeSet::new();
    let mut open = direct.to_vec();
    while let Some(next) = open.pop() {
        if all.insert(next) {
            open.extend(ABOVE.iter().filter(|(crate_name, _)| *crate_name == next).flat_map(|(_, above)| *above));
        }
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(arrows: &[(&str, &[&str])]) -> BTreeMap<String, BTreeSet<String>> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        arrows.iter().map(|(name, used)| ((*name).to_owned(), owned(used))).collect()
    }

    #[test]
    fn every_arrow_of_this_workspace_points_up() {
        check().unwrap();
    }

    #[test]
    fn what_stands_above_is_transitive() {
        assert!(wrong_arrows(&picture(&[("filters", &["core", "client", "proxy"])])).is_empty());
    }

    #[test]
    fn an_arrow_down_or_sideways_is_named() {
        let wrong = wrong_arrows(&picture(&[("proxy", &["core", "filters"]), ("chassis", &["proxy"])]));
        assert_eq!(wrong, ["chassis -> proxy", "proxy -> filters"]);
    }

    #[test]
    fn nothing_that_ships_uses_the_test_kit() {
        let wrong = wrong_arrows(&picture(&[("gateway", &["proxy", "testkit"]), ("core", &["testkit"])]));
        assert_eq!(wrong, ["core -> testkit", "gateway -> testkit"]);
    }

    #[test]
    fn a_crate_outside_the_picture_is_named() {
        let wrong = wrong_arrows(&picture(&[("attic", &[])]));
        assert!(wrong.concat().contains("attic is not in the picture"), "{wrong:?}");
    }

    #[test]
    fn dev_dependencies_do_not_count_and_build_dependencies_do() {
        let metadata = serde_json::json!({"packages": [
            {"name": "gwanmun-core", "manifest_path": "/g/crates/core/Cargo.toml", "dependencies": [
                {"name": "gwanmun-testkit", "kind": "dev"},
                {"name": "gwanmun-proxy", "kind": "build"},
                {"name": "http", "kind": null}]},
            {"name": "gwanmun-proxy", "manifest_path": "/g/crates/proxy/Cargo.toml", "dependencies": []},
            {"name": "gwanmun-testkit", "manifest_path": "/g/crates/testkit/Cargo.toml", "dependencies": []},
        ]});
        assert_eq!(wrong_arrows(&crates(&metadata)), ["core -> proxy"]);
    }
}
