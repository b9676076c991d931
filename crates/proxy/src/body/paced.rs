//! A body that must keep moving: at most so long between two pieces, at most so many bytes.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use gwanmun_core::{Code, Fault};
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use super::Body;

/// Bounds `body`: `pause` between two pieces, else the fault `late`.
pub(crate) fn paced(body: Body, pause: Duration, late: Code) -> Body {
    bounded(body, pause, late, None, Rc::default())
}

/// Bounds `body` in time and size, and counts it.
pub(crate) fn bounded(body: Body, pause: Duration, late: Code, limit: Option<u64>, count: Rc<Cell<u64>>) -> Body {
    if matches!(body, Body::Empty) {
        return body;
    }
    Body::stream(Paced { body, pause, late, limit, count, timer: None, timer_runs: false })
}

struct Paced {
    body: Body,
    pause: Duration,
    late: Code,
    limit: Option<u64>,
    count: Rc<Cell<u64>>,
    timer: Option<Pin<Box<Sleep>>>,
    timer_runs: bool,
}

impl http_body::Body for Paced {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = self.get_mut();
        let Poll::Ready(piece) = Pin::new(&mut this.body).poll_frame(cx) else {
            if !this.timer_runs {
                let at = Instant::now() + this.pause;
                match &mut this.timer {
                    Some(timer) => timer.as_mut().reset(at),
                    None => this.timer = Some(Box::pin(tokio::time::sleep_until(at))),
                }
                this.timer_runs = true;
            }
            if let Some(timer) = &mut this.timer {
                ready!(timer.as_mut().poll(cx));
                return Poll::Ready(Some(Err(Fault::new(
                    this.late,
                    format!("no piece of a body for {:?}", this.pause),
                ))));
            }
            return Poll::Pending;
        };
        this.timer_runs = false;
        if let Some(data) = piece.as_ref().and_then(|piece| piece.as_ref().ok()).and_then(Frame::data_ref) {
            let total = this.count.get().saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
            this.count.set(total);
            if this.limit.is_some_and(|limit| total > limit) {
                return Poll::Ready(Some(Err(Fault::new(Code::BodyTooLarge, "the body is larger than body-bytes"))));
            }
        }
        Poll::Ready(piece)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
