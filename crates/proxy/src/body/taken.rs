//! Whether an HTTP/2 client takes what waits for it. A client may keep the window of a stream shut while the connection
//! lives on (RFC 9113 section 5.2), and hyper does not ask the body for more before a piece has left: the stream, its
//! memory and the upstream's connection would be held for ever. So the future that drives the stream is watched, together
//! with its body.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use gwanmun_core::{Code, Fault};
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use super::{Recorded, UnderWay};
use crate::patience::Patience;

/// What the body of the stream that is being polled has done: one word for all streams of a connection, since they are
/// polled one after the other on one thread.
pub(crate) type Latest = Rc<Cell<Done>>;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Done {
    #[default]
    Nothing,
    /// Handed a piece over, and was not asked for another.
    Handed,
    /// Had nothing to hand over.
    Waited,
    /// Is given up.
    GivenUp,
}

/// A body that says what it has done.
pub(crate) struct Telling {
    /// `None` where a tunnel takes its place.
    body: Option<Recorded>,
    latest: Latest,
    /// The client may be silent as long as this goes on.
    _answer: Option<UnderWay>,
}

/// A stream's future, which ends when the client has not taken a piece for too long: hyper then resets the stream.
pub(crate) struct Patient<F> {
    stream: Option<F>,
    latest: Latest,
    patience: Duration,
    /// Since when a piece has been waiting for the client.
    since: Option<Instant>,
    timer: Patience,
}

impl Telling {
    pub(crate) fn new(body: Option<Recorded>, latest: Latest, answer: Option<UnderWay>) -> Self {
        Self { body, latest, _answer: answer }
    }
}

impl<F> Patient<F> {
    /// Watches `stream`, whose body tells `latest`.
    pub(crate) fn new(stream: F, latest: Latest, patience: Duration) -> Self {
        Self { stream: Some(stream), latest, patience, since: None, timer: Patience::default() }
    }
}

impl<F: Future<Output = ()> + Unpin> Future for Patient<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let Some(stream) = &mut this.stream else { return Poll::Ready(()) };
        this.latest.set(Done::Nothing);
        if Pin::new(stream).poll(cx).is_ready() {
            return Poll::Ready(());
        }
        match this.latest.get() {
            Done::Nothing => {}
            Done::Handed => this.since = Some(Instant::now()),
            Done::Waited | Done::GivenUp => this.since = None,
        }
        let Some(end) = this.since.map(|since| since + this.patience) else { return Poll::Pending };
        ready!(this.timer.poll_until(cx, end));
        this.latest.set(Done::GivenUp);
        this.stream = None;
        this.latest.set(Done::Nothing);
        Poll::Ready(())
    }
}

impl http_body::Body for Telling {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let piece = Pin::new(body).poll_frame(cx);
        self.latest.set(if matches!(piece, Poll::Ready(Some(Ok(_)))) { Done::Handed } else { Done::Waited });
        piece
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), http_body::Body::size_hint)
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        if self.latest.get() == Done::GivenUp
            && let Some(body) = &mut self.body
        {
            body.give_up(&Fault::new(Code::RequestTimeout, "the client takes nothing of its answer"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(20);

    /// A stream whose body does this each time it is polled, and never ends.
    fn stream(does: impl Fn() -> Done + Unpin) -> (impl Future<Output = ()> + Unpin, Latest) {
        let latest = Latest::default();
        let told = Rc::clone(&latest);
        let endless = poll_fn(move |_| {
            told.set(does());
            Poll::Pending
        });
        (endless, latest)
    }

    #[tokio::test]
    async fn a_piece_that_is_not_taken_ends_the_stream() {
        let began = Instant::now();
        let first = Cell::new(true);
        let (stream, latest) = stream(move || if first.replace(false) { Done::Handed } else { Done::Nothing });
        Patient::new(stream, Rc::clone(&latest), PATIENCE).await;
        assert!(began.elapsed() >= PATIENCE);
        assert_eq!(latest.get(), Done::Nothing, "no other stream is given up");
    }

    #[tokio::test]
    async fn a_stream_that_waits_for_its_upstream_goes_on() {
        for done in [Done::Waited, Done::Nothing] {
            let (stream, latest) = stream(move || done);
            let patient = Patient::new(stream, latest, PATIENCE);
            assert!(tokio::time::timeout(PATIENCE * 3, patient).await.is_err(), "{done:?}");
        }
    }
}
