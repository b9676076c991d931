//! The body of a request on its way to the handler: counted, and cut off where it is larger than it may be.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::BoxError;
use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::Notes;

/// A body that ends with an error beyond its limit.
pub(super) struct RequestBody {
    body: Incoming,
    read: u64,
    most: u64,
    notes: Notes,
}

impl RequestBody {
    /// `body`, of at most `most` bytes.
    pub(super) fn new(body: Incoming, most: u64, notes: Notes) -> Self {
        Self { body, read: 0, most, notes }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(context)) else { return Poll::Ready(None) };
        let frame = frame?;
        let length = frame.data_ref().map_or(0, |data| u64::try_from(data.remaining()).unwrap_or(u64::MAX));
        self.read = self.read.saturating_add(length);
        if self.read > self.most {
            self.notes.body_is_too_large();
            return Poll::Ready(Some(Err("the body is larger than it may be".into())));
        }
        self.notes.bytes_in_are(self.read);
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
