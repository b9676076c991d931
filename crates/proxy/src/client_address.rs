//! Who the client is, once, for everybody: from the peer right to left through the trusted proxies.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::{FORWARDED, HeaderName};

use crate::forward::X_FORWARDED_FOR;
use crate::plan::AddressSet;

/// More proxies than any request comes through; who says so is not followed further.
const MOST_PROXIES: usize = 32;

/// Who the client is, and how certain that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// Its address; none on a unix socket.
    pub(crate) address: Option<IpAddr>,
    /// Whether `Forwarded` and `X-Forwarded-For` tell different stories, so that one of them is a lie.
    pub(crate) is_disputed: bool,
}

/// The nearest address that is not a trusted proxy's. What a trusted proxy says counts, what was said to it does not.
/// `Forwarded` (RFC 7239) and `X-Forwarded-For` are read alike. Where both are there and do not agree, the trusted proxies
/// wrote one and passed the other on as a client sent it; since nobody can tell which, the peer is taken.
pub(crate) fn resolve(
    peer: Option<IpAddr>,
    peer_is_trusted: bool,
    headers: &HeaderMap,
    trusted: &AddressSet,
) -> Resolved {
    let certainly = |address| Resolved { address, is_disputed: false };
    let peer = peer.map(|peer| peer.to_canonical());
    if !peer_is_trusted {
        return certainly(peer);
    }
    let old = walk(peer, headers, X_FORWARDED_FOR, address, trusted);
    if !headers.contains_key(FORWARDED) {
        return certainly(old);
    }
    let new = walk(peer, headers, FORWARDED, forwarded_for, trusted);
    if new == old || !headers.contains_key(X_FORWARDED_FOR) {
        return certainly(new);
    }
    Resolved { address: peer, is_disputed: true }
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
    let values = headers.get_all(name).iter().rev();
    // Element by element: a byte that is no text makes its own element unreadable, and none that a proxy added later.
    let elements = values.flat_map(|value| rsplit_unquoted(value.as_bytes(), b',')).map(std::str::from_utf8);
    for element in elements.take(MOST_PROXIES) {
        let Some(address) = element.ok().and_then(|element| read(element.trim())) else { return nearest };
        nearest = Some(address);
        if !trusted.contains(address) {
            return nearest;
        }
    }
    nearest
}

/// The address in the `for` parameter of an element of `Forwarded`, which has one at most.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut found = rsplit_unquoted(element.as_bytes(), b';').filter_map(|pair| {
        let (name, value) = std::str::from_utf8(pair).ok()?.split_once('=')?;
        let value = value.trim();
        let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        name.trim().eq_ignore_ascii_case("for").then_some(bare)
    });
    let only = found.next()?;
    if found.next().is_some() { None } else { address(only) }
}

/// `text` cut at every `separator` outside of quotes, the last piece first. Read from the right, since that end was
/// written by whoever is nearest: a quote that somebody further away left open cannot swallow it.
pub(crate) fn rsplit_unquoted(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut quoted = false;
        for (at, &byte) in text.iter().enumerate().rev() {
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
fn is_escaped(text: &[u8], at: usize) -> bool {
    text.iter().take(at).rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1
}

/// An address, an IPv6 one with or without brackets; in brackets or as IPv4 it may have a port, which may be made up
/// (RFC 7239 section 6). The zone of an IPv6 address means nothing on this machine.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    if let Some(rest) = text.strip_prefix('[') {
        let (bare, port) = rest.split_once(']')?;
        let is_alone = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return without_zone(bare)
            .parse()
            .ok()
            .map(IpAddr::V6)
            .filter(|_| is_alone)
            .map(|address| address.to_canonical());
    }
    let bare = match text.rsplit_once(':') {
        Some((bare, port)) if !bare.contains(':') && is_port(port) => bare,
        _ if text.contains('%') => return without_zone(text).parse().ok().map(IpAddr::V6),
        _ => text,
    };
    bare.parse().ok().map(|address: IpAddr| address.to_canonical())
}

fn without_zone(text: &str) -> &str {
    text.split_once('%').map_or(text, |(address, _)| address)
}

fn is_port(text: &str) -> bool {
    let is_made_up = || {
        text.strip_prefix('_').is_some_and(|name| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        })
    };
    (!text.is_empty() && text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit())) || is_made_up()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn resolved(peer: &str, fields: &[(&'static str, &'static str)]) -> String {
        let trusted = AddressSet::new(vec!["10.0.0.0/8".parse().unwrap(), "127.0.0.1/32".parse().unwrap()]);
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        let peer: Option<IpAddr> = peer.parse().ok();
        resolve(peer, peer.is_some_and(|peer| trusted.contains(peer)), &headers, &trusted)
            .address
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
    fn a_byte_that_is_no_text_hides_nobody_who_stands_right_of_it() {
        let trusted = AddressSet::new(vec!["10.0.0.0/8".parse().unwrap()]);
        let proxy: IpAddr = "10.0.0.1".parse().unwrap();
        for (name, value) in [
            (X_FORWARDED_FOR, &b"6.6.\x946.6, 9.9.9.9, 10.0.0.7"[..]),
            (FORWARDED, b"for=6.6.6.6;host=\"\xff\", for=9.9.9.9"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(&name, http::HeaderValue::from_bytes(value).unwrap());
            let found = resolve(Some(proxy), true, &headers, &trusted).address;
            assert_eq!(found, "9.9.9.9".parse().ok(), "{name}");
        }
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

    #[test]
    fn addresses_are_read_in_every_form() {
        for (text, wanted) in [
            ("1.2.3.4", "1.2.3.4"),
            ("1.2.3.4:80", "1.2.3.4"),
            ("1.2.3.4:_hidden", "1.2.3.4"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:80", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("[fe80::1%25eth0]:80", "fe80::1"),
            ("::ffff:1.2.3.4", "1.2.3.4"),
            ("[::ffff:1.2.3.4]:1", "1.2.3.4"),
        ] {
            assert_eq!(address(text).map(|address| address.to_string()).as_deref(), Some(wanted), "{text}");
        }
        for text in [
            "",
            "unknown",
            "_hidden",
            "1.2.3",
            "01.2.3.4",
            "1.2.3.4.5",
            "1.2.3.4:",
            "1.2.3.4:http",
            "1.2.3.4:123456",
            "[1.2.3.4]",
            "[::1",
            "[::1]x",
            "[::1]:",
            "1.2.3.4 ",
            "0x7f000001",
            "2130706433",
            "1.2.3.4%x",
        ] {
            assert_eq!(address(text), None, "{text}");
        }
    }

    #[test]
    fn a_list_without_end_is_not_followed_without_end() {
        let list: &'static str = Box::leak(format!("6.6.6.6, {}", ["10.0.0.1"; 10_000].join(", ")).into_boxed_str());
        assert_eq!(resolved("127.0.0.1", &[("x-forwarded-for", list)]), "10.0.0.1");
    }

    proptest! {
        #[test]
        fn any_list_is_read_without_a_panic_and_never_beyond_a_stranger(rest in "[ -~]{0,40}") {
            let mut headers = HeaderMap::new();
            headers.append(X_FORWARDED_FOR, format!("{rest}, 9.9.9.9, 10.0.0.7").parse().unwrap());
            let trusted = AddressSet::new(vec!["10.0.0.0/8".parse().unwrap()]);
            let client = resolve("10.0.0.1".parse().ok(), true, &headers, &trusted);
            prop_assert_eq!(client.address, "9.9.9.9".parse().ok());
        }
    }
}
