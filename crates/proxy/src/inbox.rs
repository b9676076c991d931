//! What has been read on an HTTP/1 connection and not been used yet: one buffer, used again and again, larger while a large
//! body comes.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::h1::body::Body;

/// What is read at once between messages: enough for most heads.
const READ: usize = 8 * 1024;
/// A body that is no larger is read at once.
const WHOLE: usize = 64 * 1024;
/// What is read at once of a larger one: what was read is still in the processor's cache when it is written.
const LARGE_READ: usize = 32 * 1024;

/// Bytes that have come.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    pub(crate) bytes: BytesMut,
    /// The latest read took all the room there was.
    brimful: bool,
    /// It has had room for a large read: what is left of that may look small from here.
    grown: bool,
}

impl Inbox {
    /// With what has been read already.
    pub(crate) fn holding(bytes: BytesMut) -> Self {
        Self { bytes, brimful: false, grown: false }
    }

    /// Reads what is there, at least one byte unless the other end has ended. `rest` is still to come of a message.
    pub(crate) fn poll_fill(
        &mut self,
        io: &mut (impl AsyncRead + Unpin),
        rest: &Body,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let bytes = &mut self.bytes;
        // Only who sends much at once gets much room: slow senders of large bodies would hold it for nothing.
        let wanted = match rest.exact_length().map(usize::try_from) {
            Some(Ok(0)) => READ,
            _ if !self.brimful => READ,
            Some(Ok(left @ ..=WHOLE)) => left.max(READ),
            _ => LARGE_READ,
        };
        // All of it where nothing has to be moved for that; else when there is little left.
        let enough = if bytes.is_empty() && !rest.is_done() { wanted } else { READ / 2 };
        if bytes.capacity() - bytes.len() < enough {
            self.grown |= wanted > READ;
            bytes.reserve(wanted);
        }
        let read = ready!(pin!(io.read_buf(bytes)).poll(cx));
        self.brimful = bytes.len() == bytes.capacity();
        Poll::Ready(read)
    }

    /// Gives back what a large body made it grow to. Between messages.
    pub(crate) fn shrink(&mut self) {
        if self.bytes.is_empty() && (self.grown || self.bytes.capacity() > 2 * READ) {
            self.bytes = BytesMut::new();
            self.grown = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn room_after(reads: &[&[u8]], rest: &Body) -> usize {
        let mut inbox = Inbox::default();
        let mut cx = Context::from_waker(Waker::noop());
        for mut read in reads.iter().copied() {
            assert!(matches!(inbox.poll_fill(&mut read, rest, &mut cx), Poll::Ready(Ok(_))));
            inbox.bytes.clear();
        }
        inbox.bytes.capacity()
    }

    #[test]
    fn there_is_as_much_room_as_will_be_needed() {
        let (little, much) = (&b"piece"[..], &[b'x'; 3 * READ][..]);
        assert!(room_after(&[little], &Body::Done) < LARGE_READ);
        assert!(room_after(&[little, little], &Body::Length(1 << 30)) < LARGE_READ, "a slow sender");
        assert!(room_after(&[much, little], &Body::Length(1 << 30)) >= LARGE_READ);
        assert!(room_after(&[much, little], &Body::Length(60_000)) >= 60_000);
        assert!(room_after(&[much, little], &Body::Length(10)) < LARGE_READ);
        assert!(room_after(&[little, little], &Body::UntilClose) < LARGE_READ);
        assert!(room_after(&[much, little], &Body::UntilClose) >= LARGE_READ);
    }

    #[test]
    fn what_a_large_body_has_nearly_used_up_is_given_back_too() {
        let mut inbox = Inbox::default();
        let mut cx = Context::from_waker(Waker::noop());
        let (first, body) = (vec![b'x'; READ], vec![b'x'; LARGE_READ - READ]);
        for piece in [first, body] {
            inbox.bytes.clear();
            assert!(inbox.poll_fill(&mut &*piece, &Body::Length(LARGE_READ as u64), &mut cx).is_ready());
        }
        assert_eq!(inbox.bytes.len(), LARGE_READ - READ);
        let taken = inbox.bytes.split();
        assert!(inbox.bytes.capacity() <= 2 * READ, "the rest looks small");
        drop(taken);
        inbox.shrink();
        assert_eq!(inbox.bytes.capacity(), 0);
    }

    #[test]
    fn what_a_large_body_needed_is_given_back() {
        let mut inbox = Inbox::default();
        inbox.bytes.reserve(LARGE_READ);
        inbox.shrink();
        assert_eq!(inbox.bytes.capacity(), 0);
        inbox.bytes.reserve(READ);
        inbox.shrink();
        assert!(inbox.bytes.capacity() >= READ);
    }
}
