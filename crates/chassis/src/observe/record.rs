//! What is known of one request, from its head to the last byte of its answer; told to the log, to traces and to metrics
//! when it is dropped, however it ended.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::response::{IntoResponse, Response};
use gwanmun_telemetry::access::Entry;
use gwanmun_telemetry::exceptions::{Exceptions, Panicked};
use gwanmun_telemetry::metrics::ActiveRequest;
use gwanmun_telemetry::sanitized::Sanitized;
use gwanmun_telemetry::scope::{self, Entered};
use gwanmun_telemetry::span::{Attribute, Span, SpanKind};
use gwanmun_telemetry::trace::TraceContext;
use http::{HeaderValue, Method, Uri, Version};

use super::Observe;
use super::answer::{Answer, AnswerBody};
use super::notes::Notes;
use crate::problem::{Problem, Said};
use crate::server::InFlight;

/// The name of the listener in the log.
const LISTENER: &str = "server";

/// The status of who went away before there was an answer, as nginx writes it.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// Bytes of a path in a span.
const MOST_PATH: usize = 1024;

pub(super) struct Record {
    pub(super) time: SystemTime,
    pub(super) began: Instant,
    pub(super) trace: TraceContext,
    /// The caller's span.
    pub(super) parent: Option<[u8; 8]>,
    pub(super) notes: Notes,
    pub(super) peer: IpAddr,
    pub(super) version: Version,
    pub(super) method: Method,
    pub(super) target: Uri,
    pub(super) host: Option<HeaderValue>,
    pub(super) user_agent: Option<HeaderValue>,
    /// None until there is an answer.
    pub(super) status: Option<u16>,
    pub(super) said: Option<Said>,
    pub(super) bytes_out: u64,
    /// Until the end.
    pub(super) active: Option<ActiveRequest>,
    pub(super) observe: Arc<Observe>,
    pub(super) in_flight: InFlight,
}

impl Record {
    /// While it lives, this thread works for the request.
    pub(super) fn scope(&self) -> Entered {
        scope::enter(Some(self.trace))
    }

    pub(super) fn exceptions(&self) -> &Exceptions {
        &self.observe.exceptions
    }

    /// There is an answer: the record stays with its body.
    pub(super) fn answered(mut self, mut response: Response) -> Answer {
        self.status = Some(response.status().as_u16());
        self.in_flight.offered();
        self.said = response.extensions_mut().remove();
        if let Some(exception) = self.said.as_mut().and_then(|said| said.exception.take()) {
            self.observe.exceptions.capture(exception.during(self.name()));
        }
        if let Some(said) = &self.said {
            let _scope = self.scope();
            self.tell_problem(said);
        }
        response.map(|body| AnswerBody::new(body, self))
    }

    /// The handler panicked: an exception, and a problem that does not say why.
    pub(super) fn panicked(&self, panicked: Panicked) -> Response {
        let panicked = panicked.during(self.name());
        Problem::panicked(panicked.message().to_owned()).into_response()
    }

    /// The body panicked after its beginning had left.
    pub(super) fn broke_off(&mut self, panicked: Panicked) -> &'static str {
        let panicked = panicked.during(self.name());
        self.failed("panic", panicked.message().to_owned());
        "the body of an answer panicked"
    }

    /// The body failed after its beginning had left.
    pub(super) fn broken(&mut self, error: &axum::Error) {
        self.failed("answer-broken-off", error.to_string());
    }

    fn failed(&mut self, reason: &'static str, detail: String) {
        let detail = Some(Cow::Owned(detail));
        let said = Said { code: Some("internal"), reason: Some(reason), detail, is_failure: true, exception: None };
        let scope = self.scope();
        self.tell_problem(&said);
        drop(scope);
        self.said = Some(said);
    }

    fn tell_problem(&self, said: &Said) {
        let Some(code) = said.code else { return };
        self.observe.faults.count(&[code]);
        let (reason, detail) = (said.reason, said.detail.as_deref());
        if said.is_failure {
            tracing::warn!(event = "fault", code, reason, detail, "a request failed");
        } else {
            tracing::debug!(event = "fault", code, reason, detail, "a request failed");
        }
    }

    /// What was asked for, of few different words: `GET /orders/{id}`.
    fn name(&self) -> Cow<'static, str> {
        let method = method(&self.method);
        match self.notes.route() {
            Some(route) => Cow::Owned(format!("{method} {route}")),
            None => Cow::Borrowed(method),
        }
    }

    fn tell_line(&self, status: u16, duration: Duration) {
        let authority = self.target.authority().map(http::uri::Authority::as_str);
        let host = authority.or_else(|| self.host.as_ref()?.to_str().ok());
        let said = self.said.as_ref();
        self.observe.lines.push(&Entry {
            time: self.time,
            trace_id: &self.trace.trace_id_hex(),
            span_id: &self.trace.span_id_hex(),
            client: Some(self.peer),
            listener: LISTENER,
            protocol: protocol(self.version),
            method: self.method.as_str(),
            host: host.unwrap_or_default(),
            path: self.target.path().as_bytes(),
            route: self.notes.route(),
            upstream: None,
            endpoint: None,
            status,
            fault: said.and_then(|said| said.code),
            fault_reason: said.and_then(|said| said.reason),
            duration,
            upstream_duration: None,
            bytes_in: self.notes.bytes_in(),
            bytes_out: self.bytes_out,
            principal: self.notes.principal(),
            user_agent: self.user_agent.as_ref().map(HeaderValue::as_bytes),
            sanitized: Sanitized::NOTHING,
            linked_trace_id: None,
        });
    }

    fn tell_span(&self, status: u16, duration: Duration) {
        let text = |value: &str| Attribute::Text(Arc::from(value));
        let mut attributes = vec![
            (Cow::Borrowed("http.request.method"), text(method(&self.method))),
            (Cow::Borrowed("url.path"), text(beginning(self.target.path()))),
            (Cow::Borrowed("http.response.status_code"), Attribute::Whole(status.into())),
            (Cow::Borrowed("client.address"), text(&self.peer.to_string())),
        ];
        if let Some(route) = self.notes.route() {
            attributes.push((Cow::Borrowed("http.route"), text(route)));
        }
        let error = match self.said.as_ref().filter(|said| said.is_failure).and_then(|said| said.code) {
            Some(code) => Some(Cow::Borrowed(code)),
            None => (status >= 500).then(|| Cow::Owned(status.to_string())),
        };
        if let Some(error) = &error {
            attributes.push((Cow::Borrowed("error.type"), text(error)));
        }
        self.observe.tracer.record(Span {
            name: self.name(),
            kind: SpanKind::Server,
            context: self.trace,
            parent: self.parent,
            links: Vec::new(),
            begin: self.time,
            duration,
            error,
            attributes,
        });
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let status = self.status.unwrap_or(CLIENT_CLOSED_REQUEST);
        let duration = self.began.elapsed();
        if !self.observe.lines.is_off() {
            self.tell_line(status, duration);
        }
        if self.trace.sampled && self.observe.tracer.is_on() {
            self.tell_span(status, duration);
        }
        if let Some(active) = self.active.take() {
            active.finish(&self.method, self.notes.route(), status, duration);
        }
    }
}

/// As much of a path as a span tells.
fn beginning(path: &str) -> &str {
    path.get(..path.floor_char_boundary(MOST_PATH)).unwrap_or(path)
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}

/// The method where it is a known one; others are many (OpenTelemetry's `_OTHER`).
fn method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "PATCH" => "PATCH",
        "OPTIONS" => "OPTIONS",
        "CONNECT" => "CONNECT",
        "TRACE" => "TRACE",
        _ => "_OTHER",
    }
}
