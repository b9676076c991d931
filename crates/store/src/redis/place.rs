//! Where a link leads: to a server, or to the one that sentinels name, which changes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis::{Cmd, Value};

use crate::address::Server;
use crate::error::StoreError;
use crate::redis::wire::{Opened, Wire};

/// How often sentinels are asked whether the master is still the master: one that was cut off with us does not know.
const RECHECK: Duration = Duration::from_secs(2);

/// Where a link leads.
pub(crate) enum Place {
    Fixed(Server),
    Sentinels(Sentinels),
}

/// Those who know where the master is.
pub(crate) struct Sentinels {
    servers: Vec<Server>,
    service: String,
    wire: Wire,
    /// The one that answered last is asked first.
    first: AtomicUsize,
}

impl Place {
    /// Connects to the server that is there now.
    pub(crate) async fn open(&self, wire: &Wire) -> Result<(Server, Opened), StoreError> {
        match self {
            Self::Fixed(server) => Ok((server.clone(), wire.open(server, &redis::cmd("PING")).await?)),
            Self::Sentinels(sentinels) => {
                let server = sentinels.master().await?;
                let opened = wire.open(&server, &redis::cmd("ROLE")).await?;
                match &opened.answer {
                    Value::Array(role) if role.first().and_then(text).is_some_and(|role| role == "master") => {
                        Ok((server, opened))
                    }
                    _ => Err(StoreError::Unreachable { detail: format!("{server} is named as master and is none") }),
                }
            }
        }
    }

    /// Comes back when another server than `present` is there; for a fixed place, never.
    pub(crate) async fn moved(&self, present: &Server) {
        let Self::Sentinels(sentinels) = self else { return std::future::pending().await };
        loop {
            tokio::time::sleep(RECHECK).await;
            if sentinels.master().await.is_ok_and(|master| master != *present) {
                return;
            }
        }
    }
}

impl Sentinels {
    /// The sentinels `servers`, asked over `wire` about `service`.
    pub(crate) fn new(servers: Vec<Server>, service: String, wire: Wire) -> Self {
        Self { servers, service, wire, first: AtomicUsize::new(0) }
    }

    /// The master, by the first sentinel that knows it.
    async fn master(&self) -> Result<Server, StoreError> {
        let mut failed = StoreError::Unreachable { detail: "there is no sentinel".to_owned() };
        let first = self.first.load(Ordering::Relaxed);
        let in_turn = self.servers.iter().enumerate().cycle().skip(first).take(self.servers.len());
        for (number, sentinel) in in_turn {
            match self.wire.ask(sentinel, &self.question()).await.map(master) {
                Ok(Some(master)) => {
                    self.first.store(number, Ordering::Relaxed);
                    return Ok(master);
                }
                Ok(None) => {
                    let detail = format!("the sentinel {sentinel} knows no service `{}`", self.service);
                    failed = StoreError::Unreachable { detail };
                }
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    fn question(&self) -> Cmd {
        let mut question = redis::cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.service);
        question
    }
}

fn master(answer: Value) -> Option<Server> {
    let Value::Array(parts) = answer else { return None };
    let [host, port] = <[Value; 2]>::try_from(parts).ok()?;
    Some(Server::at(text(&host)?, text(&port)?.parse().ok()?))
}

/// The text in a value.
pub(crate) fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}
