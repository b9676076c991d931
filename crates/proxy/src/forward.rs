//! What changes between the two sides of a proxy: hop-by-hop fields (RFC 9110 section 7.6.1), who the client is (RFC 7239
//! and its X- elders), the trace (W3C Trace Context).

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use gwanmun_telemetry::trace::TRACEPARENT_LENGTH;

use http::header::{CONNECTION, FORWARDED, HeaderName, TE, TRAILER};
use http::{HeaderMap, HeaderValue};
use smallvec::SmallVec;

use crate::exchange::{Exchange, Scheme};
use crate::filter::Response;
use crate::h1::fields::list;

pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// What a connection's requests have in common in their forwarding fields; made once per connection.
#[derive(Debug)]
pub(crate) struct Forwarding {
    client: HeaderValue,
    port: HeaderValue,
    /// For the latest host: a client rarely asks for another on the same connection.
    latest: RefCell<Option<OfHost>>,
}

/// What is told of a request for a host.
#[derive(Debug, Clone)]
struct OfHost {
    host: Option<HeaderValue>,
    /// The element of `Forwarded`.
    element: HeaderValue,
    /// All the fields of a request by an untrusted client, as lines of HTTP/1.
    lines: Rc<[u8]>,
}

/// The fields about the client and the trace that go to an HTTP/1 upstream besides the headers of the exchange: written
/// as they are, since nobody looks at them any more.
#[derive(Debug, Default)]
pub(crate) struct OwnLines {
    fixed: Option<Rc<[u8]>>,
    traceparent: Option<[u8; TRACEPARENT_LENGTH]>,
}

impl OwnLines {
    /// Whether there is nothing to write, since the headers of the exchange have it all.
    pub(crate) fn are_among_headers(&self) -> bool {
        self.fixed.is_none()
    }

    /// Whether a header of the exchange gives way to one of these.
    pub(crate) fn replace(&self, name: &HeaderName) -> bool {
        self.fixed.is_some() && (*name == FORWARDED || is_own(name.as_str()))
    }

    /// Appends them.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        if let Some(fixed) = &self.fixed {
            out.extend_from_slice(fixed);
        }
        if let Some(traceparent) = &self.traceparent {
            out.extend_from_slice(b"traceparent: ");
            out.extend_from_slice(traceparent);
            out.extend_from_slice(b"\r\n");
        }
    }
}

fn is_own(name: &str) -> bool {
    name == "traceparent"
        || name.strip_prefix("x-forwarded-").is_some_and(|rest| matches!(rest, "for" | "proto" | "port" | "host"))
}

impl Forwarding {
    pub(crate) fn of(peer: Option<SocketAddr>, port: u16) -> Self {
        let client = match peer {
            Some(peer) => HeaderValue::from_str(&peer.ip().to_canonical().to_string())
                .unwrap_or(HeaderValue::from_static("unknown")),
            None => HeaderValue::from_static("unknown"),
        };
        Self { client, port: HeaderValue::from(port), latest: RefCell::new(None) }
    }
}

/// Whether `Connection` named more than the connection itself needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nominated {
    /// It did not.
    Nothing,
    /// It did.
    Something,
}

/// Takes away what is for this hop only.
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    end_hop(headers, |_| false);
}

/// Takes away what is for this hop only. Computed on what the client sent, before any filter, so that nobody can nominate
/// what we add; and nobody can nominate what `is_end_to_end` says is for all. `te: trailers` stays, since trailers are
/// passed on.
pub(crate) fn end_hop(headers: &mut HeaderMap, is_end_to_end: impl Fn(&str) -> bool) -> Nominated {
    let mut doomed = SmallVec::<[HeaderName; 6]>::new();
    let mut trailers_wanted = false;
    let mut nominated = Nominated::Nothing;
    for (name, value) in &*headers {
        match name.as_str() {
            "connection" => {
                doomed.push(CONNECTION);
                for option in list(value).filter(|option| !is_about_the_connection(option)) {
                    nominated = Nominated::Something;
                    let name = HeaderName::from_bytes(option).ok();
                    doomed.extend(name.filter(|name| !is_end_to_end(name.as_str())));
                }
            }
            // Who says `te` has to nominate it (RFC 9110 section 10.1.4), so it is read before it goes.
            "te" => {
                doomed.push(TE);
                trailers_wanted |= list(value).any(|coding| coding.eq_ignore_ascii_case(b"trailers"));
            }
            _ if is_hop_by_hop(name) => doomed.push(name.clone()),
            _ => {}
        }
    }
    for name in doomed {
        headers.remove(name);
    }
    if trailers_wanted {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    nominated
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "te"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "transfer-encoding"
            | "upgrade"
            | "trailer"
    )
}

/// Options of `Connection` that name no field, or one that goes anyway.
fn is_about_the_connection(option: &[u8]) -> bool {
    [&b""[..], b"keep-alive", b"close", b"upgrade", b"te"].iter().any(|known| option.eq_ignore_ascii_case(known))
}

/// An upstream's answer without what was for that hop only.
pub(crate) fn clean_response(response: &mut Response) {
    let headers = response.headers_mut();
    if !headers.keys().any(is_hop_by_hop) {
        return;
    }
    let trailer = headers.remove(TRAILER);
    remove_hop_by_hop(headers);
    if let Some(trailer) = trailer {
        headers.insert(TRAILER, trailer);
    }
}

/// `name` with dashes for whatever is no letter and no digit: services in the manner of CGI (WSGI, Rack, PHP) cannot tell
/// such names apart.
pub(crate) fn dashed(name: &str) -> Cow<'_, str> {
    let stays = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if name.bytes().all(stays) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(name.chars().map(|character| if character.is_ascii_alphanumeric() { character } else { '-' }).collect())
}

/// What proxies in front say about the channels before us: whether all of them were https; `None` if they say nothing.
/// A proxy that writes one of the two headers may pass on the other as a client wrote it: both have to agree.
pub(crate) fn is_https_before(headers: &HeaderMap) -> Option<bool> {
    let listed = headers.get_all(X_FORWARDED_PROTO).iter().flat_map(list);
    let fields = headers.get_all(FORWARDED).iter();
    let pairs = fields.flat_map(|value| value.as_bytes().split(|byte| matches!(byte, b',' | b';')));
    let paired = pairs.filter_map(|pair| {
        let (name, scheme) = pair.trim_ascii().split_at_checked(b"proto=".len())?;
        name.eq_ignore_ascii_case(b"proto=").then(|| unquoted(scheme))
    });
    let is_https = |scheme: &[u8]| scheme.eq_ignore_ascii_case(b"https");
    listed.map(is_https).chain(paired.map(is_https)).reduce(|all, one| all && one)
}

fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value)
}

/// The same for a request that is about to leave over HTTP/1, where most need not be put among the headers first.
pub(crate) fn prepare_lines(exchange: &mut Exchange) -> OwnLines {
    if exchange.trusted || exchange.stripped_prefix.is_some() || !exchange.trace_formats.is_w3c_alone() {
        prepare(exchange);
        return OwnLines::default();
    }
    let fixed = of_host(exchange.connection.forwarding(), exchange).lines;
    OwnLines { fixed: Some(fixed), traceparent: Some(exchange.record.outgoing().traceparent()) }
}

/// Sets the forwarding fields and the trace of a request that is about to leave.
pub(crate) fn prepare(exchange: &mut Exchange) {
    let connection = std::rc::Rc::clone(&exchange.connection);
    let forwarding = connection.forwarding();
    let element = of_host(forwarding, exchange).element;
    let prefix = exchange.stripped_prefix.take();
    let (host, headers) = (&exchange.host, &mut exchange.request.headers);
    if exchange.trusted {
        append(headers, X_FORWARDED_FOR, &forwarding.client);
        append(headers, FORWARDED, &element);
        headers.entry(X_FORWARDED_PROTO).or_insert(HeaderValue::from_static(connection.scheme.as_str()));
        headers.entry(X_FORWARDED_PORT).or_insert_with(|| forwarding.port.clone());
        if let Some(host) = host {
            headers.entry(X_FORWARDED_HOST).or_insert_with(|| host.clone());
        }
    } else {
        headers.insert(X_FORWARDED_FOR, forwarding.client.clone());
        headers.insert(FORWARDED, element);
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(connection.scheme.as_str()));
        headers.insert(X_FORWARDED_PORT, forwarding.port.clone());
        if let Some(host) = host {
            headers.insert(X_FORWARDED_HOST, host.clone());
        }
    }
    if let Some(Ok(prefix)) = prefix.map(HeaderValue::try_from) {
        append_with(headers, X_FORWARDED_PREFIX, &prefix, "");
    }
    exchange.trace_formats.tell(exchange.record.outgoing(), headers);
}

/// Adds to a list that an earlier proxy began.
fn append(headers: &mut HeaderMap, name: HeaderName, value: &HeaderValue) {
    append_with(headers, name, value, ", ");
}

fn append_with(headers: &mut HeaderMap, name: HeaderName, value: &HeaderValue, separator: &str) {
    let mut list: Vec<u8> = Vec::new();
    for earlier in headers.get_all(&name) {
        if !list.is_empty() {
            list.extend_from_slice(separator.as_bytes());
        }
        list.extend_from_slice(earlier.as_bytes());
    }
    if !list.is_empty() {
        list.extend_from_slice(separator.as_bytes());
    }
    list.extend_from_slice(value.as_bytes());
    headers.insert(name, HeaderValue::from_bytes(&list).unwrap_or_else(|_| value.clone()));
}

/// What is told of a request for this host.
fn of_host(forwarding: &Forwarding, exchange: &Exchange) -> OfHost {
    if let Some(latest) = forwarding.latest.borrow().as_ref().filter(|latest| latest.host == exchange.host) {
        return latest.clone();
    }
    let connection = &exchange.connection;
    let element = element(exchange, connection.peer.map(|peer| peer.ip()), connection.scheme);
    let mut lines = Vec::with_capacity(256);
    let mut line = |name: &HeaderName, value: &[u8]| {
        lines.extend_from_slice(&[name.as_str().as_bytes(), b": ", value, b"\r\n"].concat());
    };
    line(&X_FORWARDED_FOR, forwarding.client.as_bytes());
    line(&FORWARDED, element.as_bytes());
    line(&X_FORWARDED_PROTO, connection.scheme.as_str().as_bytes());
    line(&X_FORWARDED_PORT, forwarding.port.as_bytes());
    if let Some(host) = &exchange.host {
        line(&X_FORWARDED_HOST, host.as_bytes());
    }
    let of_host = OfHost { host: exchange.host.clone(), element, lines: lines.into() };
    *forwarding.latest.borrow_mut() = Some(of_host.clone());
    of_host
}

/// Our element of `Forwarded` (RFC 7239 section 4).
fn element(exchange: &Exchange, peer: Option<IpAddr>, scheme: Scheme) -> HeaderValue {
    let mut text = String::with_capacity(96);
    match peer.map(|ip| ip.to_canonical()) {
        Some(IpAddr::V4(ip)) => {
            let _ = write!(text, "for={ip}");
        }
        Some(IpAddr::V6(ip)) => {
            let _ = write!(text, "for=\"[{ip}]\"");
        }
        None => text.push_str("for=unknown"),
    }
    if let Some(host) = exchange.host.as_ref().and_then(|host| host.to_str().ok()) {
        let _ = write!(text, ";host=\"{}\"", host.replace(['"', '\\'], ""));
    }
    let _ = write!(text, ";proto={}", scheme.as_str());
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("for=unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn hop_by_hop_fields_and_nominated_ones_are_taken_away() {
        let mut headers = map(&[
            ("connection", "close, X-Secret"),
            ("keep-alive", "5"),
            ("x-secret", "1"),
            ("te", "gzip, trailers;q=0"),
            ("upgrade", "h2c"),
            ("x-stays", "1"),
        ]);
        remove_hop_by_hop(&mut headers);
        assert_eq!(headers, map(&[("x-stays", "1")]));
    }

    #[test]
    fn what_is_for_all_cannot_be_nominated() {
        let mut headers = map(&[("connection", "close, authorization, x-hop"), ("authorization", "a"), ("x-hop", "1")]);
        assert_eq!(end_hop(&mut headers, |name| name == "authorization"), Nominated::Something);
        assert_eq!(headers, map(&[("authorization", "a")]));
        let mut headers = map(&[("connection", "keep-alive, , TE")]);
        assert_eq!(end_hop(&mut headers, |_| false), Nominated::Nothing);
    }

    #[test]
    fn a_name_is_told_by_its_letters_and_digits() {
        for (name, wanted) in [("x-a1", "x-a1"), ("x_a.1", "x-a-1"), ("a!b", "a-b")] {
            assert_eq!(dashed(name), wanted);
        }
    }

    #[test]
    fn trailers_may_still_be_wanted() {
        let mut headers = map(&[("te", "gzip, trailers"), ("connection", "te")]);
        remove_hop_by_hop(&mut headers);
        assert_eq!(headers, map(&[("te", "trailers")]));
    }

    #[test]
    fn all_that_proxies_say_has_to_be_https() {
        let is_https = |fields: &[(&'static str, &'static str)]| is_https_before(&map(fields));
        assert_eq!(is_https(&[("x-other", "https")]), None);
        assert_eq!(is_https(&[("forwarded", "for=192.0.2.1")]), None);
        assert_eq!(is_https(&[("x-forwarded-proto", "https, HTTPS")]), Some(true));
        assert_eq!(is_https(&[("x-forwarded-proto", "https, http")]), Some(false));
        assert_eq!(is_https(&[("forwarded", "for=192.0.2.1;Proto=\"https\", proto=https")]), Some(true));
        assert_eq!(is_https(&[("forwarded", "proto=https, proto=http")]), Some(false));
        assert_eq!(is_https(&[("x-forwarded-proto", "https"), ("forwarded", "for=192.0.2.1;proto=http")]), Some(false));
        assert_eq!(is_https(&[("x-forwarded-proto", "http"), ("forwarded", "proto=https")]), Some(false));
    }

    #[test]
    fn lists_of_earlier_proxies_are_continued() {
        let mut headers = map(&[("x-forwarded-for", "1.1.1.1")]);
        headers.append(X_FORWARDED_FOR, HeaderValue::from_static("2.2.2.2"));
        append(&mut headers, X_FORWARDED_FOR, &HeaderValue::from_static("3.3.3.3"));
        assert_eq!(headers, map(&[("x-forwarded-for", "1.1.1.1, 2.2.2.2, 3.3.3.3")]));
    }
}
