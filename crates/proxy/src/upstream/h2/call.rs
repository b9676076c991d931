//! One request on a shared connection, until the head of its answer.

use gwanmun_core::{Code, Fault};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use hyper::body::Incoming;

use super::failure::{Acted, Stage, fault_of};
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
        let (fault, acted) = fault_of(error.error(), Stage::Head);
        let ended = unsent || stream.sender.is_closed();
        if ended || fault.reason() == Some(gwanmun_core::Reason::Http2Goaway) {
            stream.place.retire_connection();
        }
        match acted {
            _ if unsent => CallError::NotActed(fault),
            Acted::Never => CallError::NotActed(fault),
            Acted::Perhaps if ended => CallError::Lost(fault),
            Acted::Perhaps => CallError::Failed(fault),
        }
    })
}
