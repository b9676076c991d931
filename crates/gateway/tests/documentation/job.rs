//! A gateway that a document starts in the background.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use gwanmun_testkit::PATIENCE;
use serde_json::Value;

use crate::GWANMUN;

/// A running gateway; dropped, it is killed.
pub(crate) struct Job {
    child: Child,
    files: Vec<String>,
    log: Receiver<String>,
    seen: String,
}

impl Job {
    /// Runs `gwanmun run FILES` in `folder` and waits until it is ready. `output` takes its access log.
    pub(crate) fn start(
        folder: &Path,
        files: &[&str],
        management: Option<&str>,
        output: Option<File>,
    ) -> Result<Self, String> {
        let mut command = Command::new("setpriv");
        // Bound to the life of the test, however that ends.
        command.args(["--pdeathsig", "KILL", GWANMUN, "run"]).args(files).current_dir(folder).stdin(Stdio::null());
        command.stdout(output.map_or_else(Stdio::null, Stdio::from)).stderr(Stdio::piped());
        if let Some(address) = management {
            command.env("GWANMUN__MANAGEMENT__ADDRESS", address);
        }
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, log) = channel();
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let files = files.iter().map(|file| (*file).to_owned()).collect();
        let mut job = Self { child, files, log, seen: String::new() };
        job.wait_for("ready")?;
        Ok(job)
    }

    /// Whether `file` is one of its configuration.
    pub(crate) fn runs(&self, file: &str) -> bool {
        self.files.iter().any(|known| known == file)
    }

    /// Waits until it has taken over another configuration.
    pub(crate) fn reloaded(&mut self) -> Result<(), String> {
        self.wait_for("reloaded")
    }

    /// Stops it as an operator would.
    pub(crate) fn stop(mut self) -> Result<(), String> {
        self.signal("TERM");
        self.wait_for("stopped")?;
        let status = self.child.wait().unwrap();
        if status.success() { Ok(()) } else { Err(format!("the gateway ended with {status}")) }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success(), "no {name} could be sent");
    }

    fn wait_for(&mut self, event: &str) -> Result<(), String> {
        while let Ok(line) = self.log.recv_timeout(PATIENCE) {
            self.seen.push_str(&line);
            self.seen.push('\n');
            if serde_json::from_str::<Value>(&line).is_ok_and(|line| line["event"] == event) {
                return Ok(());
            }
        }
        Err(format!("waited in vain for the gateway to be {event}:\n{}", self.seen))
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
