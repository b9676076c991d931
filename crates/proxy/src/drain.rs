//! Connections of a worker that are told to finish: HTTP/1.1 answers `Connection: close`, HTTP/2 sends GOAWAY.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;

use tokio::sync::Notify;

/// Who is open and must be woken when the worker drains.
#[derive(Default)]
pub(crate) struct Drain {
    draining: Cell<bool>,
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
    /// Counts a connection, whose task is woken when draining begins.
    pub(crate) fn enter(&self, waker: &Waker) -> OpenConnection {
        let mut open = self.open.borrow_mut();
        let waker = Some(waker.clone());
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

    /// Tells every open connection.
    pub(crate) fn begin(&self) {
        self.draining.set(true);
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
