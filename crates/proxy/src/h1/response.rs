//! The head of an answer (RFC 9112 section 4) and where its body is (section 6.3).

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, Version};

use super::Malformed;
use super::body::{Body, Chunk};
use super::fields::{self, Has};
use super::head::{Bounds, Found, Search, Unfit, place};

/// What the head of an answer may be.
const BOUNDS: Bounds = Bounds { bytes: 64 * 1024, fields: 128 };

/// The head of an answer.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) has: Has,
}

/// Takes a head from the front of `input`; `None` if it is not complete yet. `search` remembers how far it was looked at.
pub(crate) fn take(input: &mut BytesMut, search: &mut Search) -> Result<Option<Head>, Unfit> {
    if !begins_like_an_answer(input) {
        return Err(Malformed("the answer does not begin with HTTP/1").into());
    }
    let length = match search.look(input, 1, BOUNDS)? {
        Found::Whole(length) => length,
        Found::Part => return Ok(None),
    };
    let block = input.split_to(length).freeze();
    let (first, rest) = search.ends().split_first().ok_or(Malformed("the status line is empty"))?;
    let (version, status) = status_line(&block, place(*first))?;
    let (headers, has) = fields::read(&block, place(*first) + 2, rest, None)?;
    Ok(Some(Head { status, version, headers, has }))
}

fn begins_like_an_answer(input: &[u8]) -> bool {
    input.iter().zip(b"HTTP/1.").all(|(found, wanted)| found == wanted)
}

/// `HTTP/1.1 200 OK`; the words at the end may be missing, and even the blank before them.
fn status_line(block: &Bytes, end: usize) -> Result<(Version, StatusCode), Malformed> {
    const UNFIT: Malformed = Malformed("the status line is malformed");
    let line = block.get(..end).unwrap_or_default();
    let (version, rest) = line.split_at_checked(9).ok_or(UNFIT)?;
    let version = match version {
        b"HTTP/1.1 " => Version::HTTP_11,
        b"HTTP/1.0 " => Version::HTTP_10,
        _ => return Err(Malformed("the answer's version is neither 1.0 nor 1.1")),
    };
    let (code, words) = rest.split_at_checked(3).ok_or(UNFIT)?;
    if !matches!(words.first(), None | Some(b' ')) || words.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t')
    {
        return Err(UNFIT);
    }
    let status = StatusCode::from_bytes(code).map_err(|_| Malformed("the status is no status"))?;
    Ok((version, status))
}

impl Head {
    /// The framing of the answer to a `method` request.
    pub(crate) fn framing(&self, method: &Method) -> Result<Body, Malformed> {
        if *method == Method::HEAD
            || matches!(self.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || self.status.is_informational()
        {
            return Ok(Body::Done);
        }
        match (self.has.coding, self.has.length) {
            (true, _) if self.version == Version::HTTP_10 => Err(Malformed("an HTTP/1.0 answer has a transfer coding")),
            (true, true) => Err(Malformed("the answer has both a length and a transfer coding")),
            (true, false) if fields::is_chunked(&self.headers) => Ok(Body::Chunked(Chunk::begin())),
            (true, false) => Err(Malformed("the transfer coding is not exactly chunked")),
            (false, false) => Ok(Body::UntilClose),
            (false, true) => Ok(match fields::length(&self.headers)? {
                0 => Body::Done,
                length => Body::Length(length),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::h1::body::Event;

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
            Err(_) => Story::Malformed,
        }
    }

    fn try_read(pieces: &[&[u8]]) -> Result<Option<Story>, Unfit> {
        let mut input = BytesMut::new();
        let mut search = Search::default();
        let mut found: Option<(Head, Body)> = None;
        let (mut body, mut trailers) = (Vec::new(), 0);
        let mut pieces = pieces.iter();
        loop {
            if found.is_none()
                && let Some(read) = take(&mut input, &mut search)?
            {
                let framing = read.framing(&Method::GET)?;
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
            "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/2.0 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello",
            "garbage\r\n\r\n",
        ] {
            assert_eq!(read(&[answer.as_bytes()]), Story::Malformed, "{answer:?}");
        }
    }

    #[test]
    fn heads_and_size_lines_are_bounded() {
        let long = format!("HTTP/1.1 200 OK\r\nx: {}", "a".repeat(BOUNDS.bytes));
        assert_eq!(read(&[long.as_bytes()]), Story::Malformed);
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: a\r\n".repeat(BOUNDS.fields + 1));
        assert_eq!(read(&[many.as_bytes()]), Story::Malformed);
        let line = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;{}", "a".repeat(300));
        assert_eq!(read(&[line.as_bytes()]), Story::Malformed);
    }
}
