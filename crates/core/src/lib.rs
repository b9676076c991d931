//! The words every other crate uses: what can go wrong with a request, what time it is, what must not be printed.
//! No I/O happens here.

mod abort;
mod clock;
mod fault;
mod names;
mod secret;

pub use abort::Abort;
pub use clock::{Clock, ManualClock, SystemClock};
pub use fault::{Blame, Code, Fault, Reason};
pub use secret::Secret;
