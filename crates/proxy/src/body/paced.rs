//! A client's body: it must keep moving, with at most so long between two pieces; it is counted, bounded in size, and rid
//! of trailers that only the gateway may set.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use gwanmun_core::{Code, Fault, Reason};
use http_body::{Frame, SizeHint};

use super::Body;
use super::inspection::Inspection;
use crate::patience::Silence;
use crate::plan::InternalHeaders;

/// Bounds of what a client sends.
pub(crate) struct Bounds<'a> {
    /// Between two pieces.
    pub(crate) pause: Duration,
    /// Altogether.
    pub(crate) bytes: Option<u64>,
    /// What trailers must not bring.
    pub(crate) internal: &'a Arc<InternalHeaders>,
}

/// Bounds a client's body and counts its bytes.
pub(crate) fn bounded(body: Body, bounds: &Bounds<'_>, count: &Rc<Cell<u64>>) -> Body {
    let inspection = Inspection::new(bounds.bytes, count, bounds.internal);
    if matches!(body, Body::Empty) {
        return Body::Empty;
    }
    Body::stream(Paced { body, inspection, pause: Silence::of(bounds.pause) })
}

struct Paced {
    body: Body,
    inspection: Inspection,
    pause: Silence,
}

impl http_body::Body for Paced {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = self.get_mut();
        let Poll::Ready(piece) = Pin::new(&mut this.body).poll_frame(cx) else {
            ready!(this.pause.poll_over(cx));
            let fault = Fault::new(Code::RequestTimeout, "the request's body paused for too long");
            return Poll::Ready(Some(Err(fault.because(Reason::RequestStalled))));
        };
        this.pause.broken();
        Poll::Ready(piece.map(|piece| this.inspection.inspect(piece?)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
