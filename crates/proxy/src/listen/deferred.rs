//! HTTP/2 flushes after every frame of every stream. Here writes are collected while the connection is polled and leave
//! in one system call after it. What is held is capped; at the cap the connection has to wait for the client. A guard
//! looks at the frames in both directions, and ends the connection from here.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BufMut, BytesMut};
use gwanmun_core::Abort;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::listen::guard::Guard;
use crate::listen::stream::ServerIo;
use crate::patience::Patience;
use crate::plan::Http2Limits;

/// What may be held before writing has to wait.
const CAP: usize = 256 * 1024;
/// A client that is sent away has so long to read why. What it sends meanwhile is read and thrown away, so that closing
/// the socket does not take the reason back, but no more than so much.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1024 * 1024;

/// RFC 9113 sections 6.8 and 7.
const GOAWAY: u8 = 7;
const ENHANCE_YOUR_CALM: u32 = 0xb;

/// The stream that hyper reads and writes.
pub(crate) struct Deferred(Rc<RefCell<Held>>);

/// The other handle of the same stream: lets what was held leave.
pub(crate) struct Outlet {
    held: Rc<RefCell<Held>>,
    /// Runs while the rest of a head is being waited for.
    waiting: Patience,
}

struct Held {
    io: TokioIo<Guarded>,
    out: BytesMut,
    /// Whether `out` ends with a whole frame.
    whole: bool,
    failure: Option<io::ErrorKind>,
}

struct Guarded {
    io: ServerIo,
    guard: Guard,
}

/// Wraps `io`; the outlet is to be drained after each poll of the connection.
pub(crate) fn deferred(io: ServerIo, limits: &Http2Limits) -> (Deferred, Outlet) {
    let io = TokioIo::new(Guarded { io, guard: Guard::new(limits, Instant::now()) });
    let held = Held { io, out: BytesMut::with_capacity(16 * 1024), whole: true, failure: None };
    let held = Rc::new(RefCell::new(held));
    (Deferred(Rc::clone(&held)), Outlet { held, waiting: Patience::default() })
}

impl Outlet {
    /// Writes what can be written now; a failure shows at the connection's next write.
    pub(crate) fn drain(&self, cx: &mut Context<'_>) {
        let _ = self.held.borrow_mut().poll_drain(cx);
    }

    /// Ready when the rest of a head has been waited for as long as `patience`: then there is a verdict.
    pub(crate) fn poll_overdue(&mut self, cx: &mut Context<'_>, patience: Duration) -> Poll<()> {
        let mut held = self.held.borrow_mut();
        let guard = &mut held.io.inner_mut().guard;
        let Some(since) = guard.head_since() else { return Poll::Pending };
        ready!(self.waiting.poll_until(cx, since + patience));
        guard.condemn(Abort::HeaderTimeout);
        Poll::Ready(())
    }

    /// Why the connection was ended, by the guard or by h2.
    pub(crate) fn why_ended(&self) -> Option<Abort> {
        let held = self.held.borrow();
        let guard = &held.io.inner().guard;
        guard.verdict().or(guard.told())
    }

    /// Tells the client why, if that has not been done, and hears it out.
    pub(crate) async fn farewell(self) {
        self.held.borrow_mut().say_goodbye();
        let _ = tokio::time::timeout(LINGER, std::future::poll_fn(|cx| self.held.borrow_mut().poll_leave(cx))).await;
        let (mut scrap, mut left) = (vec![0; 16 * 1024], LINGER_BYTES);
        let hear_out = std::future::poll_fn(|cx| {
            loop {
                let mut buf = ReadBuf::new(&mut scrap);
                let io = &mut self.held.borrow_mut().io;
                let outcome = ready!(Pin::new(&mut io.inner_mut().io).poll_read(cx, &mut buf));
                let read = buf.filled().len();
                if outcome.is_err() || read == 0 || read > left {
                    return Poll::Ready(());
                }
                left -= read;
            }
        });
        let _ = tokio::time::timeout(LINGER, hear_out).await;
    }
}

impl Held {
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(kind) = self.failure {
            return Poll::Ready(Err(kind.into()));
        }
        let io = &mut self.io.inner_mut().io;
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

    /// Adds a GOAWAY where the guard has given a verdict and a frame may begin.
    fn say_goodbye(&mut self) {
        let guard = &self.io.inner().guard;
        let Some(why) = guard.verdict().filter(|_| self.whole) else { return };
        let words = why.name().as_bytes();
        let [_, length @ ..] = u32::try_from(words.len() + 8).unwrap_or_default().to_be_bytes();
        self.out.put_slice(&length);
        self.out.put_slice(&[GOAWAY, 0, 0, 0, 0, 0]);
        self.out.put_u32(guard.latest_stream());
        self.out.put_u32(ENHANCE_YOUR_CALM);
        self.out.put_slice(words);
    }

    fn poll_leave(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.io.inner_mut().io).poll_shutdown(cx)
    }
}

impl AsyncRead for Guarded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { io, guard } = &mut *self;
        let before = buf.filled().len();
        ready!(Pin::new(io).poll_read(cx, buf))?;
        guard.received(buf.filled().get(before..).unwrap_or_default(), Instant::now);
        Poll::Ready(match guard.verdict() {
            None => Ok(()),
            Some(why) => Err(io::Error::other(why.name())),
        })
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
        held.whole = false;
        if held.out.len() >= CAP {
            ready!(held.poll_drain(cx))?;
        }
        if let Some(kind) = held.failure {
            return Poll::Ready(Err(kind.into()));
        }
        held.out.extend_from_slice(buf);
        held.io.inner_mut().guard.sent(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let held = &mut *self.0.borrow_mut();
        // Whoever flushes has written all of its frames.
        held.whole = true;
        match held.failure {
            Some(kind) => Poll::Ready(Err(kind.into())),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_leave(cx)
    }
}
