//! Whatever is done to a log is found, and at the first line that is not what was written.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "whatever goes wrong in a test is a failed test"
)]

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use gwanmun_audit::{AuditLog, Decision, Event, Flaw, Record, Settings, Summary, Unverified, verify};
use gwanmun_core::{SystemClock, Tallies};
use proptest::prelude::*;
use proptest::sample::Index;

/// The lines of a log, newlines included, file by file.
type Files = Vec<Vec<Vec<u8>>>;

/// A log of some files that ends in order; its heads are seven lines apart.
static LOG: LazyLock<Files> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let mut settings = Settings::new(&file);
    settings.sign_every = 7;
    settings.patience = Duration::from_secs(60);
    settings.max_bytes = Some(5000);
    let log = AuditLog::open(settings, Arc::new(SystemClock), &Tallies::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for number in 0..40 {
        let path = format!("/orders/{number}/\"é\n");
        let record = Record::new(Event::Authorize, Decision::Deny).actor("u1").resource("orders.example", &path);
        runtime.block_on(log.record(&record)).unwrap();
    }
    log.close();
    let mut files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    // Files that were set aside sort by age.
    files.sort();
    files.retain(|other| *other != file);
    files.push(file);
    assert!(files.len() > 2);
    files.iter().map(|file| lines(&fs::read(file).unwrap())).collect()
});

fn lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

fn count() -> usize {
    LOG.iter().map(Vec::len).sum()
}

/// Where a line stands: file and line, both from 0 on.
fn place(index: usize) -> (usize, usize) {
    let mut rest = index;
    for (file, lines) in LOG.iter().enumerate() {
        if rest < lines.len() {
            return (file, rest);
        }
        rest -= lines.len();
    }
    panic!("there are fewer lines");
}

fn check(files: &[Vec<Vec<u8>>]) -> Result<Summary, Unverified> {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (0..files.len()).map(|number| folder.path().join(number.to_string())).collect();
    for (path, lines) in paths.iter().zip(files) {
        fs::write(path, lines.concat()).unwrap();
    }
    verify(&paths, &[], |_| ())
}

/// The file and the line, from 0 on, that is told to be wrong.
fn first_bad(files: &[Vec<Vec<u8>>]) -> ((usize, usize), Flaw) {
    let outcome = check(files);
    let Err(Unverified::Broken { file, line, flaw }) = outcome else { panic!("not found: {outcome:?}") };
    let file = file.file_name().unwrap().to_str().unwrap().parse().unwrap();
    ((file, usize::try_from(line).unwrap() - 1), flaw)
}

/// A copy of the log, with something done to the line at `index` of its file.
fn damaged(index: usize, damage: impl FnOnce(&mut Vec<Vec<u8>>, usize)) -> Files {
    let mut files = LOG.clone();
    let (file, line) = place(index);
    damage(&mut files[file], line);
    files
}

/// A line that fits into the chain after `before`.
fn forged(seq: usize, before: &[u8]) -> Vec<u8> {
    let hash = digest(&SHA256, before.strip_suffix(b"\n").unwrap());
    let prev: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let time = "2026-01-01T00:00:00.000000Z";
    let line = format!(r#"{{"seq":{seq},"time":"{time}","prev":"{prev}","event":"authorize","decision":"allow"}}"#);
    [line.as_bytes(), b"\n"].concat()
}

/// A made-up line that fits where the line at `index` stands.
fn forged_at(index: usize) -> Vec<u8> {
    let (file, line) = place(index - 1);
    forged(index + 1, &LOG[file][line])
}

#[test]
fn what_was_written_is_good() {
    let summary = check(&LOG).unwrap();
    let lines = u64::try_from(count()).unwrap();
    assert_eq!((summary.lines, summary.last, summary.signed_up_to, summary.unsigned_tail), (lines, lines, lines, 0));
    assert_eq!((summary.follows, summary.is_closed, summary.keys.len()), (None, true, 1));
    assert_eq!(summary.lines - summary.heads, 40);
}

#[test]
fn later_files_are_good_by_themselves_and_say_what_they_follow() {
    let summary = check(&LOG[1..]).unwrap();
    assert_eq!(summary.follows.map(|(last, _)| last), Some(u64::try_from(LOG[0].len()).unwrap()));
}

#[test]
fn a_file_that_is_missing_is_found() {
    let (at, flaw) = first_bad(&[LOG[0].clone(), LOG[2].clone()]);
    assert!(at == (1, 0) && matches!(flaw, Flaw::OutOfTurn { .. }), "{at:?} {flaw:?}");
}

#[test]
fn an_end_that_was_cut_off_shows() {
    let mut files = LOG.clone();
    files.last_mut().unwrap().pop();
    let summary = check(&files).unwrap();
    assert!(!summary.is_closed && summary.unsigned_tail > 0);
}

#[test]
fn lines_nobody_signs_do_not_go_on_for_ever() {
    let mut file = vec![LOG[0][0].clone()];
    for seq in 2..20 {
        file.push(forged(seq, file.last().unwrap()));
    }
    assert_eq!(first_bad(&[file]), ((0, 8), Flaw::HeadDue { every: 7 }));
}

#[test]
fn a_log_without_a_line_is_not_good() {
    assert!(matches!(check(&[Vec::new(), Vec::new()]), Err(Unverified::Empty)));
}

#[test]
fn a_file_without_an_end_of_line_is_not_read_into_memory() {
    let endless = vec![vec![b'x'; 10_000_000]];
    assert_eq!(first_bad(&[endless]), ((0, 0), Flaw::TooLong));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(150) })]

    #[test]
    fn a_byte_that_was_changed_is_found(index: Index, at: Index, byte: u8) {
        let index = index.index(count());
        let (file, line) = place(index);
        let bytes = &LOG[file][line];
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        let files = damaged(index, |lines, line| lines[line][at] = byte);
        prop_assert_eq!(first_bad(&files).0, (file, line));
    }

    #[test]
    fn a_line_that_was_removed_is_found(index: Index) {
        // Without the first line the log begins in the middle of its chain; without the last it ends earlier.
        let index = 1 + index.index(count() - 2);
        let (file, line) = place(index);
        let files = damaged(index, |lines, line| drop(lines.remove(line)));
        let wanted = if line < files[file].len() { (file, line) } else { (file + 1, 0) };
        prop_assert_eq!(first_bad(&files).0, wanted);
    }

    #[test]
    fn lines_that_were_swapped_are_found(one: Index, other: Index) {
        let (one, other) = (one.index(count()), other.index(count()));
        prop_assume!(one != other);
        let ((file, line), (to_file, to_line)) = (place(one), place(other));
        let mut files = LOG.clone();
        files[file][line] = LOG[to_file][to_line].clone();
        files[to_file][to_line] = LOG[file][line].clone();
        // Any line may be the first, so there the second is the first that is wrong.
        prop_assert_eq!(first_bad(&files).0, place(one.min(other).max(1)));
    }

    #[test]
    fn a_line_that_was_doubled_is_found(index: Index) {
        let index = index.index(count());
        let (file, line) = place(index);
        let files = damaged(index, |lines, line| lines.insert(line, lines[line].clone()));
        prop_assert_eq!(first_bad(&files).0, (file, line + 1));
    }

    #[test]
    fn a_line_from_elsewhere_is_found(index: Index, from: Index) {
        let (index, from) = (1 + index.index(count() - 1), from.index(count()));
        prop_assume!(from != index);
        let (from_file, from_line) = place(from);
        let files = damaged(index, |lines, line| lines.insert(line, LOG[from_file][from_line].clone()));
        prop_assert_eq!(first_bad(&files).0, place(index));
    }

    #[test]
    fn a_line_that_was_made_up_is_found(index: Index) {
        let index = 1 + index.index(count() - 1);
        let files = damaged(index, |lines, line| lines.insert(line, forged_at(index)));
        prop_assert_eq!(first_bad(&files).0, place(index));
    }

    #[test]
    fn a_line_that_was_replaced_by_one_that_fits_is_found(index: Index) {
        let index = 1 + index.index(count() - 2);
        let files = damaged(index, |lines, line| lines[line] = forged_at(index));
        prop_assert_eq!(first_bad(&files).0, place(index));
    }

    #[test]
    fn a_file_that_was_cut_within_a_line_is_found(index: Index, at: Index) {
        let index = index.index(count());
        let (file, line) = place(index);
        let at = 1 + at.index(LOG[file][line].len() - 1);
        let mut files = LOG.clone();
        files.truncate(file + 1);
        files[file].truncate(line + 1);
        files[file][line].truncate(at);
        prop_assert_eq!(first_bad(&files), ((file, line), Flaw::Torn));
    }
}
