//! A real tracker of exceptions: Bugsink (PyPI), which speaks Sentry's protocol, behind gunicorn and over SQLite. Takes half
//! a minute to begin: for the full tier.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::connection::Connection;
use crate::free_port::free_address;
use crate::message::Message;
use crate::patience::patiently;
use crate::python::python_with;

const PACKAGE: &str = "bugsink==2.6.1";
/// How long it may take to begin on a busy machine.
const TO_BEGIN: Duration = Duration::from_secs(180);
/// How long it may take until it is told of an issue.
const TO_BE_TOLD: Duration = Duration::from_secs(90);
/// Makes a project and who may look at it, and tells the keys of both.
const PROJECT: &str = "from projects.models import Project\nfrom bsmain.models import AuthToken\n\
    p = Project.objects.create(name='shop', slug='shop')\n\
    print('MADE', p.id, p.sentry_key.hex, AuthToken.create_full_access().token)\n";

/// A running Bugsink with one project; dropped, it is killed.
pub struct Bugsink {
    server: Option<Server>,
    folder: TempDir,
    programs: PathBuf,
    address: SocketAddr,
    project: String,
    key: String,
    token: String,
}

/// Gunicorn and its workers, a group of processes of their own.
struct Server(Child);

impl Bugsink {
    /// One without issues; `kept` is where to keep what is installed, see [`python_with`].
    ///
    /// # Panics
    /// When it cannot be installed or does not begin.
    pub async fn start(kept: &Path) -> Self {
        let python = python_with(&[PACKAGE], kept);
        let programs = python.parent().unwrap().to_owned();
        let (folder, address) = (TempDir::new().unwrap(), free_address());
        let mut bugsink = Self {
            server: None,
            folder,
            programs,
            address,
            project: String::new(),
            key: String::new(),
            token: String::new(),
        };
        bugsink.configure();
        bugsink.manage(&["migrate"], "");
        bugsink.manage(&["migrate", "snappea", "--database=snappea"], "");
        let said = bugsink.manage(&["shell"], PROJECT);
        let made = said.lines().find_map(|line| line.strip_prefix("MADE ")).unwrap_or_else(|| panic!("{said}"));
        let [project, key, token] = made.split(' ').collect::<Vec<_>>()[..] else { panic!("{said}") };
        (bugsink.project, bugsink.key, bugsink.token) = (project.to_owned(), key.to_owned(), token.to_owned());
        bugsink.restart().await;
        bugsink
    }

    /// Where clients of its project send what happens.
    pub fn dsn(&self) -> String {
        format!("http://{}@{}/{}", self.key, self.address, self.project)
    }

    /// The issues of its project, as its API tells them: `calculated_type`, `calculated_value`, `digested_event_count`.
    pub async fn issues(&self) -> Vec<Value> {
        self.list(&format!("issues/?project={}", self.project)).await
    }

    /// Its issues when there are so many; the pauses between attempts to tell of them may be long.
    ///
    /// # Panics
    /// When there are more, or not so many in the end.
    pub async fn known(&self, issues: usize) -> Vec<Value> {
        let begin = Instant::now();
        loop {
            let known = self.issues().await;
            assert!(known.len() <= issues, "{known:?}");
            if known.len() == issues {
                return known;
            }
            assert!(begin.elapsed() < TO_BE_TOLD, "{known:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// The events of one of its issues, as they came in.
    pub async fn events(&self, issue: &Value) -> Vec<Value> {
        let mut events = Vec::new();
        for event in self.list(&format!("events/?issue={}", text(&issue["id"]))).await {
            let event = self.ask(&format!("events/{}/", text(&event["id"]))).await.json();
            events.push(event["data"].clone());
        }
        events
    }

    /// Ends it as SIGKILL does.
    pub fn kill(&mut self) {
        self.server = None;
    }

    /// Starts it again where it was, with all it knew.
    pub async fn restart(&mut self) {
        self.kill();
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(self.programs.join("gunicorn"));
        command.args(["--bind", &self.address.to_string(), "--threads", "4", "bugsink.wsgi"]);
        command.process_group(0).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.server = Some(Server(self.set(&mut command).spawn().unwrap()));
        let begin = Instant::now();
        while !self.is_ready().await {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap();
            assert!(begin.elapsed() < TO_BEGIN, "Bugsink does not begin:\n{log}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Stops it from running, and leaves its connections as they are.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets it run on.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        self.server.as_ref().expect("it runs").signal(name);
    }

    /// Its own template, with a place of its own; nothing is told to its makers.
    fn configure(&self) {
        let file = self.folder.path().join("bugsink_conf.py");
        let mut create = Command::new(self.programs.join("bugsink-create-conf"));
        create.args(["--template=local", "--host=127.0.0.1"]).arg(format!("--port={}", self.address.port()));
        let output = self.set(create.arg("-o").arg(&file)).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let mut text = fs::read_to_string(&file).unwrap();
        writeln!(text, "\nBUGSINK['PHONEHOME'] = False").unwrap();
        fs::write(&file, text).unwrap();
    }

    fn manage(&self, words: &[&str], input: &str) -> String {
        let mut command = Command::new(self.programs.join("bugsink-manage"));
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.set(&mut command).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn set<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let folder = self.folder.path();
        command.current_dir(folder).env("PYTHONPATH", folder).env("DJANGO_SETTINGS_MODULE", "bugsink_conf")
    }

    async fn is_ready(&self) -> bool {
        let Ok(stream) = TcpStream::connect(self.address).await else { return false };
        let mut connection = Connection::plain(stream);
        let request = format!("GET /health/ready HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address);
        connection.try_send(request).await.is_ok()
            && connection.try_answer("GET").await.is_ok_and(|answer| answer.status() == 200)
    }

    async fn list(&self, what: &str) -> Vec<Value> {
        self.ask(what).await.json()["results"].as_array().unwrap().clone()
    }

    async fn ask(&self, what: &str) -> Message {
        let fields = format!("Host: {}\r\nAuthorization: Bearer {}\r\nConnection: close", self.address, self.token);
        patiently("an answer of Bugsink", async {
            let mut connection = Connection::tcp(self.address).await;
            connection.send(format!("GET /api/canonical/0/{what} HTTP/1.1\r\n{fields}\r\n\r\n")).await;
            let answer = connection.answer().await;
            assert_eq!(answer.status(), 200, "{answer:?}");
            answer
        })
        .await
    }
}

impl Server {
    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, "--", &format!("-{}", self.0.id())]).status().unwrap();
        assert!(sent.success(), "no {name} to Bugsink");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-s", "KILL", "--", &group]).status();
        let _ = self.0.wait();
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}
