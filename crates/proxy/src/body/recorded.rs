//! The body as it leaves towards the client. The exchange is over when its last byte has left or the client has gone:
//! then, and only then, the record is written. A gRPC answer that breaks off ends with the status that says so, any other
//! with a reset stream.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use gwanmun_core::Fault;
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use super::Body;
use crate::filter::Response;
use crate::finish::Finish;
use crate::grpc;

/// A response's body with what is to be done at its end.
pub(crate) struct Recorded {
    body: Body,
    finish: Box<Finish>,
    /// Whether the client reads a gRPC status at the end.
    grpc: bool,
}

impl Recorded {
    /// Ends `finish` with the body of `response`.
    pub(crate) fn of(response: Response, finish: Box<Finish>) -> http::Response<Self> {
        let grpc = grpc::is_grpc(response.headers());
        response.map(|body| Self { body, finish, grpc })
    }

    /// The rest will not leave: the record says why.
    pub(crate) fn give_up(&mut self, fault: &Fault) {
        self.finish.failed(fault);
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
            Poll::Ready(Some(Err(fault))) => {
                self.finish.failed(fault);
                if self.grpc {
                    let mut status = HeaderMap::new();
                    grpc::tell(&mut status, fault);
                    self.body = Body::Empty;
                    return Poll::Ready(Some(Ok(Frame::trailers(status))));
                }
            }
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
