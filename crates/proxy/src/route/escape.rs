//! Percent-encoding, read: patterns and expressions see the text that was meant, never its spelling.

use std::borrow::Cow;

/// `text` with its percent escapes decoded (RFC 3986 section 2.1). What is no escape stays as it is; bytes that are no
/// UTF-8 become U+FFFD. Allocates only if there is an escape.
pub fn percent_decoded(text: &str) -> Cow<'_, str> {
    if memchr::memchr(b'%', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        match (byte, after) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                decoded.push(nibble(*high) << 4 | nibble(*low));
                rest = after;
            }
            _ => {
                decoded.push(byte);
                rest = after;
            }
        }
    }
    match String::from_utf8(decoded) {
        Ok(text) => Cow::Owned(text),
        Err(error) => Cow::Owned(String::from_utf8_lossy(error.as_bytes()).into_owned()),
    }
}

/// A name or value of a query, decoded: escapes, and `+` for a space (the URL standard's form encoding).
pub fn query_decoded(text: &str) -> Cow<'_, str> {
    if memchr::memchr(b'+', text.as_bytes()).is_none() {
        return percent_decoded(text);
    }
    Cow::Owned(percent_decoded(&text.replace('+', " ")).into_owned())
}

fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_in_either_case() {
        assert_eq!(percent_decoded("f%7Co%7c%20%C3%A9"), "f|o| é");
    }

    #[test]
    fn text_without_escapes_is_borrowed() {
        assert!(matches!(percent_decoded("plain"), Cow::Borrowed("plain")));
    }

    #[test]
    fn what_is_no_escape_stays() {
        assert_eq!(percent_decoded("100%"), "100%");
        assert_eq!(percent_decoded("%zz%4"), "%zz%4");
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        assert_eq!(percent_decoded("a%FFb"), "a\u{FFFD}b");
    }

    #[test]
    fn a_plus_is_a_space_in_a_query_only() {
        assert_eq!(query_decoded("a+b%2Bc"), "a b+c");
        assert_eq!(percent_decoded("a+b"), "a+b");
    }
}
