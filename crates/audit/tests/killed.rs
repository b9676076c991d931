//! A process that is killed while it writes takes nothing with it that it has acknowledged.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "whatever goes wrong in a test is a failed test")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use gwanmun_audit::{AuditLog, Decision, Event, Record, Settings, verify};
use gwanmun_core::{SystemClock, Tallies};

/// Where the process that is to be killed writes its log.
const FILE: &str = "KILLED_WRITER_FILE";
const ACKNOWLEDGED: &str = "acknowledged ";
const WRITERS: usize = 8;

#[test]
fn what_was_acknowledged_outlives_a_kill() {
    // The test starts itself again as the process that is killed.
    if let Some(file) = std::env::var_os(FILE) {
        write_for_ever(Path::new(&file));
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let mut acknowledged = 0;
    for (round, most) in [40, 1, 700].into_iter().enumerate() {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "what_was_acknowledged_outlives_a_kill", "--nocapture"])
            .env(FILE, &file)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(writer.stdout.take().unwrap());
        let mut actors = Vec::new();
        for line in out.lines() {
            let line = line.unwrap();
            if let Some(actor) = line.split_once(ACKNOWLEDGED).map(|(_, actor)| actor) {
                actors.push(format!("\"actor\":\"{actor}\""));
            }
            if actors.len() == most {
                // SIGKILL. What was printed before it arrives was acknowledged too.
                writer.kill().unwrap();
            }
        }
        writer.wait().unwrap();
        assert!(actors.len() >= most, "round {round}: {}", actors.len());
        acknowledged += actors.len();
        let text = std::fs::read_to_string(&file).unwrap();
        for actor in actors {
            assert!(text.contains(&actor), "round {round}: {actor} was acknowledged and is not there");
        }
    }
    let summary = verify(&[file], &[], |_| ()).unwrap();
    assert!(summary.lines >= u64::try_from(acknowledged).unwrap() && summary.keys.len() == 3, "{summary:?}");
}

fn write_for_ever(file: &Path) {
    let mut settings = Settings::new(file);
    settings.sign_every = 50;
    settings.patience = Duration::from_secs(60);
    let log = AuditLog::open(settings, Arc::new(SystemClock), &Tallies::default()).unwrap();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let log = log.clone();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                for number in 0.. {
                    let actor = format!("{}-{writer}-{number}", std::process::id());
                    let record = Record::new(Event::Authorize, Decision::Allow).actor(&actor);
                    runtime.block_on(log.record(&record)).unwrap();
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "{ACKNOWLEDGED}{actor}").unwrap();
                    out.flush().unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
}
