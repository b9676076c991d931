//! HTTP/2 towards upstreams (RFC 9113): hyper's client on connections that the requests of a worker share.

mod answer;
mod call;
mod failure;
mod shared;

pub(crate) use answer::answer;
pub(crate) use call::{CallError, call};
pub(crate) use shared::{Connections, Stream, handshake};
