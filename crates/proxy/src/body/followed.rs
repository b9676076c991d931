//! A request's body on its way through hyper, which tells nobody when the last piece has left or why a body ended early,
//! and gives nothing back of a request that the upstream has refused. So it stays here: hyper gets a view of it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use gwanmun_core::Fault;
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use super::Body;

/// So much of a body is kept to be sent once more: enough for a call with one message.
const KEPT: usize = 64 * 1024;

/// How far a body has come.
pub(crate) struct Progress {
    /// When the latest piece left.
    pub(crate) moved: Cell<Instant>,
    /// Why it ended before its end.
    pub(crate) fault: RefCell<Option<Fault>>,
    body: RefCell<Body>,
    /// What has left, while that is little; `None` when it has become too much.
    kept: RefCell<Option<VecDeque<Bytes>>>,
    kept_bytes: Cell<usize>,
}

impl Progress {
    /// The whole body once more, if so little of it has left that it is still here. Whoever reads the view from now on
    /// finds its end.
    pub(crate) fn take_back(&self) -> Option<Body> {
        let sent = self.kept.take()?;
        let rest = self.body.take();
        Some(if sent.is_empty() { rest } else { Body::stream(Again { sent, rest }) })
    }

    /// An answer has begun: nothing will be sent again.
    pub(crate) fn forget(&self) {
        self.kept.take();
    }

    fn passed(&self, frame: &Frame<Bytes>) {
        let mut kept = self.kept.borrow_mut();
        let bytes = frame.data_ref().map(|data| self.kept_bytes.get().saturating_add(data.len()));
        match (kept.as_mut(), frame.data_ref(), bytes) {
            (Some(sent), Some(data), Some(bytes)) if bytes <= KEPT => {
                sent.push_back(data.clone());
                self.kept_bytes.set(bytes);
            }
            _ => *kept = None,
        }
    }
}

/// A view of `body` to be sent, and the body itself with its progress.
pub(crate) fn followed(body: Body) -> (Body, Rc<Progress>) {
    let progress = Rc::new(Progress {
        moved: Cell::new(Instant::now()),
        fault: RefCell::new(None),
        body: RefCell::new(body),
        kept: RefCell::new(Some(VecDeque::new())),
        kept_bytes: Cell::new(0),
    });
    (Body::stream(Followed(Rc::clone(&progress))), progress)
}

struct Followed(Rc<Progress>);

impl http_body::Body for Followed {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let progress = &self.0;
        let piece = ready!(Pin::new(&mut *progress.body.borrow_mut()).poll_frame(cx));
        progress.moved.set(Instant::now());
        match &piece {
            Some(Ok(frame)) => progress.passed(frame),
            Some(Err(fault)) => *progress.fault.borrow_mut() = Some(fault.clone()),
            None => {}
        }
        Poll::Ready(piece)
    }

    fn is_end_stream(&self) -> bool {
        self.0.body.borrow().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.body.borrow().size_hint()
    }
}

/// A body from its beginning, some of which has been sent before.
struct Again {
    sent: VecDeque<Bytes>,
    rest: Body,
}

impl http_body::Body for Again {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        match self.sent.pop_front() {
            Some(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.sent.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let sent = self.sent.iter().map(|data| u64::try_from(data.len()).unwrap_or(u64::MAX)).sum::<u64>();
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(sent));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(sent)) {
            hint.set_upper(upper);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;

    use http_body::Body as _;

    use super::*;

    struct Pieces(VecDeque<Bytes>);

    impl http_body::Body for Pieces {
        type Data = Bytes;
        type Error = Fault;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
            Poll::Ready(self.0.pop_front().map(|data| Ok(Frame::data(data))))
        }
    }

    async fn next(body: &mut Body) -> Option<Bytes> {
        let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?;
        frame.unwrap().into_data().ok()
    }

    fn pieces(sizes: &[usize]) -> Body {
        Body::stream(Pieces(sizes.iter().map(|&size| Bytes::from(vec![b'a'; size])).collect()))
    }

    #[tokio::test]
    async fn what_has_left_is_there_again() {
        let (mut view, progress) = followed(pieces(&[3, 2, 5]));
        assert_eq!(next(&mut view).await.unwrap().len(), 3);
        assert_eq!(next(&mut view).await.unwrap().len(), 2);
        let mut again = progress.take_back().unwrap();
        assert_eq!(next(&mut view).await, None, "the first attempt sees an end");
        let mut sizes = Vec::new();
        while let Some(piece) = next(&mut again).await {
            sizes.push(piece.len());
        }
        assert_eq!(sizes, [3, 2, 5]);
    }

    #[tokio::test]
    async fn no_more_is_kept_than_the_bound() {
        let (mut view, progress) = followed(pieces(&[KEPT, 1]));
        next(&mut view).await.unwrap();
        assert_eq!(progress.kept.borrow().as_ref().map(VecDeque::len), Some(1));
        next(&mut view).await.unwrap();
        assert!(progress.take_back().is_none());
    }

    #[tokio::test]
    async fn nothing_is_kept_when_an_answer_has_begun() {
        let (mut view, progress) = followed(pieces(&[1]));
        progress.forget();
        pin!(next(&mut view)).await.unwrap();
        assert!(progress.take_back().is_none());
    }
}
