//! One call to another service: what is sent, and its life from the first attempt to the answer.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use gwanmun_client::CallError;
use gwanmun_telemetry::scope;
use gwanmun_telemetry::span::{Attribute, Span, SpanKind};
use gwanmun_telemetry::trace::TraceContext;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use serde::Serialize;

use super::answer::{Answer, retry_after};
use super::failure::{CallFailed, Why};
use super::spec::PassportUse;
use super::{HttpClient, target};
use crate::deadline::{DEADLINE, Deadline};
use crate::identity;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TXN_TOKEN: HeaderName = HeaderName::from_static("txn-token");

/// The first wait before an attempt is repeated, at most; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(25);
/// The longest.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// A call that is about to be made.
#[must_use = "it is made by `send`"]
#[derive(Debug)]
pub struct Call {
    client: HttpClient,
    method: Method,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Bytes,
    timeout: Option<Duration>,
    may_repeat: bool,
    /// What is wrong with it so far.
    invalid: Option<Cow<'static, str>>,
}

impl Call {
    pub(super) fn new(client: HttpClient, method: Method, path: &str) -> Self {
        let may_repeat = method.is_idempotent();
        Self {
            client,
            method,
            path: path.to_owned(),
            query: String::new(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            timeout: None,
            may_repeat,
            invalid: None,
        }
    }

    /// Adds a parameter to the query, escaped.
    pub fn query(mut self, name: &str, value: impl AsRef<str>) -> Self {
        if !self.query.is_empty() {
            self.query.push('&');
        }
        self.query.push_str(&target::parameter(name, value.as_ref()));
        self
    }

    /// Adds a field. Passport, trace, deadline and host are not the call's to say.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        if is_ours(&name) {
            self.invalid = Some(format!("the field '{name}' is not the call's to say").into());
        } else {
            self.headers.append(name, value);
        }
        self
    }

    /// Sends `value` as JSON.
    pub fn json(mut self, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(bytes) => self.body(JSON, bytes),
            Err(error) => {
                self.invalid = Some(format!("the value cannot be written as JSON: {error}").into());
                self
            }
        }
    }

    /// Sends these bytes.
    pub fn body(mut self, content_type: HeaderValue, bytes: impl Into<Bytes>) -> Self {
        self.headers.insert(CONTENT_TYPE, content_type);
        self.body = bytes.into();
        self
    }

    /// Gives the call less time than its client has for all of them.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Says that doing it twice does no harm, though its method does not say so.
    pub fn repeatable(mut self) -> Self {
        self.may_repeat = true;
        self
    }

    /// Makes the call and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// There is no answer: nobody is there, it took too long, or too many calls failed before.
    pub async fn send(self) -> Result<Answer, CallFailed> {
        let parts = Arc::clone(&self.client.0);
        let bare = self.path.split_once('?').map_or(self.path.as_str(), |(bare, _)| bare);
        let path: Arc<str> = bare.chars().take(200).flat_map(char::escape_default).collect::<String>().into();
        let failed = |attempts: u32, why: Why| CallFailed {
            client: Arc::clone(&parts.name),
            method: self.method.clone(),
            path: Arc::clone(&path),
            attempts,
            why,
        };
        let invalid = |why: &str| failed(0, Why::Invalid(why.into()));
        if let Some(why) = &self.invalid {
            return Err(invalid(why));
        }
        let uri = parts.base.join(&self.path, &self.query).map_err(invalid)?;
        let limit = self.timeout.map_or(parts.timeout, |timeout| timeout.min(parts.timeout));
        let end = Deadline::after(limit).into_iter().chain(Deadline::current()).min();
        let left = || end.map_or(limit, Deadline::left);
        let trace = scope::current();
        let begun = Instant::now();
        parts.budget.earn();
        let mut attempts = 0;
        let outcome = loop {
            let time = left().min(parts.attempt);
            if time.is_zero() {
                break Err(Why::DeadlinePassed);
            }
            attempts += 1;
            let outcome = self.attempt(&uri, time, trace, attempts).await;
            let (is_worth_it, wanted) = match &outcome {
                Ok(answer) => (is_passing(answer.status()), retry_after(answer.headers())),
                Err(error) => (is_of_the_connection(error), None),
            };
            if !is_worth_it || !self.may_repeat || attempts > parts.retries {
                break outcome.map_err(Why::NoAnswer);
            }
            let wait = wanted.unwrap_or_default().max(pause(attempts));
            let result = if wait >= left() {
                "no-time"
            } else if parts.budget.spend() {
                "made"
            } else {
                "no-budget"
            };
            if let Some(retries) = &parts.told.retries {
                retries.count(&[&parts.name, result]);
            }
            if result != "made" {
                break outcome.map_err(Why::NoAnswer);
            }
            tokio::time::sleep(wait).await;
        };
        let status = outcome.as_ref().ok().map(|answer| answer.status().as_u16());
        parts.told.numbers.finish(&parts.name, &self.method, status, begun.elapsed());
        match outcome {
            Ok(response) => Ok(Answer {
                client: Arc::clone(&parts.name),
                method: self.method.clone(),
                path: Arc::clone(&path),
                attempts,
                response,
            }),
            Err(why) => Err(failed(attempts, why)),
        }
    }

    /// One attempt within `time`, with a span of its own.
    async fn attempt(
        &self,
        uri: &Uri,
        time: Duration,
        trace: Option<TraceContext>,
        attempt: u32,
    ) -> Result<Response<Bytes>, CallError> {
        let parts = &self.client.0;
        let own = trace.map(|trace| trace.child());
        let request = self.request(uri, time, own.as_ref());
        let (began, begun) = (parts.clock.wall(), Instant::now());
        let sent = tokio::time::timeout(time, parts.client.send(request)).await;
        let outcome = sent.unwrap_or(Err(CallError::Timeout(time)));
        if let (Some(parent), Some(own)) = (trace, own)
            && own.sampled
            && parts.told.tracer.is_on()
        {
            parts.told.tracer.record(self.span(uri, (parent, own), (began, begun.elapsed()), attempt, &outcome));
        }
        outcome
    }

    /// What is sent: the call's own fields, and what we say.
    fn request(&self, uri: &Uri, time: Duration, trace: Option<&TraceContext>) -> Request<Bytes> {
        let parts = &self.client.0;
        let mut headers = self.headers.clone();
        headers.entry(ACCEPT).or_insert(JSON);
        if let Some(trace) = trace {
            parts.told.formats.tell(trace, &mut headers);
        }
        if let Some(deadline) = Deadline::after(time) {
            headers.insert(DEADLINE, deadline.header());
        }
        let caller = identity::current();
        if let Some(token) = caller.as_ref().and_then(identity::Caller::token)
            && parts.passport == PassportUse::Pass
        {
            headers.insert(TXN_TOKEN, token.clone());
        }
        let mut request = Request::new(self.body.clone());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = headers;
        request
    }

    fn span(
        &self,
        uri: &Uri,
        (parent, own): (TraceContext, TraceContext),
        (begin, duration): (SystemTime, Duration),
        attempt: u32,
        outcome: &Result<Response<Bytes>, CallError>,
    ) -> Span {
        let parts = &self.client.0;
        let text = |text: &str| Attribute::Text(text.into());
        let mut attributes = vec![
            (Cow::Borrowed("http.request.method"), text(self.method.as_str())),
            (Cow::Borrowed("server.address"), text(parts.base.authority())),
            (Cow::Borrowed("url.path"), text(&uri.path().chars().take(500).collect::<String>())),
            (Cow::Borrowed("peer.service"), text(&parts.name)),
        ];
        if attempt > 1 {
            attributes.push((Cow::Borrowed("http.request.resend_count"), Attribute::Whole(i64::from(attempt) - 1)));
        }
        let error = match outcome {
            Ok(answer) => {
                let status = answer.status();
                attributes.push((Cow::Borrowed("http.response.status_code"), Attribute::Whole(status.as_u16().into())));
                let is_error = status.is_client_error() || status.is_server_error();
                is_error.then(|| Cow::Owned(status.as_u16().to_string()))
            }
            Err(error) => Some(Cow::Borrowed(error.name())),
        };
        Span {
            name: format!("{} {}", self.method, parts.name).into(),
            kind: SpanKind::Client,
            context: own,
            parent: Some(parent.span_id),
            links: Vec::new(),
            begin,
            duration,
            error,
            attributes,
        }
    }
}

/// Fields that we write, or that the connection decides.
fn is_ours(name: &HeaderName) -> bool {
    let name = name.as_str();
    let exact = [
        "txn-token",
        "traceparent",
        "tracestate",
        "b3",
        "connection",
        "content-length",
        "transfer-encoding",
        "te",
        "upgrade",
    ];
    exact.contains(&name) || name == HOST.as_str() || name.starts_with("x-b3-") || name.starts_with("x-gwanmun-")
}

/// It may be better in a moment.
fn is_passing(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
}

/// The other side has not answered, and another connection may do better.
fn is_of_the_connection(error: &CallError) -> bool {
    matches!(error, CallError::Refused | CallError::Unreachable(_) | CallError::Timeout(_))
}

/// How long to wait before the next attempt: anything up to a time that doubles, so that callers do not come all at once.
fn pause(attempts: u32) -> Duration {
    let most = FIRST_WAIT.saturating_mul(1 << attempts.saturating_sub(1).min(10)).min(LONGEST_WAIT);
    most.mul_f64(fastrand::f64())
}
