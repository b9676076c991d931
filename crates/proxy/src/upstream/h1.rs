//! HTTP/1.1 towards upstreams: one write for head and small body, one read for a small answer, buffers reused. The bytes
//! are `crate::h1`'s; this is the one place that waits for them.

mod call;

pub(crate) use call::{Call, CallError, Idle, ResponseHead};
