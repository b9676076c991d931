//! What a panic leaves behind: a line in the application log and an exception. The hook runs on the thread that panics,
//! before its stack is gone; a panic within it would end the process, so it does little and nothing that can fail.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::{Arc, Once, PoisonError, RwLock, Weak};
use std::thread;

use super::exception::{Exception, Frame};
use super::symbols::{self, Way};
use super::{Exceptions, Shared};

/// Who takes what nobody catches.
static LAST_RESORT: RwLock<Weak<Shared>> = RwLock::new(Weak::new());

thread_local! {
    /// How many `catch` are under way on this thread.
    static CATCHING: Cell<u32> = const { Cell::new(0) };
    /// Whether the hook found something out for the innermost of them, and what: asking the first is the cheaper one.
    static HAS_FOUND: Cell<bool> = const { Cell::new(false) };
    static FOUND: Cell<Option<Box<Found>>> = const { Cell::new(None) };
    /// The hook runs, or an exception is taken: a panic in there is not looked into.
    static BUSY: Cell<bool> = const { Cell::new(false) };
}

/// A panic as its thread saw it.
#[derive(Debug)]
pub(super) struct Found {
    /// Its only frame is where it panicked, if that is known.
    pub(super) exception: Exception,
    pub(super) way: Way,
}

/// A panic that was caught. Dropped, it becomes an exception.
#[must_use = "dropping it says that nothing more is known about it"]
pub struct Panicked {
    found: Option<Box<Found>>,
    taken_by: Exceptions,
}

impl Panicked {
    /// The same, of few different words what was asked for.
    pub fn during(mut self, transaction: impl Into<String>) -> Self {
        if let Some(found) = &mut self.found {
            found.exception.transaction = Some(transaction.into());
        }
        self
    }

    /// What the panic said.
    pub fn message(&self) -> &str {
        self.found.as_ref().map_or("", |found| &found.exception.message)
    }
}

impl Drop for Panicked {
    fn drop(&mut self) {
        if let Some(found) = self.found.take() {
            self.taken_by.take_panic(*found);
        }
    }
}

impl fmt::Debug for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Panicked").field("message", &self.message()).finish_non_exhaustive()
    }
}

/// Has `exceptions` take the panics of the process that nobody catches, from now on.
pub(super) fn install(exceptions: &Exceptions) {
    static ONCE: Once = Once::new();
    *LAST_RESORT.write().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&exceptions.0);
    symbols::prepare();
    ONCE.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| told(info, &*before)));
    });
}

/// Does `work`, and gives a panic in it to `exceptions`. Costs next to nothing where there is none.
pub(super) fn catch<T>(exceptions: &Exceptions, work: impl FnOnce() -> T) -> Result<T, Panicked> {
    let depth = CATCHING.get();
    CATCHING.set(depth.saturating_add(1));
    let outcome = catch_unwind(AssertUnwindSafe(work));
    CATCHING.set(depth);
    let found = if HAS_FOUND.take() { FOUND.take() } else { None };
    match outcome {
        Ok(done) => {
            if let Some(found) = found {
                // Somebody in there caught it.
                exceptions.take_panic(*found);
            }
            Ok(done)
        }
        Err(payload) => {
            let unseen = || {
                let exception = Exception::of_panic(message_of(&*payload));
                Box::new(Found { exception, way: Way::Unknown })
            };
            let found = Some(found.unwrap_or_else(unseen));
            // What somebody panicked with may panic when it is dropped.
            if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                std::mem::forget(another);
            }
            Err(Panicked { found, taken_by: exceptions.clone() })
        }
    }
}

/// Does `work` unless this thread is at it already.
pub(super) fn unless_busy(work: impl FnOnce()) {
    struct Busy;
    impl Drop for Busy {
        fn drop(&mut self) {
            BUSY.set(false);
        }
    }
    if BUSY.replace(true) {
        return;
    }
    let _busy = Busy;
    work();
}

/// The hook.
fn told(info: &PanicHookInfo<'_>, before: &dyn Fn(&PanicHookInfo<'_>)) {
    let message = message_of(info.payload());
    if tracing::enabled!(tracing::Level::ERROR) {
        let location = info.location().map(ToString::to_string);
        let thread = thread::current();
        tracing::error!(event = "panic", panic = message, location, thread = thread.name(), "a thread panicked");
    } else {
        before(info);
    }
    unless_busy(|| {
        let place = info.location().map(Frame::at);
        let way = place.as_ref().map_or(Way::Unknown, symbols::way_to);
        let exception = Exception { frames: place.into_iter().collect(), ..Exception::of_panic(message) };
        let found = Found { exception, way };
        let found = Some(Box::new(found));
        let earlier = if CATCHING.get() > 0 {
            HAS_FOUND.set(true);
            FOUND.replace(found)
        } else {
            found
        };
        let Some(found) = earlier else { return };
        let last_resort = LAST_RESORT.read().unwrap_or_else(PoisonError::into_inner).upgrade();
        if let Some(shared) = last_resort {
            Exceptions(shared).take_panic(*found);
        }
    });
}

/// What a panic says.
fn message_of(payload: &(dyn Any + Send)) -> &str {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "something that is no text",
    }
}
