//! What one worker counts, by the numbers of its plan. Only that worker's thread may call the counting methods: two
//! threads at once would lose counts.

use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use gwanmun_core::{Abort, Code, Reason};

use super::Shape;
use super::cells::Cells;
use super::series::RouteSeries;
use crate::sanitized::{Sanitized, What};

/// Per upstream: connections in each state, and how many were ever opened.
const CONNECTION_CELLS: usize = 3;
const EVER_OPENED: usize = 2;

/// The cells of one worker under one plan.
#[derive(Debug)]
pub struct WorkerMetrics {
    shape: Arc<Shape>,
    routes: Box<[OnceLock<Box<RouteSeries>>]>,
    unrouted: OnceLock<Box<RouteSeries>>,
    faults: Cells,
    sanitized: Cells,
    reasons: Cells,
    retries: Cells,
    aborts: Cells,
    in_flight: Cells,
    refused: Cells,
    connections: Cells,
}

gwanmun_core::names! {
    /// Why a client's connection was closed before a request on it was read.
    pub enum Refusal {
        /// The listener has as many as `limits.connections` allows.
        Connections = "connections",
        /// It did not begin with a PROXY header, or with one from somebody who may not send it.
        ProxyProtocol = "proxy-protocol",
        /// The client had to show a certificate and showed none.
        NoClientCertificate = "client-certificate-missing",
        /// The client's certificate cannot be read.
        ClientCertificateMalformed = "client-certificate-malformed",
        /// The client's certificate comes from no authority that is trusted for it, or the client has not its key.
        ClientCertificateUntrusted = "client-certificate-untrusted",
        /// The client's certificate is not valid any more, or not yet.
        ClientCertificateExpired = "client-certificate-expired",
        /// The client's certificate was revoked, or nobody says that it was not.
        ClientCertificateRevoked = "client-certificate-revoked",
        /// The client's certificate is not one for clients, or cannot be accepted for another reason.
        ClientCertificateUnfit = "client-certificate-unfit",
    }
}

/// What a connection to an upstream is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionState {
    /// It carries a request.
    Active,
    /// It waits in the pool.
    Idle,
}

impl WorkerMetrics {
    /// Counts a finished request; `None` where no route took it.
    pub fn request(&self, route: Option<usize>, status: u16, duration: Duration) {
        let slot = route.and_then(|route| self.routes.get(route)).unwrap_or(&self.unrouted);
        slot.get_or_init(Box::default).record(status, duration);
    }

    /// Counts a request that the gateway answered by itself, or broke off, because of a fault.
    pub fn fault(&self, code: Code, reason: Option<Reason>) {
        let Some(index) = Code::ALL.iter().position(|known| *known == code) else { return };
        self.faults.add(index, 1);
        if let Some(reason) = reason {
            self.reasons.add(index * Reason::ALL.len() + reason.place(), 1);
        }
    }

    /// Counts what was done to a request at the door.
    pub fn sanitized(&self, sanitized: Sanitized) {
        for what in sanitized.iter() {
            self.sanitized.add(what.place(), 1);
        }
    }

    /// Counts a request that is sent to an upstream once more.
    pub fn retry(&self, reason: Reason) {
        self.retries.add(reason.place(), 1);
    }

    /// Counts a client's connection that was ended at this listener.
    pub fn aborted(&self, listener: usize, why: Abort) {
        self.aborts.add(listener * Abort::ALL.len() + why.place(), 1);
    }

    /// Counts a request as in flight at this listener until the guard goes.
    #[must_use]
    pub fn in_flight(self: &Arc<Self>, listener: usize) -> InFlight {
        self.in_flight.add(listener, 1);
        InFlight { worker: Arc::clone(self), listener, of_this_thread: PhantomData }
    }

    /// Counts a connection to this listener that was closed before a request on it was read.
    pub fn refused(&self, listener: usize, why: Refusal) {
        if listener < self.shape.listeners.len() {
            self.refused.add(listener * Refusal::ALL.len() + why.place(), 1);
        }
    }

    /// Counts a connection to this upstream until the guard goes.
    #[must_use]
    pub fn upstream_connection(self: &Arc<Self>, upstream: usize, state: ConnectionState) -> UpstreamConnection {
        let first = upstream * CONNECTION_CELLS;
        self.connections.add(first + state.offset(), 1);
        self.connections.add(first + EVER_OPENED, 1);
        UpstreamConnection { worker: Arc::clone(self), upstream, state, of_this_thread: PhantomData }
    }

    pub(super) fn new(shape: Arc<Shape>) -> Self {
        Self {
            routes: shape.routes.iter().map(|_| OnceLock::new()).collect(),
            unrouted: OnceLock::new(),
            faults: Cells::new(Code::ALL.len()),
            sanitized: Cells::new(What::ALL.len()),
            retries: Cells::new(Reason::ALL.len()),
            reasons: Cells::new(Code::ALL.len() * Reason::ALL.len()),
            aborts: Cells::new(shape.listeners.len() * Abort::ALL.len()),
            in_flight: Cells::new(shape.listeners.len()),
            refused: Cells::new(shape.listeners.len() * Refusal::ALL.len()),
            connections: Cells::new(shape.upstreams.len() * CONNECTION_CELLS),
            shape,
        }
    }

    /// The routes that had a request, with `None` for the requests without a route.
    pub(super) fn routes(&self) -> impl Iterator<Item = (Option<&super::RouteLabels>, &RouteSeries)> {
        let routed = self.shape.routes.iter().zip(&self.routes);
        let routed = routed.filter_map(|(labels, slot)| Some((Some(labels), &**slot.get()?)));
        routed.chain(self.unrouted.get().map(|series| (None, &**series)))
    }

    pub(super) fn faults(&self) -> impl Iterator<Item = (Code, u64)> {
        Code::ALL.iter().enumerate().map(|(index, code)| (*code, self.faults.value(index)))
    }

    pub(super) fn sanitizings(&self) -> impl Iterator<Item = (What, u64)> {
        What::ALL.iter().enumerate().map(|(index, what)| (*what, self.sanitized.value(index)))
    }

    /// The reasons that ever were, by the code they stood behind.
    pub(super) fn reasons(&self) -> impl Iterator<Item = ((Code, Reason), u64)> {
        let pairs = Code::ALL.iter().flat_map(|code| Reason::ALL.iter().map(|reason| (*code, *reason)));
        pairs.enumerate().map(|(index, pair)| (pair, self.reasons.value(index))).filter(|(_, count)| *count > 0)
    }

    /// Requests sent once more, by the reasons that ever were.
    pub(super) fn retries(&self) -> impl Iterator<Item = (Reason, u64)> {
        let reasons = Reason::ALL.iter().enumerate();
        reasons.map(|(index, reason)| (*reason, self.retries.value(index))).filter(|(_, count)| *count > 0)
    }

    /// The reasons for which connections were ever ended, by listener.
    pub(super) fn aborts(&self) -> impl Iterator<Item = ((&Arc<str>, Abort), u64)> {
        let listeners = self.shape.listeners.iter();
        let pairs = listeners.flat_map(|listener| Abort::ALL.iter().map(move |why| (listener, *why)));
        pairs.enumerate().map(|(index, pair)| (pair, self.aborts.value(index))).filter(|(_, count)| *count > 0)
    }

    pub(super) fn listeners(&self) -> impl Iterator<Item = (&Arc<str>, u64)> {
        self.shape.listeners.iter().enumerate().map(|(index, name)| (name, self.in_flight.value(index)))
    }

    /// Refused connections by listener and reason.
    pub(super) fn refusals(&self) -> impl Iterator<Item = (&Arc<str>, Refusal, u64)> {
        self.shape.listeners.iter().enumerate().flat_map(move |(index, name)| {
            let first = index * Refusal::ALL.len();
            Refusal::ALL.iter().map(move |&why| (name, why, self.refused.value(first + why.place())))
        })
    }

    /// The upstreams ever connected to, with their active and idle connections.
    pub(super) fn upstreams(&self) -> impl Iterator<Item = (&Arc<str>, [u64; 2])> {
        self.shape.upstreams.iter().enumerate().filter_map(|(index, name)| {
            let first = index * CONNECTION_CELLS;
            let states = [ConnectionState::Active, ConnectionState::Idle];
            let opened = self.connections.value(first + EVER_OPENED) > 0;
            opened.then(|| (name, states.map(|state| self.connections.value(first + state.offset()))))
        })
    }
}

impl ConnectionState {
    const fn offset(self) -> usize {
        match self {
            Self::Active => 0,
            Self::Idle => 1,
        }
    }
}

/// One request in flight. Stays on its worker's thread.
#[derive(Debug)]
pub struct InFlight {
    worker: Arc<WorkerMetrics>,
    listener: usize,
    of_this_thread: PhantomData<*const ()>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.worker.in_flight.add(self.listener, 1_u64.wrapping_neg());
    }
}

/// One connection to an upstream. Stays on its worker's thread.
#[derive(Debug)]
pub struct UpstreamConnection {
    worker: Arc<WorkerMetrics>,
    upstream: usize,
    state: ConnectionState,
    of_this_thread: PhantomData<*const ()>,
}

impl UpstreamConnection {
    /// Counts it under another state from now on.
    pub fn set(&mut self, state: ConnectionState) {
        if self.state != state {
            self.count_state(1_u64.wrapping_neg());
            self.state = state;
            self.count_state(1);
        }
    }

    fn count_state(&self, change: u64) {
        self.worker.connections.add(self.upstream * CONNECTION_CELLS + self.state.offset(), change);
    }
}

impl Drop for UpstreamConnection {
    fn drop(&mut self) {
        self.count_state(1_u64.wrapping_neg());
    }
}
