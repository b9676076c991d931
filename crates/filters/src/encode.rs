//! Percent-encoding, written: values of variables are decoded text, and whatever a client put into them must stay data
//! in the place where a template puts it.

use gwanmun_proxy::route::escape::percent_decoded;

const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];

/// Writes `value` so that it is one name or value of a query: all but unreserved characters encoded (RFC 3986 section 2.3).
pub(crate) fn component(value: &str, out: &mut String) {
    escaped(value, out, |byte| matches!(byte, b'-' | b'.' | b'_' | b'~'));
}

/// Writes `value` so that it stays within one segment of a path. `;` is encoded too: services split parameters off there.
pub(crate) fn segment(value: &str, out: &mut String) {
    escaped(value, out, in_segment);
}

/// Writes the value of a variable into a path. What `{*rest}` captured keeps its slashes, and exactly one in front;
/// slashes that were encoded in `original`, the path as the client sent it, stay encoded.
pub(crate) fn path_value(value: &str, original: &str, out: &mut String) {
    if !value.starts_with('/') {
        return segment(value, out);
    }
    let tail = match raw_tail(value, original) {
        Tail::Whole(raw) => raw.to_owned(),
        Tail::Decoded => {
            let mut encoded = String::with_capacity(value.len());
            escaped(value, &mut encoded, |byte| byte == b'/' || in_segment(byte));
            encoded
        }
        Tail::None => return segment(value, out),
    };
    if !out.ends_with('/') {
        out.push('/');
    }
    out.push_str(tail.trim_start_matches('/'));
}

/// What a value that begins with a slash is to the path it was captured from.
enum Tail<'a> {
    /// This end of the path, which has encoded slashes in it.
    Whole(&'a str),
    /// An end of the path; all its slashes separate.
    Decoded,
    /// No end of the path: the slash was encoded.
    None,
}

fn raw_tail<'a>(value: &str, original: &'a str) -> Tail<'a> {
    if !original.as_bytes().windows(3).any(|bytes| bytes.eq_ignore_ascii_case(b"%2f")) {
        return Tail::Decoded;
    }
    if original.split('/').any(|raw| percent_decoded(raw).contains(value)) {
        return Tail::None;
    }
    let mut ends = original.match_indices('/').filter_map(|(at, _)| original.get(at..));
    ends.find(|raw| percent_decoded(raw) == value).map_or(Tail::None, Tail::Whole)
}

fn in_segment(byte: u8) -> bool {
    matches!(
        byte,
        b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@'
    )
}

fn escaped(value: &str, out: &mut String, plain: impl Fn(u8) -> bool) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.extend([byte >> 4, byte & 15].iter().filter_map(|&digit| HEX.get(usize::from(digit))));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(before: &str, value: &str, original: &str) -> String {
        let mut out = before.to_owned();
        path_value(value, original, &mut out);
        out
    }

    #[test]
    fn what_divides_a_url_is_encoded() {
        assert_eq!(path("/a/", "?x=1#y%00;z\\\r\n é", "/"), "/a/%3Fx=1%23y%2500%3Bz%5C%0D%0A%20%C3%A9");
    }

    #[test]
    fn a_tail_keeps_its_slashes_and_has_one_in_front() {
        assert_eq!(path("/a", "/b/c", "/x/b/c"), "/a/b/c");
        assert_eq!(path("/a/", "/b/c", "/x/b/c"), "/a/b/c");
        assert_eq!(path("", "//evil", "/x//evil"), "/evil");
        assert_eq!(path("/a", "", "/x"), "/a");
    }

    #[test]
    fn a_segment_that_begins_with_an_encoded_slash_stays_one_segment() {
        assert_eq!(path("/a/", "/etc/passwd", "/x/%2fetc%2Fpasswd"), "/a/%2Fetc%2Fpasswd");
        assert_eq!(path("/a/", "/b/c", "/x/%2Fb%2Fc/b/c"), "/a/%2Fb%2Fc");
        assert_eq!(path("/a/", "b/c", "/x/b%2Fc"), "/a/b%2Fc");
    }

    #[test]
    fn encoded_slashes_within_a_tail_stay_encoded() {
        assert_eq!(path("/a", "/group/project/x", "/api/group%2Fproject/x"), "/a/group%2Fproject/x");
    }

    proptest! {
        #[test]
        fn an_encoded_value_decodes_to_itself_and_has_no_delimiters(value in "\\PC*|[\\x00-\\x20]*") {
            for encode in [component, segment] {
                let mut out = String::new();
                encode(&value, &mut out);
                prop_assert_eq!(&*percent_decoded(&out), &value);
                prop_assert!(!out.contains(['/', '?', '#', '\\', ';', ' ', '\r', '\n']));
            }
        }
    }
}
