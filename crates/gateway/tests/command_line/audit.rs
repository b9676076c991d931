//! `gwanmun audit verify`.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use gwanmun_audit::{AuditLog, Decision, Event, Record, Settings};
use gwanmun_core::{Secret, SystemClock, Tallies};

use crate::Folder;

/// The keys of RFC 8037, appendix A.1 and A.2, and the thumbprint of A.3.
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
const JWK: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const OTHER: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"}"#;
const KID: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

/// A folder with keys and a log of four records, which ends in order.
fn folder() -> Folder {
    let folder =
        Folder::with(&[("audit.pem", PRIVATE), ("audit.jwk", JWK), ("other.jwk", OTHER), ("no.pem", "no key")]);
    let mut settings = Settings::new(folder.path().join("audit.jsonl"));
    settings.key = Some(Secret::new(PRIVATE.as_bytes().to_vec()));
    settings.sign_every = 3;
    settings.patience = Duration::from_secs(60);
    let log = AuditLog::open(settings, Arc::new(SystemClock), &Tallies::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for actor in ["u1", "u2", "u3", "u4"] {
        runtime.block_on(log.record(&Record::new(Event::Authorize, Decision::Deny).actor(actor))).unwrap();
    }
    log.close();
    folder
}

#[test]
fn a_good_log_is_summed_up() {
    let ended = folder().gwanmun(&["audit", "verify", "audit.jsonl"]);
    let wanted = format!(
        "The log is good.\n4 records and 3 heads, up to line 7 of the chain.\nSigned up to line 7, the last.\n\
         Signed by {KID}: 3 heads.\nThe keys are those that the log names: check one that you know with --key.\n"
    );
    assert_eq!((ended.code, ended.out, ended.err.as_str()), (0, wanted, ""));
}

#[test]
fn an_end_that_is_not_signed_is_told() {
    let folder = folder();
    let log = fs::read_to_string(folder.path().join("audit.jsonl")).unwrap();
    let lines: Vec<&str> = log.split_inclusive('\n').collect();
    fs::write(folder.path().join("cut.jsonl"), lines[2..6].concat()).unwrap();
    let ended = folder.gwanmun(&["audit", "verify", "cut.jsonl"]);
    assert_eq!(ended.code, 0);
    for wanted in [
        "It begins after line 2 of its chain, whose hash is ",
        "3 records and 1 head, up to line 6 of the chain.\nSigned up to line 5; not signed: 1 line after it.\n",
        "It does not end in order",
    ] {
        assert!(ended.out.contains(wanted), "{wanted}\n{}", ended.out);
    }
}

#[test]
fn the_first_bad_line_is_named() {
    let folder = folder();
    let log = fs::read_to_string(folder.path().join("audit.jsonl")).unwrap();
    fs::write(folder.path().join("changed.jsonl"), log.replace("\"u2\"", "\"u9\"")).unwrap();
    let lines: Vec<&str> = log.split_inclusive('\n').collect();
    fs::write(folder.path().join("removed.jsonl"), [&lines[..2], &lines[3..]].concat().concat()).unwrap();
    for (file, wanted) in [
        ("changed.jsonl", "changed.jsonl:3: the line was changed: its hash is "),
        ("removed.jsonl", "removed.jsonl:3: line 3 of the chain is wanted, found line 4\n"),
    ] {
        let ended = folder.gwanmun(&["audit", "verify", file]);
        assert!(ended.code == 1 && ended.out.is_empty() && ended.err.starts_with(wanted), "{}", ended.err);
    }
}

#[test]
fn several_files_are_one_log() {
    let folder = folder();
    let log = fs::read_to_string(folder.path().join("audit.jsonl")).unwrap();
    let lines: Vec<&str> = log.split_inclusive('\n').collect();
    fs::write(folder.path().join("a"), lines[..3].concat()).unwrap();
    fs::write(folder.path().join("b"), lines[3..].concat()).unwrap();
    assert_eq!(folder.gwanmun(&["audit", "verify", "a", "b"]).code, 0);
    let ended = folder.gwanmun(&["audit", "verify", "b", "a"]);
    assert_eq!((ended.code, ended.err.as_str()), (1, "a:1: line 8 of the chain is wanted, found line 1\n"));
}

#[test]
fn a_key_that_is_given_has_to_be_the_one_that_signed() {
    let folder = folder();
    for key in ["audit.pem", "audit.jwk"] {
        let ended = folder.gwanmun(&["audit", "verify", "audit.jsonl", "--key", key]);
        assert!(ended.code == 0 && !ended.out.contains("--key"), "{key}: {}", ended.err);
    }
    assert_eq!(folder.gwanmun(&["audit", "verify", "audit.jsonl", "--key", "other.jwk", "--key", "audit.jwk"]).code, 0);
    let ended = folder.gwanmun(&["audit", "verify", "audit.jsonl", "--key", "other.jwk"]);
    let wanted = format!("audit.jsonl:1: the head is signed by another key, {KID}\n");
    assert_eq!((ended.code, ended.err), (1, wanted));
    for (key, wanted) in [("no.pem", "no.pem: the key cannot be used: "), ("none.pem", "none.pem: No such file")] {
        let ended = folder.gwanmun(&["audit", "verify", "audit.jsonl", "--key", key]);
        assert!(ended.code == 1 && ended.err.starts_with(wanted), "{}", ended.err);
    }
}

#[test]
fn what_cannot_be_read_is_no_good_log_and_no_file_is_wrong_usage() {
    let folder = folder();
    let ended = folder.gwanmun(&["audit", "verify", "none.jsonl"]);
    assert!(ended.code == 1 && ended.err.starts_with("none.jsonl: No such file"), "{}", ended.err);
    for arguments in [&["audit"][..], &["audit", "verify"], &["audit", "sign"]] {
        assert_eq!(folder.gwanmun(arguments).code, 2, "{arguments:?}");
    }
}
