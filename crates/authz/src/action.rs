//! What somebody wants to do: a view of a request, borrowed from wherever the request is.

use std::net::IpAddr;
use std::time::SystemTime;

use http::HeaderMap;

/// What is asked for. Everything is borrowed; a policy reads only what its rules name.
#[derive(Debug, Clone, Copy)]
pub struct Action<'a> {
    /// The method as sent.
    pub method: &'a str,
    /// `http` or `https`, as the client sees it.
    pub scheme: &'a str,
    /// The name of the host that is asked for, without a port. Case and a dot at its end do not matter.
    pub host: &'a str,
    /// The canonical path, percent-encoded.
    pub path: &'a str,
    /// The query as sent, without `?`.
    pub query: Option<&'a str>,
    /// The header fields.
    pub headers: &'a HeaderMap,
    /// The client's address, where it is known.
    pub client: Option<IpAddr>,
    /// The name of the route.
    pub route: &'a str,
    /// When it is asked.
    pub time: SystemTime,
}

impl Action<'_> {
    /// Whether the path can be read in one way only: it begins with a slash, its escapes are whole, and neither a NUL nor a
    /// dot segment hides in it, also not for who takes an escaped slash for a slash or cuts off parameters.
    pub(crate) fn has_clear_path(&self) -> bool {
        self.path.starts_with('/')
            && self.path.split('/').all(|segment| {
                let Some(decoded) = decoded(segment) else { return false };
                let clear = decoded.iter().all(|byte| !byte.is_ascii_control());
                clear && !decoded.split(|byte| matches!(byte, b'/' | b'\\')).any(is_dot_segment)
            })
    }
}

/// `.` or `..`, also before parameters.
fn is_dot_segment(segment: &[u8]) -> bool {
    let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
    matches!(name, b"." | b"..")
}

/// `text` with its escapes undone; `None` where one is broken.
pub(crate) fn decoded(text: &str) -> Option<std::borrow::Cow<'_, [u8]>> {
    if !text.contains('%') {
        return Some(text.as_bytes().into());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || char::from(bytes.next()?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            let (high, low) = (digit()?, digit()?);
            out.push(high << 4 | low);
        } else {
            out.push(byte);
        }
    }
    Some(out.into())
}

#[cfg(test)]
pub(crate) mod fixture {
    use super::*;

    /// `GET https://api.example/orders/7` of 2026-01-01.
    pub(crate) fn get(headers: &HeaderMap) -> Action<'_> {
        Action {
            method: "GET",
            scheme: "https",
            host: "api.example",
            path: "/orders/7",
            query: None,
            headers,
            client: Some(IpAddr::from([203, 0, 113, 7])),
            route: "orders",
            time: SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_767_225_600),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_two_could_read_in_two_ways_is_not_clear() {
        let headers = HeaderMap::new();
        let clear = |path| Action { path, ..fixture::get(&headers) }.has_clear_path();
        for path in ["/", "/orders/7", "/a%2Fb", "/a//b", "/.well-known", "/...", "/a;b=c", "/%C3%A9", "/%252e%252e"] {
            assert!(clear(path), "{path}");
        }
        for path in [
            "",
            "*",
            "orders",
            "/../a",
            "/a/.",
            "/%2e%2e/a",
            "/a/%2E",
            "/..%2Fa",
            "/a%2F..",
            "/..;x/a",
            "/a%5C..",
            "/%",
            "/%0",
            "/%zz",
            "/%00",
            "/a\0",
            "/%0a",
            "/a/..%5cb",
        ] {
            assert!(!clear(path), "{path}");
        }
    }
}
