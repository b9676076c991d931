//! `application/x-www-form-urlencoded` (WHATWG URL section 5.1): queries of answers, bodies of logout requests and of forms
//! that are kept.

use std::borrow::Cow;

use gwanmun_proxy::Request;
use http::header::CONTENT_TYPE;

/// The pairs of a form, in their order; `None` where a name or a value is no UTF-8.
pub(super) fn pairs(text: &[u8]) -> Option<Vec<(String, String)>> {
    let parts = text.split(|&byte| byte == b'&').filter(|part| !part.is_empty());
    let pair = |part: &[u8]| {
        let equals = part.iter().position(|&byte| byte == b'=').unwrap_or(part.len());
        let (name, value) = part.split_at(equals);
        Some((decoded(name)?, decoded(value.get(1..).unwrap_or_default())?))
    };
    parts.map(pair).collect()
}

/// The value of a name that may stand there once.
pub(super) fn only<'p>(pairs: &'p [(String, String)], name: &str) -> Result<Option<&'p str>, Twice> {
    let mut found = pairs.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str());
    match (found.next(), found.next()) {
        (_, Some(_)) => Err(Twice),
        (found, None) => Ok(found),
    }
}

/// A parameter stands there twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Twice;

/// Whether a request's body is such a form.
pub(super) fn is_form(request: &Request) -> bool {
    let Some(media) = request.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let media = media.split(';').next().unwrap_or_default().trim();
    media.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// A `%` without two digits stands for itself, as for browsers.
fn decoded(text: &[u8]) -> Option<String> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'%', [high, low, beyond @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    plain.push(high << 4 | low);
                    rest = beyond;
                }
                _ => plain.push(first),
            },
            (b'+', _) => plain.push(b' '),
            _ => plain.push(first),
        }
    }
    String::from_utf8(plain).ok()
}

fn digit(hex: u8) -> Option<u8> {
    match hex {
        b'0'..=b'9' => Some(hex - b'0'),
        b'a'..=b'f' => Some(hex - b'a' + 10),
        b'A'..=b'F' => Some(hex - b'A' + 10),
        _ => None,
    }
}

/// A text in HTML, between tags or in an attribute with double quotes. Line breaks are written so that no reader changes
/// them.
pub(super) fn escaped(text: &str) -> Cow<'_, str> {
    const SPECIAL: [char; 7] = ['&', '<', '>', '"', '\'', '\r', '\n'];
    if !text.contains(SPECIAL) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\r' => escaped.push_str("&#13;"),
            '\n' => escaped.push_str("&#10;"),
            plain => escaped.push(plain),
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use http::Method;
    use proptest::prelude::*;

    use super::*;
    use crate::fixture::exchange_with;

    #[test]
    fn pairs_are_read_in_their_order() {
        let read = |text: &str| pairs(text.as_bytes());
        let owned = |all: &[(&str, &str)]| all.iter().map(|&(a, b)| (a.to_owned(), b.to_owned())).collect::<Vec<_>>();
        assert_eq!(read("b=1&a=%41+b&b=&&c"), Some(owned(&[("b", "1"), ("a", "A b"), ("b", ""), ("c", "")])));
        assert_eq!(read("a=100%&b=%zz&c=%4"), Some(owned(&[("a", "100%"), ("b", "%zz"), ("c", "%4")])));
        assert_eq!(read(""), Some(vec![]));
        assert_eq!(read("a=%ff"), None);
        assert_eq!(read("a=b=c"), Some(owned(&[("a", "b=c")])));
    }

    #[test]
    fn what_stands_there_twice_is_neither() {
        let read = pairs(b"a=1&b=2&%61=3").unwrap();
        assert_eq!(only(&read, "a"), Err(Twice));
        assert_eq!(only(&read, "b"), Ok(Some("2")));
        assert_eq!(only(&read, "c"), Ok(None));
    }

    #[test]
    fn forms_are_told_by_their_type() {
        for (media, wanted) in [
            ("application/x-www-form-urlencoded", true),
            ("Application/X-WWW-Form-Urlencoded; charset=UTF-8", true),
            ("multipart/form-data; boundary=x", false),
            ("text/plain", false),
        ] {
            let exchange = exchange_with(Method::POST, "/", &[("content-type", media)]);
            assert_eq!(is_form(&exchange.request), wanted, "{media}");
        }
        assert!(!is_form(&exchange_with(Method::POST, "/", &[]).request));
    }

    proptest! {
        #[test]
        fn nothing_escaped_can_leave_its_place(text in any::<String>()) {
            let escaped = escaped(&text);
            prop_assert!(!escaped.contains(['<', '>', '"', '\'', '\r', '\n']));
            let plain = escaped
                .replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'")
                .replace("&#13;", "\r").replace("&#10;", "\n").replace("&amp;", "&");
            prop_assert_eq!(plain, text);
        }

        #[test]
        fn any_bytes_are_read_without_panic(text in any::<Vec<u8>>()) {
            let _ = pairs(&text);
        }
    }
}
