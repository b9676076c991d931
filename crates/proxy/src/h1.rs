//! HTTP/1 as bytes (RFC 9112), for both sides: the door reads requests and writes answers with it, the upstream's
//! connections the other way round. Strict: what two readers could read in two ways is malformed. No clock and no
//! sockets, so that any chunking of the input gives the same events.

pub(crate) mod body;
pub(crate) mod encode;
pub(crate) mod fields;
pub(crate) mod head;
pub(crate) mod request;
pub(crate) mod response;

/// Why a message was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);
