//! A real PostgreSQL in a folder of its own. It refuses to run as root: then it runs as `nobody`.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::log::Log;
use crate::patience::patiently;

/// What it says when it serves.
const READY: &str = "database system is ready to accept connections";

/// Where Debian keeps what is not in the `PATH`.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The password of the user `postgres`.
const PASSWORD: &str = "s3cret/with@signs";

/// A server on a port of its own, with the database `postgres`. Dropped, it is killed.
pub struct Postgres {
    process: Option<Process>,
    port: u16,
    folder: TempDir,
}

struct Process(Child);

impl Postgres {
    /// A new server.
    pub async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let password = folder.path().join("password");
        fs::write(&password, PASSWORD).unwrap();
        if is_root() {
            let owned = Command::new("chown").args(["-R", "nobody:nogroup"]).arg(folder.path()).status().unwrap();
            assert!(owned.success());
        }
        let mut make = program(folder.path(), "initdb", &[]);
        make.args([
            "--username=postgres",
            "--auth=scram-sha-256",
            "--no-sync",
            "--no-instructions",
            "--locale=C.UTF-8",
        ]);
        make.arg("--pwfile").arg(&password).arg("--pgdata").arg(folder.path().join("data"));
        let output = make.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Self { process: None, port, folder };
        server.run().await;
        server
    }

    /// Where it is, without the password.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// The password.
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// Ends it as SIGKILL does.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again with its data, where it was.
    pub async fn restart(&mut self) {
        self.kill();
        self.run().await;
    }

    /// Stops it and all that serves its connections from running; the connections stay.
    pub fn pause(&self) {
        self.process.as_ref().expect("it runs").signal("STOP");
    }

    /// Lets it run on.
    pub fn resume(&self) {
        self.process.as_ref().expect("it runs").signal("CONT");
    }

    async fn run(&mut self) {
        // Bound to the life of the test, however that ends.
        let mut command = program(self.folder.path(), "postgres", &["--pdeathsig", "KILL"]);
        command.arg("-D").arg(self.folder.path().join("data")).args(["-p", &self.port.to_string(), "-c", "fsync=off"]);
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Log::of(child.stderr.take().unwrap());
        self.process = Some(Process(child));
        let ready = |line: &serde_json::Value| line.as_str().is_some_and(|line| line.contains(READY));
        let line = patiently("PostgreSQL to be ready", log.line_before_end(ready)).await;
        assert!(line.is_some(), "PostgreSQL did not start:\n{}", log.text());
    }
}

impl Process {
    fn signal(&self, name: &str) {
        let id = self.0.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        let mut kill = Command::new("kill");
        kill.args(["-s", name, &id.to_string()]).args(children.split_ascii_whitespace());
        // One of them may have ended meanwhile.
        let _ = kill.stderr(Stdio::null()).status().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal("KILL");
        let _ = self.0.wait();
    }
}

/// A program of PostgreSQL, as a user who may run it.
fn program(folder: &Path, name: &str, options: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    if is_root() {
        command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]);
    }
    command.args(options).arg(found(name)).current_dir(folder);
    command
}

fn found(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten().map(|version| version.path().join("bin"));
    let mut places = std::env::split_paths(&path).chain(versions);
    places.find(|place| place.join(name).is_file()).unwrap_or_else(|| panic!("{name} is not installed")).join(name)
}

/// Whether this process is root's.
fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}
