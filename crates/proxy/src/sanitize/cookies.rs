//! `Cookie` (RFC 6265 section 5.4): pairs that parsers disagree about are removed, the others stay as they are, for genuine
//! cookies hold almost anything.

use http::HeaderMap;
use http::header::{COOKIE, HeaderValue};

/// How many pairs a value has at most.
pub(super) fn count(value: &[u8]) -> usize {
    1 + memchr::memchr_iter(b';', value).count()
}

/// Whether nothing has to be removed from a value.
pub(super) fn are_good(value: &[u8]) -> bool {
    pairs(value).all(|pair| pair.is_empty() || is_good(pair))
}

/// The good pairs of all fields, in one field.
pub(super) fn tidy(headers: &mut HeaderMap) {
    let mut joined: Vec<u8> = Vec::new();
    for pair in headers.get_all(COOKIE).iter().flat_map(|value| pairs(value.as_bytes())).filter(|pair| is_good(pair)) {
        if !joined.is_empty() {
            joined.extend_from_slice(b"; ");
        }
        joined.extend_from_slice(pair);
    }
    headers.remove(COOKIE);
    if let Some(value) = HeaderValue::from_bytes(&joined).ok().filter(|value| !value.is_empty()) {
        headers.insert(COOKIE, value);
    }
}

fn pairs(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b';').map(<[u8]>::trim_ascii)
}

/// A name and a value. Not `$Version` and the like of RFC 2965, at which some parsers change to rules by which a quote
/// hides the cookies behind it; and for the same reason no quote that this pair does not close.
fn is_good(pair: &[u8]) -> bool {
    let Some(equals) = pair.iter().position(|&byte| byte == b'=') else { return false };
    let (name, value) = pair.split_at(equals);
    let value = value.get(1..).unwrap_or_default();
    let is_name = name.first().is_some_and(|&first| first != b'$')
        && name.iter().all(|&byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b'\\'));
    let opens_quote = value.first() == Some(&b'"');
    is_name && (!opens_quote || (value.len() > 1 && value.last() == Some(&b'"')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tidied(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(COOKIE, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        tidy(&mut headers);
        assert!(headers.get_all(COOKIE).iter().count() < 2);
        headers.get(COOKIE).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    }

    #[test]
    fn genuine_cookies_stay_as_they_are() {
        for value in
            ["a=1", "a=1; b=2", "a=1;b=2;", "a[b]=1", "a={\"b\":\"c d\"}", "a=\"b c\"", "a=", "a=b=c", "a=\u{e9}"]
        {
            assert!(are_good(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn pairs_that_parsers_disagree_about_go() {
        for (value, wanted) in [
            ("a=1; nameless; b=2", Some("a=1; b=2")),
            ("a=1; =x", Some("a=1")),
            ("$Version=1; a=\"start; session=secret; b=end\"", Some("session=secret; b=end\"")),
            ("a b=1", None),
            ("\u{e9}=1", None),
            ("a=\"", None),
        ] {
            assert!(!are_good(value.as_bytes()), "{value}");
            assert_eq!(tidied(&[value]).as_deref(), wanted, "{value}");
        }
    }

    #[test]
    fn several_fields_become_one() {
        assert_eq!(tidied(&["a=1", "b=2; bad", "c=3"]).as_deref(), Some("a=1; b=2; c=3"));
        assert_eq!(count(b"a=1; b=2;c=3"), 3);
    }
}
