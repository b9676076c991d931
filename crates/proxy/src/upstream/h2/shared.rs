//! Connections that requests share: a few per address and worker. A request takes the first that has room for one more
//! stream; another is made when none has, up to a bound, and beyond it requests wait for a stream to end.

use std::cell::{Cell, RefCell};
use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use gwanmun_core::Reason;
use gwanmun_telemetry::metrics::{ConnectionState, UpstreamConnection};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::failure::reason_of;
use crate::body::Body;
use crate::upstream::io::Io;
use crate::upstream::no_connection::is_of_tls;
use crate::worker::LocalExecutor;

/// Flow-control windows: large enough for one stream to fill a fast link.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
/// So much is read at a turn, then it is the turn of those whom it is for: h2 gives a connection up on which too many small
/// frames wait for them, 8000 with this window.
const READ_AT_A_TURN: usize = 32 * 1024;
/// While requests run, an upstream that says nothing is asked whether it is there; then it has so long to say so.
const PING_AFTER: Duration = Duration::from_secs(30);
const PONG_WITHIN: Duration = Duration::from_secs(20);
/// Streams that are believed to be allowed until the upstream has said how many are (RFC 9113 section 6.5.2).
const STREAMS_AT_FIRST: usize = 100;
/// Connections per address and worker, if their upstream allows fewer streams than there are requests.
const MAX_CONNECTIONS: usize = 8;

/// Sends requests on a connection; cheap to clone.
type Sender = http2::SendRequest<Body>;

/// The HTTP/2 connections of one worker to one address.
#[derive(Default)]
pub(crate) struct Connections {
    open: RefCell<Vec<(Sender, Rc<Load>)>>,
    /// Whose turn it is to connect; the others wait for what becomes of it.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

/// A place for one request on a connection, until this is dropped.
pub(crate) struct Stream {
    pub(crate) sender: Sender,
    pub(crate) place: Place,
}

/// Counts a stream as running.
pub(crate) struct Place(Rc<Load>);

/// What goes on on a connection.
struct Load {
    streams: Cell<usize>,
    /// How many the upstream allows at once.
    most: Cell<usize>,
    /// The upstream takes no more streams, or the connection is broken.
    retired: Cell<bool>,
    /// Why it ended, if it did.
    ended: Cell<Option<Reason>>,
    /// Wakes who reads `most` off the connection, when the upstream speaks for the first time: of its settings.
    settings: Cell<Option<Waker>>,
    idle_since: Cell<Instant>,
    /// Counts the connection until it is closed.
    gauge: RefCell<Option<UpstreamConnection>>,
}

impl Connections {
    /// A place on a connection that has room, or, where no more connections may be made, on the one with the fewest
    /// streams.
    pub(crate) fn take(&self) -> Option<Stream> {
        let mut open = self.open.borrow_mut();
        open.retain(|(sender, load)| !sender.is_closed() && !load.retired.get());
        let roomy = open.iter().find(|(_, load)| load.streams.get() < load.most.get());
        let chosen = match roomy {
            None if open.len() >= MAX_CONNECTIONS => open.iter().min_by_key(|(_, load)| load.streams.get()),
            roomy => roomy,
        };
        chosen.map(|(sender, load)| Stream { sender: sender.clone(), place: Place::on(load) })
    }

    /// Shares what `handshake` made, and takes a place on it.
    pub(crate) fn share(&self, first: Stream) -> Stream {
        let mut open = self.open.borrow_mut();
        if open.len() < MAX_CONNECTIONS {
            open.push((first.sender.clone(), Rc::clone(&first.place.0)));
        }
        first
    }

    /// Lets go of every connection: each ends with its last stream.
    pub(crate) fn retire(&self) {
        self.open.borrow_mut().clear();
    }

    /// Closes what nobody has used for `keep_alive`.
    pub(crate) fn sweep(&self, keep_alive: Duration) {
        let is_old = |load: &Load| load.streams.get() == 0 && load.idle_since.get().elapsed() >= keep_alive;
        self.open.borrow_mut().retain(|(sender, load)| !sender.is_closed() && !load.retired.get() && !is_old(load));
    }
}

impl Place {
    fn on(load: &Rc<Load>) -> Self {
        load.streams.set(load.streams.get() + 1);
        load.count_as(ConnectionState::Active);
        Self(Rc::clone(load))
    }

    /// Nobody else is to be sent this way.
    pub(crate) fn retire_connection(&self) {
        self.0.retired.set(true);
    }

    /// Why the connection ended, if it did and that is known.
    pub(crate) fn why_it_ended(&self) -> Option<Reason> {
        self.0.ended.get()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let left = self.0.streams.get().saturating_sub(1);
        self.0.streams.set(left);
        if left == 0 {
            self.0.idle_since.set(Instant::now());
            self.0.count_as(ConnectionState::Idle);
        }
    }
}

impl Load {
    fn count_as(&self, state: ConnectionState) {
        if let Some(gauge) = self.gauge.borrow_mut().as_mut() {
            gauge.set(state);
        }
    }
}

/// Begins HTTP/2 on a fresh connection, which `gauge` counts; the first place on it is taken.
pub(crate) async fn handshake(io: Io, gauge: Option<UpstreamConnection>) -> Result<Stream, hyper::Error> {
    let load = Rc::new(Load {
        streams: Cell::new(0),
        most: Cell::new(STREAMS_AT_FIRST),
        retired: Cell::new(false),
        ended: Cell::new(None),
        settings: Cell::new(None),
        idle_since: Cell::new(Instant::now()),
        gauge: RefCell::new(gauge),
    });
    let place = Place::on(&load);
    let (sender, connection) = http2::Builder::new(LocalExecutor)
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .initial_max_send_streams(STREAMS_AT_FIRST)
        .keep_alive_interval(PING_AFTER)
        .keep_alive_timeout(PONG_WITHIN)
        .max_header_list_size(64 * 1024)
        .handshake(TokioIo::new(Counted { io, load: Rc::clone(&load), read: 0 }))
        .await?;
    tokio::task::spawn_local(async move {
        let mut connection = pin!(connection);
        load.settings.set(Some(poll_fn(|cx| Poll::Ready(cx.waker().clone())).await));
        let ended = poll_fn(|cx| {
            let ended = connection.as_mut().poll(cx);
            load.most.set(connection.current_max_send_streams());
            ended
        })
        .await;
        if let Err(error) = ended {
            if load.ended.get().is_none() {
                load.ended.set(Some(reason_of(&error)));
            }
            tracing::debug!(event = "upstream-connection-ended", %error, "an HTTP/2 connection to an upstream ended");
        }
    });
    Ok(Stream { sender, place })
}

/// The byte stream below HTTP/2: when it goes, the connection is counted no more.
struct Counted {
    io: Io,
    load: Rc<Load>,
    /// Bytes read at this turn.
    read: usize,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.load.retired.set(true);
        self.load.gauge.borrow_mut().take();
    }
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read >= READ_AT_A_TURN {
            self.read = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let Poll::Ready(read) = Pin::new(&mut self.io).poll_read(cx, buf) else {
            self.read = 0;
            return Poll::Pending;
        };
        self.read += buf.filled().len() - before;
        if read.as_ref().is_err_and(is_of_tls) {
            // h2 does not pass it on. TLS 1.3 tells a client only after its handshake that it was refused.
            self.load.ended.set(Some(Reason::TlsHandshake));
        }
        if let Some(waker) = self.load.settings.take() {
            waker.wake();
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gwanmun_telemetry::metrics::{Metrics, Shape};
    use hyper::server::conn::http2::Builder;
    use hyper::service::service_fn;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::{LocalSet, spawn_local};

    use super::*;

    /// A connection to a server that allows `streams` at once, with the numbers that count it.
    async fn connected(streams: u32) -> (Connections, Stream, Metrics) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (far, _) = listener.accept().await.unwrap();
        let service = service_fn(|_| std::future::pending::<Result<http::Response<Body>, std::io::Error>>());
        let mut builder = Builder::new(LocalExecutor);
        builder.max_concurrent_streams(streams);
        spawn_local(builder.serve_connection(TokioIo::new(far), service));
        let metrics = Metrics::new();
        let shape = Arc::new(Shape { upstreams: vec![Arc::from("a")], ..Shape::default() });
        let gauge = metrics.worker(&shape).upstream_connection(0, ConnectionState::Active);
        let connections = Connections::default();
        let stream = connections.share(handshake(Io::Tcp(near), Some(gauge)).await.unwrap());
        (connections, stream, metrics)
    }

    fn counts(metrics: &Metrics) -> (bool, bool) {
        let text = metrics.render();
        let has = |state| text.contains(&format!("gwanmun_upstream_connections{{upstream=\"a\",state=\"{state}\"}} 1"));
        (has("active"), has("idle"))
    }

    #[tokio::test]
    async fn what_nobody_uses_is_closed_after_a_while() {
        LocalSet::new()
            .run_until(async {
                let (connections, stream, metrics) = connected(10).await;
                connections.sweep(Duration::ZERO);
                assert!(connections.take().is_some(), "it is in use");
                assert_eq!(counts(&metrics), (true, false));
                drop(stream);
                assert_eq!(counts(&metrics), (false, true));
                connections.sweep(Duration::from_secs(60));
                assert!(connections.take().is_some());
                connections.sweep(Duration::ZERO);
                assert!(connections.take().is_none());
                while counts(&metrics) != (false, false) {
                    tokio::task::yield_now().await;
                }
            })
            .await;
    }

    #[tokio::test]
    async fn a_full_connection_is_not_taken() {
        LocalSet::new()
            .run_until(async {
                let (connections, stream, _metrics) = connected(2).await;
                while stream.place.0.most.get() != 2 {
                    tokio::task::yield_now().await;
                }
                let second = connections.take().unwrap();
                assert!(connections.take().is_none());
                drop(second);
                let second = connections.take().unwrap();
                second.place.retire_connection();
                drop(stream);
                assert!(connections.take().is_none(), "nobody else is sent there");
            })
            .await;
    }
}
