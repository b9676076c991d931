//! What changes between the two sides of a proxy: hop-by-hop fields (RFC 9110 section 7.6.1), who the client is (RFC 7239
//! and its X- elders), the trace (W3C Trace Context).

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, FORWARDED, HOST, HeaderName, TE, TRAILER};
use http::{HeaderMap, HeaderValue};
use smallvec::SmallVec;

use crate::exchange::{Exchange, Scheme};
use crate::filter::Response;
use crate::plan::InternalHeaders;

pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(crate) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(crate) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(crate) const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
pub(crate) const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What a connection's requests have in common in their forwarding fields; made once per connection.
#[derive(Debug)]
pub(crate) struct Forwarding {
    client: HeaderValue,
    port: HeaderValue,
    /// The latest `Forwarded` element, with the host it was made for: a client rarely changes the host on a connection.
    element: RefCell<Option<(Option<HeaderValue>, HeaderValue)>>,
}

impl Forwarding {
    pub(crate) fn of(peer: Option<SocketAddr>, port: u16) -> Self {
        let client = match peer {
            Some(peer) => HeaderValue::from_str(&peer.ip().to_canonical().to_string())
                .unwrap_or(HeaderValue::from_static("unknown")),
            None => HeaderValue::from_static("unknown"),
        };
        Self { client, port: HeaderValue::from(port), element: RefCell::new(None) }
    }
}

/// Which of the fields that need work a message has. Most have none, and one look at the names is cheaper than asking for
/// each by hash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Present {
    pub(crate) hop_by_hop: bool,
    pub(crate) forwarding: bool,
    pub(crate) framing: bool,
}

impl Present {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut present = Self::default();
        for name in headers.keys() {
            match name.as_str() {
                "connection" | "te" | "keep-alive" | "proxy-connection" | "proxy-authenticate"
                | "transfer-encoding" | "upgrade" | "trailer" => present.hop_by_hop = true,
                "content-length" | "expect" => present.framing = true,
                name if needs_trust(name) => present.forwarding = true,
                _ => {}
            }
        }
        present
    }
}

/// Takes away what is for this hop only. Computed on what the client sent, before any filter, so that nobody can nominate
/// what we add. `te: trailers` stays, since trailers are passed on.
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let mut doomed = SmallVec::<[HeaderName; 6]>::new();
    let mut trailers_wanted = false;
    for (name, value) in &*headers {
        match name.as_str() {
            "connection" => {
                doomed.push(CONNECTION);
                doomed.extend(
                    options(value)
                        .filter(|option| !is_about_the_connection(option))
                        .filter_map(|option| HeaderName::from_bytes(option).ok()),
                );
            }
            // Who says `te` has to nominate it (RFC 9110 section 10.1.4), so it is read before it goes.
            "te" => {
                doomed.push(TE);
                trailers_wanted |= options(value).any(|coding| coding.eq_ignore_ascii_case(b"trailers"));
            }
            "keep-alive" | "proxy-connection" | "proxy-authenticate" | "transfer-encoding" | "upgrade" | "trailer" => {
                doomed.push(name.clone())
            }
            _ => {}
        }
    }
    for name in doomed {
        headers.remove(name);
    }
    if trailers_wanted {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// The elements of a list.
pub(crate) fn options(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}

/// Options of `Connection` that name no field, or one that goes anyway.
fn is_about_the_connection(option: &[u8]) -> bool {
    [&b"keep-alive"[..], b"close", b"upgrade", b"te"].iter().any(|known| option.eq_ignore_ascii_case(known))
}

/// An upstream's answer without what was for that hop only.
pub(crate) fn clean_response(response: &mut Response) {
    let headers = response.headers_mut();
    if !Present::of(headers).hop_by_hop {
        return;
    }
    let trailer = headers.remove(TRAILER);
    remove_hop_by_hop(headers);
    if let Some(trailer) = trailer {
        headers.insert(TRAILER, trailer);
    }
}

/// Takes away what an untrusted peer says about who the client is and which trace this is.
pub(crate) fn distrust(headers: &mut HeaderMap) {
    let found: Vec<_> = headers.keys().filter(|name| needs_trust(name.as_str())).cloned().collect();
    for name in found {
        headers.remove(name);
    }
}

/// The same from a trusted proxy: what it says counts, in its real name only.
pub(crate) fn distrust_lookalikes(headers: &mut HeaderMap) {
    let found: Vec<_> =
        headers.keys().filter(|name| name.as_str().contains('_') && needs_trust(name.as_str())).cloned().collect();
    for name in found {
        headers.remove(name);
    }
}

/// `name` with dashes for underscores: services in the manner of CGI (WSGI, Rack, PHP) cannot tell the two apart.
pub(crate) fn dashed(name: &str) -> Cow<'_, str> {
    if name.contains('_') { Cow::Owned(name.replace('_', "-")) } else { Cow::Borrowed(name) }
}

/// Whether a field says who the client is or which trace this is, which only a trusted proxy may say.
fn needs_trust(name: &str) -> bool {
    let name = &*dashed(name);
    matches!(name, "forwarded" | "client-cert" | "client-cert-chain" | "traceparent" | "tracestate" | "b3")
        || name.starts_with("x-forwarded-")
        || name.starts_with("x-b3-")
}

/// Takes out of a request's trailers what would be believed or would change the message if somebody behind merged them
/// into the header section (RFC 9110 section 6.5.1).
pub(crate) fn clean_trailers(trailers: &mut HeaderMap, internal: &InternalHeaders) {
    internal.remove_from(trailers);
    distrust(trailers);
    remove_hop_by_hop(trailers);
    for name in [HOST, CONTENT_LENGTH, AUTHORIZATION, COOKIE] {
        trailers.remove(name);
    }
}

/// Sets the forwarding fields and the trace of a request that is about to leave.
pub(crate) fn prepare(exchange: &mut Exchange) {
    let connection = std::rc::Rc::clone(&exchange.connection);
    let forwarding = connection.forwarding();
    let element = element(forwarding, exchange, connection.peer.map(|peer| peer.ip()), connection.scheme);
    let prefix = exchange.stripped_prefix.take();
    let traceparent = HeaderValue::from_bytes(&exchange.record.trace.traceparent());
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
    if let Ok(traceparent) = traceparent {
        headers.insert(TRACEPARENT, traceparent);
    }
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

/// Our element of `Forwarded` (RFC 7239 section 4).
fn element(forwarding: &Forwarding, exchange: &Exchange, peer: Option<IpAddr>, scheme: Scheme) -> HeaderValue {
    if let Some((_, element)) = forwarding.element.borrow().as_ref().filter(|(host, _)| *host == exchange.host) {
        return element.clone();
    }
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
    let element = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("for=unknown"));
    *forwarding.element.borrow_mut() = Some((exchange.host.clone(), element.clone()));
    element
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
    fn names_that_differ_in_underscores_only_are_taken_away_too() {
        let fields = [("x_gwanmun_user", "1"), ("txn_token", "1"), ("x_consent-a", "1"), ("x-stays_here", "1")];
        let mut headers = map(&fields);
        let internal =
            InternalHeaders::new(vec![HeaderName::from_static("x-other_one")], vec!["x-consent_".to_owned()]);
        headers.insert("x_other-one", HeaderValue::from_static("1"));
        internal.remove_from(&mut headers);
        assert_eq!(headers, map(&[("x-stays_here", "1")]));
        let mut headers = map(&[("x_forwarded_for", "6.6.6.6"), ("client_cert", "1"), ("x-stays_here", "1")]);
        assert!(Present::of(&headers).forwarding);
        distrust(&mut headers);
        assert_eq!(headers, map(&[("x-stays_here", "1")]));
    }

    #[test]
    fn trailers_may_still_be_wanted() {
        let mut headers = map(&[("te", "gzip, trailers"), ("connection", "te")]);
        remove_hop_by_hop(&mut headers);
        assert_eq!(headers, map(&[("te", "trailers")]));
    }

    #[test]
    fn lists_of_earlier_proxies_are_continued() {
        let mut headers = map(&[("x-forwarded-for", "1.1.1.1")]);
        headers.append(X_FORWARDED_FOR, HeaderValue::from_static("2.2.2.2"));
        append(&mut headers, X_FORWARDED_FOR, &HeaderValue::from_static("3.3.3.3"));
        assert_eq!(headers, map(&[("x-forwarded-for", "1.1.1.1, 2.2.2.2, 3.3.3.3")]));
    }
}
