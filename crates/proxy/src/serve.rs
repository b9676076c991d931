//! From an accepted connection to exchanges: TLS, which HTTP, and then request by request.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Version, header};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio_rustls::TlsAcceptor;

use crate::admit::admit;
use crate::body::Recorded;
use crate::exchange::{Connection, Scheme};
use crate::finish::{Began, Finish};
use crate::handle::{Unwatched, handle};
use crate::listen::bind::Socketed;
use crate::listen::deferred::{Outlet, deferred};
use crate::listen::idle::IdleWatch;
use crate::listen::stream::{Carrier, ServerIo};
use crate::plan::{Limits, Listener};
use crate::reply;
use crate::worker::{ConnectionPermit, LocalExecutor, Worker};

/// After a failed accept (out of file handles, say) the next try waits so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// HTTP/2 flow-control windows (RFC 9113 section 5.2).
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// While draining, a connection that has said nothing yet may still begin to speak for so long.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// What one stream may have waiting for a client that does not read.
const SEND_BUFFER: usize = 64 * 1024;

/// Accepts connections of one listener until draining begins, and then those that the system has accepted already:
/// closing the socket would reset them.
pub(crate) async fn accept(worker: Rc<Worker>, index: usize, socket: Socketed) -> std::io::Result<()> {
    let door = Door::open(socket)?;
    loop {
        tokio::select! {
            biased;
            () = worker.drain.begun() => break,
            arrived = poll_fn(|cx| door.poll_accept(cx)) => match arrived {
                Ok(arrived) => begin(&worker, index, arrived),
                Err(error) => pause(&error).await,
            },
        }
    }
    // Lets the runtime hear of what has come meanwhile.
    tokio::task::yield_now().await;
    while let Some(Ok(arrived)) = poll_fn(|cx| Poll::Ready(at_once(door.poll_accept(cx)))).await {
        begin(&worker, index, arrived);
    }
    Ok(())
}

/// A listening socket.
enum Door {
    Tcp { listener: TcpListener, port: u16 },
    Unix(UnixListener),
}

impl Door {
    fn open(socket: Socketed) -> std::io::Result<Self> {
        Ok(match socket {
            Socketed::Tcp(listener) => {
                let listener = TcpListener::from_std(listener)?;
                let port = listener.local_addr()?.port();
                Self::Tcp { listener, port }
            }
            Socketed::Unix(listener) => Self::Unix(UnixListener::from_std(listener)?),
        })
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<std::io::Result<Arrived>> {
        match self {
            Self::Tcp { listener, port } => {
                listener.poll_accept(cx).map_ok(|(stream, peer)| Arrived::Tcp { stream, peer, port: *port })
            }
            Self::Unix(listener) => listener.poll_accept(cx).map_ok(|(stream, _)| Arrived::Unix(stream)),
        }
    }
}

fn at_once<T>(poll: Poll<T>) -> Option<T> {
    match poll {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

async fn pause(error: &std::io::Error) {
    tracing::warn!(event = "accept-failed", %error, "a connection could not be accepted");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

enum Arrived {
    Tcp { stream: TcpStream, peer: SocketAddr, port: u16 },
    Unix(tokio::net::UnixStream),
}

/// Serves a connection in a task of its own, unless there are too many.
fn begin(worker: &Rc<Worker>, index: usize, arrived: Arrived) {
    let plan = worker.plan();
    let Some(listener) = plan.plan.listeners.get(index).cloned() else { return };
    let Some(permit) = ConnectionPermit::take(worker, index, listener.limits.connections) else {
        tracing::warn!(event = "connections-exceeded", listener = %listener.name, limit = listener.limits.connections, "a connection was refused");
        return;
    };
    let worker = Rc::clone(worker);
    tokio::task::spawn_local(async move {
        if let Err(error) = connection(&worker, index, &listener, arrived, Rc::new(permit)).await {
            tracing::debug!(event = "connection-ended", listener = %listener.name, error = %error, "a connection ended early");
        }
    });
}

async fn connection(
    worker: &Rc<Worker>,
    index: usize,
    listener: &Listener,
    arrived: Arrived,
    permit: Rc<ConnectionPermit>,
) -> Result<(), Box<dyn std::error::Error>> {
    let patience =
        listener.limits.header_timeout.min(if worker.drain.has_begun() { LAST_WORDS } else { Duration::MAX });
    let (carrier, peer, port) = match arrived {
        Arrived::Unix(stream) => (Carrier::Unix(stream), None, 0),
        Arrived::Tcp { stream, peer, port } => {
            stream.set_nodelay(true)?;
            match &listener.tls {
                None => (Carrier::Tcp(stream), Some(peer), port),
                Some(config) => {
                    let acceptor = TlsAcceptor::from(std::sync::Arc::clone(config));
                    let stream = tokio::time::timeout(patience, acceptor.accept(stream)).await??;
                    (Carrier::Tls(Box::new(stream)), Some(peer), port)
                }
            }
        }
    };
    let scheme = if listener.tls.is_some() { Scheme::Https } else { Scheme::Http };
    let negotiated = match &carrier {
        Carrier::Tls(stream) => stream.get_ref().1.alpn_protocol().map(|protocol| protocol == b"h2"),
        Carrier::Tcp(_) | Carrier::Unix(_) => None,
    };
    let mut io = ServerIo::new(carrier, listener.limits.idle_timeout);
    let http2 = match negotiated {
        Some(http2) => http2,
        None => match tokio::time::timeout(patience, io.begins_with_http2()).await?? {
            Some(http2) => http2,
            None => return Ok(()),
        },
    };
    let shared = Rc::new(Connection::new(peer, std::sync::Arc::clone(&listener.name), index, scheme, port));
    if http2 {
        serve_http2(worker, listener.limits, shared, &permit, io).await?
    } else {
        serve_http1(worker, listener.limits, shared, &permit, io).await?
    }
    Ok(())
}

async fn serve_http1(
    worker: &Rc<Worker>,
    limits: Limits,
    connection: Rc<Connection>,
    permit: &Rc<ConnectionPermit>,
    io: ServerIo,
) -> hyper::Result<()> {
    let service = service_fn(|request| exchange(worker, limits, &connection, Some(permit), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(limits.header_count)
        .max_buf_size(limits.header_bytes.max(8192))
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades();
    until_drained(worker, permit, pin!(connection), |connection| connection.graceful_shutdown(), None).await
}

async fn serve_http2(
    worker: &Rc<Worker>,
    limits: Limits,
    connection: Rc<Connection>,
    permit: &Rc<ConnectionPermit>,
    io: ServerIo,
) -> hyper::Result<()> {
    let (io, outlet) = deferred(io);
    let idle = IdleWatch::new(Rc::clone(&connection), limits.idle_timeout);
    let worker_of_streams = Rc::clone(worker);
    let service = service_fn(move |request| {
        let (worker, connection) = (Rc::clone(&worker_of_streams), Rc::clone(&connection));
        // HTTP/2 moves the future of a stream several times before it is first polled.
        Box::pin(async move { exchange(&worker, limits, &connection, None, request).await })
    });
    let connection = http2::Builder::new(LocalExecutor)
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .serve_connection(io, service);
    until_drained(worker, permit, pin!(connection), |connection| connection.graceful_shutdown(), Some((outlet, idle)))
        .await
}

/// Drives a connection to its end; when the worker drains, or nothing runs for too long, it is told to finish what runs.
async fn until_drained<C: Future<Output = hyper::Result<()>>>(
    worker: &Rc<Worker>,
    permit: &ConnectionPermit,
    mut connection: Pin<&mut C>,
    finish: impl Fn(Pin<&mut C>),
    mut http2: Option<(Outlet, IdleWatch)>,
) -> hyper::Result<()> {
    let (mut registered, mut told) = (false, false);
    poll_fn(|cx| {
        if !registered {
            registered = true;
            permit.wake(cx.waker());
        }
        // Polled before it is told: a request that has come already is still answered.
        let mut outcome = connection.as_mut().poll(cx);
        if outcome.is_pending() && worker.drain.has_begun() && !told {
            told = true;
            finish(connection.as_mut());
            outcome = connection.as_mut().poll(cx);
        }
        let Some((outlet, idle)) = &mut http2 else { return outcome };
        if outcome.is_pending() && idle.poll_idle(cx).is_ready() {
            if told {
                // It was told long ago.
                return Poll::Ready(Ok(()));
            }
            told = true;
            finish(connection.as_mut());
            outcome = connection.as_mut().poll(cx);
        }
        outlet.drain(cx);
        outcome
    })
    .await
}

/// One request: admitted, handled, and recorded when its answer has left. `permit` is the connection's, where a tunnel may
/// outlive it.
async fn exchange(
    worker: &Rc<Worker>,
    limits: Limits,
    connection: &Rc<Connection>,
    permit: Option<&Rc<ConnectionPermit>>,
    request: Request<Incoming>,
) -> Result<http::Response<Recorded>, Infallible> {
    let plan = worker.plan();
    let began = Began {
        method: request.method().clone(),
        user_agent: request.headers().get(header::USER_AGENT).cloned(),
        received: Rc::default(),
        _in_flight: plan.metrics.in_flight(connection.listener_index),
    };
    let version = request.version();
    let (exchange, admitted) = admit(&plan.plan, &limits, connection, request, &began.received);
    // From here on there will be a record, also if the client leaves and this is dropped.
    let mut finish = Box::new(Finish::of(Rc::clone(worker), Rc::clone(&plan), began, exchange));
    let mut response = match admitted {
        Ok(()) => handle(&plan.plan, &mut finish.exchange, &*plan, &mut Unwatched).await,
        Err(fault) => reply::to_fault(&mut finish.exchange, &fault),
    };
    if worker.drain.has_begun() && version == Version::HTTP_11 {
        response.headers_mut().entry(header::CONNECTION).or_insert(header::HeaderValue::from_static("close"));
    }
    finish.answered(response.status());
    let tunnel = finish.exchange.tunnel.take().filter(|_| response.status() == http::StatusCode::SWITCHING_PROTOCOLS);
    let Some(tunnel) = tunnel else { return Ok(response.map(|body| Recorded::new(body, Some(finish)))) };
    // The connection goes on as a tunnel: it still counts, and draining waits for it.
    let permit = permit.map(Rc::clone);
    tokio::task::spawn_local(async move {
        let _permit = permit;
        let passed = tunnel.run(limits.upgrade_idle_timeout).await;
        finish.passed(passed);
    });
    Ok(response.map(|body| Recorded::new(body, None)))
}
