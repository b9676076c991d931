//! The door: what came off the wire becomes an Exchange, cleaned. Everything that reads a request later (routing,
//! authorisation, log, upstream) reads what was decided here.

use std::rc::Rc;

use gwanmun_core::{Code, Fault};
use gwanmun_telemetry::trace::TraceContext;
use http::header::{CONTENT_LENGTH, COOKIE, EXPECT, HOST, UPGRADE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Version};

use crate::body::Body;
use crate::client_address;
use crate::exchange::{Connection, Exchange, Request, Upgrade};
use crate::forward::{self, Present, TRACEPARENT};
use crate::plan::{Limits, Plan};
use crate::record::Record;

/// The head of a request as it came off the wire, or as a test wrote it.
pub(crate) struct Head {
    pub(crate) method: Method,
    pub(crate) version: Version,
    pub(crate) uri: http::Uri,
    pub(crate) headers: HeaderMap,
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
    let Head { method, version, uri, mut headers } = head;
    let trusted = match connection.peer {
        Some(peer) => plan.trusted_proxies.contains(peer.ip()),
        None => plan.trusted_proxies.contains_unix_sockets(),
    };
    let caller = if trusted { callers_trace(&headers) } else { None };
    if trusted && caller.is_none() {
        // It belongs to the trace that cannot be read (W3C Trace Context section 3.3.1).
        headers.remove("tracestate");
    }
    let trace = match caller {
        Some(caller) => caller.child(),
        None => TraceContext::new_root(plan.sample > 0.0 && fastrand::f64() < plan.sample),
    };
    let client =
        client_address::resolve(connection.peer.map(|peer| peer.ip()), trusted, &headers, &plan.trusted_proxies);

    let host = host(version, &uri, &mut headers);
    let target = target(&method, &uri);
    let present = Present::of(&headers);
    let upgrade_asked = if present.hop_by_hop { upgrade_of(version, &headers) } else { None };
    if present.hop_by_hop {
        forward::remove_hop_by_hop(&mut headers);
    }
    plan.internal_headers.remove_from(&mut headers);
    if present.framing {
        // The framing is told anew on the other side.
        headers.remove(CONTENT_LENGTH);
        headers.remove(EXPECT);
    }
    match (present.forwarding, trusted) {
        (false, _) => {}
        (true, false) => forward::distrust(&mut headers),
        (true, true) => forward::distrust_lookalikes(&mut headers),
    }
    if version == Version::HTTP_2 {
        join_cookies(&mut headers);
    }
    let mut problem = host.as_ref().err().cloned().or_else(|| target.as_ref().err().cloned());
    if uri_length(&uri) > limits.uri_bytes {
        problem = Some(Fault::new(Code::UriTooLong, format!("the target is longer than {} bytes", limits.uri_bytes)));
    }
    if method == Method::CONNECT {
        problem = Some(Fault::new(Code::MalformedRequest, "CONNECT is for forward proxies"));
    }
    if limits.body_bytes.is_some_and(|limit| body.exact_length().is_some_and(|length| length > limit)) {
        problem = Some(Fault::new(Code::BodyTooLarge, "the body is larger than body-bytes"));
    }
    let target = target.unwrap_or(PathAndQuery::from_static("/"));
    let request = Request::new(method, version, target, headers, body);
    let mut exchange = Exchange::new(
        Rc::clone(connection),
        client,
        host.ok().flatten(),
        request,
        Record::begin(trace),
        fastrand::u64(..),
    );
    exchange.trusted = trusted;
    exchange.upgrade = upgrade_asked;
    (exchange, problem.map_or(Ok(()), Err))
}

/// The trace that whoever calls us says it is in.
fn callers_trace(headers: &HeaderMap) -> Option<TraceContext> {
    let mut given = headers.get_all(TRACEPARENT).iter();
    let only = given.next().filter(|_| given.next().is_none())?;
    TraceContext::parse(only.as_bytes())
}

/// `Host`, or the authority of an absolute target, which must agree with it: stricter than RFC 9112 section 3.2.2, which
/// lets the target win.
fn host(version: Version, uri: &http::Uri, headers: &mut HeaderMap) -> Result<Option<HeaderValue>, Fault> {
    let mut hosts = headers.get_all(HOST).iter();
    let first = hosts.next().cloned();
    if hosts.next().is_some() {
        return Err(Fault::new(Code::MalformedRequest, "the request has two Host fields"));
    }
    headers.remove(HOST);
    let Some(authority) = uri.authority() else {
        if first.is_none() && version == Version::HTTP_11 {
            return Err(Fault::new(Code::MalformedRequest, "an HTTP/1.1 request has no Host"));
        }
        let good = first.as_ref().is_none_or(|host| is_host(host.as_bytes()));
        return if good { Ok(first) } else { Err(Fault::new(Code::MalformedRequest, "Host is no host and port")) };
    };
    if authority.as_str().contains('@') {
        return Err(Fault::new(Code::MalformedRequest, "the target has a user in it"));
    }
    if !is_host(authority.as_str().as_bytes()) {
        return Err(Fault::new(Code::MalformedRequest, "the authority is no host and port"));
    }
    match first {
        Some(host) if !host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()) => {
            Err(Fault::new(Code::MalformedRequest, "the target and Host name different hosts"))
        }
        Some(host) => Ok(Some(host)),
        None => HeaderValue::from_str(authority.as_str())
            .map(Some)
            .map_err(|_| Fault::new(Code::MalformedRequest, "the authority is malformed")),
    }
}

/// A name or an address, an IPv6 one in brackets, and perhaps a port (RFC 3986 section 3.2.2); no commas, since hosts stand
/// in lists.
fn is_host(text: &[u8]) -> bool {
    let (host, port) = match (text.first(), text.iter().rposition(|&byte| byte == b']')) {
        (Some(b'['), Some(end)) => (text.get(1..end).unwrap_or_default(), text.get(end + 1..).unwrap_or_default()),
        _ => text.split_at(text.iter().position(|&byte| byte == b':').unwrap_or(text.len())),
    };
    let bracketed = text.first() == Some(&b'[');
    let of_a_host = |byte: &u8| match byte {
        b':' => bracketed,
        _ => byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=".contains(byte),
    };
    let is_port = match port.split_first() {
        None => true,
        Some((b':', digits)) => {
            digits.is_empty()
                || std::str::from_utf8(digits)
                    .is_ok_and(|digits| digits.parse::<u16>().is_ok() && !digits.starts_with('+'))
        }
        Some(_) => false,
    };
    host.iter().all(of_a_host) && is_port
}

fn target(method: &Method, uri: &http::Uri) -> Result<PathAndQuery, Fault> {
    let target = uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    if target.path() == "*" && *method != Method::OPTIONS {
        return Err(Fault::new(Code::MalformedRequest, "only OPTIONS may ask for *"));
    }
    crate::path::canonical(target)
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
    let nominated = headers.get_all(http::header::CONNECTION).iter().any(|value| {
        value.as_bytes().split(|&byte| byte == b',').any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
    });
    // HTTP/2 is spoken from the start or not at all.
    let http2 =
        protocol.as_bytes().split(|&byte| byte == b',').any(|name| name.trim_ascii().eq_ignore_ascii_case(b"h2c"));
    (nominated && !http2).then(|| Upgrade { protocol: protocol.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_address_and_perhaps_a_port() {
        for good in ["a.example", "a:80", "a:", "1.2.3.4:65535", "[::1]", "[::1]:80", "A_b"] {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in ["a:99999", "a:b", "a:b:c", "::1", "[::1", "[::1]x", "a,b", "a b", "a/b", "a@b", "a:+80"] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }

    fn asked(target: &str, host_field: Option<&'static str>) -> Result<Option<HeaderValue>, Code> {
        let fields = host_field.map(|host| (HOST, HeaderValue::from_static(host)));
        host(Version::HTTP_2, &target.parse().unwrap(), &mut fields.into_iter().collect()).map_err(|fault| fault.code())
    }

    #[test]
    fn an_authority_is_held_to_the_same_as_host() {
        assert_eq!(asked("http://a.test:80/", None), Ok(Some(HeaderValue::from_static("a.test:80"))));
        assert_eq!(asked("http://a.test/", Some("A.test")), Ok(Some(HeaderValue::from_static("A.test"))));
        for target in ["http://a,b/", "http://u@a/"] {
            assert_eq!(asked(target, None), Err(Code::MalformedRequest), "{target}");
        }
        assert_eq!(asked("/", Some("a,b")), Err(Code::MalformedRequest));
    }

    #[test]
    fn crumbs_of_a_cookie_become_one_field() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=1"));
        headers.append(COOKIE, HeaderValue::from_static("b=2"));
        join_cookies(&mut headers);
        assert_eq!(headers.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2"]);
    }
}
