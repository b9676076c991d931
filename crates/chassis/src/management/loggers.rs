//! `/loggers`: which targets tell how much, and how an operator changes that while the service runs.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use gwanmun_telemetry::logs;
use gwanmun_telemetry::operators::Operators;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::{Body as _, Incoming};

use super::{json, pages};

/// A level and its name are short.
const MOST_BYTES: usize = 4 * 1024;

/// Until the whole body is there.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether a request wants to change a logger.
pub(super) fn is_change<B>(request: &Request<B>, path: &str) -> bool {
    *request.method() == Method::POST && path.starts_with("/loggers/")
}

/// The answer to a request that changes the logger at `path`, if its sender may.
pub(super) async fn change(operators: &Operators, path: &str, request: Request<Incoming>) -> Response<Body> {
    let mut given = request.headers().get_all(header::AUTHORIZATION).iter();
    // Of two nobody knows which is meant.
    let authorization = given.next().filter(|_| given.next().is_none());
    if let Err(refused) = operators.admit(authorization.map(HeaderValue::as_bytes)) {
        let mut response = json(pages::status(refused.status()), refused.body());
        if let Some(challenge) = refused.challenge() {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        return response;
    }
    let path = path.to_owned();
    match tokio::time::timeout(BODY_TIMEOUT, whole(request.into_body())).await {
        Ok(Some(body)) => page("POST", &path, &body),
        Ok(None) => json(StatusCode::PAYLOAD_TOO_LARGE, r#"{"title":"wanted a body of at most 4 KiB"}"#.to_owned()),
        Err(_) => json(StatusCode::REQUEST_TIMEOUT, r#"{"title":"the body did not come"}"#.to_owned()),
    }
}

/// What telemetry answers.
pub(super) fn page(method: &str, path: &str, body: &[u8]) -> Response<Body> {
    match logs::page(method, path, body) {
        Some((status, text)) => json(pages::status(status), text),
        None => pages::not_found(),
    }
}

/// The body, unless it breaks off or is too long.
async fn whole(mut body: Incoming) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(data) = frame.ok()?.into_data() else { continue };
        bytes.extend_from_slice(&data);
        if bytes.len() > MOST_BYTES {
            return None;
        }
    }
    Some(bytes)
}
