//! The bytes of messages that leave (RFC 9112 sections 3 to 7).

use http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};

use crate::forward::OwnLines;

/// How the end of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is no body and nothing says so.
    Absent,
    /// `Content-Length`; what is still to come.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// By closing the connection; answers to HTTP/1.0 only.
    Close,
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
    /// What else is said of the client and the trace.
    pub(crate) own: &'a OwnLines,
    /// The protocol it asks for, if it does.
    pub(crate) upgrade: Option<&'a HeaderValue>,
}

/// Writes a request's head.
pub(crate) fn request(out: &mut Vec<u8>, head: &RequestHead<'_>, framing: Framing) {
    let RequestHead { method, target, host, headers, own, upgrade } = *head;
    out.reserve(512 + target.len() + headers.len() * 48);
    out.extend_from_slice(method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\nhost: ");
    out.extend_from_slice(host.as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in headers {
        if !own.replace(name) {
            field(out, name.as_str(), value.as_bytes());
        }
    }
    own.write(out);
    if let Some(protocol) = upgrade {
        out.extend_from_slice(b"connection: upgrade\r\n");
        field(out, "upgrade", protocol.as_bytes());
    }
    match framing {
        Framing::Absent | Framing::Close => {}
        Framing::Length(length) => length_field(out, length),
        Framing::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
    out.extend_from_slice(b"\r\n");
}

/// What the head of an answer says.
pub(crate) struct ResponseHead<'a> {
    pub(crate) status: StatusCode,
    /// The client's: an answer is HTTP/1.1 always, but says more to those who speak 1.0.
    pub(crate) version: Version,
    /// Framing fields in it are not written, except where they tell what is not sent (HEAD, 304).
    pub(crate) headers: &'a HeaderMap,
    pub(crate) framing: Framing,
    /// Whether another request may follow.
    pub(crate) keep_alive: bool,
    /// For answers without a date (RFC 9110 section 6.6.1).
    pub(crate) date: &'a [u8],
}

/// Writes an answer's head.
pub(crate) fn response(out: &mut Vec<u8>, head: &ResponseHead<'_>) {
    let ResponseHead { status, version, headers, framing, keep_alive, date } = *head;
    out.reserve(160 + headers.len() * 48);
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
    let (mut dated, mut connection_told, mut length_told) = (false, false, false);
    for (name, value) in headers {
        dated |= name == DATE;
        connection_told |= name == CONNECTION;
        if name == TRANSFER_ENCODING {
            continue;
        }
        if name == CONTENT_LENGTH && framing != Framing::Absent {
            if let Framing::Length(length) = framing
                && !length_told
            {
                length_field(out, length);
                length_told = true;
            }
            continue;
        }
        field(out, name.as_str(), value.as_bytes());
    }
    match framing {
        Framing::Length(length) if !length_told => length_field(out, length),
        Framing::Absent | Framing::Close | Framing::Length(_) => {}
        Framing::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
    if !dated {
        field(out, "date", date);
    }
    match (connection_told, keep_alive, version) {
        (true, _, _) | (false, true, Version::HTTP_11) => {}
        (false, true, _) => out.extend_from_slice(b"connection: keep-alive\r\n"),
        (false, false, _) => out.extend_from_slice(b"connection: close\r\n"),
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes the line before a chunk of `length` bytes.
pub(crate) fn chunk_head(out: &mut Vec<u8>, length: usize) {
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
    out.extend_from_slice(digits.get(16 - used..).unwrap_or_default());
    out.extend_from_slice(b"\r\n");
}

/// Writes the end of a chunked body, with its trailers (RFC 9112 section 7.1.2).
pub(crate) fn last_chunk(out: &mut Vec<u8>, trailers: Option<&HeaderMap>) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers.into_iter().flatten() {
        field(out, name.as_str(), value.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

fn length_field(out: &mut Vec<u8>, length: u64) {
    field(out, "content-length", itoa::Buffer::new().format(length).as_bytes());
}

fn field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_written_in_one_piece() {
        let mut out = Vec::new();
        let mut headers = HeaderMap::new();
        headers.insert("x-a", HeaderValue::from_static("1"));
        let host = HeaderValue::from_static("h:1");
        let head = RequestHead {
            method: &Method::POST,
            target: "/p?q",
            host: &host,
            headers: &headers,
            own: &OwnLines::default(),
            upgrade: None,
        };
        request(&mut out, &head, Framing::Length(5));
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "POST /p?q HTTP/1.1\r\nhost: h:1\r\nx-a: 1\r\ncontent-length: 5\r\n\r\n"
        );
    }

    #[test]
    fn chunk_sizes_are_hexadecimal() {
        for (length, line) in [(0, "0\r\n"), (10, "a\r\n"), (4096, "1000\r\n"), (usize::MAX, "ffffffffffffffff\r\n")] {
            let mut out = Vec::new();
            chunk_head(&mut out, length);
            assert_eq!(String::from_utf8(out).unwrap(), line);
        }
    }

    #[test]
    fn only_methods_that_usually_have_a_body_say_that_theirs_is_empty() {
        assert_eq!(Framing::of(&Method::GET, Some(0)), Framing::Absent);
        assert_eq!(Framing::of(&Method::POST, Some(0)), Framing::Length(0));
        assert_eq!(Framing::of(&Method::GET, None), Framing::Chunked);
    }

    fn answer(framing: Framing, version: Version, keep_alive: bool, fields: &[(&'static str, &'static str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let head =
            ResponseHead { status: StatusCode::OK, version, headers: &headers, framing, keep_alive, date: b"now" };
        let mut out = Vec::new();
        response(&mut out, &head);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_framing_of_an_answer_is_ours() {
        let lies = [("content-length", "9"), ("transfer-encoding", "gzip"), ("x", "1")];
        assert_eq!(
            answer(Framing::Length(5), Version::HTTP_11, true, &lies),
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx: 1\r\ndate: now\r\n\r\n"
        );
        assert_eq!(
            answer(Framing::Chunked, Version::HTTP_11, false, &lies),
            "HTTP/1.1 200 OK\r\nx: 1\r\ntransfer-encoding: chunked\r\ndate: now\r\nconnection: close\r\n\r\n"
        );
        // What a GET would have got.
        assert_eq!(
            answer(Framing::Absent, Version::HTTP_10, true, &[("content-length", "9"), ("date", "then")]),
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\ndate: then\r\nconnection: keep-alive\r\n\r\n"
        );
        assert_eq!(
            answer(Framing::Absent, Version::HTTP_11, false, &[("connection", "upgrade")]),
            "HTTP/1.1 200 OK\r\nconnection: upgrade\r\ndate: now\r\n\r\n"
        );
    }
}
