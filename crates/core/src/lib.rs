//! The words every other crate uses: who calls, what can go wrong with a request, what time it is, what must not be
//! printed, what is counted.
//! No I/O happens here.

mod abort;
mod clock;
mod fault;
mod names;
mod principal;
mod secret;
mod stamp;
mod tally;

pub use abort::Abort;
pub use clock::{Clock, ManualClock, SystemClock};
pub use fault::{Blame, Code, Fault, Reason};
pub use principal::{Level, Principal};
pub use secret::Secret;
pub use stamp::Stamp;
pub use tally::{Tallies, Tally};
