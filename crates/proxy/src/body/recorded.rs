//! The body as it leaves towards the client. The exchange is over when its last byte has left or the client has gone:
//! then, and only then, the record is written.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use gwanmun_core::Fault;
use http_body::{Frame, SizeHint};

use super::Body;
use crate::finish::Finish;

/// A response's body with what is to be done at its end.
pub(crate) struct Recorded {
    body: Body,
    finish: Box<Finish>,
}

impl Recorded {
    /// Ends `finish` with `body`.
    pub(crate) fn new(body: Body, finish: Box<Finish>) -> Self {
        Self { body, finish }
    }
}

impl http_body::Body for Recorded {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let piece = Pin::new(&mut self.body).poll_frame(cx);
        match &piece {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    self.finish.sent(data.len());
                }
            }
            Poll::Ready(Some(Err(fault))) => self.finish.failed(fault),
            Poll::Ready(None) | Poll::Pending => {}
        }
        piece
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
