//! Who wants to know of the calls that are made for a sampled trace.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};

use super::trace::TRACEPARENT;
use crate::call_error::CallError;
use crate::outbound::Outbound;

/// A call that was made for a sampled trace, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// The `traceparent` of who asked for it.
    pub parent: String,
    /// The `traceparent` that was sent: the call's own.
    pub own: String,
    /// The method.
    pub method: Method,
    /// The host, as it stands in the URI.
    pub host: String,
    /// The port, if it is said.
    pub port: Option<u16>,
    /// When it began.
    pub begin: SystemTime,
    /// How long it took.
    pub duration: Duration,
    /// The status of the answer, or why there is none.
    pub outcome: Result<StatusCode, CallError>,
}

/// Is told of calls. Must not wait.
pub trait Watch: Send + Sync {
    /// A call has ended.
    fn called(&self, call: Called);
}

/// A call that is watched.
pub(crate) struct Watched {
    watch: Arc<dyn Watch>,
    call: Called,
    began: Instant,
}

impl Watched {
    /// Where somebody watches, and the trace is sampled.
    pub(crate) fn of(outbound: &Outbound, request: &Request<Bytes>, parent: Option<&str>) -> Option<Self> {
        let (watch, parent) = (outbound.watch()?, parent?);
        let own = traceparent(request.headers()).filter(|own| is_sampled(own))?;
        let call = Called {
            parent: parent.to_owned(),
            own: own.to_owned(),
            method: request.method().clone(),
            host: request.uri().host().unwrap_or_default().to_owned(),
            port: request.uri().port_u16(),
            begin: outbound.clock().wall(),
            duration: Duration::ZERO,
            outcome: Err(CallError::Interrupted),
        };
        Some(Self { watch, call, began: Instant::now() })
    }

    /// It has ended.
    pub(crate) fn ended(self, outcome: &Result<Response<Bytes>, CallError>) {
        let outcome = outcome.as_ref().map(Response::status).map_err(CallError::clone);
        self.watch.called(Called { duration: self.began.elapsed(), outcome, ..self.call });
    }
}

fn traceparent(headers: &HeaderMap) -> Option<&str> {
    headers.get(TRACEPARENT)?.to_str().ok()
}

/// The lowest bit of the flags (W3C Trace Context section 3.2.2.5.1).
fn is_sampled(traceparent: &str) -> bool {
    traceparent
        .bytes()
        .last()
        .is_some_and(|digit| matches!(digit, b'1' | b'3' | b'5' | b'7' | b'9' | b'b' | b'd' | b'f'))
}
