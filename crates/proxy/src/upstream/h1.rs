//! HTTP/1.1 towards upstreams: strict, one write for head and small body, one read for a small answer, buffers reused.
//! `decode` and `encode` know bytes only; `call` is the one place that waits.

mod call;
mod decode;
mod encode;

pub(crate) use call::{Call, CallError, Idle, ResponseHead};
pub(crate) use decode::Malformed;
pub(crate) use encode::{Framing, RequestHead};
