//! The real binary as a process, on ports of its own, with its logs at hand.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::connection::Connection;
use crate::log::Log;
use crate::message::Message;
use crate::patience::{eventually, patiently};
use crate::process::{Process, peak_memory};

/// What is written where a configuration leaves it out.
const LISTENERS: &str = "listeners: [{name: web, address: 127.0.0.1:0}]\n";
const MANAGEMENT: &str = "management: {address: 127.0.0.1:0}\n";

/// A gateway that serves. Dropped, it is killed; [`Gateway::stop`] ends it as an operator would.
pub struct Gateway {
    process: Process,
    setup: Setup,
    access: Log,
    log: Log,
}

/// A gateway that is about to start, with the files it needs.
pub struct Setup {
    binary: PathBuf,
    folder: TempDir,
    open_files: Option<String>,
}

/// Why a gateway did not start.
#[derive(Debug)]
pub struct Refusal {
    /// The exit code.
    pub code: i32,
    /// All of stderr.
    pub text: String,
}

impl Setup {
    /// A folder for a gateway that `binary` will serve.
    pub fn of(binary: impl Into<PathBuf>) -> Self {
        Self { binary: binary.into(), folder: TempDir::new().unwrap(), open_files: None }
    }

    /// The folder of the configuration, which relative paths in it begin at.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file beside the configuration.
    pub fn with_file(self, name: &str, contents: impl AsRef<[u8]>) -> Self {
        fs::write(self.folder.path().join(name), contents).unwrap();
        self
    }

    /// Lets the process have `soft` open files, and as many as `hard` if it asks.
    pub fn with_open_files(self, soft: u64, hard: u64) -> Self {
        Self { open_files: Some(format!("--nofile={soft}:{hard}")), ..self }
    }

    /// Starts with a configuration. It gets a listener `web` and a management port, both on a free port of this machine,
    /// if it has no `listeners` and no `management`.
    pub async fn start(self, configuration: &str) -> Gateway {
        match self.try_start(configuration).await {
            Ok(gateway) => gateway,
            Err(refusal) => panic!("the gateway ended with {}:\n{}", refusal.code, refusal.text),
        }
    }

    /// Starts, or says why not.
    pub async fn try_start(self, configuration: &str) -> Result<Gateway, Refusal> {
        self.write(configuration);
        // Bound to the life of the test, however that ends.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if let Some(limits) = &self.open_files {
            command.args(["prlimit", limits]);
        }
        command.arg(&self.binary).arg("run").arg(self.file());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (access, log) = (Log::of(child.stdout.take().unwrap()), Log::of(child.stderr.take().unwrap()));
        let process = Process::of(child);
        let ready = patiently("the gateway to be ready", log.line_before_end(|line| line["event"] == "ready")).await;
        match ready {
            Some(_) => Ok(Gateway { process, setup: self, access, log }),
            None => Err(Refusal { code: process.ended().await, text: log.text() }),
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("gateway.yaml")
    }

    fn write(&self, configuration: &str) {
        let mut text = configuration.to_owned();
        for (key, missing) in [("listeners:", LISTENERS), ("management:", MANAGEMENT)] {
            if !configuration.lines().any(|line| line.starts_with(key)) {
                text.insert_str(0, missing);
            }
        }
        // At once, as careful operators do.
        let draft = self.folder.path().join("draft");
        fs::write(&draft, text).unwrap();
        fs::rename(draft, self.file()).unwrap();
    }
}

impl Gateway {
    /// The address of a listener by its name, the latest if it has moved; the port for operators is `management`, that for the platform `probes`.
    pub fn address(&self, listener: &str) -> SocketAddr {
        let lines = self.log.lines();
        let line = lines.iter().rfind(|line| line["event"] == "listening" && line["listener"] == listener);
        let address = line.and_then(|line| line["address"].as_str()).and_then(|address| address.parse().ok());
        address.unwrap_or_else(|| panic!("no address of '{listener}' in:\n{}", self.log.text()))
    }

    /// The address of the listener `web`.
    pub fn web(&self) -> SocketAddr {
        self.address("web")
    }

    /// A connection to the listener `web`.
    pub async fn connect(&self) -> Connection {
        Connection::tcp(self.web()).await
    }

    /// A GET on a connection of its own to the listener `web`.
    pub async fn get(&self, target: &str) -> Message {
        self.connect().await.get(target).await
    }

    /// A page of the management port.
    pub async fn page(&self, path: &str) -> Message {
        Connection::tcp(self.address("management")).await.get(path).await
    }

    /// The value of a series at `/metrics`, as it is written there with its labels; `None` where there is no such series.
    pub async fn metric(&self, series: &str) -> Option<f64> {
        let text = self.page("/metrics").await.text();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map(|value| value.parse().unwrap())
    }

    /// The first line of the access log that is `wanted`; waits for it.
    pub async fn access_line(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        self.access.line(wanted).await
    }

    /// The access log.
    pub fn access_log(&self) -> &Log {
        &self.access
    }

    /// The application log's first line about `event`; waits for it.
    pub async fn event(&self, event: &str) -> Value {
        self.log.line(|line| line["event"] == event).await
    }

    /// The application log and whatever else is on stderr.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The folder of the configuration.
    pub fn folder(&self) -> &Path {
        self.setup.folder()
    }

    /// Writes another configuration where the first one is; it will be noticed.
    pub fn rewrite(&self, configuration: &str) {
        self.setup.write(configuration);
    }

    /// Writes another configuration, and waits until it is in force.
    pub async fn reconfigure(&self, configuration: &str) {
        let before = self.count("reloaded");
        self.rewrite(configuration);
        eventually("the new configuration to be in force", async || (self.count("reloaded") > before).then_some(()))
            .await;
    }

    /// How many lines of the application log so far are about `event`.
    pub fn count(&self, event: &str) -> usize {
        self.log.lines().iter().filter(|line| line["event"] == event).count()
    }

    /// The most memory it has had so far, in bytes. What the kernel holds for its sockets is not in it.
    pub fn peak_memory(&self) -> usize {
        peak_memory(self.process.id())
    }

    /// Sends a signal: `TERM`, `HUP`.
    pub fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Stops as a platform does, by SIGTERM, and returns the exit code.
    pub async fn stop(self) -> i32 {
        self.signal("TERM");
        self.ended().await
    }

    /// Waits for the end and returns the exit code.
    pub async fn ended(self) -> i32 {
        patiently("the end of the gateway", self.access.ended()).await;
        self.process.ended().await
    }
}
