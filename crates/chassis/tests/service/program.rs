//! A service in a process of its own: this very test program, started anew, with the arguments of a service in a variable.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use gwanmun_chassis::axum::Router;
use gwanmun_chassis::axum::extract::Path;
use gwanmun_chassis::axum::routing::{get, post};
use gwanmun_chassis::{App, Service};
use gwanmun_testkit::{Connection, Log, PATIENCE, patiently};
use serde_json::Value;
use tempfile::TempDir;

/// Arguments of the service, one a line.
const ARGUMENTS: &str = "TEST_SERVICE_ARGUMENTS";

/// What is unusual about the service: `waits` for a file before it is ready, `fails` or `panics` in a hook.
const MANNER: &str = "TEST_SERVICE_MANNER";

/// The file that is waited for.
const GATE: &str = "TEST_SERVICE_GATE";

/// What the process runs. Without its variable, this is a test that tests nothing.
#[test]
fn program() {
    let Ok(arguments) = std::env::var(ARGUMENTS) else { return };
    // Behind what the test program says itself.
    println!();
    let manner = std::env::var(MANNER).unwrap_or_default();
    let gate = PathBuf::from(std::env::var(GATE).unwrap_or_default());
    let service = Service::new("orders").version("1.2.3").public_routes(routes());
    let service = match manner.as_str() {
        "fails" => service.on_start(|_| async { Err("the table is missing".into()) }),
        "panics" => service.on_start(|_| async { panic!("a hook's mistake") }),
        "waits" => service.on_start(move |_| async move {
            while !gate.exists() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            Ok(())
        }),
        _ => service,
    };
    let told = |what: &'static str| {
        move |_| async move {
            println!("{what}");
            Ok(())
        }
    };
    let service = service.on_stop(told("stopped first, begun first")).on_stop(told("begun second"));
    let arguments = arguments.lines().map(Into::into).collect::<Vec<_>>();
    let code = service.run_with(arguments);
    std::process::exit((0..=255).find(|number| code == ExitCode::from(*number)).unwrap().into());
}

fn routes() -> Router<App> {
    Router::new()
        .route("/", get(|| async { "here" }))
        .route("/echo", post(|body: String| async move { body }))
        .route("/hangs", get(std::future::pending::<()>))
        .route("/panics/{what}", get(panics))
        .route("/told/{length}", get(told))
}

/// Has a mistake in it that says what is missing.
async fn panics(Path(what): Path<String>) -> String {
    panic!("there is no {what}")
}

/// Tells a line of this length.
async fn told(Path(length): Path<usize>) -> &'static str {
    tracing::info!(event = "told", text = "-".repeat(length));
    "told"
}

/// The process, which is killed when this is dropped.
pub(crate) struct Program {
    child: Child,
    /// What it writes to standard output.
    pub(crate) output: Log,
    /// What it writes to standard error.
    pub(crate) log: Log,
    pub(crate) folder: TempDir,
}

impl Program {
    /// Starts it in a folder of its own with this `application.yaml`, on free ports.
    pub(crate) fn start(manner: &str, settings: &str, arguments: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("application.yaml"), settings).unwrap();
        Self::start_in(folder, manner, arguments)
    }

    /// The same in a folder that is there.
    pub(crate) fn start_in(folder: TempDir, manner: &str, arguments: &[&str]) -> Self {
        let ports = ["--server.address=127.0.0.1:0", "--management.address=127.0.0.1:0"];
        let ports = ports.into_iter().filter(|port| {
            let key = port.split_once('=').unwrap().0;
            !arguments.iter().any(|argument| argument.starts_with(key))
        });
        let arguments: Vec<&str> = ports.chain(arguments.iter().copied()).collect();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["program::program", "--exact", "--nocapture", "--test-threads=1"])
            .env(ARGUMENTS, arguments.join("\n"))
            .env(MANNER, manner)
            .env(GATE, folder.path().join("gate"))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (output, log) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Self { child, output: Log::of(output), log: Log::of(log), folder }
    }

    /// Waits until it is ready, and for its addresses: where requests arrive and where operators look.
    pub(crate) async fn ready(&self) -> (SocketAddr, SocketAddr) {
        self.log.line(|line| line["event"] == "ready").await;
        (self.address("server").await, self.address("management").await)
    }

    /// Where it listens under this name.
    pub(crate) async fn address(&self, listener: &str) -> SocketAddr {
        let line = self.log.line(|line| line["event"] == "listening" && line["listener"] == listener).await;
        line["address"].as_str().unwrap().parse().unwrap()
    }

    /// Waits for an event of the log.
    pub(crate) async fn event(&self, name: &str) -> Value {
        self.log.line(|line| line["event"] == name).await
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Opens the gate of one that waits.
    pub(crate) fn open_gate(&self) {
        std::fs::write(self.path("gate"), "").unwrap();
    }

    pub(crate) fn path(&self, name: impl AsRef<std::path::Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sends a signal: `TERM`, `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end and returns the exit code.
    pub(crate) async fn ended(&mut self) -> i32 {
        let begin = std::time::Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().expect("an exit code, not a signal");
            }
            assert!(begin.elapsed() < PATIENCE, "it does not end:\n{}", self.log.text());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until nobody listens at `address` any more.
pub(crate) async fn until_closed(address: SocketAddr) {
    patiently("a closed port", async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// The status of a page.
pub(crate) async fn status(address: SocketAddr, path: &str) -> u16 {
    Connection::tcp(address).await.get(path).await.status()
}
