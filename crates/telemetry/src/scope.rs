//! The request that a thread works on just now: log lines, exceptions and outgoing calls ask here which trace they belong
//! to. Set while a future is polled, so that it follows the request over threads.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;

use crate::trace::TraceContext;

thread_local! {
    static CURRENT: Cell<Option<TraceContext>> = const { Cell::new(None) };
}

/// The trace and span that this thread works for, if it works for one.
pub fn current() -> Option<TraceContext> {
    CURRENT.get()
}

/// Works for `trace` from now on; what it worked for before.
pub(crate) fn replace(trace: Option<TraceContext>) -> Option<TraceContext> {
    CURRENT.replace(trace)
}

/// Works for `trace` until the guard is dropped.
pub fn enter(trace: Option<TraceContext>) -> Entered {
    Entered { before: replace(trace) }
}

/// While it lives, this thread works for a trace. Not to be held over an `await`.
#[derive(Debug)]
#[must_use = "dropping it at once leaves the trace again"]
pub struct Entered {
    before: Option<TraceContext>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.before);
    }
}

/// `future`, which works for `trace` whenever it is polled.
pub async fn within<F: Future>(trace: TraceContext, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|context| {
        let _entered = enter(Some(trace));
        future.as_mut().poll(context)
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn a_future_works_for_its_trace_while_it_is_polled_and_only_then() {
        let (outer, inner) = (TraceContext::new_root(true), TraceContext::new_root(false));
        let _outer = enter(Some(outer));
        let seen = pin!(within(inner, async { current() })).poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(seen, Poll::Ready(Some(inner)));
        assert_eq!(current(), Some(outer));
        drop(_outer);
        assert_eq!(current(), None);
    }
}
