//! The door: what came off the wire becomes an Exchange, cleaned. Everything that reads a request later (routing,
//! authorisation, log, upstream) reads what was decided here.

mod host;

use std::rc::Rc;

use gwanmun_core::{Code, Fault, Reason};
use gwanmun_telemetry::sanitized::{Sanitized, What};
use gwanmun_telemetry::trace::TraceContext;
use http::header::{CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, UPGRADE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};

use crate::body::Body;
use crate::client_address;
use crate::exchange::{Connection, Exchange, Request, Upgrade};
use crate::forward::{self, Nominated, X_FORWARDED_FOR};
use crate::h1::fields::{self, Hosts};
use crate::path::PathPolicy;
use crate::plan::{Limits, Plan};
use crate::record::Record;
use crate::steps::Steps;
use gwanmun_telemetry::trace::Caller;

pub(crate) use host::is_host;

/// Carries the Passport, inside.
const TXN_TOKEN: HeaderName = HeaderName::from_static("txn-token");

/// The head of a request as it came off the wire, or as a test wrote it.
pub(crate) struct Head {
    pub(crate) method: Method,
    pub(crate) version: Version,
    pub(crate) uri: http::Uri,
    /// Without `Host`.
    pub(crate) headers: HeaderMap,
    pub(crate) hosts: Hosts,
}

/// Cleans a head and makes an exchange of it. A fault comes with the exchange too, since even a refusal is answered and
/// recorded.
pub(crate) fn exchange_of(
    plan: &Plan,
    limits: &Limits,
    connection: &Rc<Connection>,
    head: Head,
    body: Body,
) -> (Exchange, Result<(), Fault>) {
    let Head { method, version, uri, mut headers, hosts } = head;
    let trusted = connection.is_from(&plan.trusted_proxies);
    let client =
        client_address::resolve(connection.peer.map(|peer| peer.ip()), trusted, &headers, &plan.trusted_proxies);
    let mut sanitized = Sanitized::NOTHING;
    if client.is_disputed {
        // Who is behind would believe one or the other.
        headers.remove(FORWARDED);
        headers.remove(X_FORWARDED_FOR);
        sanitized.add(What::Forwarding);
    }
    let host = host::host(version, &uri, hosts);
    if version == Version::HTTP_2 {
        join_cookies(&mut headers);
    }
    let passport = if trusted { only(&headers, &TXN_TOKEN) } else { None };
    let mut survey = plan.known_headers.survey(&headers, &plan.internal_headers, trusted);

    let caller = if survey.trace { plan.propagation.take_caller(&mut headers) } else { Caller::default() };
    if caller.is_unreadable {
        sanitized.add(What::Trace);
    }
    let sample = || plan.sample > 0.0 && fastrand::f64() < plan.sample;
    let trace = if trusted { caller.next(sample) } else { TraceContext::new_root(sample()) };

    let upgrade_asked = if survey.hop_by_hop { upgrade_of(version, &headers) } else { None };
    if survey.hop_by_hop {
        let nominated = forward::end_hop(&mut headers, |name| plan.known_headers.knows(name));
        if nominated == Nominated::Something {
            sanitized.add(What::Connection);
        }
    }
    let cleaned = survey.clean(&mut headers, &mut sanitized);
    if survey.framing {
        // The framing is told anew on the other side.
        headers.remove(CONTENT_LENGTH);
        headers.remove(EXPECT);
    }
    let target = target(&method, &uri, &plan.paths, &mut sanitized);

    let mut problem = host.as_ref().err().cloned().or_else(|| target.as_ref().err().cloned()).or(cleaned.err());
    if survey.cookies > limits.cookies {
        let fault = Fault::new(Code::HeadersTooLarge, format!("there are more than {} cookies", limits.cookies));
        problem = Some(fault.because(Reason::TooManyCookies));
    }
    if uri_length(&uri) > limits.uri_bytes {
        problem = Some(Fault::new(Code::UriTooLong, format!("the target is longer than {} bytes", limits.uri_bytes)));
    }
    if method == Method::CONNECT {
        problem = Some(Fault::new(Code::MalformedRequest, "CONNECT is for forward proxies"));
    }
    if method == Method::TRACE {
        problem = Some(Fault::new(Code::MalformedRequest, "TRACE would show what upstreams are told"));
    }
    if limits.body_bytes.is_some_and(|limit| body.exact_length().is_some_and(|length| length > limit)) {
        problem = Some(Fault::new(Code::BodyTooLarge, "the body is larger than body-bytes"));
    }
    let target = target.unwrap_or(PathAndQuery::from_static("/"));
    let request = Request::new(method, version, target, headers, body);
    let mut record = Record::begin(trace);
    record.sanitized = sanitized;
    record.linked_trace = if trusted { None } else { caller.trace() };
    if trace.sampled && plan.sends_spans {
        let parent = if trusted { caller.trace() } else { None };
        record.steps = Some(Box::new(Steps::below(parent.map(|caller| caller.span_id))));
    }
    let mut exchange =
        Exchange::new(Rc::clone(connection), client.address, host.ok().flatten(), request, record, fastrand::u64(..));
    exchange.trusted = trusted;
    exchange.passport = passport;
    exchange.late_refusal = survey.late_refusal.map(Box::new);
    exchange.trace_formats = plan.propagation;
    exchange.upgrade = upgrade_asked.map(Box::new);
    (exchange, problem.map_or(Ok(()), Err))
}

/// The value of a header that comes exactly once.
fn only(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none()).cloned()
}

/// Path and query in their canonical form.
fn target(
    method: &Method,
    uri: &http::Uri,
    policy: &PathPolicy,
    sanitized: &mut Sanitized,
) -> Result<PathAndQuery, Fault> {
    let target = uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    if target.path() == "*" && *method != Method::OPTIONS {
        let fault = Fault::new(Code::MalformedRequest, "only OPTIONS may ask for *");
        return Err(fault.because(Reason::MalformedPath));
    }
    let Some(canonical) = policy.canonical(&target)? else { return Ok(target) };
    sanitized.add(What::Path);
    Ok(canonical)
}

/// HTTP/2 clients may send a cookie in several fields; nobody else reads it that way (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let crumbs: Vec<_> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))
    {
        headers.insert(COOKIE, joined);
    }
}

fn uri_length(uri: &http::Uri) -> usize {
    uri.path_and_query().map_or(0, |target| target.as_str().len())
}

/// HTTP/1.1 only: HTTP/2 has another way (RFC 9113 section 8.6).
fn upgrade_of(version: Version, headers: &HeaderMap) -> Option<Upgrade> {
    if version != Version::HTTP_11 {
        return None;
    }
    let protocol = headers.get(UPGRADE)?;
    let nominated = fields::connection_says(headers, b"upgrade");
    // HTTP/2 is spoken from the start or not at all.
    let http2 = fields::list(protocol).any(|name| name.eq_ignore_ascii_case(b"h2c"));
    (nominated && !http2).then(|| Upgrade { protocol: protocol.clone(), key: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crumbs_of_a_cookie_become_one_field() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=1"));
        headers.append(COOKIE, HeaderValue::from_static("b=2"));
        join_cookies(&mut headers);
        assert_eq!(headers.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2"]);
    }
}
