//! A configuration as its users meet it: files, variables and arguments in, values or all mistakes out.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use gwanmun_config::Environment;
use serde::Deserialize;
use tempfile::TempDir;

use super::*;

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "kebab-case")]
struct Orders {
    max_items: u32,
    greeting: String,
    password: String,
    layers: Vec<String>,
}

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn start(folder: &Path, pairs: &[(&str, &str)], arguments: &[&str]) -> Start {
    let environment = Environment::from_pairs(pairs.iter().copied());
    let arguments = arguments.iter().map(OsString::from);
    match Asked::of("orders", "1", arguments, environment, PathBuf::from(folder)) {
        Asked::Run(start) => start,
        other => panic!("{other:?}"),
    }
}

fn settled(files: &[(&str, &str)], pairs: &[(&str, &str)], arguments: &[&str]) -> Settings<Orders> {
    let folder = folder(files);
    read("orders", &start(folder.path(), pairs, arguments))
        .unwrap()
        .settle()
        .unwrap_or_else(|ended| panic!("{}", ended.complaint))
}

/// All mistakes, the folder's path left out.
fn mistakes(files: &[(&str, &str)], pairs: &[(&str, &str)], arguments: &[&str]) -> String {
    let folder = folder(files);
    let reading: Reading<Orders> = read("orders", &start(folder.path(), pairs, arguments)).unwrap();
    reading.shown().replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn without_anything_all_is_as_the_code_has_it() {
    let settings = settled(&[], &[], &[]);
    assert_eq!(settings.own, Orders::default());
    assert!(
        settings.spec.server.address.is_none() && settings.record.profiles.is_empty() && settings.warnings.is_empty()
    );
}

#[test]
fn each_layer_is_stronger_than_those_before_it() {
    let text = |name: &str| format!("orders: {{greeting: {name}}}");
    let layers = [
        "application.yaml",
        "config/application.yaml",
        "application-a.yaml",
        "config/application-a.yaml",
        "application-b.yaml",
    ];
    let files: Vec<(&str, String)> = layers.iter().map(|name| (*name, text(name))).collect();
    let pairs = [("GWANMUN__ORDERS__GREETING", "environment")];
    let arguments = ["--orders.greeting=argument"];
    for strongest in 0..=layers.len() + 2 {
        let files: Vec<(&str, &str)> =
            files.iter().take(strongest).map(|(name, text)| (*name, text.as_str())).collect();
        let pairs: Vec<_> = pairs.iter().copied().filter(|_| strongest > layers.len()).collect();
        let mut arguments: Vec<_> = arguments.iter().copied().filter(|_| strongest > layers.len() + 1).collect();
        arguments.push("--profile=a,b");
        let settings = settled(&files, &pairs, &arguments);
        let expected = ["", layers[0], layers[1], layers[2], layers[3], layers[4], "environment", "argument"];
        assert_eq!(settings.own.greeting, expected[strongest]);
        assert_eq!(settings.record.profiles, ["a", "b"]);
    }
}

#[test]
fn profiles_come_from_the_argument_else_the_environment_else_the_file() {
    let files = [("application.yaml", "profiles: [a, b]"), ("application-a.yaml", ""), ("application-b.yaml", "")];
    assert_eq!(settled(&files, &[], &[]).record.profiles, ["a", "b"]);
    assert_eq!(settled(&files, &[("GWANMUN_PROFILE", "b")], &[]).record.profiles, ["b"]);
    assert_eq!(settled(&files, &[("GWANMUN_PROFILE", "b")], &["--profile", "a"]).record.profiles, ["a"]);
    assert_eq!(settled(&files, &[("GWANMUN_PROFILE", "")], &[]).record.profiles, ["a", "b"]);
    assert_eq!(settled(&[("application.yaml", "profiles: a")], &[], &[]).record.profiles, ["a"]);
}

#[test]
fn a_profile_without_a_file_is_told_and_a_name_that_is_a_path_is_refused() {
    let settings = settled(&[("application-production.yaml", "")], &[], &["--profile=prodution"]);
    assert!(settings.warnings.contains("no file is there for the profile 'prodution'"));
    assert!(settings.warnings.contains("did you mean 'production'?"), "{}", settings.warnings);
    for name in ["../x", "a/b", "a.b", ",", "a b"] {
        let shown = mistakes(&[], &[("GWANMUN_PROFILE", name)], &[]);
        assert!(shown.contains("is not the name of a profile"), "{name}: {shown}");
    }
}

#[test]
fn profiles_are_not_chosen_by_what_they_choose() {
    let shown = mistakes(
        &[("application-a.yaml", "profiles: [b]")],
        &[("GWANMUN__PROFILES", "[c]")],
        &["--profile=a", "--profiles=[d]"],
    );
    assert_eq!(shown.matches("profiles are chosen before this is read").count(), 3, "{shown}");
}

#[test]
fn files_that_are_named_take_the_place_of_the_usual_ones() {
    let files = [
        ("application.yaml", "orders: {max-items: 1, greeting: usual}"),
        ("conf/shop.yaml", "orders: {max-items: 2}"),
        ("conf/shop-a.yaml", "orders: {max-items: 3}"),
        ("more.yaml", "orders: {greeting: more}"),
    ];
    let settings = settled(&files, &[], &["--config", "conf/shop.yaml", "--config", "more.yaml", "--profile=a"]);
    assert_eq!((settings.own.max_items, settings.own.greeting.as_str()), (3, "more"));
    assert!(mistakes(&files, &[], &["--config=gone.yaml"]).contains("cannot read 'gone.yaml'"));
}

#[test]
fn every_mistake_of_every_layer_is_told_at_once_with_its_place() {
    let files = [
        ("application.yaml", "sever: {address: x}\norders:\n  max-itmes: 1\n  greeting: ${UNSET}\nordres: 1\n"),
        ("application-a.yaml", "server:\n  timeout: soon\n"),
    ];
    let shown =
        mistakes(&files, &[("GWANMUN__ORDERS__LAYERS", "5")], &["--profile=a", "--orders.max-items=many", "--x.y=1"]);
    for words in [
        "unknown key 'sever'",
        "application.yaml:1:1",
        "did you mean 'server'?",
        "unknown key 'max-itmes'",
        "application.yaml:3:3",
        "did you mean 'max-items'?",
        "the variable UNSET is not set",
        "application.yaml:4:13",
        "unknown key 'ordres'",
        "did you mean 'orders'?",
        "application-a.yaml:2:12",
        "environment GWANMUN__ORDERS__LAYERS:1:1",
        "command line:1:20",
        "--orders.max-items=many",
        "expected a whole number from 0 to 4294967295, found 'many'",
        "unknown key 'x'",
        "--x.y=1",
    ] {
        assert!(shown.contains(words), "{words} is not in\n{shown}");
    }
}

#[test]
fn secrets_come_from_mounted_files_and_are_not_shown() {
    let files = [
        ("application.yaml", "orders: {password: '${file:secrets/db-password}'}"),
        ("secrets/db-password", "hunter2\n"),
    ];
    let settings = settled(&files, &[], &[]);
    assert_eq!(settings.own.password, "hunter2");
    assert!(settings.record.files.paths().any(|path| path.ends_with("secrets/db-password")), "it is watched");
    let shown = mistakes(&files, &[], &["--orders.password={hunter2: 1}"]);
    assert!(shown.contains("expected text") || shown.contains("expected a string"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_section_that_is_needed_and_not_there_is_told() {
    #[derive(Deserialize)]
    struct Needy {
        #[allow(dead_code, reason = "only decoded")]
        url: String,
    }
    let folder = folder(&[]);
    let reading: Reading<Needy> = read("orders", &start(folder.path(), &[], &[])).unwrap();
    let shown = reading.shown();
    assert!(shown.contains("missing key 'url' in the section 'orders', which is not there"), "{shown}");
    let ended = reading.settle().err().unwrap();
    assert_eq!(ended.code, 1);
}

#[test]
fn a_service_without_settings_of_its_own_has_no_section() {
    let folder = folder(&[("application.yaml", "orders: {a: 1}\n")]);
    let reading: Reading<()> = read("orders", &start(folder.path(), &[], &[])).unwrap();
    assert!(reading.shown().contains("unknown key 'orders'"), "{}", reading.shown());
    let empty = self::folder(&[]);
    let reading: Reading<()> = read("orders", &start(empty.path(), &[], &[])).unwrap();
    assert!(reading.settle().is_ok());
}

#[test]
fn files_of_other_kinds_are_not_read_silently() {
    let settings = settled(&[("application.yml", "orders: {max-items: 1}")], &[], &[]);
    assert!(settings.warnings.contains("application.yml is not read"));
}

#[test]
fn variables_that_name_profiles_elsewhere_are_not_ignored_silently() {
    let settings = settled(&[], &[("SPRING_PROFILES_ACTIVE", "prod"), ("GWANMUN_PROFILES", "prod")], &[]);
    for words in ["SPRING_PROFILES_ACTIVE is not read", "GWANMUN_PROFILES is not read", "named by GWANMUN_PROFILE"] {
        assert!(settings.warnings.contains(words), "{}", settings.warnings);
    }
}

#[test]
fn a_service_with_the_name_of_a_common_key_does_not_start() {
    let folder = folder(&[]);
    let ended = read::<Orders>("server", &start(folder.path(), &[], &[])).err().unwrap();
    assert_eq!(ended.code, 3);
}

fn page(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn operators_see_who_said_what_the_strongest_first_and_no_secrets() {
    let files = [
        (
            "application.yaml",
            "server: {address: '127.0.0.1:0'}\norders:\n  password: hunter2\n  greeting: ${NAME:-x}\n  layers: ['http://ann:hunter2@host/']\n",
        ),
        ("application-a.yaml", "orders:\n  greeting: ${file:greeting}\n"),
        ("greeting", "hunter2"),
    ];
    let folder = folder(&files);
    let start =
        start(folder.path(), &[("GWANMUN__ORDERS__MAX_ITEMS", "17")], &["--profile=a", "--orders.max-items=18"]);
    let settings: Settings<Orders> = read("orders", &start).unwrap().settle().ok().unwrap();
    let shown = settings.record.environment();
    let env = page(&shown);
    assert_eq!(env["activeProfiles"], serde_json::json!(["a"]));
    let names: Vec<&str> = env["propertySources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|source| source["name"].as_str().unwrap().rsplit('/').next().unwrap())
        .collect();
    assert_eq!(names, ["command line", "environment", "application-a.yaml", "application.yaml"]);
    let properties = |at: usize| &env["propertySources"][at]["properties"];
    assert_eq!(properties(0)["orders.max-items"], serde_json::json!({"value": 18, "origin": "command line"}));
    assert_eq!(properties(1)["orders.max-items"]["origin"], "environment GWANMUN__ORDERS__MAX_ITEMS");
    assert_eq!(properties(2)["orders.greeting"]["value"], "***");
    assert_eq!(properties(3)["orders.password"]["value"], "***");
    assert_eq!(properties(3)["orders.layers[0]"]["value"], "http://***@host/");
    let origin = properties(3)["server.address"]["origin"].as_str().unwrap();
    assert!(origin.ends_with("application.yaml:1:19"), "{origin}");
    let all = settings.record.properties("orders");
    let beans = &page(&all)["contexts"]["orders"]["beans"];
    assert_eq!(beans["orders"]["prefix"], "orders");
    assert_eq!(beans["orders"]["properties"]["max-items"], 18);
    assert_eq!(beans["orders"]["properties"]["greeting"], "***");
    assert_eq!(beans["orders"]["inputs"]["max-items"]["origin"], "command line");
    assert!(!shown.contains("hunter2") && !all.contains("hunter2"));
}

/// What the pages show in blocks of the kind `yaml service` is read as the configuration of a service called `orders`.
#[test]
fn the_pages_show_good_configurations() {
    type Anything = std::collections::BTreeMap<String, serde_json::Value>;
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/chassis");
    let mut shown = 0;
    for page in std::fs::read_dir(pages).unwrap().map(|page| page.unwrap().path()) {
        let text = std::fs::read_to_string(&page).unwrap();
        for block in text.split("```yaml service\n").skip(1) {
            let block = block.split("```").next().unwrap();
            let folder = folder(&[("application.yaml", block), ("run/secrets/db-password", "x")]);
            let start = start(folder.path(), &[("PASSPORT_ISSUER", "https://gw.example")], &[]);
            let reading: Reading<Anything> = read("orders", &start).unwrap();
            assert!(!reading.diagnostics.has_errors(), "{}:\n{}", page.display(), reading.shown());
            shown += 1;
        }
    }
    assert!(shown >= 3, "the blocks are found");
}
