//! HTTP/2 towards upstreams (RFC 9113): hyper's client, one connection per address and worker shared by all requests.

use std::time::Duration;

use gwanmun_core::{Code, Fault};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};

use crate::body::Body;
use crate::upstream::io::Io;
use crate::worker::LocalExecutor;

/// Sends requests on a connection; cheap to clone.
pub(crate) type Sender = http2::SendRequest<Body>;

/// Flow-control windows: large enough for one stream to fill a fast link.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// Begins HTTP/2 on a fresh stream.
pub(crate) async fn handshake(io: Io) -> Result<Sender, hyper::Error> {
    let (sender, connection) = http2::Builder::new(LocalExecutor)
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(Duration::from_secs(30))
        .max_header_list_size(64 * 1024)
        .handshake(TokioIo::new(io))
        .await?;
    tokio::task::spawn_local(async move {
        if let Err(error) = connection.await {
            tracing::debug!(event = "upstream-connection-ended", %error, "an HTTP/2 connection to an upstream ended");
        }
    });
    Ok(sender)
}

/// Why there is no answer.
pub(crate) struct CallError {
    pub(crate) fault: Fault,
    /// The request, if nothing of it has left.
    pub(crate) unsent: Option<Box<Request<Body>>>,
}

/// Sends one request and waits for the head of its answer.
pub(crate) async fn call(
    sender: &mut Sender,
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
    let uri = Uri::from_parts(parts).map_err(|error| {
        let fault = Fault::new(Code::MalformedRequest, format!("no HTTP/2 target: {error}"));
        CallError { fault, unsent: None }
    })?;
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    sender.try_send_request(request).await.map_err(|mut error| {
        let unsent = error.take_message().map(Box::new);
        let error = error.into_error();
        let gone = error.is_closed() || error.is_canceled();
        let code = if gone { Code::UpstreamUnreachable } else { Code::UpstreamMalformed };
        CallError { fault: Fault::new(code, format!("the HTTP/2 exchange failed: {error:?}")), unsent }
    })
}
