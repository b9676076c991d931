//! A sampled request as steps of its trace: a span of our own, whose parent is a trusted caller's, and below it one for
//! each call to an upstream. Requests that are not sampled have none of this.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gwanmun_core::{Code, Fault, Reason};
use gwanmun_telemetry::redact;
use gwanmun_telemetry::span::{Attribute, Span, SpanKind};
use gwanmun_telemetry::trace::TraceContext;
use gwanmun_telemetry::tracer::Tracer;
use http::{Method, StatusCode, Version};

use crate::exchange::Exchange;
use crate::record::Record;

/// How much of a text that a client chose is told, in bytes.
const WORDS: usize = 256;
/// Calls of one request that are told.
const MOST_CALLS: usize = 16;

/// What a sampled request will tell of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Steps {
    /// The span of a trusted caller.
    parent: Option<[u8; 8]>,
    /// Calls to upstreams, the latest last.
    calls: Vec<Call>,
}

/// One call to an upstream, as often as it was sent.
#[derive(Debug, Clone)]
struct Call {
    context: TraceContext,
    began: Instant,
    /// `None` while nobody knows how it will end.
    end: Option<End>,
    resent: u8,
}

#[derive(Debug, Clone)]
struct End {
    duration: Duration,
    outcome: Result<StatusCode, Code>,
    endpoint: Option<Arc<str>>,
}

/// What the spans of an exchange need besides the exchange.
pub(crate) struct Ended<'a> {
    pub(crate) exchange: &'a Exchange,
    pub(crate) method: &'a Method,
    pub(crate) user_agent: Option<&'a [u8]>,
    pub(crate) route: Option<&'a str>,
    pub(crate) status: u16,
    pub(crate) duration: Duration,
}

impl Steps {
    /// Below the span of a trusted caller, if there is one.
    pub(crate) fn below(parent: Option<[u8; 8]>) -> Self {
        Self { parent, calls: Vec::new() }
    }

    /// The span that the upstream is told of.
    pub(crate) fn latest_call(&self) -> Option<&TraceContext> {
        self.calls.last().map(|call| &call.context)
    }
}

impl Record {
    /// The step of the trace that an upstream is told to be caused by.
    pub(crate) fn outgoing(&self) -> &TraceContext {
        self.steps.as_ref().and_then(|steps| steps.latest_call()).unwrap_or(&self.trace)
    }

    /// A call to an upstream begins.
    pub(crate) fn call_begins(&mut self) {
        if let Some(steps) = &mut self.steps
            && steps.calls.len() < MOST_CALLS
        {
            steps.calls.push(Call { context: self.trace.child(), began: Instant::now(), end: None, resent: 0 });
        }
    }

    /// The call that began last is sent once more.
    pub(crate) fn call_is_resent(&mut self) {
        if let Some(call) = self.open_call() {
            call.resent = call.resent.saturating_add(1);
        }
    }

    /// The call that began last has an answer, or will have none.
    pub(crate) fn call_ends(&mut self, outcome: Result<StatusCode, &Fault>) {
        let endpoint = self.endpoint.clone();
        if let Some(call) = self.open_call() {
            let outcome = outcome.map_err(Fault::code);
            call.end = Some(End { duration: call.began.elapsed(), outcome, endpoint });
        }
    }

    fn open_call(&mut self) -> Option<&mut Call> {
        self.steps.as_mut()?.calls.last_mut().filter(|call| call.end.is_none())
    }
}

/// Hands over the spans of an exchange that has ended.
#[cold]
pub(crate) fn tell(steps: &Steps, ended: &Ended<'_>, tracer: &Tracer) {
    for call in &steps.calls {
        tracer.record(call_span(call, ended));
    }
    tracer.record(own_span(steps, ended));
}

fn own_span(steps: &Steps, ended: &Ended<'_>) -> Span {
    let Ended { exchange, method, user_agent, route, status, duration } = *ended;
    let record = &exchange.record;
    let mut attributes = about_method(method);
    let mut tell = |name: &'static str, value: Attribute| attributes.push((name.into(), value));
    tell("url.scheme", text(exchange.connection.scheme.as_str()));
    tell("url.path", words(exchange.original.path().as_bytes()));
    if let Some(route) = route {
        tell("http.route", text(route));
    }
    tell("http.response.status_code", Attribute::Whole(status.into()));
    if let Some(client) = exchange.client {
        tell("client.address", text(&client.to_string()));
    }
    if !exchange.host_name().is_empty() {
        tell("server.address", words(exchange.host_name().as_bytes()));
    }
    if let Some(user_agent) = user_agent {
        tell("user_agent.original", words(user_agent));
    }
    tell("network.protocol.version", text(version(exchange.request.version)));
    tell("gwanmun.listener", text(&exchange.connection.listener));
    if let Some(upstream) = &record.upstream {
        tell("gwanmun.upstream", Attribute::Text(Arc::clone(upstream)));
    }
    if let Some(reason) = record.fault_reason {
        tell("gwanmun.fault.reason", text(Reason::name(reason)));
    }
    let why = match record.fault {
        Some(code) => Some(code.name().into()),
        None if status >= 500 => Some(Cow::Owned(status.to_string())),
        None => None,
    };
    if let Some(why) = &why {
        tell("error.type", text(why));
    }
    Span {
        name: match route {
            Some(route) => format!("{} {route}", verb(method)).into(),
            None => verb(method).into(),
        },
        kind: SpanKind::Server,
        context: record.trace,
        parent: steps.parent,
        links: record.linked_trace.into_iter().collect(),
        begin: record.time,
        duration,
        // What a client did wrong is no failure of the server.
        error: why.filter(|_| status >= 500),
        attributes,
    }
}

fn call_span(call: &Call, ended: &Ended<'_>) -> Span {
    let record = &ended.exchange.record;
    let began = call.began.saturating_duration_since(record.started);
    let method = &ended.exchange.request.method;
    let mut attributes = about_method(method);
    let mut tell = |name: &'static str, value: Attribute| attributes.push((name.into(), value));
    let endpoint = call.end.as_ref().and_then(|end| end.endpoint.as_ref()).or(record.endpoint.as_ref());
    if let Some(endpoint) = endpoint {
        let (address, port) = place(endpoint);
        tell("server.address", text(address));
        if let Some(port) = port {
            tell("server.port", Attribute::Whole(port.into()));
        }
    }
    if call.resent > 0 {
        tell("http.request.resend_count", Attribute::Whole(call.resent.into()));
    }
    let (duration, why) = match &call.end {
        Some(End { duration, outcome: Ok(status), .. }) => {
            tell("http.response.status_code", Attribute::Whole(status.as_u16().into()));
            let is_failure = status.is_client_error() || status.is_server_error();
            (*duration, is_failure.then(|| Cow::Owned(status.as_u16().to_string())))
        }
        Some(End { duration, outcome: Err(code), .. }) => (*duration, Some(code.name().into())),
        // The client left before.
        None => (ended.duration.saturating_sub(began), Some("cancelled".into())),
    };
    if let Some(why) = &why {
        tell("error.type", text(why));
    }
    Span {
        name: match &record.upstream {
            Some(upstream) => format!("{} {upstream}", verb(method)).into(),
            None => verb(method).into(),
        },
        kind: SpanKind::Client,
        context: call.context,
        parent: Some(record.trace.span_id),
        links: Vec::new(),
        begin: record.time.checked_add(began).unwrap_or(record.time),
        duration,
        error: why,
        attributes,
    }
}

/// Methods that are not known are told apart from the rest by an attribute only: names of spans are few.
fn about_method(method: &Method) -> Vec<(Cow<'static, str>, Attribute)> {
    let mut attributes = Vec::with_capacity(16);
    if is_known(method) {
        attributes.push(("http.request.method".into(), text(method.as_str())));
    } else {
        attributes.push(("http.request.method".into(), text("_OTHER")));
        attributes.push(("http.request.method_original".into(), words(method.as_str().as_bytes())));
    }
    attributes
}

/// How a span's name begins.
fn verb(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ => "HTTP",
    }
}

fn is_known(method: &Method) -> bool {
    verb(method) != "HTTP"
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    }
}

/// Host and port of an endpoint as operators write it; the path of a unix socket.
fn place(endpoint: &str) -> (&str, Option<u16>) {
    let Some((scheme, rest)) = endpoint.split_once("://") else {
        return (endpoint.strip_prefix("unix:").unwrap_or(endpoint), None);
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
        _ => (authority, None),
    };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    (host, port.or(Some(if scheme.ends_with("https") { 443 } else { 80 })))
}

fn text(text: &str) -> Attribute {
    Attribute::Text(Arc::from(text))
}

/// The beginning of what a client chose.
fn words(bytes: &[u8]) -> Attribute {
    text(&redact::text(&String::from_utf8_lossy(bytes.get(..WORDS).unwrap_or(bytes))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_place() {
        for (endpoint, wanted) in [
            ("http://127.0.0.1:9001", ("127.0.0.1", Some(9001))),
            ("https://orders.example", ("orders.example", Some(443))),
            ("dns+http://orders:80/", ("orders", Some(80))),
            ("h2c://[::1]:81", ("::1", Some(81))),
            ("http://[::1]", ("::1", Some(80))),
            ("unix:/run/orders", ("/run/orders", None)),
        ] {
            assert_eq!(place(endpoint), wanted, "{endpoint}");
        }
    }

    #[test]
    fn what_a_client_chose_is_bounded() {
        let Attribute::Text(told) = words(&[b'a'; 10_000]) else { panic!() };
        assert_eq!(told.len(), WORDS);
        assert_eq!(words(b"a\xff"), text("a\u{fffd}"));
        assert_eq!(words(b"/reset/eyJhbGciOiJFUzI1NiJ9.e30.c2ln"), text("/reset/***"));
    }

    #[test]
    fn names_of_spans_are_few() {
        let odd = Method::from_bytes(b"BREW").unwrap();
        assert_eq!((verb(&odd), verb(&Method::GET)), ("HTTP", "GET"));
        let attributes = about_method(&odd);
        assert_eq!(attributes[0].1, text("_OTHER"));
        assert_eq!(attributes[1].1, text("BREW"));
    }
}
