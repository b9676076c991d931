//! Who the client is, once, for everybody: from the peer right to left through the trusted proxies.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use http::header::{FORWARDED, HeaderName};

use crate::forward::X_FORWARDED_FOR;
use crate::plan::AddressSet;

/// The nearest address that is not a trusted proxy's. What a trusted proxy says counts, what was said to it does not.
/// `Forwarded` (RFC 7239) and `X-Forwarded-For` are read alike. Where both are there and do not agree, the trusted proxies
/// wrote one and passed the other on as a client sent it; since nobody can tell which, the peer is taken.
pub(crate) fn resolve(
    peer: Option<IpAddr>,
    peer_is_trusted: bool,
    headers: &HeaderMap,
    trusted: &AddressSet,
) -> Option<IpAddr> {
    let peer = peer.map(|peer| peer.to_canonical());
    if !peer_is_trusted {
        return peer;
    }
    let old = walk(peer, headers, X_FORWARDED_FOR, address, trusted);
    if !headers.contains_key(FORWARDED) {
        return old;
    }
    let new = walk(peer, headers, FORWARDED, forwarded_for, trusted);
    if new == old || !headers.contains_key(X_FORWARDED_FOR) { new } else { peer }
}

/// The way through the elements of a field, from the right. An unreadable element ends it at the proxy that passed it on.
fn walk(
    peer: Option<IpAddr>,
    headers: &HeaderMap,
    name: HeaderName,
    read: fn(&str) -> Option<IpAddr>,
    trusted: &AddressSet,
) -> Option<IpAddr> {
    let mut nearest = peer;
    for value in headers.get_all(name).iter().rev() {
        let Ok(text) = value.to_str() else { return nearest };
        for element in rsplit_unquoted(text, b',') {
            let Some(address) = read(element.trim()) else { return nearest };
            nearest = Some(address);
            if !trusted.contains(address) {
                return nearest;
            }
        }
    }
    nearest
}

/// The address in the `for` parameter of an element of `Forwarded`, which has one at most.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut found = rsplit_unquoted(element, b';').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| value.trim().trim_matches('"'))
    });
    let only = found.next()?;
    if found.next().is_some() { None } else { address(only) }
}

/// `text` cut at every `separator` outside of quotes, the last piece first. Read from the right, since that end was
/// written by whoever is nearest: a quote that somebody further away left open cannot swallow it.
fn rsplit_unquoted(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut quoted = false;
        for (at, byte) in text.bytes().enumerate().rev() {
            if byte == b'"' && !is_escaped(text, at) {
                quoted = !quoted;
            } else if byte == separator && !quoted {
                rest = text.get(..at);
                return text.get(at + 1..);
            }
        }
        rest = None;
        Some(text)
    })
}

/// Whether an odd number of backslashes stands before `at`.
fn is_escaped(text: &str, at: usize) -> bool {
    text.bytes().take(at).rev().take_while(|&byte| byte == b'\\').count() % 2 == 1
}

/// An address, with or without a port or brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let found = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    found.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(peer: &str, fields: &[(&'static str, &'static str)]) -> String {
        let trusted = AddressSet::new(vec!["10.0.0.0/8".parse().unwrap(), "127.0.0.1/32".parse().unwrap()]);
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        let peer: Option<IpAddr> = peer.parse().ok();
        resolve(peer, peer.is_some_and(|peer| trusted.contains(peer)), &headers, &trusted)
            .map_or("none".to_owned(), |address| address.to_string())
    }

    #[test]
    fn an_untrusted_peer_is_the_client_whatever_it_says() {
        assert_eq!(resolved("9.9.9.9", &[("x-forwarded-for", "1.1.1.1")]), "9.9.9.9");
    }

    #[test]
    fn trusted_proxies_are_walked_from_the_right() {
        assert_eq!(resolved("127.0.0.1", &[("x-forwarded-for", "6.6.6.6, 1.1.1.1, 10.0.0.7")]), "1.1.1.1");
        assert_eq!(
            resolved("127.0.0.1", &[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "1.1.1.1:443")]),
            "1.1.1.1"
        );
        assert_eq!(
            resolved("127.0.0.1", &[("forwarded", "for=6.6.6.6, for=\"[2001:db8::1]:99\";proto=https")]),
            "2001:db8::1"
        );
    }

    #[test]
    fn what_stands_in_quotes_is_no_element_and_no_parameter() {
        for (value, client) in [
            ("for=9.9.9.9;host=\"x, for=6.6.6.6\"", "9.9.9.9"),
            ("for=9.9.9.9;host=\"x\\\", for=6.6.6.6\"", "9.9.9.9"),
            ("for=unknown;host=\"a;for=6.6.6.6\"", "127.0.0.1"),
            ("for=_hidden;for=6.6.6.6", "127.0.0.1"),
            ("host=\"a;for=6.6.6.6\";for=9.9.9.9", "9.9.9.9"),
            ("for=\", for=9.9.9.9", "9.9.9.9"),
            ("for=6.6.6.6;host=\", for=9.9.9.9;host=\"y\"", "9.9.9.9"),
        ] {
            assert_eq!(resolved("127.0.0.1", &[("forwarded", value)]), client, "{value}");
        }
    }

    #[test]
    fn fields_that_disagree_are_not_believed() {
        let spoofed = [("forwarded", "for=6.6.6.6"), ("x-forwarded-for", "1.1.1.1")];
        assert_eq!(resolved("127.0.0.1", &spoofed), "127.0.0.1");
        let agreeing = [("forwarded", "for=1.1.1.1"), ("x-forwarded-for", "1.1.1.1, 10.0.0.7")];
        assert_eq!(resolved("127.0.0.1", &agreeing), "1.1.1.1");
    }

    #[test]
    fn an_unreadable_element_ends_the_walk() {
        assert_eq!(resolved("127.0.0.1", &[("x-forwarded-for", "1.1.1.1, unknown, 10.0.0.7")]), "10.0.0.7");
        assert_eq!(resolved("127.0.0.1", &[]), "127.0.0.1");
    }
}
