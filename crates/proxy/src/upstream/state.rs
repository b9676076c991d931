//! What one worker keeps about an upstream: whose turn it is, and the connections.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use gwanmun_core::Reason;
use gwanmun_telemetry::metrics::{ConnectionState, UpstreamConnection, WorkerMetrics};

use crate::upstream::Upstream;
use crate::upstream::balance::RoundRobin;
use crate::upstream::connect::{self, Alpn};
use crate::upstream::endpoint::{Address, Endpoint, Protocol};
use crate::upstream::h1::Idle;
use crate::upstream::h2::{self, Stream};
use crate::upstream::io::Io;
use crate::upstream::no_connection::NoConnection;
use crate::upstream::pool::Pool;

/// An upstream as one worker sees it.
pub(crate) struct UpstreamState {
    pub(crate) upstream: Arc<Upstream>,
    turns: RoundRobin,
    endpoints: Vec<EndpointState>,
    counted: RefCell<Option<(usize, Arc<WorkerMetrics>)>>,
    retired: Cell<bool>,
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
    Http1(Box<Idle>, Rc<Pool>, Age),
    /// A stream on a shared connection; whether it has served before.
    Http2(Stream, Age),
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
        Self { upstream, turns, endpoints, counted: RefCell::new(counted), retired: Cell::new(false) }
    }

    /// Counts new connections elsewhere: the plan has changed, and this upstream has not.
    pub(crate) fn count_as(&self, counted: (usize, Arc<WorkerMetrics>)) {
        self.counted.replace(Some(counted));
    }

    /// The plan in force does not know it any more: connections are closed as soon as they are idle.
    pub(crate) fn retire(&self) {
        self.retired.set(true);
        let pools = self.endpoints.iter().flat_map(|state| std::mem::take(&mut *state.pools.borrow_mut()));
        pools.for_each(|(_, pool)| pool.retire());
    }

    /// The endpoint whose turn it is.
    pub(crate) fn next_turn(&self) -> usize {
        self.turns.next()
    }

    /// An endpoint that is not among `tried`.
    pub(crate) fn other_than(&self, tried: &[usize]) -> Option<usize> {
        self.turns.other_than(tried)
    }

    /// Counts a request that is sent once more because of `reason`.
    pub(crate) fn count_retry(&self, reason: Reason) {
        if let Some((_, metrics)) = &*self.counted.borrow() {
            metrics.retry(reason);
        }
    }

    /// A connection to `endpoint`, which is number `index`: a waiting one, or a new one within the time limit.
    pub(crate) async fn channel(
        &self,
        index: usize,
        endpoint: &Endpoint,
        wanted: Wanted,
    ) -> Result<Channel, NoConnection> {
        let state = self.endpoints.get(index).ok_or_else(NoConnection::nowhere)?;
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
        if self.retired.get() {
            pool.retire();
        }
        if speaks_http2(endpoint, &pool) != Some(false) {
            if let Some(stream) = pool.http2.take() {
                return Ok(Channel::Http2(stream, Age::Reused));
            }
            if let Some(channel) = Box::pin(self.shared(endpoint, addresses, chosen, &pool)).await? {
                return Ok(channel);
            }
        }
        if let Some(idle) = pool.take().filter(|_| wanted == Wanted::Any) {
            return Ok(Channel::Http1(idle, pool, Age::Reused));
        }
        // Boxed, like everything that happens once per connection: the future of every request would carry its state.
        Box::pin(self.fresh(endpoint, addresses, chosen, &pool)).await
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

    /// A place on a shared connection, made by whoever comes first while the others wait; `None` if it has turned out that
    /// HTTP/1.1 is spoken there.
    async fn shared(
        &self,
        endpoint: &Endpoint,
        addresses: &[SocketAddr],
        chosen: Option<SocketAddr>,
        pool: &Rc<Pool>,
    ) -> Result<Option<Channel>, NoConnection> {
        // Whoever waits for somebody else's connection waits no longer than for one of its own.
        let limit = self.upstream.timeouts.connect;
        let turn = tokio::time::timeout(limit, pool.http2.turn.lock()).await;
        let _turn = turn.map_err(|_| NoConnection::late(Reason::ConnectTimeout, limit))?;
        if speaks_http2(endpoint, pool) == Some(false) {
            return Ok(None);
        }
        if let Some(stream) = pool.http2.take() {
            return Ok(Some(Channel::Http2(stream, Age::Reused)));
        }
        self.fresh(endpoint, addresses, chosen, pool).await.map(Some)
    }

    /// A new connection, over which is spoken what the other end chooses.
    async fn fresh(
        &self,
        endpoint: &Endpoint,
        addresses: &[SocketAddr],
        chosen: Option<SocketAddr>,
        pool: &Rc<Pool>,
    ) -> Result<Channel, NoConnection> {
        let (io, alpn) = self.connect(endpoint, addresses, chosen).await?;
        let gauge = self.gauge();
        pool.chosen.set(Some(alpn));
        if speaks_http2(endpoint, pool) == Some(false) {
            return Ok(Channel::Http1(Idle::new(io, gauge), Rc::clone(pool), Age::Fresh));
        }
        let stream = h2::handshake(io, gauge).await.map_err(NoConnection::without_http2)?;
        Ok(Channel::Http2(pool.http2.share(stream), Age::Fresh))
    }

    /// A new connection: to the chosen address, or to the first of all that answers.
    async fn connect(
        &self,
        endpoint: &Endpoint,
        addresses: &[SocketAddr],
        chosen: Option<SocketAddr>,
    ) -> Result<(Io, Alpn), NoConnection> {
        let limit = self.upstream.timeouts.connect;
        if let Address::Unix(path) = &endpoint.address {
            return connect::unix(path, limit).await;
        }
        let candidates = chosen.as_ref().map_or(addresses, std::slice::from_ref);
        let mut outcome = Err(NoConnection::nowhere());
        for address in candidates {
            outcome = connect::tcp(*address, endpoint.tls.as_ref(), limit).await;
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    fn gauge(&self) -> Option<UpstreamConnection> {
        self.counted
            .borrow()
            .as_ref()
            .map(|(index, metrics)| metrics.upstream_connection(*index, ConnectionState::Active))
    }
}

/// Whether HTTP/2 is spoken at `endpoint`; `None` while that is to be seen.
fn speaks_http2(endpoint: &Endpoint, pool: &Pool) -> Option<bool> {
    match endpoint.protocol {
        Protocol::Http1 => Some(false),
        Protocol::Http2 => Some(true),
        Protocol::Negotiated => pool.chosen.get().map(|alpn| alpn == Alpn::Http2),
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
