//! A request's body on its way through hyper, which tells nobody when the last piece has left or why a body ended early.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use gwanmun_core::Fault;
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use super::Body;

/// How far a body has come.
pub(crate) struct Progress {
    /// When the latest piece left.
    pub(crate) moved: Cell<Instant>,
    /// Why it ended before its end.
    pub(crate) fault: RefCell<Option<Fault>>,
}

/// The same body, whose progress shows in the other value.
pub(crate) fn followed(body: Body) -> (Body, Rc<Progress>) {
    let progress = Rc::new(Progress { moved: Cell::new(Instant::now()), fault: RefCell::new(None) });
    let followed = Body::stream(Followed { body, progress: Rc::clone(&progress) });
    (followed, progress)
}

struct Followed {
    body: Body,
    progress: Rc<Progress>,
}

impl http_body::Body for Followed {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let piece = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.progress.moved.set(Instant::now());
        if let Some(Err(fault)) = &piece {
            *self.progress.fault.borrow_mut() = Some(fault.clone());
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
