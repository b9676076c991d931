//! The documents keep what they promise. README.md and every file below docs/ is read as a person would follow it:
//!
//! - a `yaml` block that begins with `# file: NAME` is written to an empty folder, one for each document; one without is a
//!   configuration by itself. All of them pass `gwanmun check` and their tests, but for lists, which others name,
//! - the lines of a `sh` block are run in that folder and succeed; `# exits with 1` at the end of a line says otherwise,
//! - a `text` block after them is what they print; `…` stands for anything, a line `...` for any lines,
//! - `gwanmun run FILE &` starts a gateway, which notices when a line changes its file; `kill %1` ends the first. Ports are
//!   replaced by free ones in what these serve and in the `curl` lines that ask them.
//!
//! Blocks of any other kind are for the eye only.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever goes wrong in a test is a failed test"
)]

mod block;
mod job;
mod pattern;
mod ports;
mod reference;
mod session;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use block::blocks;
use gwanmun_testkit::Authority;
use session::Session;

/// The binary that is documented.
const GWANMUN: &str = env!("CARGO_BIN_EXE_gwanmun");

#[test]
fn what_the_documents_show_is_what_happens() {
    let documents = documents();
    assert!(documents.len() > 5, "the documents are not where they are looked for: {documents:?}");
    let failures: Vec<String> = std::thread::scope(|scope| {
        let runs: Vec<_> = documents.iter().map(|path| scope.spawn(|| Session::follow(&blocks(path)))).collect();
        let outcomes =
            runs.into_iter().map(|run| run.join().unwrap_or_else(|_| vec!["the session panicked".to_owned()]));
        documents.iter().zip(outcomes).flat_map(|(path, failures)| told(path, failures)).collect()
    });
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn the_examples_are_good_and_their_tests_pass() {
    let mut found = Vec::new();
    collect(&root().join("examples"), "yaml", &mut found);
    // A gateway of its own knows more filters; its own tests check its configuration. The shop's are for one machine, which
    // `check` warns of.
    found.retain(|path| !path.with_file_name("Cargo.toml").exists() && !path.starts_with(root().join("examples/shop")));
    assert!(!found.is_empty(), "no example was found");
    for path in found {
        for command in ["check", "test"] {
            let output = gwanmun(&[command, path.to_str().unwrap()]);
            let complaint = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && complaint.is_empty(), "{command} {}:\n{complaint}", path.display());
        }
    }
}

#[test]
fn the_gateways_of_the_shop_are_good() {
    let mut found = Vec::new();
    collect(&root().join("examples/shop/gateways"), "yaml", &mut found);
    assert!(!found.is_empty(), "the shop has no gateways");
    // `cargo xtask shop` makes them.
    let folder = tempfile::TempDir::new().unwrap();
    let authority = Authority::new();
    let identity = authority.issue(&["gateway"]);
    for (name, text) in [("ca.pem", authority.pem()), ("gateway.pem", identity.pem()), ("gateway.key", identity.key())]
    {
        fs::write(folder.path().join(name), text).unwrap();
    }
    for path in found {
        let mut check = Command::new(GWANMUN);
        let output = check.args(["check", path.to_str().unwrap()]).env("CERTIFICATES", folder.path()).output().unwrap();
        assert!(output.status.success(), "{}:\n{}", path.display(), String::from_utf8_lossy(&output.stderr));
    }
}

/// README.md and everything below docs/.
fn documents() -> Vec<PathBuf> {
    let mut found = vec![root().join("README.md")];
    collect(&root().join("docs"), "md", &mut found);
    found.sort();
    found
}

fn collect(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, extension, found);
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
}

fn told(path: &Path, failures: Vec<String>) -> Vec<String> {
    let name = path.strip_prefix(root()).unwrap().display();
    failures.into_iter().map(|failure| format!("{name}: {failure}")).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

fn gwanmun(arguments: &[&str]) -> Output {
    Command::new(GWANMUN).args(arguments).output().unwrap()
}
