//! Connections of a worker that are told to finish: HTTP/1.1 answers `Connection: close`, HTTP/2 sends GOAWAY.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;

use tokio::sync::Notify;

/// Who is open and must be woken when the worker drains.
#[derive(Default)]
pub(crate) struct Drain {
    draining: Cell<bool>,
    begun: Notify,
    open: Rc<RefCell<Open>>,
}

#[derive(Default)]
struct Open {
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
    closed: Rc<Notify>,
}

/// An open connection; dropped, it is closed.
pub(crate) struct OpenConnection {
    open: Rc<RefCell<Open>>,
    place: usize,
}

impl Drain {
    /// Counts a connection.
    pub(crate) fn enter(&self) -> OpenConnection {
        let mut open = self.open.borrow_mut();
        let waker = Some(Waker::noop().clone());
        let place = match open.free.pop() {
            Some(place) => {
                if let Some(slot) = open.wakers.get_mut(place) {
                    *slot = waker;
                }
                place
            }
            None => {
                open.wakers.push(waker);
                open.wakers.len() - 1
            }
        };
        OpenConnection { open: Rc::clone(&self.open), place }
    }

    /// Whether draining has begun.
    pub(crate) fn has_begun(&self) -> bool {
        self.draining.get()
    }

    /// Ready when draining has begun.
    pub(crate) async fn begun(&self) {
        while !self.has_begun() {
            self.begun.notified().await;
        }
    }

    /// Tells the listeners and every open connection.
    pub(crate) fn begin(&self) {
        self.draining.set(true);
        self.begun.notify_waiters();
        for waker in self.open.borrow().wakers.iter().flatten() {
            waker.wake_by_ref();
        }
    }

    /// Ready when no connection is open.
    pub(crate) async fn finished(&self) {
        let closed = Rc::clone(&self.open.borrow().closed);
        while self.open() > 0 {
            closed.notified().await;
        }
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.open.borrow().wakers.iter().flatten().count()
    }
}

impl OpenConnection {
    /// Has this task woken when draining begins.
    pub(crate) fn wake(&self, waker: &Waker) {
        if let Some(slot) = self.open.borrow_mut().wakers.get_mut(self.place) {
            *slot = Some(waker.clone());
        }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let mut open = self.open.borrow_mut();
        if let Some(slot) = open.wakers.get_mut(self.place) {
            *slot = None;
        }
        open.free.push(self.place);
        open.closed.notify_one();
    }
}
