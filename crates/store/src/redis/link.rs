//! The link to one server. A task on the outbound runtime keeps a connection, replaces one that is lost or does not answer,
//! and says how things stand. While the server is known to be down callers fail at once and the task alone goes on trying.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Value};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, timeout_at};

use crate::address::Server;
use crate::error::StoreError;
use crate::redis::command::Request;
use crate::redis::place::Place;
use crate::redis::setback::Setback;
use crate::redis::wire::Wire;

/// After how many commands in a row without an answer a server counts as down.
const PATIENCE: u32 = 3;

/// How long the task waits after the first vain attempt to connect; twice as long after each further one.
const PAUSE: Duration = Duration::from_millis(50);

/// The longest it waits, so that a server that is back is found within a second.
const LONGEST_PAUSE: Duration = Duration::from_millis(800);

/// After how many vain attempts in a row callers do not wait for the next one.
const OFTEN: u32 = 2;

/// A connection that lived shorter counts as a vain attempt.
const WORTH_MENTIONING: Duration = Duration::from_secs(1);

/// The link to one server; dropped, its connection ends.
pub(crate) struct Link {
    status: watch::Receiver<Status>,
    task: AbortHandle,
}

#[derive(Clone)]
enum Status {
    /// Callers wait.
    Connecting,
    Up(Arc<Live>),
    /// Callers fail at once.
    Down(StoreError),
}

/// A connection in use.
struct Live {
    number: u64,
    server: Server,
    connection: MultiplexedConnection,
    /// Commands in a row without an answer.
    unanswered: AtomicU32,
    /// It does not answer.
    stuck: Notify,
    /// It leads to no master any more.
    stale: Notify,
}

enum End {
    Lost,
    Stuck,
}

impl Link {
    /// A link to `place`, kept on `outbound`.
    pub(crate) fn open(place: Place, wire: Arc<Wire>, outbound: &Handle) -> Self {
        let (sender, status) = watch::channel(Status::Connecting);
        let task = outbound.spawn(keep(place, wire, sender)).abort_handle();
        Self { status, task }
    }

    /// The answer to a request, before `deadline`.
    pub(crate) async fn call(&self, request: &Request, deadline: Instant) -> Result<Value, Setback> {
        self.send(request, Asking::No, deadline).await
    }

    /// The same, of a cluster's node to which the slot is on its way.
    pub(crate) async fn call_asking(&self, request: &Request, deadline: Instant) -> Result<Value, Setback> {
        self.send(request, Asking::Yes, deadline).await
    }

    /// The answer to a question of ours, before `deadline`.
    pub(crate) async fn ask(&self, question: redis::Cmd, deadline: Instant) -> Result<Value, Setback> {
        let request = Request { command: question, slot: 0, repeatable: true };
        self.send(&request, Asking::No, deadline).await
    }

    /// Sends it, and once more over the next connection where that does no harm.
    async fn send(&self, request: &Request, asking: Asking, deadline: Instant) -> Result<Value, Setback> {
        let live = self.live(None, deadline).await?;
        let setback = match live.send(request, asking, deadline).await {
            Err(setback @ Setback::NoMaster { .. }) => setback,
            Err(setback @ Setback::Lost { .. }) if request.repeatable => setback,
            outcome => return outcome,
        };
        match self.live(Some(live.number), deadline).await {
            Ok(live) => live.send(request, asking, deadline).await,
            Err(Setback::Timeout) => Err(setback),
            Err(other) => Err(other),
        }
    }

    /// The connection, another than `but`.
    async fn live(&self, but: Option<u64>, deadline: Instant) -> Result<Arc<Live>, Setback> {
        let mut status = self.status.clone();
        let known = status.wait_for(|status| match status {
            Status::Connecting => false,
            Status::Up(live) => but.is_none_or(|number| live.number != number),
            Status::Down(_) => true,
        });
        let status = match timeout_at(deadline, known).await {
            Ok(Ok(status)) => status.clone(),
            Ok(Err(_)) => return Err(Setback::Lost { detail: "the outbound runtime has ended".to_owned() }),
            Err(_) => return Err(Setback::Timeout),
        };
        match status {
            Status::Up(live) => Ok(live),
            Status::Down(error) => Err(Setback::Down(error)),
            Status::Connecting => Err(Setback::Timeout),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone, Copy)]
enum Asking {
    No,
    Yes,
}

impl Live {
    async fn send(&self, request: &Request, asking: Asking, deadline: Instant) -> Result<Value, Setback> {
        let Ok(answer) = timeout_at(deadline, self.exchange(request, asking)).await else {
            if self.unanswered.fetch_add(1, Ordering::Relaxed) + 1 >= PATIENCE {
                self.stuck.notify_one();
            }
            return Err(Setback::Timeout);
        };
        let outcome = answer.map_err(|error| Setback::of(&error, &self.server));
        match &outcome {
            Err(Setback::NoMaster { .. }) => self.stale.notify_one(),
            Err(Setback::Lost { .. }) => {}
            _ => self.unanswered.store(0, Ordering::Relaxed),
        }
        outcome
    }

    async fn exchange(&self, request: &Request, asking: Asking) -> RedisResult<Value> {
        let mut connection = self.connection.clone();
        match asking {
            Asking::No => request.command.query_async(&mut connection).await,
            Asking::Yes => {
                let mut both = redis::pipe();
                both.cmd("ASKING").add_command(request.command.clone());
                let mut answers = connection.send_packed_commands(&both, 0, 2).await?;
                answers.pop().unwrap_or_default().extract_error()
            }
        }
    }
}

/// Keeps a connection to `place` and tells `status`, until the link is dropped.
async fn keep(place: Place, wire: Arc<Wire>, status: watch::Sender<Status>) {
    let mut vain = 0;
    for number in 0.. {
        match place.open(&wire).await {
            Ok((server, opened)) => {
                if matches!(*status.borrow(), Status::Down(_)) {
                    tracing::info!(event = "store-back", %server, "the store is reachable again");
                }
                let connection = opened.connection;
                // A task of its own, whose panic would be the end of a connection and no more.
                let mut driver = JoinSet::new();
                driver.spawn(opened.driver);
                let (unanswered, stuck, stale) = (AtomicU32::new(0), Notify::new(), Notify::new());
                let live = Arc::new(Live { number, server, connection, unanswered, stuck, stale });
                status.send_replace(Status::Up(Arc::clone(&live)));
                let begin = Instant::now();
                let end = tokio::select! {
                    _ = driver.join_next() => End::Lost,
                    () = live.stale.notified() => End::Lost,
                    () = place.moved(&live.server) => End::Lost,
                    () = live.stuck.notified() => End::Stuck,
                };
                vain = if begin.elapsed() < WORTH_MENTIONING { vain + 1 } else { 0 };
                let server = &live.server;
                match end {
                    End::Lost if vain < OFTEN => {
                        status.send_replace(Status::Connecting);
                    }
                    End::Lost => {
                        down(&status, StoreError::Unreachable { detail: format!("{server} ends every connection") });
                    }
                    End::Stuck => {
                        down(&status, StoreError::Unreachable { detail: format!("{server} does not answer") });
                    }
                }
            }
            Err(error) => {
                down(&status, error);
                vain += 1;
            }
        }
        if vain > 0 {
            tokio::time::sleep(pause(vain)).await;
        }
    }
}

fn down(status: &watch::Sender<Status>, error: StoreError) {
    if !matches!(*status.borrow(), Status::Down(_)) {
        tracing::warn!(event = "store-lost", kind = error.name(), %error, "the store is not reachable");
    }
    status.send_replace(Status::Down(error));
}

/// Twice as long each time, and not all replicas at once.
fn pause(vain: u32) -> Duration {
    let pause = PAUSE.saturating_mul(1 << vain.saturating_sub(1).min(10)).min(LONGEST_PAUSE);
    pause.mul_f64(fastrand::f64().mul_add(0.5, 0.75))
}
