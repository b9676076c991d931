//! Faults become answers here and nowhere else: `application/problem+json` (RFC 9457), as the gateway's. Whoever asked
//! sees the title, and a detail where business code says one on purpose; what it was exactly stands in the log.

use std::any::Any;
use std::borrow::Cow;
use std::error::Error;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection, StringRejection};
use axum::response::{IntoResponse, Response};
use gwanmun_core::{Blame, Code, Fault, Reason};
use gwanmun_telemetry::exceptions::Exception;
use gwanmun_telemetry::scope;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::outgoing::CallFailed;

/// What a handler returns instead of an answer.
///
/// ```
/// use gwanmun_chassis::Problem;
/// use gwanmun_chassis::axum::http::StatusCode;
///
/// let problem = Problem::new(StatusCode::CONFLICT, "the order was sent already").detail("order 7 left on Monday");
/// assert_eq!(problem.status(), StatusCode::CONFLICT);
/// ```
#[derive(Debug)]
pub struct Problem(Box<Inner>);

#[derive(Debug)]
struct Inner {
    status: StatusCode,
    title: Cow<'static, str>,
    detail: Option<Cow<'static, str>>,
    retry_after: Option<Duration>,
    challenge: Option<Box<str>>,
    fields: Vec<(HeaderName, HeaderValue)>,
    said: Said,
}

/// What log and metrics are told of a problem; travels beside the answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    /// Of the contract's codes, or none where business code answers.
    pub(crate) code: Option<&'static str>,
    /// What exactly went wrong.
    pub(crate) reason: Option<&'static str>,
    /// For the log only.
    pub(crate) detail: Option<Cow<'static, str>>,
    /// Whether it is the service's own failure.
    pub(crate) is_failure: bool,
    /// What somebody should look at.
    pub(crate) exception: Option<Box<Exception>>,
}

impl Problem {
    /// An answer that says what is wrong, in words of business code, the same for every occurrence.
    pub fn new(status: StatusCode, title: impl Into<Cow<'static, str>>) -> Self {
        let (detail, retry_after, challenge) = (None, None, None);
        let (fields, said) = (Vec::new(), Said::default());
        Self(Box::new(Inner { status, title: title.into(), detail, retry_after, challenge, fields, said }))
    }

    /// The service failed: a 500 that does not say why. `error` with its causes goes to the log and to the exceptions. For
    /// what is no [`Error`], such as a boxed one; what is one becomes the same by `?`.
    #[track_caller]
    pub fn internal(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let error = error.into();
        Self::failed(error.to_string(), Exception::of_error(&*error))
    }

    fn failed(detail: String, exception: Exception) -> Self {
        let mut problem = Self::internal_because(detail);
        problem.0.said.exception = Some(Box::new(exception));
        problem
    }

    /// A failure in our own words.
    pub(crate) fn internal_because(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::of_fault(&Fault::new(Code::Internal, detail))
    }

    /// A handler panicked, and said so.
    pub(crate) fn panicked(said: String) -> Self {
        let mut problem = Self::internal_because(said);
        problem.0.said.reason = Some("panic");
        problem
    }

    /// An error of which nothing is known but its status.
    pub(crate) fn bare(status: StatusCode) -> Self {
        let code = match status {
            StatusCode::NOT_FOUND => Some(Code::NoRoute),
            StatusCode::PAYLOAD_TOO_LARGE => Some(Code::BodyTooLarge),
            StatusCode::INTERNAL_SERVER_ERROR => Some(Code::Internal),
            _ => None,
        };
        match code {
            Some(code) => Self::of_fault(&Fault::new(code, "")),
            None => Self::new(status, status.canonical_reason().unwrap_or("the request failed")),
        }
    }

    /// Keeps words for the log.
    #[must_use]
    pub(crate) fn hiding(mut self, words: Option<String>) -> Self {
        if let Some(words) = words {
            self.0.said.detail = Some(Cow::Owned(words));
        }
        self
    }

    /// The answer did not come before its deadline.
    pub(crate) fn deadline_exceeded(reason: &'static str) -> Self {
        let mut problem = Self::new(StatusCode::GATEWAY_TIMEOUT, "there was not enough time for an answer");
        problem.0.said =
            Said { code: Some("deadline-exceeded"), reason: Some(reason), is_failure: true, ..Said::default() };
        problem
    }

    /// Says more about this one occurrence, to whoever asked.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Says when to come back (`Retry-After`, RFC 9110 section 10.2.3).
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Says more in a field of the answer.
    #[must_use]
    pub fn field(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.fields.push((name, value));
        self
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    fn of_fault(fault: &Fault) -> Self {
        let code = fault.code();
        let said = Said {
            code: Some(code.name()),
            reason: fault.reason().map(Reason::name),
            detail: Some(Cow::Owned(fault.detail().to_owned())),
            is_failure: code.blame() != Blame::Client,
            exception: None,
        };
        Self(Box::new(Inner {
            status: code.status(),
            title: Cow::Borrowed(title(code)),
            detail: None,
            retry_after: fault.retry_after(),
            challenge: fault.challenge().map(Box::from),
            fields: fault.fields().to_vec(),
            said,
        }))
    }

    fn document(&self) -> String {
        let Inner { status, title, detail, said, .. } = &*self.0;
        let mut document = json!({ "title": title, "status": status.as_u16() });
        if let Value::Object(fields) = &mut document {
            // `about:blank`, which is to say that the status is the type, needs not be said (RFC 9457 section 4.2.1).
            if let Some(code) = said.code {
                fields.insert("type".to_owned(), format!("urn:gwanmun:fault:{code}").into());
            }
            if let Some(detail) = detail {
                fields.insert("detail".to_owned(), Value::from(detail.as_ref()));
            }
            if let Some(trace) = scope::current() {
                fields.insert("trace_id".to_owned(), Value::from(&*trace.trace_id_hex()));
            }
        }
        document.to_string()
    }
}

/// Any error may leave a handler by `?`. A [`Fault`] and a [`CallFailed`] are answered by their code, and what an extractor refused by its status,
/// as if the extractor had answered itself; everything else is a 500 that does not say why, and an exception.
impl<E: Error + Send + Sync + 'static> From<E> for Problem {
    #[track_caller]
    fn from(error: E) -> Self {
        let any: &dyn Any = &error;
        if let Some(fault) = any.downcast_ref::<Fault>() {
            return Self::of_fault(fault);
        }
        if let Some(failed) = any.downcast_ref::<CallFailed>() {
            return Self::of_fault(&Fault::from(failed));
        }
        #[cfg(any(feature = "sqlite", feature = "postgres"))]
        if let Some(fault) = any.downcast_ref::<sqlx::Error>().and_then(crate::sql::away) {
            return Self::of_fault(&fault);
        }
        match rejected(any) {
            Some((status, detail)) => Self::bare(status).detail(detail),
            None => Self::failed(error.to_string(), Exception::of_error(&error)),
        }
    }
}

/// What axum's extractors say.
fn rejected(error: &dyn Any) -> Option<(StatusCode, String)> {
    macro_rules! one_of {
        ($($rejection:ty),*) => {
            $(if let Some(rejection) = error.downcast_ref::<$rejection>() {
                return Some((rejection.status(), rejection.body_text()));
            })*
        };
    }
    one_of!(JsonRejection, PathRejection, QueryRejection, BytesRejection, StringRejection);
    None
}

/// The words of the contract, which speak of the gateway where they mean who answers.
const fn title(code: Code) -> &'static str {
    match code {
        Code::Internal => "the service failed",
        Code::Overloaded => "the service is overloaded",
        Code::Draining => "the service is going away",
        Code::StoreUnavailable => "the service cannot reach its state",
        _ => code.title(),
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.document()));
        let Inner { status, retry_after, challenge, fields, said, .. } = *self.0;
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(wait) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        if let Some(challenge) = challenge.and_then(|challenge| HeaderValue::from_str(&challenge).ok()) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        for (name, value) in fields {
            headers.append(name, value);
        }
        response.extensions_mut().insert(said);
        response
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    #[derive(Debug)]
    struct Locked;

    impl fmt::Display for Locked {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("database is locked by 10.0.0.7")
        }
    }

    impl Error for Locked {}

    fn said(problem: Problem) -> (u16, Value, Said) {
        let (status, document) = (problem.status().as_u16(), serde_json::from_str(&problem.document()).unwrap());
        (status, document, problem.0.said)
    }

    #[test]
    fn an_error_that_leaves_a_handler_is_a_failure_that_does_not_say_why() {
        let handler = || -> Result<(), Problem> { Err(Locked)? };
        let boxed: Box<dyn Error + Send + Sync> = Box::new(Locked);
        for problem in [handler().unwrap_err(), Problem::internal(boxed)] {
            let (status, document, said) = said(problem);
            assert_eq!((status, said.is_failure, said.code), (500, true, Some("internal")));
            assert!(!document.to_string().contains("10.0.0.7"));
            assert_eq!(said.detail.as_deref(), Some("database is locked by 10.0.0.7"));
            let exception = said.exception.unwrap();
            assert_eq!(exception.message, "database is locked by 10.0.0.7");
            assert!(exception.frames[0].file.ends_with("problem.rs"), "{exception:?}");
        }
    }

    #[test]
    fn a_fault_is_answered_by_its_code() {
        let fault = Fault::new(Code::RateLimited, "7 of 5").with_retry_after(Duration::from_secs(3));
        let response = Problem::from(fault).into_response();
        assert_eq!((response.status().as_u16(), response.headers()[RETRY_AFTER].to_str().unwrap()), (429, "3"));
        let (_, document, said) = said(Fault::new(Code::Overloaded, "").into());
        assert_eq!(document["title"], "the service is overloaded");
        assert!(said.is_failure && said.exception.is_none());
    }

    #[test]
    fn business_words_are_told_and_no_failure() {
        let problem = Problem::new(StatusCode::CONFLICT, "the order was sent already").detail("on \"Monday\"");
        let (status, document, said) = said(problem);
        assert_eq!(status, 409);
        assert_eq!(document, json!({"title": "the order was sent already", "status": 409, "detail": "on \"Monday\""}));
        assert!(said.code.is_none() && !said.is_failure);
    }
}
