//! What the gateway tells about itself: a line per request, events, numbers and trace ids. Nothing here makes a worker
//! wait: a worker formats into its own buffer and counts in its own cells; writing and merging happen on other threads.

pub mod access;
mod json;
pub mod logs;
pub mod metrics;
pub mod sanitized;
pub mod trace;
mod writer;
