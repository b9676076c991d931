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

/// Whether a request may have been acted on (RFC 9113 section 8.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acted {
    /// Certainly not: it was refused, or not received.
    Never,
    Perhaps,
}

/// The fault that `error` is, and whether the request may have been acted on.
pub(crate) fn fault_of(error: &hyper::Error, stage: Stage) -> (Fault, Acted) {
    let (reason, acted) = if error.is_timeout() { (Reason::Http2PingTimeout, Acted::Perhaps) } else { why(error) };
    let code = match (reason, stage) {
        (Reason::Http2PingTimeout, _) => Code::UpstreamTimeout,
        (Reason::Http2ConnectionLost | Reason::Http2Goaway | Reason::Http2RefusedStream, Stage::Head) => {
            Code::UpstreamUnreachable
        }
        _ => Code::UpstreamMalformed,
    };
    (Fault::new(code, format!("the HTTP/2 exchange failed: {error:?}")).because(reason), acted)
}

fn why(error: &hyper::Error) -> (Reason, Acted) {
    let Some(source) = error.source() else { return (Reason::Http2ConnectionLost, Acted::Perhaps) };
    let Some(h2) = source.downcast_ref::<h2::Error>() else {
        let lost = source.is::<io::Error>() || error.is_closed() || error.is_canceled();
        let reason = if lost { Reason::Http2ConnectionLost } else { Reason::Http2Protocol };
        return (reason, Acted::Perhaps);
    };
    match (h2.is_remote(), h2.is_go_away(), h2.reason()) {
        // Told to a stream only if it is beyond the last one that the upstream has taken.
        (true, true, _) => (Reason::Http2Goaway, Acted::Never),
        (true, false, Some(h2::Reason::REFUSED_STREAM)) => (Reason::Http2RefusedStream, Acted::Never),
        (true, false, _) => (Reason::Http2StreamReset, Acted::Perhaps),
        (false, ..) if h2.is_io() => (Reason::Http2ConnectionLost, Acted::Perhaps),
        (false, ..) => (Reason::Http2Protocol, Acted::Perhaps),
    }
}
