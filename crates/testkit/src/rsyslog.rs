//! A real syslog receiver: rsyslogd on TCP. What it understood of a message it writes into a file, property by property.

use std::fs;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::free_port::free_address;
use crate::patience::eventually;
use crate::process::Process;

/// A receiver on a port of its own. Dropped, it is killed.
pub struct Rsyslog {
    process: Option<Process>,
    address: SocketAddr,
    folder: TempDir,
}

impl Rsyslog {
    /// Starts it and waits until it listens.
    pub async fn start() -> Self {
        let mut rsyslog = Self { process: None, address: free_address(), folder: TempDir::new().unwrap() };
        let folder = rsyslog.folder.path().display();
        let properties = [
            "protocol-version",
            "syslogfacility-text",
            "syslogseverity-text",
            "timereported",
            "hostname",
            "app-name",
            "procid",
            "msgid",
            "structured-data",
            "msg",
        ];
        let template = properties.map(|name| {
            let date = if name == "timereported" { " dateFormat=\"rfc3339\"" } else { "" };
            format!("property(outname=\"{name}\" name=\"{name}\" format=\"jsonf\"{date})\n")
        });
        let text = format!(
            "global(workDirectory=\"{folder}\" maxMessageSize=\"64k\")\nmodule(load=\"imtcp\")\n\
             input(type=\"imtcp\" address=\"{}\" port=\"{}\")\n\
             template(name=\"parsed\" type=\"list\" option.jsonf=\"on\") {{\n{}}}\n\
             action(type=\"omfile\" file=\"{folder}/parsed\" template=\"parsed\")\n",
            rsyslog.address.ip(),
            rsyslog.address.port(),
            template.concat()
        );
        fs::write(rsyslog.folder.path().join("rsyslog.conf"), text).unwrap();
        rsyslog.restart().await;
        rsyslog
    }

    /// `tcp://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("tcp://{}", self.address)
    }

    /// Ends it as SIGKILL does.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again where it was; what it received stays.
    pub async fn restart(&mut self) {
        self.kill();
        // Bound to the life of the test, however that ends.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "rsyslogd", "-n", "-f", "rsyslog.conf", "-i", "pid"]);
        command.current_dir(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // A file with the id of one that was killed would keep it from starting.
        let _ = fs::remove_file(self.folder.path().join("pid"));
        self.process = Some(Process::of(command.spawn().unwrap()));
        eventually("rsyslogd to listen", async || TcpStream::connect(self.address).await.ok()).await;
    }

    /// Stops it from running, and leaves its connections as they are.
    pub fn pause(&self) {
        self.process.as_ref().expect("it runs").signal("STOP");
    }

    /// Lets it run on.
    pub fn resume(&self) {
        self.process.as_ref().expect("it runs").signal("CONT");
    }

    /// What it received so far, oldest first: the properties of each message by their names in rsyslog.
    pub fn messages(&self) -> Vec<Value> {
        let text = fs::read(self.folder.path().join("parsed")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        // The last line may be half there.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The first message that is `wanted`; waits for it.
    pub async fn message(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        eventually("a message for rsyslogd", async || self.messages().into_iter().find(|message| wanted(message))).await
    }
}
