//! One canonical path, for matching, authorisation, logs and forwarding alike (RFC 3986 section 6.2.2): escapes of
//! unreserved characters are undone, the others written in upper case, dot segments resolved, empty segments joined.

use gwanmun_core::{Code, Fault};
use http::uri::PathAndQuery;

/// The canonical form of a request target; the very same value if it is canonical already, which is checked first.
///
/// # Errors
/// `malformed-request` for a broken escape, an escaped NUL, or a path that climbs above its root.
pub(crate) fn canonical(target: PathAndQuery) -> Result<PathAndQuery, Fault> {
    let path = target.path();
    // The path of a target that begins with its query is written nowhere.
    if path == "*" || (is_canonical(path.as_bytes()) && target.as_str().starts_with('/')) {
        return Ok(target);
    }
    let mut text = rewrite(path)?;
    if let Some(query) = target.query() {
        text.push('?');
        text.push_str(query);
    }
    PathAndQuery::try_from(text).map_err(|_| malformed("the path has a character that no path may have"))
}

/// Whether nothing in `path` could need rewriting; errs on the side of no.
fn is_canonical(path: &[u8]) -> bool {
    let mut before = 0;
    for &byte in path {
        if byte == b'%' || byte == b'\\' || !byte.is_ascii() || (before == b'/' && (byte == b'/' || byte == b'.')) {
            return false;
        }
        before = byte;
    }
    path.first() == Some(&b'/')
}

fn rewrite(path: &str) -> Result<String, Fault> {
    let mut segments: Vec<String> = Vec::new();
    let mut ends_with_slash = false;
    for raw in path.split('/').skip(1) {
        let segment = unescape_unreserved(raw)?;
        ends_with_slash = matches!(segment.as_str(), "" | "." | "..");
        match segment.as_str() {
            "" | "." => {}
            ".." => {
                segments.pop().ok_or_else(|| malformed("the path climbs above its root"))?;
            }
            other if hides_dot_segment(other) => return Err(malformed("the path hides a dot segment")),
            _ => segments.push(segment),
        }
    }
    let mut out = String::with_capacity(path.len());
    for segment in &segments {
        out.push('/');
        out.push_str(segment);
    }
    if ends_with_slash || segments.is_empty() {
        out.push('/');
    }
    Ok(out)
}

/// Whether a service that cuts off parameters (`..;x`) or takes an encoded slash for a slash would see a dot segment here,
/// and so another path than the one that was matched.
fn hides_dot_segment(segment: &str) -> bool {
    segment
        .split("%2F")
        .flat_map(|part| part.split("%5C"))
        .filter_map(|part| part.split("%3B").next()?.split(';').next())
        .any(|part| matches!(part, "." | ".."))
}

/// Undoes escapes of unreserved characters and writes them for what is not ASCII; a backslash, escaped or not, is written as an escape so that nobody behind
/// takes it for a slash.
fn unescape_unreserved(segment: &str) -> Result<String, Fault> {
    let mut out = String::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'\\' {
            out.push_str("%5C");
            continue;
        }
        if !byte.is_ascii() {
            push_escape(byte, &mut out);
            continue;
        }
        if byte != b'%' {
            out.push(char::from(byte));
            continue;
        }
        let mut digit =
            || bytes.next().and_then(|byte| char::from(byte).to_digit(16)).and_then(|digit| u8::try_from(digit).ok());
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(malformed("the path has a broken percent escape"));
        };
        let decoded = high << 4 | low;
        match decoded {
            0 => return Err(malformed("the path has an escaped NUL")),
            b'-' | b'.' | b'_' | b'~' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => out.push(char::from(decoded)),
            _ => push_escape(decoded, &mut out),
        }
    }
    Ok(out)
}

fn push_escape(byte: u8, out: &mut String) {
    out.push('%');
    for digit in [byte >> 4, byte & 15] {
        out.push(char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase());
    }
}

fn malformed(why: &'static str) -> Fault {
    Fault::new(Code::MalformedRequest, why)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(path: &str) -> Result<String, Code> {
        canonical(path.parse().unwrap()).map(|target| target.as_str().to_owned()).map_err(|fault| fault.code())
    }

    #[test]
    fn every_spelling_of_a_path_becomes_one() {
        for (from, to) in [
            ("/a/b", "/a/b"),
            ("/a/./b", "/a/b"),
            ("/a/x/../b", "/a/b"),
            ("/a//b", "/a/b"),
            ("/%61/%62", "/a/b"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/..", "/"),
            ("/a/b/.", "/a/b/"),
            ("/a%2fb?x=%61", "/a%2Fb?x=%61"),
            ("/a%5cb", "/a%5Cb"),
            ("/", "/"),
            ("/a/", "/a/"),
            ("/.hidden", "/.hidden"),
            ("/\u{e9}", "/%C3%A9"),
            ("/\u{e9}/.", "/%C3%A9/"),
            ("/a/..b;c", "/a/..b;c"),
            ("?x", "/?x"),
            ("*", "*"),
        ] {
            assert_eq!(of(from).as_deref(), Ok(to), "{from}");
        }
    }

    #[test]
    fn paths_that_mean_nothing_are_refused() {
        for path in ["/..", "/a/../../b", "/%2e%2e/x", "/%", "/%4", "/%zz", "/a%00b"] {
            assert_eq!(of(path), Err(Code::MalformedRequest), "{path}");
        }
    }

    #[test]
    fn dot_segments_that_only_a_service_behind_would_see_are_refused() {
        for path in [
            "/a/..;/b",
            "/a/..;x=1",
            "/a/.%2e;/b",
            "/a/..%2fb",
            "/a/b%2f..%2Fc",
            "/a/..\\b",
            "/a/..%5Cb",
            "/a/..%3b/b",
            "/a/.;/b",
        ] {
            assert_eq!(of(path), Err(Code::MalformedRequest), "{path}");
        }
    }

    proptest! {
        #[test]
        fn the_canonical_form_is_its_own_canonical_form(path in "/[a-c%2eEfF./]{0,24}") {
            if let Ok(once) = of(&path) {
                prop_assert_eq!(of(&once), Ok(once.clone()));
                prop_assert!(!once.split('/').any(|segment| segment == ".." || segment == "."));
            }
        }
    }
}
