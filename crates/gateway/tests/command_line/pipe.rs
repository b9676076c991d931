//! Where the output goes: to a pipe without colours, and a reader that leaves early is no failure.

use std::io::Read;
use std::process::Stdio;

use crate::{Folder, SHOP};

const COMMANDS: [&[&str]; 7] = [
    &["check", "gw.yaml"],
    &["explain", "gw.yaml", "GET", "/shop/orders/7"],
    &["test", "gw.yaml"],
    &["routes", "gw.yaml"],
    &["filters"],
    &["filters", "path"],
    &["schema"],
];

#[test]
fn a_pipe_gets_no_colours() {
    let folder = Folder::with(&[("gw.yaml", SHOP), ("bad.yaml", "routs: []\n")]);
    for arguments in COMMANDS.iter().chain(&[&["check", "bad.yaml"][..]]) {
        let ended = folder.gwanmun(arguments);
        assert!(!ended.out.contains('\u{1b}') && !ended.err.contains('\u{1b}'), "{arguments:?}");
        assert!(!ended.out.is_empty() || !ended.err.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let folder = Folder::with(&[("gw.yaml", SHOP)]);
    for arguments in COMMANDS {
        let mut child = folder.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut err = String::new();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn an_output_that_cannot_be_written_is_a_failure() {
    let folder = Folder::with(&[("gw.yaml", SHOP)]);
    for arguments in COMMANDS {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = folder.command(arguments).stdout(full).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {err}");
        assert_eq!(err.matches("error: stdout cannot be written: ").count(), 1, "{arguments:?}: {err}");
    }
}
