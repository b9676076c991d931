//! The body of an answer over HTTP/2: it must keep moving, its place on the connection is its own until it ends, and what
//! breaks it off is told.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use gwanmun_core::{Code, Fault, Reason};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::failure::{Stage, fault, reason_of};
use super::shared::Place;
use crate::body::{Body, Progress};
use crate::patience::Silence;
use crate::upstream::deadline::Deadline;

/// The body that comes as `incoming`: at most `pause` between two pieces and nothing after `deadline`. If the rest of the
/// request, of which `request` tells, breaks the exchange off, that is what is told.
pub(crate) fn answer(
    incoming: Incoming,
    place: Place,
    pause: Duration,
    deadline: Option<Deadline>,
    request: Option<Rc<Progress>>,
) -> Body {
    if incoming.is_end_stream() {
        return Body::Empty;
    }
    Body::stream(Answer { incoming, place: Some(place), pause: Silence::of(pause), deadline, request })
}

struct Answer {
    incoming: Incoming,
    place: Option<Place>,
    pause: Silence,
    deadline: Option<Deadline>,
    request: Option<Rc<Progress>>,
}

impl Answer {
    /// Ready, with the reason, when nothing has moved for too long.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<Fault> {
        ready!(match self.deadline {
            Some(deadline) => self.pause.poll_over_or_at(cx, deadline.at),
            None => self.pause.poll_over(cx),
        });
        Poll::Ready(match self.deadline.filter(|deadline| deadline.at <= Instant::now()) {
            Some(deadline) => deadline.fault(),
            None => {
                Fault::new(Code::UpstreamTimeout, "the answer's body paused for too long").because(Reason::BodyStalled)
            }
        })
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = self.get_mut();
        let piece = match Pin::new(&mut this.incoming).poll_frame(cx) {
            Poll::Pending => Some(Err(ready!(this.poll_timer(cx)))),
            Poll::Ready(piece) => piece.map(|piece| {
                piece.map_err(|error| {
                    let of_the_request = this.request.as_ref().and_then(|request| request.fault.take());
                    of_the_request.unwrap_or_else(|| fault(reason_of(&error), Stage::Body, &error))
                })
            }),
        };
        this.pause.broken();
        if matches!(piece, None | Some(Err(_))) {
            this.place = None;
        }
        Poll::Ready(piece)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
