//! The bytes of an answer (RFC 9112 sections 4 to 7), strict: what two readers could read in two ways is malformed. No
//! clock and no sockets, so that any chunking of the input gives the same events.

use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};

/// Header fields an answer may have.
const MAX_FIELDS: usize = 128;
/// Bytes the head of an answer, or its trailers, may have.
const MAX_HEAD: usize = 64 * 1024;
/// Bytes a chunk's size line may have.
const MAX_CHUNK_LINE: usize = 256;

/// Why an answer was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

/// The head of an answer.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) has: Has,
}

/// Which of the fields that frame a message are there, noted while they are read: most need not be asked for by hash.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Has {
    pub(crate) length: bool,
    pub(crate) coding: bool,
    pub(crate) connection: bool,
}

/// Takes a head from the front of `input`; `None` if it is not complete yet.
pub(crate) fn head(input: &mut BytesMut) -> Result<Option<Head>, Malformed> {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let length =
        match httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut response, input, &mut fields) {
            Ok(httparse::Status::Complete(length)) if length <= MAX_HEAD => length,
            Ok(httparse::Status::Partial) if input.len() < MAX_HEAD => return Ok(None),
            Ok(_) => return Err(Malformed("the head of the answer is too large")),
            Err(httparse::Error::TooManyHeaders) => return Err(Malformed("the answer has too many header fields")),
            Err(_) => return Err(Malformed("the head of the answer cannot be parsed")),
        };
    let status =
        response.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(Malformed("the status is no status"))?;
    let version = if response.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    // Where each field stands, so that its value can share the buffer once that is frozen.
    let base = input.as_ptr().addr();
    let mut places = smallvec::SmallVec::<[(HeaderName, usize, usize); 24]>::new();
    for field in response.headers.iter() {
        let name =
            HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Malformed("a header name is malformed"))?;
        let start = field.value.as_ptr().addr() - base;
        places.push((name, start, start + field.value.len()));
    }
    let block = input.split_to(length).freeze();
    if has_bare_line_feed(&block) {
        return Err(Malformed("a line of the head ends without a carriage return"));
    }
    let mut has = Has::default();
    let mut headers = HeaderMap::with_capacity(places.len() + 4);
    for (name, start, end) in places {
        has.length |= name == CONTENT_LENGTH;
        has.coding |= name == TRANSFER_ENCODING;
        has.connection |= name == CONNECTION;
        let value = HeaderValue::from_maybe_shared(block.slice(start..end))
            .map_err(|_| Malformed("a header value is malformed"))?;
        headers.append(name, value);
    }
    Ok(Some(Head { status, version, headers, has }))
}

fn has_bare_line_feed(block: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', block).any(|at| at == 0 || block.get(at - 1) != Some(&b'\r'))
}

/// Where an answer's body is in its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// Nothing is left.
    Done,
    /// So many bytes are left.
    Length(u64),
    /// Chunks.
    Chunked(Chunk),
    /// All until the connection closes.
    UntilClose,
}

/// Where we are among the chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chunk {
    Size,
    Data(u64),
    DataEnd,
    Trailers,
}

/// What the next bytes of a body were.
#[derive(Debug)]
pub(crate) enum Event {
    Data(Bytes),
    Trailers(HeaderMap),
    End,
    NeedMore,
}

impl Body {
    /// The framing of the answer to a `method` request (RFC 9112 section 6.3).
    pub(crate) fn of(method: &Method, head: &Head) -> Result<Self, Malformed> {
        if *method == Method::HEAD
            || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || head.status.is_informational()
        {
            return Ok(Self::Done);
        }
        if head.has.coding {
            if head.version == Version::HTTP_10 {
                return Err(Malformed("an HTTP/1.0 answer has a transfer coding"));
            }
            if head.has.length {
                return Err(Malformed("the answer has both a length and a transfer coding"));
            }
            let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
            let only = codings.next().filter(|_| codings.next().is_none());
            if !only.is_some_and(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked")) {
                return Err(Malformed("the transfer coding is not exactly chunked"));
            }
            return Ok(Self::Chunked(Chunk::Size));
        }
        if !head.has.length {
            return Ok(Self::UntilClose);
        }
        let mut lengths = head.headers.get_all(CONTENT_LENGTH).iter();
        let Some(length) = lengths.next() else { return Ok(Self::UntilClose) };
        if lengths.any(|other| other != length) {
            return Err(Malformed("the answer has two different lengths"));
        }
        match decimal(length.as_bytes()) {
            Some(0) => Ok(Self::Done),
            Some(length) => Ok(Self::Length(length)),
            None => Err(Malformed("the length of the answer is no number")),
        }
    }

    /// Takes what `input` has of the body.
    pub(crate) fn next(&mut self, input: &mut BytesMut) -> Result<Event, Malformed> {
        loop {
            match self {
                Self::Done => return Ok(Event::End),
                Self::UntilClose => {
                    return Ok(if input.is_empty() { Event::NeedMore } else { Event::Data(input.split().freeze()) });
                }
                Self::Length(left) => {
                    let Some(data) = take(input, left) else { return Ok(Event::NeedMore) };
                    if *left == 0 {
                        *self = Self::Done;
                    }
                    return Ok(Event::Data(data));
                }
                Self::Chunked(chunk) => match chunk {
                    Chunk::Size => match chunk_size(input)? {
                        None => return Ok(Event::NeedMore),
                        Some(0) => *chunk = Chunk::Trailers,
                        Some(size) => *chunk = Chunk::Data(size),
                    },
                    Chunk::Data(left) => {
                        let Some(data) = take(input, left) else { return Ok(Event::NeedMore) };
                        if *left == 0 {
                            *chunk = Chunk::DataEnd;
                        }
                        return Ok(Event::Data(data));
                    }
                    Chunk::DataEnd => {
                        let Some(end) = input.get(..2) else { return Ok(Event::NeedMore) };
                        if end != b"\r\n" {
                            return Err(Malformed("a chunk is longer than its size"));
                        }
                        let _ = input.split_to(2);
                        *chunk = Chunk::Size;
                    }
                    Chunk::Trailers => {
                        let Some(trailers) = trailers(input)? else { return Ok(Event::NeedMore) };
                        *self = Self::Done;
                        return Ok(if trailers.is_empty() { Event::End } else { Event::Trailers(trailers) });
                    }
                },
            }
        }
    }

    /// Whether the connection's end is the body's end.
    pub(crate) fn ends_with_connection(self) -> bool {
        matches!(self, Self::Done | Self::UntilClose)
    }

    /// The length of the rest, if it is known.
    pub(crate) fn exact_length(self) -> Option<u64> {
        match self {
            Self::Done => Some(0),
            Self::Length(left) => Some(left),
            Self::Chunked(_) | Self::UntilClose => None,
        }
    }
}

/// Up to `left` bytes from the front of `input`, counted off; `None` if there are none.
fn take(input: &mut BytesMut, left: &mut u64) -> Option<Bytes> {
    let here = input.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
    if here == 0 {
        return None;
    }
    *left -= u64::try_from(here).ok()?;
    Some(input.split_to(here).freeze())
}

/// The size in a chunk's first line; extensions are read over, within a bound (RFC 9112 section 7.1.1).
fn chunk_size(input: &mut BytesMut) -> Result<Option<u64>, Malformed> {
    let Some(end) = memchr::memchr(b'\n', input) else {
        return if input.len() > MAX_CHUNK_LINE {
            Err(Malformed("the size line of a chunk is too long"))
        } else {
            Ok(None)
        };
    };
    if end > MAX_CHUNK_LINE {
        return Err(Malformed("the size line of a chunk is too long"));
    }
    let line = input.split_to(end + 1);
    let line =
        line.strip_suffix(b"\r\n").ok_or(Malformed("the size line of a chunk ends without a carriage return"))?;
    let digits = line.split(|&byte| byte == b';').next().unwrap_or_default();
    let extension = line.get(digits.len()..).unwrap_or_default();
    if extension.iter().any(|&byte| byte.is_ascii_control() && byte != b'\t') {
        return Err(Malformed("a chunk extension has a control character"));
    }
    if digits.is_empty() || digits.len() > 16 {
        return Err(Malformed("the size of a chunk is no number"));
    }
    let mut size = 0_u64;
    for &byte in digits {
        let digit = char::from(byte).to_digit(16).ok_or(Malformed("the size of a chunk is no number"))?;
        size = (size << 4) | u64::from(digit);
    }
    if size > u64::MAX / 2 {
        return Err(Malformed("a chunk is larger than anything can be"));
    }
    Ok(Some(size))
}

/// The trailer section, once it is complete; fields that would change the framing are malformed (RFC 9110 section 6.5.1).
fn trailers(input: &mut BytesMut) -> Result<Option<HeaderMap>, Malformed> {
    if let Some(b"\r\n") = input.get(..2) {
        let _ = input.split_to(2);
        return Ok(Some(HeaderMap::new()));
    }
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let (length, parsed) = match httparse::parse_headers(input, &mut fields) {
        Ok(httparse::Status::Complete(found)) => found,
        Ok(httparse::Status::Partial) if input.len() < MAX_HEAD => return Ok(None),
        Ok(httparse::Status::Partial) => return Err(Malformed("the trailers are too large")),
        Err(_) => return Err(Malformed("the trailers cannot be parsed")),
    };
    let mut trailers = HeaderMap::with_capacity(parsed.len());
    for field in parsed {
        let name =
            HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Malformed("a trailer name is malformed"))?;
        if name == CONTENT_LENGTH || name == TRANSFER_ENCODING || name == http::header::HOST {
            return Err(Malformed("a trailer would change the framing"));
        }
        let value = HeaderValue::from_bytes(field.value).map_err(|_| Malformed("a trailer value is malformed"))?;
        trailers.append(name, value);
    }
    if has_bare_line_feed(input.get(..length).unwrap_or_default()) {
        return Err(Malformed("a trailer ends without a carriage return"));
    }
    let _ = input.split_to(length);
    // An HTTP/2 client would take them for a malformed message (RFC 9113 section 8.2.2).
    crate::forward::remove_hop_by_hop(&mut trailers);
    Ok(Some(trailers))
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Everything an answer says, however its bytes arrive.
    #[derive(Debug, PartialEq, Eq)]
    enum Story {
        Complete { status: u16, headers: usize, body: Vec<u8>, trailers: usize, rest: Vec<u8> },
        Incomplete,
        Malformed,
    }

    fn read(pieces: &[&[u8]]) -> Story {
        match try_read(pieces) {
            Ok(Some(story)) => story,
            Ok(None) => Story::Incomplete,
            Err(Malformed(_)) => Story::Malformed,
        }
    }

    fn try_read(pieces: &[&[u8]]) -> Result<Option<Story>, Malformed> {
        let mut input = BytesMut::new();
        let mut found: Option<(Head, Body)> = None;
        let (mut body, mut trailers) = (Vec::new(), 0);
        let mut pieces = pieces.iter();
        loop {
            if found.is_none()
                && let Some(read) = head(&mut input)?
            {
                let framing = Body::of(&Method::GET, &read)?;
                found = Some((read, framing));
            }
            if let Some((read, framing)) = &mut found {
                loop {
                    match framing.next(&mut input)? {
                        Event::Data(data) => body.extend_from_slice(&data),
                        Event::Trailers(fields) => trailers = fields.len(),
                        Event::NeedMore => break,
                        Event::End => {
                            // What follows may still be in later pieces.
                            let mut rest = input.to_vec();
                            pieces.for_each(|piece| rest.extend_from_slice(piece));
                            let (status, headers) = (read.status.as_u16(), read.headers.len());
                            return Ok(Some(Story::Complete { status, headers, body, trailers, rest }));
                        }
                    }
                }
            }
            match pieces.next() {
                Some(piece) => input.extend_from_slice(piece),
                None => return Ok(None),
            }
        }
    }

    const ANSWERS: &[&str] = &[
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx: 1\r\n\r\nhelloHTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n3\r\nabc\r\n0\r\nx-t: 1\r\n\r\nrest",
        "HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n",
        "HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n",
    ];

    proptest! {
        #[test]
        fn any_chunking_of_an_answer_tells_the_same_story(which in 0..ANSWERS.len(), cuts in proptest::collection::vec(0_usize..128, 0..12)) {
            let whole = ANSWERS[which].as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(whole.len())).collect();
            cuts.extend([0, whole.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &whole[pair[0]..pair[1]]).collect();
            prop_assert_eq!(read(&pieces), read(&[whole]));
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = read(&[b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", &bytes]);
            let _ = read(&[&bytes]);
        }
    }

    #[test]
    fn ambiguous_answers_are_malformed() {
        for answer in [
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\ncontent-length: 5, 5\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nx: a\r\n b\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nx : a\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff1\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\ncontent-length: 5\r\n\r\n",
            "HTTP/1.1 20 OK\r\n\r\n",
            "garbage\r\n\r\n",
        ] {
            assert_eq!(read(&[answer.as_bytes()]), Story::Malformed, "{answer:?}");
        }
    }

    #[test]
    fn trailers_for_this_hop_only_are_dropped() {
        let mut input =
            BytesMut::from("connection: x-own\r\nkeep-alive: 1\r\nupgrade: h2c\r\nx-own: 1\r\nx: 1\r\n\r\n");
        let trailers = trailers(&mut input).unwrap().unwrap();
        assert_eq!(trailers.keys().collect::<Vec<_>>(), ["x"]);
    }

    #[test]
    fn heads_and_size_lines_are_bounded() {
        let long = format!("HTTP/1.1 200 OK\r\nx: {}", "a".repeat(MAX_HEAD));
        assert_eq!(read(&[long.as_bytes()]), Story::Malformed);
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: a\r\n".repeat(MAX_FIELDS + 1));
        assert_eq!(read(&[many.as_bytes()]), Story::Malformed);
        let line = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;{}", "a".repeat(MAX_CHUNK_LINE));
        assert_eq!(read(&[line.as_bytes()]), Story::Malformed);
    }
}
