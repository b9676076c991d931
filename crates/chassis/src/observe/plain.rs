//! Errors that a handler, or axum for it, tells in plain words or by a bare status (a path that no route takes, a method,
//! an extractor's rejection) become problem documents, so that a caller reads one kind of error.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body::Body as _;

use crate::problem::Problem;

/// Longer text is no sentence.
const MOST_BYTES: u64 = 1024;

/// An error in plain text or without a body as a problem; anything else as it is. The text becomes the `detail` where the
/// caller is at fault, and stays inside where the service is.
pub(super) fn to_problem(response: Response) -> Response {
    let length = response.body().size_hint().exact();
    let is_plain = match response.headers().get(CONTENT_TYPE) {
        None => length == Some(0),
        Some(kind) => kind == HeaderValue::from_static("text/plain; charset=utf-8"),
    };
    let Some(length) = length.filter(|length| is_plain && *length <= MOST_BYTES) else { return response };
    let (mut parts, mut body) = response.into_parts();
    // What is there in whole is there at once.
    let frame = match Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().ok(),
        _ => None,
    };
    let text = frame.filter(|_| length > 0).and_then(|text| String::from_utf8(text.into()).ok());
    let problem = Problem::bare(parts.status);
    let (problem, hidden) = match text {
        Some(text) if parts.status.is_client_error() => (problem.detail(text), None),
        text => (problem, text),
    };
    let mut response = problem.hiding(hidden).into_response();
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.remove(CONTENT_TYPE);
    // `Allow`, `Retry-After` and the like.
    response.headers_mut().extend(parts.headers);
    response
}

#[cfg(test)]
mod tests {
    use axum::Json;
    use http::StatusCode;
    use serde_json::{Value, json};

    use super::*;

    async fn document(response: impl IntoResponse) -> Value {
        let response = to_problem(response.into_response());
        let bytes = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&bytes)))
    }

    #[tokio::test]
    async fn a_bare_status_and_plain_words_become_problems() {
        let not_found =
            json!({"type": "urn:gwanmun:fault:no-route", "title": "no route takes this request", "status": 404});
        assert_eq!(document(StatusCode::NOT_FOUND).await, not_found);
        let said = document((StatusCode::CONFLICT, "sent already")).await;
        assert_eq!(said, json!({"title": "Conflict", "status": 409, "detail": "sent already"}));
        let hidden = document((StatusCode::INTERNAL_SERVER_ERROR, "password is 123")).await;
        assert_eq!(hidden["title"], "the service failed");
        assert!(!hidden.to_string().contains("123"));
    }

    #[tokio::test]
    async fn what_has_a_form_of_its_own_stays() {
        let own = json!({"mine": true});
        assert_eq!(document((StatusCode::CONFLICT, Json(own.clone()))).await, own);
        let long = "x".repeat(2000);
        assert_eq!(document((StatusCode::CONFLICT, long.clone())).await, Value::from(long));
    }

    #[test]
    fn fields_of_the_answer_stay() {
        let response = to_problem((StatusCode::METHOD_NOT_ALLOWED, [("allow", "GET")]).into_response());
        assert_eq!(response.headers()["allow"], "GET");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers().get_all(CONTENT_TYPE).iter().count(), 1);
    }
}
