//! What one worker keeps about an upstream: whose turn it is, and the connections.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use gwanmun_telemetry::metrics::{ConnectionState, UpstreamConnection, WorkerMetrics};

use crate::upstream::Upstream;
use crate::upstream::balance::RoundRobin;
use crate::upstream::connect::{self, Alpn};
use crate::upstream::endpoint::{Address, Endpoint, Protocol};
use crate::upstream::h1::Idle;
use crate::upstream::h2::{self, Sender};
use crate::upstream::io::Io;
use crate::upstream::pool::Pool;

/// An upstream as one worker sees it.
pub(crate) struct UpstreamState {
    pub(crate) upstream: Arc<Upstream>,
    turns: RoundRobin,
    endpoints: Vec<EndpointState>,
    counted: Option<(usize, Arc<WorkerMetrics>)>,
}

/// Connections to one endpoint, by address where every address is an endpoint of its own.
#[derive(Default)]
struct EndpointState {
    pools: RefCell<Vec<(Option<SocketAddr>, Rc<Pool>)>>,
    next_address: Cell<usize>,
}

/// A way to send one request.
pub(crate) enum Channel {
    /// A connection of its own; whether it has served before.
    Http1(Idle, Rc<Pool>, Age),
    /// A stream on a shared connection; whether it has served before.
    Http2(Sender, Age),
}

/// Whether a connection has served before, and so may have been closed at the other end meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    Fresh,
    Reused,
}

/// Which connections will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Any,
    /// One that nobody has used: after a reused one failed.
    Fresh,
}

impl UpstreamState {
    /// No connections yet. `counted` is its place among the metrics.
    pub(crate) fn new(upstream: Arc<Upstream>, counted: Option<(usize, Arc<WorkerMetrics>)>) -> Self {
        let turns = RoundRobin::new(upstream.endpoints.iter().map(|endpoint| endpoint.weight));
        let endpoints = upstream.endpoints.iter().map(|_| EndpointState::default()).collect();
        Self { upstream, turns, endpoints, counted }
    }

    /// The endpoint whose turn it is.
    pub(crate) fn next_turn(&self) -> usize {
        self.turns.next()
    }

    /// An endpoint that is not among `tried`.
    pub(crate) fn other_than(&self, tried: &[usize]) -> Option<usize> {
        self.turns.other_than(tried)
    }

    /// A connection to `endpoint`, which is number `index`: a waiting one, or a new one within the time limit.
    pub(crate) async fn channel(&self, index: usize, endpoint: &Endpoint, wanted: Wanted) -> io::Result<Channel> {
        let state = self.endpoints.get(index).ok_or(io::ErrorKind::NotFound)?;
        let addresses = match &endpoint.address {
            Address::Host(resolved) | Address::EachOf(resolved) => {
                Some(resolved.addresses(self.upstream.timeouts.connect).await?)
            }
            Address::Unix(_) => None,
        };
        let addresses = addresses.as_ref().map_or(&[][..], |answer| &answer.addresses);
        let chosen = match endpoint.address {
            Address::EachOf(_) => {
                let turn = state.next_address.get();
                state.next_address.set(turn.wrapping_add(1));
                addresses.get(turn % addresses.len().max(1)).copied()
            }
            _ => None,
        };
        let pool = state.pool(chosen, self.upstream.keep_alive);
        if endpoint.protocol == Protocol::Http2 || pool.speaks_http2.get() {
            return Box::pin(self.shared(endpoint, addresses, chosen, &pool)).await;
        }
        if let Some(idle) = pool.take().filter(|_| wanted == Wanted::Any) {
            return Ok(Channel::Http1(idle, pool, Age::Reused));
        }
        // Boxed, like everything that happens once per connection: the future of every request would carry its state.
        match Box::pin(self.connect(endpoint, addresses, chosen)).await? {
            (io, Alpn::Http1) => Ok(Channel::Http1(Idle::new(io, self.gauge()), pool, Age::Fresh)),
            (io, Alpn::Http2) => {
                pool.speaks_http2.set(true);
                let sender = Box::pin(h2::handshake(io)).await.map_err(io::Error::other)?;
                *pool.http2.lock().await = Some(sender.clone());
                Ok(Channel::Http2(sender, Age::Fresh))
            }
        }
    }

    /// Closes what has been idle for too long, or leads to where the upstream is not any more.
    pub(crate) fn sweep(&self) {
        for (state, endpoint) in self.endpoints.iter().zip(&self.upstream.endpoints) {
            let mut pools = state.pools.borrow_mut();
            if let Address::EachOf(resolved) = &endpoint.address
                && let Some(answer) = resolved.known()
            {
                // The name has other addresses now.
                pools.retain(|(address, _)| address.is_none_or(|address| answer.addresses.contains(&address)));
            }
            pools.iter().for_each(|(_, pool)| pool.sweep());
        }
    }

    /// The HTTP/2 connection, made by whoever comes first while the others wait.
    async fn shared(
        &self,
        endpoint: &Endpoint,
        addresses: &[SocketAddr],
        chosen: Option<SocketAddr>,
        pool: &Pool,
    ) -> io::Result<Channel> {
        // Whoever waits for somebody else's connection waits no longer than for one of its own.
        let limit = self.upstream.timeouts.connect;
        let mut held = tokio::time::timeout(limit, pool.http2.lock()).await?;
        if let Some(sender) = held.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok(Channel::Http2(sender.clone(), Age::Reused));
        }
        let (io, alpn) = self.connect(endpoint, addresses, chosen).await?;
        if alpn == Alpn::Http1 && endpoint.protocol == Protocol::Negotiated {
            // It spoke HTTP/2 once and does not any more.
            pool.speaks_http2.set(false);
            return Err(io::Error::new(
                io::ErrorKind::ConnectionReset,
                "the upstream went from HTTP/2 back to HTTP/1.1",
            ));
        }
        let sender = h2::handshake(io).await.map_err(io::Error::other)?;
        *held = Some(sender.clone());
        Ok(Channel::Http2(sender, Age::Fresh))
    }

    /// A new connection: to the chosen address, or to the first of all that answers.
    async fn connect(
        &self,
        endpoint: &Endpoint,
        addresses: &[SocketAddr],
        chosen: Option<SocketAddr>,
    ) -> io::Result<(Io, Alpn)> {
        let limit = self.upstream.timeouts.connect;
        if let Address::Unix(path) = &endpoint.address {
            return connect::unix(path, limit).await;
        }
        let candidates = chosen.as_ref().map_or(addresses, std::slice::from_ref);
        let mut outcome = Err(io::ErrorKind::NotFound.into());
        for address in candidates {
            outcome = connect::tcp(*address, endpoint.tls.as_ref(), limit).await;
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    fn gauge(&self) -> Option<UpstreamConnection> {
        self.counted.as_ref().map(|(index, metrics)| metrics.upstream_connection(*index, ConnectionState::Active))
    }
}

impl EndpointState {
    /// The pool of `address`; `None` is the endpoint as a whole.
    fn pool(&self, address: Option<SocketAddr>, keep_alive: std::time::Duration) -> Rc<Pool> {
        let mut pools = self.pools.borrow_mut();
        if let Some((_, pool)) = pools.iter().find(|(known, _)| *known == address) {
            return Rc::clone(pool);
        }
        let pool = Rc::new(Pool::new(keep_alive));
        pools.push((address, Rc::clone(&pool)));
        pool
    }
}
