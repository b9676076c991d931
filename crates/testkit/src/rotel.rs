//! Rotel, a receiver of OpenTelemetry's protocol of another make, and what it says that it got.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::free_port::free_address;
use crate::log::Log;
use crate::patience::eventually;
use crate::process::Process;
use crate::python::python_with;

const PACKAGE: &str = "rotel==0.0.1a15";

/// How often another port is tried.
const TRIES: usize = 5;

/// A receiver over HTTP and gRPC.
pub struct Rotel {
    process: Option<Process>,
    agent: PathBuf,
    signal: String,
    log: Log,
    http: SocketAddr,
    grpc: SocketAddr,
}

/// A span as it says that it got one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RotelSpan {
    /// Its trace.
    pub trace_id: String,
    /// Its own id.
    pub id: String,
    /// Its parent's; empty where there is none.
    pub parent_id: String,
    /// Its name.
    pub name: String,
    /// `SPAN_KIND_SERVER` and the like.
    pub kind: String,
    /// The service that told of it.
    pub service: String,
    /// Traces that belong to it.
    pub links: Vec<String>,
}

impl Rotel {
    /// Starts it; what it is made of is kept in `kept`. Slow the first time.
    pub async fn start(kept: &Path) -> Self {
        Self::telling("traces", kept).await
    }

    /// Starts one that tells what it gets of `signal`: `traces`, `metrics`, `logs` or `none`.
    pub async fn telling(signal: &str, kept: &Path) -> Self {
        let python = python_with(&[PACKAGE], kept);
        let libraries = python.ancestors().nth(2).unwrap().join("lib");
        let library = std::fs::read_dir(libraries).unwrap().next().unwrap().unwrap().path();
        let agent = library.join("site-packages/rotel/rotel-agent");
        for _ in 0..TRIES {
            let (agent, signal, log) = (agent.clone(), signal.to_owned(), Log::of(std::io::empty()));
            let mut rotel = Self { process: None, agent, signal, log, http: free_address(), grpc: free_address() };
            if rotel.run().await {
                return rotel;
            }
        }
        panic!("rotel did not start on {TRIES} ports");
    }

    /// Ends it as SIGKILL does.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again where it was; what it told is forgotten.
    pub async fn restart(&mut self) {
        self.kill();
        assert!(self.run().await, "its ports are its own: {}", self.log.text());
    }

    /// Stops it from running, and leaves its connections as they are.
    pub fn pause(&self) {
        self.process.as_ref().expect("it runs").signal("STOP");
    }

    /// Lets it run on.
    pub fn resume(&self) {
        self.process.as_ref().expect("it runs").signal("CONT");
    }

    /// The base URL of OTLP over HTTP.
    pub fn http(&self) -> String {
        format!("http://{}", self.http)
    }

    /// The URL of OTLP over gRPC.
    pub fn grpc(&self) -> String {
        format!("http://{}", self.grpc)
    }

    /// Waits until it has told of all of these, and gives back everything it has told.
    pub async fn told(&self, wanted: &[&str]) -> String {
        eventually("rotel to have received it", async || {
            let text = self.log.text();
            wanted.iter().all(|wanted| text.contains(wanted)).then_some(text)
        })
        .await
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<RotelSpan> {
        read(&self.log.text())
    }

    /// The first span that is `wanted`; waits for it.
    pub async fn span(&self, wanted: impl Fn(&RotelSpan) -> bool) -> RotelSpan {
        eventually("a span at rotel", async || self.spans().into_iter().find(|span| wanted(span))).await
    }

    /// Whether it listens: somebody else may have one of its ports.
    async fn run(&mut self) -> bool {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(&self.agent).args(["start", "--exporter", "blackhole"]);
        command.args(["--otlp-http-endpoint", &self.http.to_string(), "--otlp-grpc-endpoint", &self.grpc.to_string()]);
        command.args(["--debug-log", &self.signal, "--debug-log-verbosity", "detailed"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        self.log = Log::of(child.stdout.take().unwrap());
        self.process = Some(Process::of(child));
        let listens = async |address: SocketAddr| tokio::net::TcpStream::connect(address).await.is_ok();
        eventually("rotel", async || match self.log.text() {
            text if text.contains("ERROR") => Some(false),
            text if text.contains("Starting Rotel") && listens(self.http).await && listens(self.grpc).await => {
                Some(true)
            }
            _ => None,
        })
        .await
    }
}

/// The spans in its log; the last one may be half written, and is left out until its end is told.
fn read(log: &str) -> Vec<RotelSpan> {
    let mut spans: Vec<RotelSpan> = Vec::new();
    let (mut service, mut is_whole) = (String::new(), true);
    for line in log.lines() {
        if line.starts_with("Span #") {
            spans.push(RotelSpan { service: service.clone(), ..RotelSpan::default() });
            is_whole = false;
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim().to_owned();
        match (name.trim(), spans.last_mut()) {
            ("-> service.name", _) => {
                service = value.trim_start_matches("Str(").trim_end_matches(')').to_owned();
            }
            ("Trace ID", Some(span)) => span.trace_id = value,
            ("Parent ID", Some(span)) => span.parent_id = value,
            ("ID", Some(span)) => span.id = value,
            ("Name", Some(span)) => span.name = value,
            ("Kind", Some(span)) => span.kind = value,
            ("-> Trace ID", Some(span)) => span.links.push(value),
            ("End time", _) => is_whole = true,
            _ => {}
        }
    }
    if !is_whole {
        spans.pop();
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_log_is_read() {
        let log = "ResourceSpans #0\nResource attributes:\n     -> service.name: Str(gwanmun)\nScopeSpans #0\nSpan #0\n    \
            Trace ID       : 0af7\n    Parent ID      : 3132\n    ID             : b7ad\n    Name           : GET http://a\n    \
            Kind           : SPAN_KIND_SERVER\nStart time: 17\nEnd time: 18\nLinks:\nSpanLink #0\n     -> Trace ID: 3031\n\
            Span #1\n    Trace ID       : 0af7\n";
        let wanted = RotelSpan {
            trace_id: "0af7".to_owned(),
            id: "b7ad".to_owned(),
            parent_id: "3132".to_owned(),
            name: "GET http://a".to_owned(),
            kind: "SPAN_KIND_SERVER".to_owned(),
            service: "gwanmun".to_owned(),
            links: vec!["3031".to_owned()],
        };
        assert_eq!(read(log), [wanted]);
    }
}
