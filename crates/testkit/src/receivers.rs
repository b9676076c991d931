//! Everything that telemetry goes to, as the real things, and how they break: killed and stalled one after the other while
//! requests flow. What gateways and services have to stand is the same.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::bugsink::Bugsink;
use crate::connection::Connection;
use crate::load::Load;
use crate::patience::eventually_within;
use crate::rotel::Rotel;
use crate::rsyslog::Rsyslog;

/// Attempts have time limits of seconds, and pauses between them that grow to ten seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// So many answers have to come while one of them is broken.
const MEANWHILE: usize = 500;

/// So many lines wait only where nobody takes them.
const MANY: u64 = 300;

/// A receiver of spans, one of lines and one of exceptions. Slow to begin: for the full tier.
pub struct Receivers {
    rotel: Rotel,
    rsyslog: Rsyslog,
    /// The receiver of exceptions.
    pub bugsink: Bugsink,
}

/// What becomes of a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Killed,
    Stalled,
}

impl Receivers {
    /// Starts them; `kept` is where to keep what is installed.
    pub async fn start(kept: &Path) -> Self {
        let (rotel, bugsink) = (Rotel::telling("none", kept).await, Bugsink::start(kept).await);
        Self { rotel, rsyslog: Rsyslog::start().await, bugsink }
    }

    /// The section `telemetry` of who tells them everything.
    pub fn settings(&self) -> String {
        format!(
            "telemetry:\n  access-log: off\n  logs: {{syslog: '{}'}}\n  traces: {{otlp: '{}', sample: 1}}\n  \
             exceptions: {{dsn: '{}'}}\n",
            self.rsyslog.url(),
            self.rotel.http(),
            self.bugsink.dsn()
        )
    }

    /// Breaks each of them in each way and mends it: nothing of `load` fails meanwhile, readiness stays, operators see
    /// it, and things go on by themselves. `tell` makes what is told by a signal, `logs` or `exceptions`, besides the
    /// spans of the load: an exception of another kind for every number.
    pub async fn break_each(
        &mut self,
        management: SocketAddr,
        load: &mut Load,
        mut tell: impl AsyncFnMut(&'static str, usize),
    ) {
        let mut number = 0;
        for signal in ["traces", "logs", "exceptions"] {
            tell(signal, number).await;
            until(management, signal, "work", |shown| sent(shown) > 0).await;
            for fate in [Fate::Killed, Fate::Stalled] {
                number += 1;
                let lines = self.rsyslog.messages().len();
                self.meets(signal, fate).await;
                let what = format!("{signal} to be seen {fate:?}");
                let broken = eventually_within(PATIENCE, &what, async || {
                    tell(signal, number).await;
                    let shown = collector(management, signal).await;
                    let waits = signal == "logs" && shown["queued"].as_u64() > Some(MANY);
                    (shown["error"].is_string() || waits).then_some(shown)
                })
                .await;
                load.goes_on(MEANWHILE).await;
                assert_eq!(page(management, "/health/readiness").await, (200, "UP".into()), "{signal} {fate:?}");
                self.is_mended(signal, fate).await;
                until(management, signal, "go on", |shown| sent(shown) > sent(&broken) && shown["error"].is_null())
                    .await;
                if signal == "logs" {
                    let taken = async || (self.rsyslog.messages().len() > lines).then_some(());
                    eventually_within(PATIENCE, "lines at rsyslogd", taken).await;
                }
            }
        }
    }

    async fn meets(&mut self, signal: &str, fate: Fate) {
        match (signal, fate) {
            ("traces", Fate::Killed) => self.rotel.kill(),
            ("traces", Fate::Stalled) => self.rotel.pause(),
            ("logs", Fate::Killed) => self.rsyslog.kill(),
            ("logs", Fate::Stalled) => self.rsyslog.pause(),
            (_, Fate::Killed) => self.bugsink.kill(),
            (_, Fate::Stalled) => self.bugsink.pause(),
        }
    }

    async fn is_mended(&mut self, signal: &str, fate: Fate) {
        match (signal, fate) {
            ("traces", Fate::Killed) => self.rotel.restart().await,
            ("traces", Fate::Stalled) => self.rotel.resume(),
            ("logs", Fate::Killed) => self.rsyslog.restart().await,
            ("logs", Fate::Stalled) => self.rsyslog.resume(),
            (_, Fate::Killed) => self.bugsink.restart().await,
            (_, Fate::Stalled) => self.bugsink.resume(),
        }
    }
}

async fn until(management: SocketAddr, signal: &str, what: &str, wanted: impl Fn(&Value) -> bool) {
    let mut last = Value::Null;
    let seen = tokio::time::timeout(PATIENCE, async {
        while !wanted(&last) {
            tokio::time::sleep(Duration::from_millis(20)).await;
            last = collector(management, signal).await;
        }
    });
    let seen = seen.await.is_ok();
    assert!(seen, "{signal} do not {what}: {last}");
}

/// How operators see the receiver of a signal.
async fn collector(management: SocketAddr, signal: &str) -> Value {
    Connection::tcp(management).await.get("/health/collectors").await.json()["details"][signal].clone()
}

async fn page(management: SocketAddr, path: &str) -> (u16, String) {
    let answer = Connection::tcp(management).await.get(path).await;
    (answer.status(), answer.json()["status"].as_str().unwrap_or_default().to_owned())
}

fn sent(shown: &Value) -> u64 {
    shown["sent"].as_u64().unwrap_or_default()
}
