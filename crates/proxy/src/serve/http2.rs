//! HTTP/2 on a connection: hyper and h2, with writes deferred and idleness watched.

use std::pin::pin;
use std::rc::Rc;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;

use super::{exchange, until_drained};
use crate::exchange::Connection;
use crate::listen::deferred::deferred;
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
