//! Connections that are told to finish, since the worker drains or their listener was removed: HTTP/1.1 answers
//! `Connection: close`, HTTP/2 sends GOAWAY. An HTTP/1.1 connection without a request waits a little for one to answer so.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use tokio::sync::Notify;

use crate::listen::bound::BoundListener;

/// One worker's side of a listener.
pub(crate) struct Doorway {
    pub(crate) bound: Arc<BoundListener>,
    is_closed: Cell<bool>,
    closing: Notify,
}

/// A worker's doorways, and the connections that came in by them.
#[derive(Default)]
pub(crate) struct Drain {
    doorways: RefCell<Vec<Rc<Doorway>>>,
    open: Rc<RefCell<Open>>,
}

#[derive(Default)]
struct Open {
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    closed: Rc<Notify>,
}

struct Slot {
    waker: Waker,
    doorway: Rc<Doorway>,
}

/// An open connection; dropped, it is closed.
pub(crate) struct OpenConnection {
    doorway: Rc<Doorway>,
    open: Rc<RefCell<Open>>,
    place: usize,
}

impl Drain {
    /// A doorway that is open.
    pub(crate) fn doorway(&self, bound: Arc<BoundListener>) -> Rc<Doorway> {
        let doorway = Rc::new(Doorway { bound, is_closed: Cell::new(false), closing: Notify::new() });
        self.doorways.borrow_mut().push(Rc::clone(&doorway));
        doorway
    }

    /// Closes the doorways for which `wanted` is false, and tells their connections to finish.
    pub(crate) fn keep(&self, wanted: impl Fn(&BoundListener) -> bool) {
        let unwanted = |doorway: &mut Rc<Doorway>| !wanted(&doorway.bound);
        let closing: Vec<_> = self.doorways.borrow_mut().extract_if(.., unwanted).collect();
        if closing.is_empty() {
            return;
        }
        for doorway in closing {
            doorway.is_closed.set(true);
            doorway.closing.notify_waiters();
        }
        for slot in self.open.borrow().slots.iter().flatten().filter(|slot| slot.doorway.is_closed.get()) {
            slot.waker.wake_by_ref();
        }
    }

    /// Closes every doorway and tells every connection to finish.
    pub(crate) fn begin(&self) {
        self.keep(|_| false);
    }

    /// Counts a connection.
    pub(crate) fn enter(&self, doorway: &Rc<Doorway>) -> OpenConnection {
        let mut open = self.open.borrow_mut();
        let slot = Some(Slot { waker: Waker::noop().clone(), doorway: Rc::clone(doorway) });
        let place = match open.free.pop() {
            Some(place) => {
                if let Some(free) = open.slots.get_mut(place) {
                    *free = slot;
                }
                place
            }
            None => {
                open.slots.push(slot);
                open.slots.len() - 1
            }
        };
        OpenConnection { doorway: Rc::clone(doorway), open: Rc::clone(&self.open), place }
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
        self.open.borrow().slots.iter().flatten().count()
    }
}

impl Doorway {
    /// Ready when nobody is let in any more.
    pub(crate) async fn closed(&self) {
        while !self.is_closed.get() {
            self.closing.notified().await;
        }
    }
}

impl OpenConnection {
    /// Has this task woken when the doorway is closed.
    pub(crate) fn wake(&self, waker: &Waker) {
        if let Some(Some(slot)) = self.open.borrow_mut().slots.get_mut(self.place) {
            slot.waker = waker.clone();
        }
    }

    /// Whether it should finish: its doorway is closed.
    pub(crate) fn should_finish(&self) -> bool {
        self.doorway.is_closed.get()
    }

    /// The doorway it came in by.
    pub(crate) fn doorway(&self) -> &Doorway {
        &self.doorway
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let mut open = self.open.borrow_mut();
        if let Some(slot) = open.slots.get_mut(self.place) {
            *slot = None;
        }
        open.free.push(self.place);
        open.closed.notify_one();
    }
}
