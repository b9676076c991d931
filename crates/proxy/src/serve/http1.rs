//! HTTP/1 on a connection.

use std::pin::pin;
use std::rc::Rc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};

use super::{exchange, until_drained};
use crate::exchange::Connection;
use crate::listen::stream::ServerIo;
use crate::plan::Limits;
use crate::worker::{ConnectionPermit, Worker};

/// Serves request after request.
pub(super) async fn serve(
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
