//! The listener of a service: TCP or TLS, HTTP/1.1 and HTTP/2, everything that a client may use up bounded. Connections
//! are served on tasks of their own, which end when the server drains.

mod activity;
mod connection;
mod io;
mod limits;
mod tls;

use std::io::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

pub(crate) use activity::InFlight;
pub(crate) use limits::{Limits, time};
pub use tls::ClientCertificate;
pub(crate) use tls::Tls;

use crate::observe::Observe;

/// How long accepting pauses when the process has no descriptors left.
const PAUSE: Duration = Duration::from_millis(50);

/// What serves connections.
pub(crate) struct Server {
    pub(crate) listener: TcpListener,
    pub(crate) tls: Option<Tls>,
    pub(crate) limits: Limits,
    pub(crate) observe: Arc<Observe>,
    pub(crate) routes: Router,
}

/// A server at work.
#[derive(Debug)]
pub(crate) struct Serving {
    phase: watch::Sender<Phase>,
    accepting: tokio::task::JoinHandle<()>,
}

/// How far a server has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Connections are welcome.
    Open,
    /// What is there may end.
    Draining,
    /// Everything ends now.
    Closed,
}

impl Server {
    /// Begins to accept.
    pub(crate) fn start(self) -> Serving {
        let (phase, phases) = watch::channel(Phase::Open);
        Serving { phase, accepting: tokio::spawn(self.run(phases)) }
    }

    /// Accepts until told to drain, then waits for the connections.
    async fn run(self, mut phases: watch::Receiver<Phase>) {
        let Self { listener, tls, limits, observe, routes } = self;
        let shared = Arc::new(connection::Shared { limits, observe, routes });
        let permits = Arc::new(Semaphore::new(shared.limits.connections));
        let mut connections = JoinSet::new();
        let mut draining = phases.clone();
        let mut draining = std::pin::pin!(draining.wait_for(|phase| *phase != Phase::Open));
        loop {
            // What is too many waits in the kernel's queue.
            let arrived = tokio::select! {
                biased;
                _ = &mut draining => break,
                _ = connections.join_next(), if !connections.is_empty() => continue,
                arrived = accept(&listener, &permits) => arrived,
            };
            let Some((stream, peer, permit)) = arrived else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let acceptor = tls.as_ref().map(Tls::acceptor);
            let (shared, phases) = (Arc::clone(&shared), phases.clone());
            connections.spawn(async move {
                connection::serve(shared, stream, peer, acceptor, phases).await;
                drop(permit);
            });
        }
        drop(listener);
        let mut closed = std::pin::pin!(phases.wait_for(|phase| *phase == Phase::Closed));
        loop {
            tokio::select! {
                biased;
                _ = &mut closed => break,
                ended = connections.join_next() => if ended.is_none() { break },
            }
        }
        connections.shutdown().await;
    }
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> Option<(tokio::net::TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, permit)),
        Err(error) => {
            tracing::warn!(event = "accept-failed", %error, "a connection could not be accepted");
            None
        }
    }
}

/// Ends a server at once.
#[derive(Debug)]
pub(crate) struct Closer(watch::Sender<Phase>);

impl Closer {
    /// Everything ends now.
    pub(crate) fn close(&self) {
        self.0.send_replace(Phase::Closed);
    }
}

impl Serving {
    /// For who is in a hurry.
    pub(crate) fn closer(&self) -> Closer {
        Closer(self.phase.clone())
    }

    /// Accepts nothing more and lets requests end, for at most `limit`.
    pub(crate) async fn drain(mut self, limit: Duration) -> Result<(), Overtime> {
        self.phase.send_replace(Phase::Draining);
        let ended = tokio::time::timeout(limit, &mut self.accepting).await;
        self.phase.send_replace(Phase::Closed);
        if ended.is_ok() {
            return Ok(());
        }
        // What is dropped ends at its next await.
        let _ = tokio::time::timeout(Duration::from_secs(1), &mut self.accepting).await;
        Err(Overtime)
    }
}

/// Requests were cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overtime;

/// Binds `address` (`host:port`).
pub(crate) async fn bind(address: &str) -> Result<(TcpListener, SocketAddr), Error> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}
