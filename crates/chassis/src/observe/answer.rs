//! The body of an answer on its way to the caller: counted, and its record kept until the last byte has left or the
//! caller has gone. A panic in it ends the answer, for the caller has its beginning.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::BoxError;
use axum::body::Body;
use bytes::Bytes;
use http::Response;
use http_body::{Frame, SizeHint};

use super::record::Record;

/// What the server writes.
pub(crate) type Answer = Response<AnswerBody>;

/// The body of an answer with the record of its request.
pub(crate) struct AnswerBody {
    body: Body,
    record: Record,
}

impl AnswerBody {
    /// `body`, after whose end `record` is written.
    pub(super) fn new(body: Body, record: Record) -> Self {
        Self { body, record }
    }
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Self { body, record } = &mut *self;
        record.in_flight.taken();
        let polled = {
            let (_scope, body) = (record.scope(), Pin::new(body));
            record.exceptions().catch(|| body.poll_frame(context))
        };
        let polled = match polled {
            Ok(polled) => polled,
            // The body is dropped, not asked again.
            Err(panicked) => return Poll::Ready(Some(Err(record.broke_off(panicked).into()))),
        };
        if polled.is_ready() {
            record.in_flight.offered();
        }
        polled.map(|frame| {
            Some(match frame? {
                Ok(frame) => {
                    record.bytes_out += frame.data_ref().map_or(0, |data| u64::try_from(data.len()).unwrap_or(0));
                    Ok(frame)
                }
                Err(error) => {
                    record.broken(&error);
                    Err(error.into())
                }
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
