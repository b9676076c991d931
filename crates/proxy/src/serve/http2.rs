//! HTTP/2 on a connection: hyper and h2, with writes deferred and idleness watched.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;

use super::{Answered, begin, respond};
use crate::admit;
use crate::body::{self, Body, Bounds, Recorded};
use crate::exchange::Connection;
use crate::listen::deferred::{Outlet, deferred};
use crate::listen::idle::IdleWatch;
use crate::listen::stream::ServerIo;
use crate::plan::Limits;
use crate::worker::{ConnectionPermit, LocalExecutor, Worker};

/// HTTP/2 flow-control windows (RFC 9113 section 5.2).
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// What one stream may have waiting for a client that does not read.
const SEND_BUFFER: usize = 64 * 1024;

/// Serves streams until the client leaves, or is told to.
pub(super) async fn serve(
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
        Box::pin(async move { stream(&worker, &limits, &connection, request).await })
    });
    let connection = http2::Builder::new(LocalExecutor)
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .serve_connection(io, service);
    until_drained(permit, pin!(connection), |connection| connection.graceful_shutdown(), Some((outlet, idle))).await
}

/// One stream: a request and its answer.
async fn stream(
    worker: &Rc<Worker>,
    limits: &Limits,
    connection: &Rc<Connection>,
    request: Request<Incoming>,
) -> Result<http::Response<Recorded>, Infallible> {
    let (parts, incoming) = request.into_parts();
    let received = Rc::default();
    let plan = worker.plan();
    let bounds = Bounds { pause: limits.body_timeout, bytes: limits.body_bytes, internal: &plan.plan.internal_headers };
    let body = body::bounded(Body::from_client(incoming), &bounds, &received);
    let head = admit::Head { method: parts.method, version: parts.version, uri: parts.uri, headers: parts.headers };
    let (finish, admitted) = begin(worker, limits, connection, head, body, received);
    let mut finish = Box::new(finish);
    let Answered { response, .. } = respond(&mut finish, admitted).await;
    Ok(Recorded::of(response, finish))
}

/// Drives a connection to its end; when it should finish, or nothing runs for too long, it is told to finish what runs.
async fn until_drained<C: Future<Output = hyper::Result<()>>>(
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
        if outcome.is_pending() && permit.should_finish() && !told {
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
