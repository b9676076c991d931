//! The bytes of a request (RFC 9112 sections 3, 5 and 6).

use bytes::{BufMut, BytesMut};
use http::{HeaderMap, HeaderValue, Method};

/// How the end of a request's body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is no body and nothing says so.
    Absent,
    /// `Content-Length`; what is still to come.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

impl Framing {
    /// The framing of a request whose body is `length` long, if that is known (RFC 9110 section 8.6).
    pub(crate) fn of(method: &Method, length: Option<u64>) -> Self {
        match length {
            Some(0) if !matches!(*method, Method::POST | Method::PUT | Method::PATCH) => Self::Absent,
            Some(length) => Self::Length(length),
            None => Self::Chunked,
        }
    }
}

/// What the head of a request says, besides the framing.
pub(crate) struct RequestHead<'a> {
    pub(crate) method: &'a Method,
    pub(crate) target: &'a str,
    pub(crate) host: &'a HeaderValue,
    /// Without framing and hop-by-hop fields.
    pub(crate) headers: &'a HeaderMap,
    /// The protocol it asks for, if it does.
    pub(crate) upgrade: Option<&'a HeaderValue>,
}

/// Writes a request's head.
pub(crate) fn head(out: &mut BytesMut, head: &RequestHead<'_>, framing: Framing) {
    let RequestHead { method, target, host, headers, upgrade } = *head;
    out.reserve(256 + target.len() + headers.len() * 48);
    out.put_slice(method.as_str().as_bytes());
    out.put_u8(b' ');
    out.put_slice(target.as_bytes());
    out.put_slice(b" HTTP/1.1\r\nhost: ");
    out.put_slice(host.as_bytes());
    out.put_slice(b"\r\n");
    for (name, value) in headers {
        field(out, name.as_str(), value.as_bytes());
    }
    if let Some(protocol) = upgrade {
        out.put_slice(b"connection: upgrade\r\n");
        field(out, "upgrade", protocol.as_bytes());
    }
    match framing {
        Framing::Absent => {}
        Framing::Length(length) => field(out, "content-length", itoa::Buffer::new().format(length).as_bytes()),
        Framing::Chunked => out.put_slice(b"transfer-encoding: chunked\r\n"),
    }
    out.put_slice(b"\r\n");
}

/// Writes the line before a chunk of `length` bytes.
pub(crate) fn chunk_head(out: &mut BytesMut, length: usize) {
    let mut digits = [0_u8; 16];
    let mut rest = length;
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef".get(rest & 15).copied().unwrap_or(b'0');
        rest >>= 4;
        used += 1;
        if rest == 0 {
            break;
        }
    }
    out.put_slice(digits.get(16 - used..).unwrap_or_default());
    out.put_slice(b"\r\n");
}

/// Writes the end of a chunked body, with its trailers (RFC 9112 section 7.1.2).
pub(crate) fn last_chunk(out: &mut BytesMut, trailers: Option<&HeaderMap>) {
    out.put_slice(b"0\r\n");
    for (name, value) in trailers.into_iter().flatten() {
        field(out, name.as_str(), value.as_bytes());
    }
    out.put_slice(b"\r\n");
}

fn field(out: &mut BytesMut, name: &str, value: &[u8]) {
    out.put_slice(name.as_bytes());
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_written_in_one_piece() {
        let mut out = BytesMut::new();
        let mut headers = HeaderMap::new();
        headers.insert("x-a", HeaderValue::from_static("1"));
        let host = HeaderValue::from_static("h:1");
        let request =
            RequestHead { method: &Method::POST, target: "/p?q", host: &host, headers: &headers, upgrade: None };
        head(&mut out, &request, Framing::Length(5));
        assert_eq!(out, "POST /p?q HTTP/1.1\r\nhost: h:1\r\nx-a: 1\r\ncontent-length: 5\r\n\r\n");
    }

    #[test]
    fn chunk_sizes_are_hexadecimal() {
        for (length, line) in [(0, "0\r\n"), (10, "a\r\n"), (4096, "1000\r\n"), (usize::MAX, "ffffffffffffffff\r\n")] {
            let mut out = BytesMut::new();
            chunk_head(&mut out, length);
            assert_eq!(out, line);
        }
    }

    #[test]
    fn only_methods_that_usually_have_a_body_say_that_theirs_is_empty() {
        assert_eq!(Framing::of(&Method::GET, Some(0)), Framing::Absent);
        assert_eq!(Framing::of(&Method::POST, Some(0)), Framing::Length(0));
        assert_eq!(Framing::of(&Method::GET, None), Framing::Chunked);
    }
}
