//! A fault becomes a response here and nowhere else: a problem document (RFC 9457), or a gRPC status for gRPC callers.
//! The client never sees the fault's detail.

use gwanmun_core::{Blame, Code, Fault, Reason};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::body::Body;
use crate::exchange::Exchange;
use crate::filter::Response;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

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
    let mut response = if is_grpc(&exchange.request.headers) { grpc(code) } else { problem(code, &trace_id) };
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
fn grpc(code: Code) -> Response {
    let mut response = http::Response::new(Body::Empty);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(GRPC_STATUS, HeaderValue::from_static(grpc_status(code.status())));
    headers.insert(GRPC_MESSAGE, HeaderValue::from_static(code.title()));
    response
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let Some(media_type) = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes) else { return false };
    media_type.strip_prefix(b"application/grpc").is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// gRPC's mapping from HTTP statuses, with its own word for time-outs.
fn grpc_status(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST | StatusCode::INTERNAL_SERVER_ERROR => "13",
        StatusCode::UNAUTHORIZED => "16",
        StatusCode::FORBIDDEN => "7",
        StatusCode::NOT_FOUND => "12",
        StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => "4",
        StatusCode::TOO_MANY_REQUESTS | StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => "14",
        _ => "2",
    }
}
