//! HTTP/2 on a connection: hyper and h2, with writes deferred, frames counted and idleness watched.

mod head;
mod websocket;

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::request::Parts;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};

use super::{Answered, begin, respond};
use crate::admit;
use crate::body::{self, Answering, Body, Bounds, Latest, Patient, Recorded, Telling};
use crate::exchange::Connection;
use crate::grpc;
use crate::h1::fields::Hosts;
use crate::listen::deferred::{Deferred, Outlet, deferred};
use crate::listen::idle::IdleWatch;
use crate::listen::stream::ServerIo;
use crate::plan::Limits;
use crate::worker::{ConnectionPermit, Worker};

/// HTTP/2 flow-control windows (RFC 9113 section 5.2).
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// What one stream may have waiting for a client that does not read.
const SEND_BUFFER: usize = 64 * 1024;
/// Heads up to so many times the limit are answered and recorded as any other refusal; h2 refuses larger ones by itself.
const REFUSED_WITH_WORDS: usize = 2;

/// Serves streams until the client leaves, or is told to.
pub(super) async fn serve(
    worker: &Rc<Worker>,
    limits: Limits,
    connection: Rc<Connection>,
    permit: &Rc<ConnectionPermit>,
    io: ServerIo,
) -> hyper::Result<()> {
    let (io, mut outlet) = deferred(io, &limits.http2);
    let (listener, index, peer) = (Arc::clone(&connection.listener), connection.listener_index, connection.peer);
    let ended = streams(worker, limits, connection, permit, io, &mut outlet).await;
    let Some(why) = outlet.why_ended() else { return ended };
    worker.plan().metrics.aborted(index, why);
    tracing::warn!(
        event = "connection-aborted",
        listener = &*listener,
        peer = peer.map(|peer| peer.ip().to_string()),
        reason = why.name(),
        "a client's connection was ended"
    );
    outlet.farewell().await;
    Ok(())
}

/// Drives a connection to its end; when the worker drains, or nothing runs for too long, it is told to finish what runs.
async fn streams(
    worker: &Rc<Worker>,
    limits: Limits,
    connection: Rc<Connection>,
    permit: &ConnectionPermit,
    io: Deferred,
    outlet: &mut Outlet,
) -> hyper::Result<()> {
    let mut idle = IdleWatch::new(Rc::clone(&connection), limits.idle_timeout);
    let latest = Latest::default();
    let executor = StreamExecutor { latest: Rc::clone(&latest), patience: limits.idle_timeout };
    let worker_of_streams = Rc::clone(worker);
    let service = service_fn(move |request| {
        let (worker, connection, latest) = (Rc::clone(&worker_of_streams), Rc::clone(&connection), Rc::clone(&latest));
        // HTTP/2 moves the future of a stream several times before it is first polled.
        Box::pin(async move { stream(&worker, &limits, &connection, latest, request).await })
    });
    let header_list = limits.header_bytes.saturating_mul(REFUSED_WITH_WORDS);
    let mut connection = pin!(
        http2::Builder::new(executor)
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams)
            .max_header_list_size(u32::try_from(header_list).unwrap_or(u32::MAX))
            .header_table_size(limits.http2.header_table_bytes)
            .max_pending_accept_reset_streams(usize::try_from(limits.streams).unwrap_or(usize::MAX))
            .max_local_error_reset_streams(usize::try_from(limits.http2.provoked_resets).unwrap_or(usize::MAX))
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .enable_connect_protocol()
            .serve_connection(io, service)
    );
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
            connection.as_mut().graceful_shutdown();
            outcome = connection.as_mut().poll(cx);
        }
        if outcome.is_pending() && idle.poll_idle(cx).is_ready() {
            if told {
                // It was told long ago.
                return Poll::Ready(Ok(()));
            }
            told = true;
            connection.as_mut().graceful_shutdown();
            outcome = connection.as_mut().poll(cx);
        }
        if outcome.is_pending() && outlet.poll_overdue(cx, limits.header_timeout).is_ready() {
            return Poll::Ready(Ok(()));
        }
        outlet.drain(cx);
        outcome
    })
    .await
}

/// One stream: a request and its answer, or a tunnel.
async fn stream(
    worker: &Rc<Worker>,
    limits: &Limits,
    connection: &Rc<Connection>,
    latest: Latest,
    request: Request<Incoming>,
) -> Result<Response<Telling>, Infallible> {
    let (mut parts, incoming) = request.into_parts();
    let checked = head::check(&parts, limits).and_then(|()| websocket::translate(&mut parts));
    let upgraded = parts.extensions.remove::<OnUpgrade>();
    let received = Rc::default();
    let plan = worker.plan();
    let bounds = Bounds {
        pause: limits.body_timeout,
        // A caller may say little for long before it is answered.
        rate: limits.body_rate.filter(|_| !grpc::is_grpc(&parts.headers)),
        bytes: limits.body_bytes,
        internal: &plan.plan.internal_headers,
    };
    let (body, answering) = body::bounded(Body::from_client(incoming), &bounds, &received);
    let hosts = Hosts::take_from(&mut parts.headers);
    let Parts { method, version, uri, headers, .. } = parts;
    let head = admit::Head { method, uri, version, headers, hosts };
    let (finish, admitted) = begin(worker, limits, connection, head, body, received);
    let mut finish = Box::new(finish);
    let admitted = checked.and_then(|upgrade| {
        finish.exchange.upgrade = upgrade.map(Box::new);
        admitted
    });
    let Answered { response, tunnel } = respond(&mut finish, admitted).await;
    let Some((tunnel, upgraded)) = tunnel.zip(upgraded) else {
        let answer = answering.map(Answering::begin);
        return Ok(Recorded::of(response, finish).map(|body| Telling::new(Some(body), latest, answer)));
    };
    // The stream goes on as a tunnel: the record, which the task holds, keeps the connection from being idle.
    let idle = limits.upgrade_idle_timeout;
    tokio::task::spawn_local(async move {
        if let Ok(client) = upgraded.await {
            let passed = tunnel.run(TokioIo::new(client), idle).await;
            finish.passed(passed);
        }
    });
    Ok(response.map(|_| Telling::new(None, latest, None)))
}

/// Runs the streams of a connection on its thread, and ends those whose clients take nothing.
#[derive(Clone)]
struct StreamExecutor {
    latest: Latest,
    patience: Duration,
}

impl<F: Future<Output = ()> + Unpin + 'static> hyper::rt::Executor<F> for StreamExecutor {
    fn execute(&self, stream: F) {
        tokio::task::spawn_local(Patient::new(stream, Rc::clone(&self.latest), self.patience));
    }
}
