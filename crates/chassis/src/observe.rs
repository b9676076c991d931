//! What surrounds every request: its trace, its deadline, its line in the log, its numbers, and what becomes of a panic.
//! One function, [`Observe::answer`], goes from the request that the server read to the answer that it writes.

mod answer;
mod lines;
mod notes;
pub(crate) mod panic;
mod plain;
mod record;
mod request_body;
mod route;
mod sampling;

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::response::{IntoResponse, Response};
use gwanmun_core::{Code, Fault, Tally};
use gwanmun_telemetry::exceptions::Exceptions;
use gwanmun_telemetry::metrics::HttpServer;
use gwanmun_telemetry::scope;
use gwanmun_telemetry::trace::{TraceContext, TraceFormats};
use gwanmun_telemetry::tracer::Tracer;
use http::uri::Authority;
use http::{HeaderValue, Request, Version, header};
use hyper::body::{Body as _, Incoming};
use tower::Service;

pub(crate) use answer::Answer;
pub(crate) use lines::Lines;
pub(crate) use notes::Notes;
pub(crate) use route::note_route;
pub(crate) use sampling::Sampling;

use crate::deadline::Deadline;
use crate::problem::Problem;
use crate::server::InFlight;
use record::Record;
use request_body::RequestBody;

/// What observing needs, shared by all requests.
pub(crate) struct Observe {
    pub(crate) lines: Lines,
    pub(crate) tracer: Tracer,
    pub(crate) exceptions: Exceptions,
    pub(crate) requests: HttpServer,
    /// By code.
    pub(crate) faults: Tally,
    pub(crate) formats: TraceFormats,
    pub(crate) sampling: Sampling,
    /// The largest body of a request, bytes.
    pub(crate) body_bytes: u64,
    /// How long a request may take until its answer begins.
    pub(crate) timeout: Duration,
}

impl Observe {
    /// Answers one request with `routes`. Dropped before it is ready, as when the caller goes away, it drops the handler.
    pub(crate) async fn answer(
        self: Arc<Self>,
        mut routes: Router,
        peer: IpAddr,
        in_flight: InFlight,
        mut request: Request<Incoming>,
    ) -> Answer {
        let (time, began) = (SystemTime::now(), Instant::now());
        let caller = self.formats.take_caller(request.headers_mut());
        let trace = caller.next(|| self.sampling.decide());
        let deadline = Deadline::of_caller(request.headers()).into_iter().chain(Deadline::after(self.timeout)).min();
        let notes = Notes::default();
        let record = Record {
            time,
            began,
            trace,
            parent: caller.trace().map(|trace| trace.span_id),
            notes: notes.clone(),
            peer,
            version: request.version(),
            method: request.method().clone(),
            target: request.uri().clone(),
            host: request.headers().get(header::HOST).cloned(),
            user_agent: request.headers().get(header::USER_AGENT).cloned(),
            status: None,
            said: None,
            bytes_out: 0,
            active: Some(self.requests.begin()),
            observe: Arc::clone(&self),
            in_flight,
        };
        if let Some(problem) = self.refused(&request, deadline) {
            return within(trace, deadline, || record.answered(problem.into_response()));
        }
        let mut request = request.map(|body| RequestBody::new(body, self.body_bytes, notes.clone()));
        // The limit is ours.
        DefaultBodyLimit::disable().apply(&mut request);
        request.extensions_mut().insert(notes.clone());
        if let Some(deadline) = deadline {
            request.extensions_mut().insert(deadline);
        }
        let mut overdue = pin!(deadline.map(|deadline| tokio::time::sleep_until(deadline.instant())));
        let mut handled = pin!(panic::caught(&self.exceptions, move || routes.call(request)));
        let response = std::future::poll_fn(|context| {
            within(trace, deadline, || match handled.as_mut().poll(context) {
                Poll::Ready(Ok(Ok(response))) => Poll::Ready(self.polished(response, &notes)),
                Poll::Ready(Err(panicked)) => Poll::Ready(record.panicked(panicked)),
                // The timer is only told of requests that wait.
                Poll::Pending => match overdue.as_mut().as_pin_mut() {
                    Some(overdue) => {
                        overdue.poll(context).map(|()| Problem::deadline_exceeded(TOO_SLOW).into_response())
                    }
                    None => Poll::Pending,
                },
            })
        })
        .await;
        record.answered(response)
    }

    /// What is answered without the handler.
    fn refused(&self, request: &Request<Incoming>, deadline: Option<Deadline>) -> Option<Problem> {
        // RFC 9112 section 3.2.
        if request.version() == Version::HTTP_11 && request.headers().get_all(header::HOST).iter().count() != 1 {
            return Some(Fault::new(Code::MalformedRequest, "wanted one field Host").into());
        }
        let host = request.headers().get(header::HOST).map(HeaderValue::as_bytes);
        if let Some(host) = host.filter(|host| !host.is_empty()) {
            if Authority::try_from(host).is_err() || host.contains(&b'@') {
                return Some(Fault::new(Code::MalformedRequest, "the field Host names no host").into());
            }
            let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
            if authority.is_some_and(|authority| !host.eq_ignore_ascii_case(authority)) {
                return Some(Fault::new(Code::MalformedRequest, "the target and the field Host name two hosts").into());
            }
        }
        // Other codings would still be on the body (RFC 9112 section 6.1).
        let mut codings = request.headers().get_all(header::TRANSFER_ENCODING).iter();
        let is_strange = |coding: &HeaderValue| !coding.as_bytes().eq_ignore_ascii_case(b"chunked");
        if codings.next().is_some_and(is_strange) || codings.next().is_some() {
            let fault = Fault::new(Code::UnsupportedCoding, "wanted 'chunked', once and alone");
            return Some(Problem::from(fault).field(header::CONNECTION, HeaderValue::from_static("close")));
        }
        if deadline.is_some_and(Deadline::has_passed) {
            return Some(Problem::deadline_exceeded("deadline-passed"));
        }
        let announced = request.body().size_hint().lower();
        (announced > self.body_bytes).then(|| self.body_too_large())
    }

    /// The handler's answer, or the problem that it stands for.
    fn polished(&self, response: Response, notes: &Notes) -> Response {
        let status = response.status();
        if !status.is_client_error() && !status.is_server_error() {
            return response;
        }
        if notes.is_body_too_large() {
            return self.body_too_large().into_response();
        }
        plain::to_problem(response)
    }

    fn body_too_large(&self) -> Problem {
        Fault::new(Code::BodyTooLarge, format!("wanted at most {} bytes", self.body_bytes)).into()
    }
}

const TOO_SLOW: &str = "handler-too-slow";

/// Does `work` for a trace and until a deadline.
fn within<T>(trace: TraceContext, deadline: Option<Deadline>, work: impl FnOnce() -> T) -> T {
    let (_scope, _deadline) = (scope::enter(Some(trace)), Deadline::enter(deadline));
    work()
}
