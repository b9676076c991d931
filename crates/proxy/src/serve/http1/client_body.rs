//! The body of a request, read from the connection as it is asked for: bounded in size and in pauses, counted, and rid of
//! trailers that only the gateway may set.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use gwanmun_core::{Code, Fault};
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use super::line::SharedLine;
use crate::body::Inspection;
use crate::h1::Malformed;
use crate::h1::body::Event;
use crate::patience::Patience;
use crate::plan::InternalHeaders;

/// What is still to come of a request.
pub(super) struct ClientBody {
    line: SharedLine,
    number: u64,
    inspection: Inspection,
    pause: Duration,
    patience: Patience,
    /// When the latest piece came, once one was waited for.
    waits_since: Option<Instant>,
}

impl ClientBody {
    /// The body of the request that `line` has just begun.
    pub(super) fn of(
        line: &SharedLine,
        limit: Option<u64>,
        pause: Duration,
        internal: &Arc<InternalHeaders>,
        received: &Rc<Cell<u64>>,
    ) -> Self {
        let inspection = Inspection::new(limit, received, internal);
        let number = line.borrow().number;
        Self { line: Rc::clone(line), number, inspection, pause, patience: Patience::default(), waits_since: None }
    }
}

impl http_body::Body for ClientBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = self.get_mut();
        let line = &mut *this.line.borrow_mut();
        if line.number != this.number {
            return Poll::Ready(Some(Err(Fault::new(Code::MalformedRequest, "the request is over"))));
        }
        loop {
            let frame = match line.rest.next(&mut line.inbound.bytes) {
                Ok(Event::Data(data)) => Frame::data(data),
                Ok(Event::Trailers(trailers)) => Frame::trailers(trailers),
                Ok(Event::End) => return Poll::Ready(None),
                Err(Malformed(why)) => return Poll::Ready(Some(Err(Fault::new(Code::MalformedRequest, why)))),
                Ok(Event::NeedMore) => {
                    let outcome = match line.poll_go_ahead(cx) {
                        Poll::Ready(Ok(())) => line.poll_fill(cx),
                        Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                        Poll::Pending => Poll::Pending,
                    };
                    let why = match outcome {
                        Poll::Ready(Ok(0)) => "the body ended before its end".into(),
                        Poll::Ready(Ok(_)) => continue,
                        Poll::Ready(Err(error)) => format!("the body broke off: {error}").into(),
                        Poll::Pending => {
                            let since = *this.waits_since.get_or_insert_with(Instant::now);
                            std::task::ready!(this.patience.poll_until(cx, since + this.pause));
                            return Poll::Ready(Some(Err(Fault::new(
                                Code::RequestTimeout,
                                "a body paused for too long",
                            ))));
                        }
                    };
                    let fault: std::borrow::Cow<'static, str> = why;
                    return Poll::Ready(Some(Err(Fault::new(Code::MalformedRequest, fault))));
                }
            };
            this.waits_since = None;
            return Poll::Ready(Some(this.inspection.inspect(frame)));
        }
    }

    fn is_end_stream(&self) -> bool {
        let line = self.line.borrow();
        line.number == self.number && line.rest.is_done()
    }

    fn size_hint(&self) -> SizeHint {
        let line = self.line.borrow();
        match line.rest.exact_length() {
            Some(length) if line.number == self.number => SizeHint::with_exact(length),
            _ => SizeHint::default(),
        }
    }
}
