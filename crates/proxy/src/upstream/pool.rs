//! Connections of one worker to one address, kept for the next request. The latest returned is taken first, so that the
//! surplus of a peak grows old and goes. No locks: a worker is one thread.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use gwanmun_telemetry::metrics::ConnectionState;

use crate::upstream::connect::Alpn;
use crate::upstream::h1::Idle;
use crate::upstream::h2::Connections;

/// Idle connections kept per address and worker; more are closed.
const MAX_IDLE: usize = 512;

/// Connections to one address.
pub(crate) struct Pool {
    /// Zero keeps nothing.
    keep_alive: Cell<Duration>,
    idle: RefCell<VecDeque<(Instant, Box<Idle>)>>,
    /// What the address chose last, where it has a choice.
    pub(crate) chosen: Cell<Option<Alpn>>,
    /// The connections that requests share.
    pub(crate) http2: Connections,
}

impl Pool {
    /// An empty pool.
    pub(crate) fn new(keep_alive: Duration) -> Self {
        Self {
            keep_alive: Cell::new(keep_alive),
            idle: RefCell::default(),
            chosen: Cell::new(None),
            http2: Connections::default(),
        }
    }

    /// A connection that still seems good.
    pub(crate) fn take(&self) -> Option<Box<Idle>> {
        let mut idle = self.idle.borrow_mut();
        while let Some((since, mut connection)) = idle.pop_back() {
            if since.elapsed() >= self.keep_alive.get() {
                idle.clear();
                return None;
            }
            if connection.io.is_quiet() {
                count_as(&mut connection, ConnectionState::Active);
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection for later.
    pub(crate) fn put(&self, mut connection: Box<Idle>) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < MAX_IDLE && !self.keep_alive.get().is_zero() {
            count_as(&mut connection, ConnectionState::Idle);
            idle.push_back((Instant::now(), connection));
        }
    }

    /// Closes what is idle, and from now on what becomes so.
    pub(crate) fn retire(&self) {
        self.keep_alive.set(Duration::ZERO);
        self.idle.borrow_mut().clear();
        self.http2.retire();
    }

    /// Closes what has been idle for too long.
    pub(crate) fn sweep(&self) {
        let mut idle = self.idle.borrow_mut();
        while idle.front().is_some_and(|(since, _)| since.elapsed() >= self.keep_alive.get()) {
            idle.pop_front();
        }
        idle.iter_mut().for_each(|(_, connection)| connection.rest());
        self.http2.sweep(self.keep_alive.get());
    }
}

fn count_as(connection: &mut Idle, state: ConnectionState) {
    if let Some(gauge) = &mut connection.gauge {
        gauge.set(state);
    }
}
