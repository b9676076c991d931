//! The receiving side of a client's connection. Requests are read from it one after the other; the body of one is read by
//! whoever takes it to the upstream, from the same buffer.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Buf;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::h1::body::Body as Rest;
use crate::inbox::Inbox;
use crate::listen::stream::ServerIo;
use crate::patience::Patience;

/// What a client may send ahead of the answer to its latest request.
const AHEAD: usize = 16 * 1024;
/// A client that has ended its side may still read: whatever it waits for then may take so long. One that has left looks
/// the same until something is written to it, and its upstream should not work for nobody.
const HALF_CLOSED: Duration = Duration::from_secs(1);
/// The interim answer to `Expect: 100-continue` (RFC 9110 section 10.1.1).
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A connection as the requests on it share it.
pub(super) type SharedLine = Rc<RefCell<Line>>;

/// What has come on a connection and not been used yet.
pub(super) struct Line {
    pub(super) io: ServerIo,
    pub(super) inbound: Inbox,
    /// What is still to come of the current request's body.
    pub(super) rest: Rest,
    /// The current request: a body that is read too late gets nothing of the next one's.
    pub(super) number: u64,
    /// What is still to be written so that the client sends its body.
    go_ahead: &'static [u8],
    /// Since when the client has ended its side, or has last taken something since.
    ended: Option<Instant>,
    leaving: Patience,
    /// Whom to wake when the body has been read: until then only its reader looks at the connection.
    owner: Option<Waker>,
}

impl Line {
    pub(super) fn new(mut io: ServerIo) -> SharedLine {
        let inbound = Inbox::holding(io.take_ahead());
        Rc::new(RefCell::new(Self {
            io,
            inbound,
            rest: Rest::Done,
            number: 0,
            go_ahead: b"",
            ended: None,
            leaving: Patience::default(),
            owner: None,
        }))
    }

    /// The answer is known: an interim one comes too late, but a begun one has to be ended. Returns the rest of it.
    pub(super) fn begin_answer(&mut self) -> &'static [u8] {
        let rest = std::mem::take(&mut self.go_ahead);
        if rest.len() < CONTINUE.len() { rest } else { b"" }
    }

    /// The exchange is over: who still reads its body gets nothing of what follows.
    pub(super) fn end_request(&mut self) {
        self.number += 1;
    }

    /// The body may have been read to its end, maybe by another task.
    pub(super) fn notice_end_of_body(&mut self, cx: &Context<'_>) {
        if self.rest.is_done()
            && let Some(owner) = self.owner.take()
            && !owner.will_wake(cx.waker())
        {
            owner.wake();
        }
    }

    /// Something has left: whoever took it is still there.
    pub(super) fn was_taken_from(&mut self) {
        if let Some(since) = &mut self.ended {
            *since = Instant::now();
        }
    }

    /// The client waits for a word before it sends its body.
    pub(super) fn owe_continue(&mut self) {
        self.go_ahead = CONTINUE;
    }

    /// Reads what is there, at least one byte unless the client has ended.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.inbound.poll_fill(&mut self.io, &self.rest, cx)
    }

    /// Ready when the client has gone, or is taken to have: [`HALF_CLOSED`]. What it sends ahead meanwhile is kept, within a bound.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // A body is read by whoever needs it, and that is where its end will be noticed.
        if !self.rest.is_done() {
            match &mut self.owner {
                Some(owner) => owner.clone_from(cx.waker()),
                None => self.owner = Some(cx.waker().clone()),
            }
            return Poll::Pending;
        }
        while self.ended.is_none() && self.inbound.bytes.len() < AHEAD {
            match ready!(self.poll_fill(cx)) {
                Ok(0) => self.ended = Some(Instant::now()),
                Ok(_) => {}
                Err(_) => return Poll::Ready(()),
            }
        }
        match self.ended {
            Some(since) => self.leaving.poll_until(cx, since + HALF_CLOSED),
            None => Poll::Pending,
        }
    }

    /// Writes what is owed before a body comes.
    pub(super) fn poll_go_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.go_ahead.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while !self.go_ahead.is_empty() {
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, self.go_ahead))?;
            self.go_ahead = self.go_ahead.get(written..).unwrap_or_default();
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }
}

/// The connection as a plain stream of bytes, after HTTP has been left.
pub(super) struct Stream(pub(super) SharedLine);

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let line = &mut *self.0.borrow_mut();
        if line.inbound.bytes.has_remaining() {
            let length = line.inbound.bytes.len().min(buf.remaining());
            buf.put_slice(&line.inbound.bytes.split_to(length));
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut line.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0.borrow_mut().io).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().io).poll_shutdown(cx)
    }
}
