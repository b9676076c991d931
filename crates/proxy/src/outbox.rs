//! What waits to be written on an HTTP/1 connection: a head and small pieces in one buffer, a large piece from where it is,
//! all in one write.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

use crate::h1::encode;

/// Pieces from this size on are written from where they are.
const LARGE: usize = 8 * 1024;
/// With so much waiting nothing more is taken.
const FULL: usize = 16 * 1024;

/// Bytes on their way out.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    small: Vec<u8>,
    /// So much of `small` has left.
    at: usize,
    /// Written after `small`.
    large: Bytes,
    /// Written after `large`: the end of its chunk.
    after: &'static [u8],
}

/// How a piece of a body is wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrapping {
    /// Not at all.
    Plain,
    /// As a chunk.
    Chunk,
}

impl Outbox {
    /// Adds a piece of a body; only while there is room.
    pub(crate) fn piece(&mut self, data: Bytes, wrapping: Wrapping) {
        if wrapping == Wrapping::Chunk {
            encode::chunk_head(&mut self.small, data.len());
        }
        let end: &'static [u8] = if wrapping == Wrapping::Chunk { b"\r\n" } else { b"" };
        if data.len() >= LARGE {
            self.large = data;
            self.after = end;
        } else {
            self.small.extend_from_slice(&data);
            self.small.extend_from_slice(end);
        }
    }

    /// Where heads and the ends of bodies are written; only while there is room.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.small
    }

    /// Whether more may be added.
    pub(crate) fn has_room(&self) -> bool {
        self.large.is_empty() && self.after.is_empty() && self.small.len() - self.at < FULL
    }

    /// Whether all has left.
    pub(crate) fn is_empty(&self) -> bool {
        self.small.len() == self.at && self.large.is_empty() && self.after.is_empty()
    }

    /// Forgets what has not left.
    pub(crate) fn clear(&mut self) {
        self.small.clear();
        self.at = 0;
        self.large = Bytes::new();
        self.after = b"";
    }

    /// Gives back what a large head or many small pieces made it grow to.
    pub(crate) fn rest(&mut self) {
        if self.is_empty() && self.small.capacity() > FULL {
            self.small = Vec::new();
        }
    }

    /// Writes until nothing waits any more.
    pub(crate) fn poll_write(
        &mut self,
        mut io: Pin<&mut impl AsyncWrite>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let small = self.small.get(self.at..).unwrap_or_default();
            let written = if self.large.is_empty() && self.after.is_empty() {
                ready!(io.as_mut().poll_write(cx, small))?
            } else {
                let slices = [IoSlice::new(small), IoSlice::new(&self.large), IoSlice::new(self.after)];
                ready!(io.as_mut().poll_write_vectored(cx, &slices))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, written: usize) {
        let of_small = written.min(self.small.len() - self.at);
        self.at += of_small;
        if self.at == self.small.len() {
            self.small.clear();
            self.at = 0;
        }
        let of_large = (written - of_small).min(self.large.len());
        self.large.advance(of_large);
        if self.large.is_empty() {
            // The piece it was part of can go.
            self.large = Bytes::new();
        }
        self.after = self.after.get(written - of_small - of_large..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes at once.
    struct Slow(usize, Vec<u8>);

    impl AsyncWrite for Slow {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            let taken = buf.len().min(self.0);
            self.1.extend_from_slice(&buf[..taken]);
            Poll::Ready(Ok(taken))
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let all: Vec<u8> = bufs.iter().flat_map(|buf| buf.to_vec()).take(self.0).collect();
            self.1.extend_from_slice(&all);
            Poll::Ready(Ok(all.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn whatever_is_taken_at_once_the_bytes_keep_their_order() {
        for at_once in [1, 3, 7, 9000, 100_000] {
            let mut outbox = Outbox::default();
            outbox.buffer().extend_from_slice(b"head ");
            outbox.piece(Bytes::from_static(b"small"), Wrapping::Chunk);
            assert!(outbox.has_room());
            outbox.piece(Bytes::from(vec![b'x'; LARGE]), Wrapping::Chunk);
            assert!(!outbox.has_room());
            let mut io = Slow(at_once, Vec::new());
            let mut cx = Context::from_waker(std::task::Waker::noop());
            assert!(matches!(outbox.poll_write(Pin::new(&mut io), &mut cx), Poll::Ready(Ok(()))));
            assert!(outbox.is_empty() && outbox.has_room());
            let wanted = format!("head 5\r\nsmall\r\n2000\r\n{}\r\n", "x".repeat(LARGE));
            assert_eq!(String::from_utf8(io.1).unwrap(), wanted);
        }
    }
}
