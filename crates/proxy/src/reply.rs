//! A fault becomes a response here and nowhere else: a problem document (RFC 9457), or a gRPC status for gRPC callers.
//! The client never sees the fault's detail.

use gwanmun_core::{Blame, Code, Fault, Reason};
use http::HeaderValue;
use http::header::{CONTENT_TYPE, RETRY_AFTER};

use crate::body::Body;
use crate::exchange::Exchange;
use crate::filter::Response;
use crate::grpc;

/// The answer to a request that failed.
pub(crate) fn to_fault(exchange: &mut Exchange, fault: &Fault) -> Response {
    let code = fault.code();
    exchange.record.failed(fault);
    let reason = fault.reason().map(Reason::name);
    let trace_id = exchange.record.trace.trace_id_hex();
    match code.blame() {
        Blame::Client => tracing::debug!(
            event = "fault",
            code = code.name(),
            reason,
            detail = fault.detail(),
            trace_id = &*trace_id,
            "a request failed"
        ),
        Blame::Gateway | Blame::Upstream => {
            tracing::warn!(
                event = "fault",
                code = code.name(),
                reason,
                detail = fault.detail(),
                trace_id = &*trace_id,
                "a request failed"
            );
        }
    }
    let mut response = if grpc::is_spoken(&exchange.request) { trailers_only(fault) } else { problem(code, &trace_id) };
    if let Some(wait) = fault.retry_after() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    }
    response
}

fn problem(code: Code, trace_id: &str) -> Response {
    // Every part is our own text: nothing in it needs escaping.
    let body = format!(
        r#"{{"type":"urn:gwanmun:fault:{}","title":"{}","status":{},"trace_id":"{trace_id}"}}"#,
        code.name(),
        code.title(),
        code.status().as_u16()
    );
    let mut response = http::Response::new(Body::from(body));
    *response.status_mut() = code.status();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}

/// A gRPC answer without messages: status 200, the outcome in the header ("Trailers-Only" in gRPC's HTTP/2 mapping).
fn trailers_only(fault: &Fault) -> Response {
    let mut response = http::Response::new(Body::Empty);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    grpc::tell(response.headers_mut(), fault);
    response
}
