//! A fault becomes a response here and nowhere else: a problem document (RFC 9457), or a gRPC status for gRPC callers.
//! The client never sees the fault's detail.

use std::sync::LazyLock;

use gwanmun_core::{Blame, Code, Fault, Reason};
use http::HeaderValue;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};

use crate::body::Body;
use crate::exchange::Exchange;
use crate::filter::Response;
use crate::grpc;

/// What a client hears that is not let in, where there is no request to answer: HTTP/1.1, with the end of the connection.
pub(crate) static OVERLOADED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let (code, body) = (Code::Overloaded, document(Code::Overloaded, None));
    let (status, length) = (code.status(), body.len());
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {PROBLEM}\r\ncontent-length: {length}\r\nretry-after: 1\r\nconnection: close\r\n\r\n{body}"
    )
    .into_bytes()
});

const PROBLEM: &str = "application/problem+json";

/// The answer to a request that failed.
pub(crate) fn to_fault(exchange: &mut Exchange, fault: &Fault) -> Response {
    note(exchange, fault);
    let code = fault.code();
    let trace_id = exchange.record.trace.trace_id_hex();
    let mut response = if grpc::is_spoken(&exchange.request) { trailers_only(fault) } else { problem(code, &trace_id) };
    if let Some(wait) = fault.retry_after() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    }
    if let Some(challenge) = fault.challenge().and_then(|challenge| HeaderValue::from_str(challenge).ok()) {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    for (name, value) in fault.fields() {
        response.headers_mut().append(name, value.clone());
    }
    response
}

/// Notes and logs a fault.
pub(crate) fn note(exchange: &mut Exchange, fault: &Fault) {
    let code = fault.code();
    exchange.record.failed(fault);
    let reason = fault.reason().map(Reason::name);
    let trace = &exchange.record.trace;
    let (trace_id, span_id) = (trace.trace_id_hex(), trace.span_id_hex());
    match code.blame() {
        Blame::Client => tracing::debug!(
            event = "fault",
            code = code.name(),
            reason,
            detail = fault.detail(),
            trace_id = &*trace_id,
            span_id = &*span_id,
            "a request failed"
        ),
        Blame::Gateway | Blame::Upstream => {
            tracing::warn!(
                event = "fault",
                code = code.name(),
                reason,
                detail = fault.detail(),
                trace_id = &*trace_id,
                span_id = &*span_id,
                "a request failed"
            );
        }
    }
}

fn problem(code: Code, trace_id: &str) -> Response {
    let mut response = http::Response::new(Body::from(document(code, Some(trace_id))));
    *response.status_mut() = code.status();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM));
    response
}

fn document(code: Code, trace_id: Option<&str>) -> String {
    // Every part is our own text: nothing in it needs escaping.
    let (name, title, status) = (code.name(), code.title(), code.status().as_u16());
    let mut document = format!(r#"{{"type":"urn:gwanmun:fault:{name}","title":"{title}","status":{status}"#);
    if let Some(trace_id) = trace_id {
        document.push_str(r#","trace_id":""#);
        document.push_str(trace_id);
        document.push('"');
    }
    document.push('}');
    document
}

/// A gRPC answer without messages: status 200, the outcome in the header ("Trailers-Only" in gRPC's HTTP/2 mapping).
fn trailers_only(fault: &Fault) -> Response {
    let mut response = http::Response::new(Body::Empty);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    grpc::tell(response.headers_mut(), fault);
    response
}
