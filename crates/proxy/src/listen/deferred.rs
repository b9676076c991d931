//! HTTP/2 flushes after every frame of every stream. Here writes are collected while the connection is polled and leave
//! in one system call after it. What is held is capped; at the cap the connection has to wait for the client.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWrite;

use crate::listen::stream::ServerIo;

/// What may be held before writing has to wait.
const CAP: usize = 256 * 1024;

/// The stream that hyper reads and writes.
pub(crate) struct Deferred(Rc<RefCell<Held>>);

/// The other handle of the same stream: lets what was held leave.
pub(crate) struct Outlet(Rc<RefCell<Held>>);

struct Held {
    io: TokioIo<ServerIo>,
    out: BytesMut,
    failure: Option<io::ErrorKind>,
}

/// Wraps `io`; the outlet is to be drained after each poll of the connection.
pub(crate) fn deferred(io: ServerIo) -> (Deferred, Outlet) {
    let held =
        Rc::new(RefCell::new(Held { io: TokioIo::new(io), out: BytesMut::with_capacity(16 * 1024), failure: None }));
    (Deferred(Rc::clone(&held)), Outlet(held))
}

impl Outlet {
    /// Writes what can be written now; a failure shows at the connection's next write.
    pub(crate) fn drain(&self, cx: &mut Context<'_>) {
        let _ = self.0.borrow_mut().poll_drain(cx);
    }
}

impl Held {
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(kind) = self.failure {
            return Poll::Ready(Err(kind.into()));
        }
        let io = self.io.inner_mut();
        while !self.out.is_empty() {
            match ready!(Pin::new(&mut *io).poll_write(cx, &self.out)) {
                Ok(0) => {
                    self.failure = Some(io::ErrorKind::WriteZero);
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                Ok(written) => self.out.advance(written),
                Err(error) => {
                    self.failure = Some(error.kind());
                    return Poll::Ready(Err(error));
                }
            }
        }
        Pin::new(io).poll_flush(cx)
    }
}

impl Read for Deferred {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let held = &mut *self.0.borrow_mut();
        if let Some(kind) = held.failure {
            return Poll::Ready(Err(kind.into()));
        }
        Pin::new(&mut held.io).poll_read(cx, buf)
    }
}

impl Write for Deferred {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let held = &mut *self.0.borrow_mut();
        if held.out.len() >= CAP {
            ready!(held.poll_drain(cx))?;
        }
        if let Some(kind) = held.failure {
            return Poll::Ready(Err(kind.into()));
        }
        held.out.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0.borrow().failure {
            Some(kind) => Poll::Ready(Err(kind.into())),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let held = &mut *self.0.borrow_mut();
        ready!(held.poll_drain(cx))?;
        Pin::new(held.io.inner_mut()).poll_shutdown(cx)
    }
}
