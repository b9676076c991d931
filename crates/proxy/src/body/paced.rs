//! A body that must keep moving: at most so long between two pieces. A client's is also counted, bounded in size, and rid
//! of trailers that only the gateway may set.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use gwanmun_core::{Code, Fault};
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use super::Body;
use super::inspection::Inspection;
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

/// Bounds an upstream's body: `pause` between two pieces and nothing after `deadline`, else the fault `late`.
pub(crate) fn paced(body: Body, pause: Duration, deadline: Option<Instant>, late: Code) -> Body {
    boxed(Paced { body, pause, deadline, late, inspection: None, timer: None, timer_runs: false })
}

/// Bounds a client's body and counts its bytes.
pub(crate) fn bounded(body: Body, bounds: &Bounds<'_>, count: &Rc<Cell<u64>>) -> Body {
    let inspection = Inspection::new(bounds.bytes, count, bounds.internal);
    let (pause, late) = (bounds.pause, Code::RequestTimeout);
    boxed(Paced { body, pause, deadline: None, late, inspection: Some(inspection), timer: None, timer_runs: false })
}

fn boxed(paced: Paced) -> Body {
    if matches!(paced.body, Body::Empty) { Body::Empty } else { Body::stream(paced) }
}

struct Paced {
    body: Body,
    pause: Duration,
    deadline: Option<Instant>,
    late: Code,
    inspection: Option<Inspection>,
    timer: Option<Pin<Box<Sleep>>>,
    timer_runs: bool,
}

impl Paced {
    /// Ready when nothing has moved for too long.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.timer_runs {
            let pause = Instant::now() + self.pause;
            let at = self.deadline.map_or(pause, |deadline| deadline.min(pause));
            match &mut self.timer {
                Some(timer) => timer.as_mut().reset(at),
                None => self.timer = Some(Box::pin(tokio::time::sleep_until(at))),
            }
            self.timer_runs = true;
        }
        match &mut self.timer {
            Some(timer) => timer.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

impl http_body::Body for Paced {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = self.get_mut();
        let Poll::Ready(piece) = Pin::new(&mut this.body).poll_frame(cx) else {
            ready!(this.poll_timer(cx));
            return Poll::Ready(Some(Err(Fault::new(this.late, "a body paused for too long"))));
        };
        this.timer_runs = false;
        Poll::Ready(match (piece, &this.inspection) {
            (Some(Ok(frame)), Some(inspection)) => Some(inspection.inspect(frame)),
            (piece, _) => piece,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
