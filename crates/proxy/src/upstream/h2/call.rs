//! One request on a shared connection, until the head of its answer.

use gwanmun_core::{Code, Fault, Reason};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use hyper::body::Incoming;

use super::failure::{Stage, fault, reason_of, was_never_acted_on};
use super::shared::Stream;
use crate::body::Body;

/// Why there is no answer.
pub(crate) enum CallError {
    /// The upstream may have acted on the request, or it never will.
    Failed(Fault),
    /// The upstream certainly has not acted on the request.
    NotActed(Fault),
    /// The connection ended; the upstream may have acted on the request.
    Lost(Fault),
}

/// Sends one request and waits for the head of its answer.
pub(crate) async fn call(
    stream: &mut Stream,
    scheme: Scheme,
    method: Method,
    target: PathAndQuery,
    host: &HeaderValue,
    headers: HeaderMap,
    body: Body,
) -> Result<Response<Incoming>, CallError> {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(scheme);
    parts.authority = host.to_str().ok().and_then(|host| host.parse().ok());
    parts.path_and_query = Some(target);
    let uri = Uri::from_parts(parts)
        .map_err(|error| CallError::Failed(Fault::new(Code::MalformedRequest, format!("no HTTP/2 target: {error}"))))?;
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    let sent = stream.sender.try_send_request(request).await;
    sent.map_err(|mut error| {
        // Given back: it has never left.
        let unsent = error.take_message().is_some();
        let error = error.into_error();
        let reason = match reason_of(&error) {
            // Those who wait on a connection are told that it is gone, and not why.
            Reason::Http2ConnectionLost => stream.place.why_it_ended().unwrap_or(Reason::Http2ConnectionLost),
            reason => reason,
        };
        let fault = fault(reason, Stage::Head, &error);
        let ended = unsent || stream.sender.is_closed();
        if ended || reason == Reason::Http2Goaway {
            stream.place.retire_connection();
        }
        if unsent || was_never_acted_on(reason_of(&error)) {
            CallError::NotActed(fault)
        } else if ended {
            CallError::Lost(fault)
        } else {
            CallError::Failed(fault)
        }
    })
}
