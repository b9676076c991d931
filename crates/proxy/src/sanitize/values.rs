//! How the values of well-known headers have to look. As lenient as genuine clients need it, since what is refused here
//! never reaches a service that might have understood it.

use http::HeaderMap;
use http::header::{IF_RANGE, RANGE};

use super::Look;
use crate::admit::is_host;
use crate::client_address;

/// Ranges of one request: many small ones are an attack on the service's memory.
const MOST_RANGES: usize = 16;
/// Characters of a request's id.
const LONGEST_ID: usize = 200;

fn good_or(is_good: bool, otherwise: Look) -> Look {
    if is_good { Look::Good } else { otherwise }
}

/// Whatever it is.
pub(super) fn anything(_: &[u8]) -> Look {
    Look::Good
}

/// `Content-Length` (RFC 9110 section 8.6).
pub(super) fn length(value: &[u8]) -> Look {
    good_or(is_digits(value), Look::Refuse("Content-Length is no number"))
}

/// `Authorization`: any scheme, but nothing that is read in two ways.
pub(super) fn credentials(value: &[u8]) -> Look {
    good_or(value.is_ascii(), Look::RefuseUnlessTaken("Authorization is not ASCII"))
}

/// `Content-Type` (RFC 9110 section 8.3): one media type.
pub(super) fn media_type(value: &[u8]) -> Look {
    if is_media(value, is_token) {
        Look::Good
    } else if unquoted(value, b',').count() > 1 {
        Look::Refuse("Content-Type has more than one type")
    } else {
        Look::Remove
    }
}

/// `Origin` (RFC 6454 section 7): what is no origin becomes the one that nobody trusts.
pub(super) fn origin(value: &[u8]) -> Look {
    let is_origin = |origin: &[u8]| {
        origin == b"null"
            || origin.windows(3).position(|three| three == b"://").is_some_and(|at| {
                let (scheme, rest) = origin.split_at(at);
                // `file://` has none.
                is_scheme(scheme) && rest.get(3..).is_some_and(|host| host.is_empty() || is_host(host))
            })
    };
    good_or(!value.is_empty() && value.split(|&byte| byte == b' ').all(is_origin), Look::Correct(b"null".to_vec()))
}

/// `If-None-Match` (RFC 9110 section 13.1.2).
pub(super) fn entity_tags(value: &[u8]) -> Look {
    good_or(are_entity_tags(value), Look::Remove)
}

/// `If-Match`: without it a service would write unconditionally.
pub(super) fn entity_tags_to_write(value: &[u8]) -> Look {
    good_or(are_entity_tags(value), Look::Refuse("If-Match is no list of entity tags"))
}

/// `If-Modified-Since` and `If-Unmodified-Since`, which have to be ignored if they are no dates (RFC 9110 section 13.1.3).
pub(super) fn date(value: &[u8]) -> Look {
    good_or(is_date(value), Look::Remove)
}

/// `Range` (RFC 9110 section 14.2), which may be ignored.
pub(super) fn range(value: &[u8]) -> Look {
    let Some(equals) = value.iter().position(|&byte| byte == b'=') else { return Look::Remove };
    let (unit, ranges) = value.split_at(equals);
    let mut count = 0;
    let is_good = is_token(unit)
        && ranges.get(1..).unwrap_or_default().split(|&byte| byte == b',').all(|range| {
            count += 1;
            let range = range.trim_ascii();
            let is_of_bytes = |range: &[u8]| {
                range.iter().position(|&byte| byte == b'-').is_some_and(|dash| {
                    let (first, last) = range.split_at(dash);
                    let last = last.get(1..).unwrap_or_default();
                    (is_digits(first) && (last.is_empty() || is_digits(last))) || (first.is_empty() && is_digits(last))
                })
            };
            !range.is_empty() && (!unit.eq_ignore_ascii_case(b"bytes") || is_of_bytes(range))
        });
    good_or(is_good && count <= MOST_RANGES, Look::Remove)
}

/// `If-Range` (RFC 9110 section 13.1.5). It goes together with `Range`: alone, that one would be unconditional.
pub(super) fn if_range(value: &[u8]) -> Look {
    good_or(is_date(value) || is_entity_tag(value), Look::Tidy(forget_range))
}

fn forget_range(headers: &mut HeaderMap) {
    headers.remove(IF_RANGE);
    headers.remove(RANGE);
}

/// `Accept` (RFC 9110 section 12.5.1).
pub(super) fn media_ranges(value: &[u8]) -> Look {
    let is_range = |range: &[u8]| range.is_empty() || is_media(range, is_token);
    good_or(value == b"*/*" || unquoted(value, b',').map(<[u8]>::trim_ascii).all(is_range), Look::Remove)
}

/// `Accept-Encoding` and `Accept-Charset` (RFC 9110 section 12.5).
pub(super) fn weighted_tokens(value: &[u8]) -> Look {
    good_or(are_weighted(value, is_token), Look::Remove)
}

/// `Accept-Language` (RFC 9110 section 12.5.4); Java's underscores are let through.
pub(super) fn language_ranges(value: &[u8]) -> Look {
    let is_range =
        |range: &[u8]| range.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'*'));
    good_or(are_weighted(value, is_range), Look::Remove)
}

/// `Max-Forwards` (RFC 9110 section 7.6.2).
pub(super) fn number(value: &[u8]) -> Look {
    good_or(is_digits(value), Look::Remove)
}

/// `Referer` (RFC 9110 section 10.1.3): a URL without fragment. What may not stand in a URL is escaped.
pub(super) fn referer(value: &[u8]) -> Look {
    let without_fragment = value.split(|&byte| byte == b'#').next().unwrap_or_default();
    let colon = value.iter().position(|&byte| matches!(byte, b':' | b'/'));
    let is_reference = match colon.and_then(|at| Some((value.get(at)?, value.get(..at)?))) {
        Some((b':', scheme)) => is_scheme(scheme) && !scheme.eq_ignore_ascii_case(b"javascript"),
        Some((_, before)) => before.is_empty(),
        None => false,
    };
    if !is_reference {
        return Look::Remove;
    }
    if without_fragment.len() == value.len() && value.iter().all(|&byte| may_stand_in_a_url(byte)) {
        return Look::Good;
    }
    Look::Correct(escaped(without_fragment, may_stand_in_a_url))
}

/// `User-Agent`: in ASCII, since every service and every log reads the rest in another way; the rest is escaped.
pub(super) fn product(value: &[u8]) -> Look {
    if value.is_ascii() { Look::Good } else { Look::Correct(escaped(value, |byte| byte.is_ascii())) }
}

/// An id that services write into their logs.
pub(super) fn request_id(value: &[u8]) -> Look {
    let is_good = (1..=LONGEST_ID).contains(&value.len()) && value.iter().all(u8::is_ascii_graphic);
    good_or(is_good, Look::Remove)
}

/// `X-Forwarded-Proto`.
pub(super) fn schemes(value: &[u8]) -> Look {
    let is_known =
        |scheme: &[u8]| [&b"https"[..], b"http", b"wss", b"ws"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    good_or(listed(value).all(is_known), Look::Remove)
}

/// `X-Forwarded-Host`.
pub(super) fn hosts(value: &[u8]) -> Look {
    good_or(listed(value).all(is_host), Look::Remove)
}

/// `X-Forwarded-Port`.
pub(super) fn ports(value: &[u8]) -> Look {
    let is_port = |port: &[u8]| is_digits(port) && text(port).parse::<u16>().is_ok_and(|port| port > 0);
    good_or(listed(value).all(is_port), Look::Remove)
}

/// `X-Forwarded-Prefix`: paths that begin with one slash and climb nowhere, since links are made of them.
pub(super) fn prefix(value: &[u8]) -> Look {
    let is_prefix = |prefix: &[u8]| {
        prefix.first() == Some(&b'/')
            && !prefix.starts_with(b"//")
            && prefix.iter().all(|&byte| may_stand_in_a_url(byte) && !matches!(byte, b'?' | b'\\'))
            && !prefix.split(|&byte| byte == b'/').any(|segment| matches!(segment, b"." | b".."))
    };
    good_or(listed(value).all(is_prefix), Look::Remove)
}

/// One address.
pub(super) fn address(value: &[u8]) -> Look {
    good_or(client_address::address(text(value)).is_some(), Look::Remove)
}

fn text(value: &[u8]) -> &str {
    std::str::from_utf8(value).unwrap_or_default()
}

fn listed(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}

fn is_digits(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(u8::is_ascii_digit)
}

/// RFC 9110 section 5.6.2.
pub(super) fn is_token(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

fn is_scheme(value: &[u8]) -> bool {
    value.first().is_some_and(u8::is_ascii_alphabetic)
        && value.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// `value` with escapes for the bytes that may not stay.
fn escaped(value: &[u8], may_stay: fn(u8) -> bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + 32);
    for &byte in value {
        if may_stay(byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    out
}

fn may_stand_in_a_url(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'`' | b'#')
}

fn is_date(value: &[u8]) -> bool {
    httpdate::parse_http_date(text(value)).is_ok()
}

/// A list of entity tags or a star. Tags without quotes are let through: many services hand them out.
fn are_entity_tags(value: &[u8]) -> bool {
    value == b"*" || unquoted(value, b',').map(<[u8]>::trim_ascii).all(|tag| tag.is_empty() || is_entity_tag(tag))
}

fn is_entity_tag(value: &[u8]) -> bool {
    let tag = value.strip_prefix(b"W/").unwrap_or(value);
    let opaque = tag.strip_prefix(b"\"").and_then(|tag| tag.strip_suffix(b"\"")).unwrap_or(tag);
    !tag.is_empty() && opaque.iter().all(|&byte| (byte.is_ascii_graphic() || byte >= 0x80) && byte != b'"')
}

/// `type/subtype`, or for who is lenient a star alone, and parameters. Values of parameters may have characters that want
/// quotes, as boundaries of multipart bodies often do.
fn is_media(value: &[u8], is_part: fn(&[u8]) -> bool) -> bool {
    let mut parts = unquoted(value, b';').map(<[u8]>::trim_ascii);
    let Some(media) = parts.next() else { return false };
    let is_media = media == b"*"
        || media.iter().position(|&byte| byte == b'/').is_some_and(|slash| {
            let (main, sub) = media.split_at(slash);
            is_part(main) && is_part(sub.get(1..).unwrap_or_default())
        });
    is_media && parts.all(is_parameter)
}

fn is_parameter(parameter: &[u8]) -> bool {
    if parameter.is_empty() {
        return true;
    }
    let Some(equals) = parameter.iter().position(|&byte| byte == b'=') else { return is_token(parameter) };
    let (name, value) = parameter.split_at(equals);
    let value = value.get(1..).unwrap_or_default().trim_ascii();
    let is_quoted = value.len() > 1 && value.first() == Some(&b'"') && value.last() == Some(&b'"');
    let is_bare = value.iter().all(|&byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b'\\'));
    is_token(name.trim_ascii()) && (is_quoted || is_bare)
}

fn are_weighted(value: &[u8], is_item: fn(&[u8]) -> bool) -> bool {
    listed(value).all(|element| {
        let mut parts = element.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        let item = parts.next().unwrap_or_default();
        (element.is_empty() || is_item(item)) && parts.all(is_weight)
    })
}

/// `q=0.5`.
fn is_weight(parameter: &[u8]) -> bool {
    let value = parameter.strip_prefix(b"q=").or_else(|| parameter.strip_prefix(b"Q="));
    value.is_some_and(|value| {
        (1..=8).contains(&value.len()) && value.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
    })
}

/// `value` cut at every `separator` outside of quotes; a quote left open goes to the end.
fn unquoted(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    value.split(move |&byte| {
        let cuts = byte == separator && !is_quoted;
        if is_escaped {
            is_escaped = false;
        } else if byte == b'"' {
            is_quoted = !is_quoted;
        } else if byte == b'\\' && is_quoted {
            is_escaped = true;
        }
        cuts
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of `value`: itself, something else, `-` for removal, `!` for a refusal.
    fn after(look: fn(&[u8]) -> Look, value: &str) -> String {
        match look(value.as_bytes()) {
            Look::Good => value.to_owned(),
            Look::Correct(other) => String::from_utf8(other).unwrap(),
            Look::Remove | Look::Tidy(_) => "-".to_owned(),
            Look::RefuseUnlessTaken(_) | Look::Refuse(_) => "!".to_owned(),
        }
    }

    fn all_good(look: fn(&[u8]) -> Look, values: &[&str]) {
        for value in values {
            assert_eq!(after(look, value), *value);
        }
    }

    fn all_become(look: fn(&[u8]) -> Look, outcome: &str, values: &[&str]) {
        for value in values {
            assert_eq!(after(look, value), outcome, "{value}");
        }
    }

    #[test]
    fn a_content_type_is_one_media_type() {
        all_good(
            media_type,
            &[
                "text/plain",
                "application/json;charset=utf-8",
                "application/json;",
                "application/grpc+proto",
                "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxk",
                "multipart/form-data; boundary==_a/b:c?=d",
                "text/plain; charset=\"a,b;c\\\"\"",
                "application/vnd.api+json; ext=\"https://a.test/b\"",
            ],
        );
        all_become(
            media_type,
            "-",
            &["", "json", "text/", "/plain", "te xt/plain", "text/plain; =", "text/plain; a=\"b", "text/\u{e9}"],
        );
        all_become(media_type, "!", &["text/plain, application/json", "application/json; a=b, text/html"]);
    }

    #[test]
    fn what_is_no_origin_becomes_null() {
        all_good(
            origin,
            &["null", "https://a.test", "http://a.test:8080", "https://[::1]:1", "chrome-extension://abc", "file://"],
        );
        all_become(
            origin,
            "null",
            &[
                "",
                "a.test",
                "https:a.test",
                "https://a.test/path",
                "https://a.test,https://b.test",
                "https://u@a",
                "://a",
            ],
        );
    }

    #[test]
    fn conditions_are_dates_and_tags() {
        all_good(
            date,
            &["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"],
        );
        all_become(date, "-", &["", "yesterday", "1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:49:37 GMT; length=3"]);
        all_good(entity_tags, &["*", "\"a\"", "W/\"a\", \"b\"", "\"a,b\"", "abc", "\"\""]);
        all_become(entity_tags, "-", &["\"a", "a\"b", "\"a\"b\"", "W/"]);
        all_become(entity_tags_to_write, "!", &["\"a"]);
        all_good(if_range, &["\"a\"", "Sun, 06 Nov 1994 08:49:37 GMT"]);
        all_become(if_range, "-", &["", "a b", "\"a"]);
    }

    #[test]
    fn ranges_are_few_and_readable() {
        let many = format!("bytes={}", ["1-2"; 17].join(","));
        all_good(range, &["bytes=0-", "bytes=0-99, 200-", "bytes=-5", "items=a-b"]);
        all_become(
            range,
            "-",
            &["", "bytes", "bytes=", "bytes=a-b", "bytes=1", "bytes=-", "by tes=1-2", many.as_str()],
        );
    }

    #[test]
    fn preferences_are_lists() {
        all_good(
            media_ranges,
            &[
                "*/*",
                "",
                "text/html, application/xhtml+xml, application/xml;q=0.9, image/webp, */*;q=0.8",
                "text/html, *; q=.2, */*; q=.2",
            ],
        );
        all_become(media_ranges, "-", &["text", "../../etc/passwd", "text/html;q=\"", "<script>"]);
        all_good(weighted_tokens, &["gzip, deflate, br", "gzip;q=1.0, *;q=0", "identity", ""]);
        all_become(weighted_tokens, "-", &["gzip;x=1", "g zip", "gzip;q=", "<a>"]);
        all_good(language_ranges, &["ko-KR,ko;q=0.9,en-US;q=0.8", "*", "en_US"]);
        all_become(language_ranges, "-", &["../../x", "en;q=a", "en US", "${jndi:ldap://a}"]);
    }

    #[test]
    fn a_referer_is_a_url_without_fragment() {
        all_good(referer, &["https://a.test/b?c=d", "/local", "about:blank", "android-app://com.a.b/"]);
        for (value, wanted) in [
            ("https://a.test/b#secret", "https://a.test/b"),
            ("https://a.test/\u{e9} \"x\"", "https://a.test/%C3%A9%20%22x%22"),
        ] {
            assert_eq!(after(referer, value), wanted);
        }
        all_become(referer, "-", &["", "nothing", "javascript:alert(1)", "a b://c", "x/y"]);
    }

    #[test]
    fn what_services_write_down_is_ascii() {
        all_good(product, &["curl/8.5.0", "Mozilla/5.0 (X11; Linux) \"x\""]);
        assert_eq!(after(product, "a\u{e9}b"), "a%C3%A9b");
        all_good(request_id, &["a-1", "00-4bf92f3577b34da6a3ce929d0e0e4736"]);
        let long = "a".repeat(201);
        all_become(request_id, "-", &["", "a b", "\u{e9}", long.as_str()]);
        all_become(credentials, "!", &["Bearer \u{e9}"]);
        all_good(credentials, &["Bearer a.b.c", "Basic dTpw", "Digest username=\"a\", realm=\"b\""]);
    }

    #[test]
    fn what_trusted_proxies_say_is_held_to_its_form() {
        all_good(schemes, &["https", "HTTPS, http", "wss"]);
        all_become(schemes, "-", &["", "javascript", "https://", "http;x"]);
        all_good(hosts, &["a.test", "a.test:80, b.test"]);
        all_become(hosts, "-", &["", "a/b", "a b", "u@a"]);
        all_good(ports, &["443", "443, 80"]);
        all_become(ports, "-", &["", "0", "65536", "+80", "a"]);
        all_good(prefix, &["/a", "/a/b, /c", "/"]);
        all_become(prefix, "-", &["", "a", "//evil.test", "/a/../b", "/a?b", "/\\evil", "https://evil.test"]);
        all_good(address, &["1.2.3.4", "2001:db8::1", "[2001:db8::1]:80"]);
        all_become(address, "-", &["", "a", "1.2.3.4, 5.6.7.8"]);
    }
}
