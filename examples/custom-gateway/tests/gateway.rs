//! The example as its users meet it: the binary, run on the configuration beside it.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Output};

fn custom_gateway(arguments: &[&str]) -> io::Result<Output> {
    let folder = env!("CARGO_MANIFEST_DIR");
    Command::new(env!("CARGO_BIN_EXE_custom-gateway")).args(arguments).current_dir(folder).output()
}

#[test]
fn the_tests_in_the_configuration_pass() {
    let output = custom_gateway(&["test", "gateway.yaml"]).unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.ends_with("2 tests, all good\n"), "{printed}");
}

#[test]
fn the_filter_documents_itself() {
    let output = custom_gateway(&["filters", "maintenance"]).unwrap();
    let page = String::from_utf8_lossy(&output.stdout);
    assert!(page.starts_with("maintenance (filter)\n\nAnswers 503"), "{page}");
    assert!(page.contains("When clients may come back.") && page.contains("X-Operator"), "{page}");
}

#[test]
fn a_bad_argument_is_shown_at_its_place() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bad.yaml");
    fs::write(&file, "routes:\n  - id: a\n    filters:\n      - maintenance: {retry-after: 10m, pass: X Operator}\n")
        .unwrap();
    let output = custom_gateway(&["check", file.to_str().unwrap()]).unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{complaint}");
    assert!(complaint.contains("bad.yaml:4:47") && complaint.contains("found 'X Operator'"), "{complaint}");
}
