//! `/loggers`: which targets tell how much, and how an operator changes that while the gateway runs.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use gwanmun_proxy::Response;
use gwanmun_telemetry::logs;
use http::{HeaderValue, Method, Request, StatusCode, header};
use hyper::body::{Body, Incoming};

use super::{State, json, not_found};

/// A level and its name are short.
const MOST_BYTES: usize = 4 * 1024;
/// Until the whole body is there.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether a request wants to change a logger.
pub(super) fn is_change<B>(request: &Request<B>) -> bool {
    *request.method() == Method::POST && request.uri().path().starts_with("/loggers/")
}

/// The answer to a request that changes a logger, if its sender may.
pub(super) async fn change(state: &State, request: Request<Incoming>) -> Response {
    let mut given = request.headers().get_all(header::AUTHORIZATION).iter();
    // Of two nobody knows which is meant.
    let authorization = given.next().filter(|_| given.next().is_none());
    let admitted = state.operators.borrow().admit(authorization.map(HeaderValue::as_bytes));
    if let Err(refused) = admitted {
        let mut response = json(status(refused.status()), refused.body());
        if let Some(challenge) = refused.challenge() {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        return response;
    }
    let path = request.uri().path().to_owned();
    match tokio::time::timeout(BODY_TIMEOUT, whole(request.into_body())).await {
        Ok(Some(body)) => page("POST", &path, &body),
        Ok(None) => json(StatusCode::PAYLOAD_TOO_LARGE, r#"{"title":"wanted a body of at most 4 KiB"}"#.to_owned()),
        Err(_) => json(StatusCode::REQUEST_TIMEOUT, r#"{"title":"the body did not come"}"#.to_owned()),
    }
}

/// What telemetry answers.
pub(super) fn page(method: &str, path: &str, body: &[u8]) -> Response {
    let Some((code, text)) = logs::page(method, path, body) else { return not_found() };
    json(status(code), text)
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
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
