//! `gwanmun new service`: what it writes is whole, good, and nobody else's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Folder;

const FILES: [&str; 13] = [
    ".dockerignore",
    ".gitignore",
    "Cargo.toml",
    "Dockerfile",
    "README.md",
    "application-production.yaml",
    "application.yaml",
    "gateway/developer.key",
    "gateway/gateway.yaml",
    "gateway/keys.yaml",
    "rustfmt.toml",
    "src/main.rs",
    "src/tests.rs",
];

/// The top of this checkout.
fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_path_buf()
}

fn written(folder: &Folder, name: &str) -> PathBuf {
    let ended = folder.gwanmun(&["new", "service", name]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains(&format!("cd ./{name}")) && ended.out.contains("cargo test"), "{}", ended.out);
    folder.path().join(name)
}

#[test]
fn every_file_is_written_and_no_word_is_left_to_be_replaced() {
    let folder = Folder::with(&[]);
    let service = written(&folder, "order-history");
    for file in FILES {
        let text = fs::read_to_string(service.join(file)).unwrap();
        for word in ["@NAME@", "@TYPE@", "@CHASSIS", "@DOCKER", "@VARIABLE@", "@HASH@", "@KEY@"] {
            assert!(!text.contains(word), "{file} has {word}");
        }
    }
    let main = fs::read_to_string(service.join("src/main.rs")).unwrap();
    assert!(main.contains(r#"Service::new("order-history")"#) && main.contains("struct OrderHistoryConfig"));
    assert!(fs::read_to_string(service.join("Cargo.toml")).unwrap().contains("gwanmun-chassis = \"0."));
    let key = fs::metadata(service.join("gateway/developer.key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
}

#[test]
fn the_gateway_in_front_is_good_and_no_two_have_the_same_key() {
    let folder = Folder::with(&[]);
    let keys = ["orders", "kitchen"].map(|name| {
        let service = written(&folder, name);
        let gateway = service.join("gateway/gateway.yaml");
        let checked = folder.gwanmun(&["check", gateway.to_str().unwrap()]);
        assert_eq!(checked.code, 0, "{}", checked.err);
        fs::read_to_string(service.join("gateway/developer.key")).unwrap()
    });
    assert_ne!(keys[0], keys[1]);
    assert_eq!(keys[0].len(), 64);
}

#[test]
fn what_is_there_is_not_touched_and_bad_names_are_refused() {
    let folder = Folder::with(&[]);
    fs::create_dir(folder.path().join("orders")).unwrap();
    for (arguments, words) in [
        (&["orders"][..], "is there already"),
        (&["Orders"], "is no name"),
        (&["../orders"], "is no name"),
        (&["match"], "the word is taken"),
        (&["server"], "every service has this key"),
        (&["fine", "--directory", "nowhere"], "cannot be used"),
        (&["fine", "--checkout", "."], "is no checkout"),
    ] {
        let all: Vec<&str> = ["new", "service"].into_iter().chain(arguments.iter().copied()).collect();
        let ended = folder.gwanmun(&all);
        assert_eq!(ended.code, 2, "{arguments:?}");
        assert!(ended.err.contains(words), "{arguments:?}: {}", ended.err);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(fs::read_dir(folder.path().join("orders")).unwrap().count(), 0);
}

#[test]
#[ignore = "slow: builds a service"]
fn the_service_builds_its_tests_pass_and_its_image_would_start() {
    let folder = Folder::with(&[]);
    let top = checkout();
    let ended = folder.gwanmun(&["new", "service", "orders", "--checkout", top.to_str().unwrap()]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let service = folder.path().join("orders");
    // The versions that are here: nothing is fetched, and what is built is found.
    fs::copy(top.join("Cargo.lock"), service.join("Cargo.lock")).unwrap();
    let cargo = |arguments: &[&str]| {
        let mut cargo = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
        cargo.args(arguments).current_dir(&service);
        cargo.env("CARGO_TARGET_DIR", top.join("target/new-service"));
        // As this workspace has it, which is faster than to build them without.
        let settings = ["debug=\"line-tables-only\"", "package.\"*\".opt-level=1", "package.\"*\".debug=false"];
        for setting in settings.into_iter().filter(|_| arguments != ["fmt", "--check"]) {
            cargo.args(["--config", &format!("profile.dev.{setting}")]);
        }
        let output = cargo.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    cargo(&["metadata", "--offline", "--format-version", "1"]);
    let told = cargo(&["test", "--offline"]);
    assert!(told.contains("4 passed"), "{told}");
    cargo(&["fmt", "--check"]);
    // What the Dockerfile does, without the optimiser.
    let docker = fs::read_to_string(service.join("Dockerfile")).unwrap();
    assert!(docker.contains("cargo build --release --locked && cp /build/target/release/orders /orders"));
    cargo(&["build", "--offline", "--locked"]);
    let app = folder.path().join("app");
    fs::create_dir(&app).unwrap();
    fs::copy(top.join("target/new-service/debug/orders"), app.join("orders")).unwrap();
    for file in ["application.yaml", "application-production.yaml"] {
        assert!(docker.contains(file));
        fs::copy(service.join(file), app.join(file)).unwrap();
    }
    let mut check = Command::new(app.join("orders"));
    check.arg("--check").current_dir(&app).env_clear().env("GWANMUN_PROFILE", "production");
    let output = check.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
