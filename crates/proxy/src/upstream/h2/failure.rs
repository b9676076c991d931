//! What broke an exchange over HTTP/2, and whether the upstream can have acted on the request. hyper hands the words of
//! the `h2` crate through as an error's source.

use std::error::Error as _;
use std::io;

use gwanmun_core::{Code, Fault, Reason};

/// How far an exchange had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// There was no head of an answer yet.
    Head,
    /// The answer had begun.
    Body,
}

/// Why an exchange, or a connection, ended.
pub(crate) fn reason_of(error: &hyper::Error) -> Reason {
    if error.is_timeout() {
        return Reason::Http2PingTimeout;
    }
    let Some(source) = error.source() else { return Reason::Http2ConnectionLost };
    let Some(h2) = source.downcast_ref::<h2::Error>() else {
        let lost = source.is::<io::Error>() || error.is_closed() || error.is_canceled();
        return if lost { Reason::Http2ConnectionLost } else { Reason::Http2Protocol };
    };
    match (h2.is_remote(), h2.is_go_away(), h2.reason()) {
        (true, true, _) => Reason::Http2Goaway,
        (true, false, Some(h2::Reason::REFUSED_STREAM)) => Reason::Http2RefusedStream,
        (true, false, _) => Reason::Http2StreamReset,
        (false, ..) if h2.is_io() => Reason::Http2ConnectionLost,
        (false, ..) => Reason::Http2Protocol,
    }
}

/// Whether a request that ended so was certainly not acted on (RFC 9113 section 8.7). A stream is told of GOAWAY only if it
/// is beyond the last one that the upstream has taken.
pub(crate) fn was_never_acted_on(reason: Reason) -> bool {
    matches!(reason, Reason::Http2Goaway | Reason::Http2RefusedStream)
}

/// The fault of an exchange that ended for `reason`.
pub(crate) fn fault(reason: Reason, stage: Stage, error: &hyper::Error) -> Fault {
    let code = match (reason, stage) {
        (Reason::Http2PingTimeout, _) => Code::UpstreamTimeout,
        (Reason::Http2Protocol | Reason::Http2StreamReset, _) | (_, Stage::Body) => Code::UpstreamMalformed,
        (_, Stage::Head) => Code::UpstreamUnreachable,
    };
    Fault::new(code, format!("the HTTP/2 exchange failed: {error:?}")).because(reason)
}
