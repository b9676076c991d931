//! A client's body: it must keep moving, with at most so long between two pieces and not too slowly, unless an answer is
//! under way: who is listening need not speak. It is counted, bounded in size, and rid of trailers that only the gateway
//! may set.

use std::cell::Cell;
use std::num::NonZeroU64;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use gwanmun_core::Fault;
use http_body::{Frame, SizeHint};

use super::Body;
use super::inspection::Inspection;
use super::pace::Pace;
use crate::plan::InternalHeaders;

/// Bounds of what a client sends.
pub(crate) struct Bounds<'a> {
    /// Between two pieces.
    pub(crate) pause: Duration,
    /// Bytes a second.
    pub(crate) rate: Option<NonZeroU64>,
    /// Altogether.
    pub(crate) bytes: Option<u64>,
    /// What trailers must not bring.
    pub(crate) internal: &'a Arc<InternalHeaders>,
}

/// Whether an answer to the request is under way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answering(Rc<Cell<bool>>);

/// An answer that is under way, until this is dropped.
#[derive(Debug)]
pub(crate) struct UnderWay(Answering);

/// Bounds a client's body and counts its bytes. Who may pause for longer has to be told of the answer.
pub(crate) fn bounded(body: Body, bounds: &Bounds<'_>, count: &Rc<Cell<u64>>) -> (Body, Option<Answering>) {
    let inspection = Inspection::new(bounds.bytes, count, bounds.internal);
    if matches!(body, Body::Empty) {
        return (Body::Empty, None);
    }
    let answering = Answering::default();
    let pace = Pace::new(bounds.pause, bounds.rate);
    let paced = Paced { body, pace, inspection, answering: answering.clone() };
    (Body::stream(paced), Some(answering))
}

impl Answering {
    /// The head of an answer is there.
    pub(crate) fn begin(self) -> UnderWay {
        self.0.set(true);
        UnderWay(self)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.set(false);
    }
}

struct Paced {
    body: Body,
    pace: Pace,
    inspection: Inspection,
    answering: Answering,
}

impl Paced {
    /// Ready when it has been waited for too long.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Fault> {
        loop {
            let late = ready!(self.pace.poll_late(cx, self.inspection.received()));
            if !self.answering.0.get() {
                return Poll::Ready(late);
            }
            // It begins anew: nobody wakes this at the answer's end.
            self.pace.begin_anew();
        }
    }
}

impl http_body::Body for Paced {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = self.get_mut();
        let Poll::Ready(piece) = Pin::new(&mut this.body).poll_frame(cx) else {
            return this.poll_late(cx).map(|late| Some(Err(late)));
        };
        this.pace.moved();
        Poll::Ready(piece.map(|piece| this.inspection.inspect(piece?)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use gwanmun_core::Reason;

    use super::*;

    const PAUSE: Duration = Duration::from_millis(20);

    /// A body of which nothing comes.
    struct Silent;

    impl http_body::Body for Silent {
        type Data = Bytes;
        type Error = Fault;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
            Poll::Pending
        }
    }

    fn silent() -> (Body, Answering) {
        let bounds = Bounds { pause: PAUSE, rate: NonZeroU64::new(1), bytes: None, internal: &Arc::default() };
        let (body, answering) = bounded(Body::stream(Silent), &bounds, &Rc::default());
        (body, answering.unwrap())
    }

    /// Why `body` ends.
    async fn end_of(body: &mut Body) -> Option<Reason> {
        let piece = std::future::poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut *body), cx)).await;
        piece.unwrap().unwrap_err().reason()
    }

    #[tokio::test]
    async fn a_pause_before_the_answer_is_bounded() {
        let (mut body, _answering) = silent();
        assert_eq!(end_of(&mut body).await, Some(Reason::RequestStalled));
    }

    #[tokio::test]
    async fn who_is_being_answered_may_be_silent_until_the_answer_has_ended() {
        let (mut body, answering) = silent();
        let answer = answering.begin();
        assert!(tokio::time::timeout(PAUSE * 5, end_of(&mut body)).await.is_err());
        drop(answer);
        assert_eq!(end_of(&mut body).await, Some(Reason::RequestStalled));
    }
}
