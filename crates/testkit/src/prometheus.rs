//! Debian's Prometheus as a process, and its `promtool`: the real reader of our metrics. For the full tier.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::connection::Connection;
use crate::form::encoded;
use crate::log::Log;
use crate::patience::{eventually, patiently};
use crate::process::Process;

/// A Prometheus that looks at its targets every second; dropped, it is killed.
pub struct Prometheus {
    _process: Process,
    _folder: TempDir,
    address: SocketAddr,
}

impl Prometheus {
    /// One that scrapes `/metrics` of these targets: the name of the job, and where it listens.
    pub async fn scraping(targets: &[(&str, SocketAddr)]) -> Self {
        let folder = TempDir::new().unwrap();
        let job = |(name, address): &(&str, SocketAddr)| {
            format!("  - {{job_name: '{name}', static_configs: [{{targets: ['{address}']}}]}}\n")
        };
        let jobs: String = targets.iter().map(job).collect();
        let configuration = format!("global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n{jobs}");
        fs::write(folder.path().join("prometheus.yml"), configuration).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data"]);
        command.args(["--web.listen-address=127.0.0.1:0", "--log.format=json"]).current_dir(folder.path());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Log::of(child.stderr.take().unwrap());
        let process = Process::of(child);
        let listening = log.line(|line| line["msg"] == "Listening on").await;
        log.line(|line| line["msg"] == "Server is ready to receive web requests.").await;
        let address = listening["address"].as_str().and_then(|address| address.parse().ok()).unwrap();
        Self { _process: process, _folder: folder, address }
    }

    /// The first value of an expression; waits for it.
    pub async fn value(&self, expression: &str) -> f64 {
        eventually(expression, async || self.ask(expression).await).await
    }

    async fn ask(&self, expression: &str) -> Option<f64> {
        let target = format!("/api/v1/query?query={}", encoded(expression));
        let answer = patiently("Prometheus", async { Connection::tcp(self.address).await.get(&target).await }).await;
        let answer: Value = answer.json();
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    }
}

/// What `promtool` says to `input` when it is called with `arguments`.
///
/// # Errors
/// What it says where it is not content.
pub fn promtool(arguments: &[&str], input: &str) -> Result<String, String> {
    let mut command = Command::new("promtool");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("is promtool installed? {error}"));
    let mut pipe = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || {
        // It may have ended without reading all of it.
        let _ = pipe.write_all(input.as_bytes());
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    if output.status.success() { Ok(said) } else { Err(said) }
}

/// Checks a page of metrics as `promtool check metrics` does, its complaints about style included.
///
/// # Panics
/// When it has any.
pub fn promtool_has_no_complaint(page: &str) {
    let said = promtool(&["check", "metrics"], page);
    assert_eq!(said.as_deref(), Ok(""), "{page}");
}
