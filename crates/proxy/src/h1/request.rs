//! The head of a request (RFC 9112 section 3) and where its body is (section 6.3).

use bytes::{Bytes, BytesMut};
use gwanmun_core::{Code, Fault};
use http::header::{EXPECT, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Uri, Version};

use super::Malformed;
use super::body::{Body, Chunk};
use super::fields::{self, Has, Hosts};
use super::head::{Bounds, Found, Search, Unfit, place};

/// Longer methods are no methods.
const MAX_METHOD: usize = 32;
/// What stands in a request line besides method and target.
const AROUND_TARGET: usize = " HTTP/1.1".len() + 1;

/// What a head may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestBounds {
    pub(crate) head: Bounds,
    /// Length of the target, bytes.
    pub(crate) target: usize,
}

/// The head of a request, and its body's framing.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) version: Version,
    /// Without `Host`.
    pub(crate) headers: HeaderMap,
    pub(crate) hosts: Hosts,
    pub(crate) has: Has,
    pub(crate) body: Body,
}

/// A request that is not let in, with what could be read of it for the log.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) fault: Fault,
    pub(crate) line: Option<(Method, Uri, Version)>,
}

impl Refused {
    /// Nothing of it could be read.
    pub(crate) fn unread(fault: Fault) -> Box<Self> {
        Box::new(Self { fault, line: None })
    }
}

impl From<Malformed> for Fault {
    fn from(Malformed(why): Malformed) -> Self {
        Self::new(Code::MalformedRequest, why)
    }
}

/// Takes a head from the front of `input`; `None` if it is not complete yet. `search` remembers how far it was looked at.
pub(crate) fn take(
    input: &mut BytesMut,
    search: &mut Search,
    bounds: RequestBounds,
) -> Result<Option<Head>, Box<Refused>> {
    if input.first().is_some_and(|byte| !is_token_byte(*byte)) {
        return Err(Refused::unread(Malformed("the request does not begin with a method").into()));
    }
    let length = match search.look(input, 1, bounds.head) {
        Ok(Found::Whole(length)) => length,
        Ok(Found::Part) => {
            let longest = MAX_METHOD + AROUND_TARGET + bounds.target;
            return if input.len() > longest && !search.has_first_line() {
                Err(Refused::unread(line_too_long()))
            } else {
                Ok(None)
            };
        }
        Err(unfit) => return Err(Refused::unread(unfit_head(unfit, search, bounds))),
    };
    let block = input.split_to(length).freeze();
    let (first, fields) = match search.ends().split_first() {
        Some((first, rest)) => (place(*first), rest),
        None => return Err(Refused::unread(Malformed("the request line is empty").into())),
    };
    let (method, uri, version) = request_line(&block, first, bounds.target).map_err(Refused::unread)?;
    let mut hosts = Hosts::None;
    match headers_and_body(&block, first + 2, fields, &mut hosts, version) {
        Ok((headers, has, body)) => Ok(Some(Head { method, uri, version, headers, hosts, has, body })),
        Err(fault) => Err(Box::new(Refused { fault, line: Some((method, uri, version)) })),
    }
}

fn headers_and_body(
    block: &Bytes,
    start: usize,
    ends: &[u32],
    hosts: &mut Hosts,
    version: Version,
) -> Result<(HeaderMap, Has, Body), Fault> {
    let (headers, has) = fields::read(block, start, ends, Some(hosts))?;
    let body = framing(version, &headers, has)?;
    if has.expect && !expects_to_continue(&headers) {
        return Err(Fault::new(Code::ExpectationFailed, "an expectation other than 100-continue"));
    }
    Ok((headers, has, body))
}

fn unfit_head(unfit: Unfit, search: &Search, bounds: RequestBounds) -> Fault {
    match unfit {
        Unfit::Malformed(malformed) => malformed.into(),
        Unfit::TooLarge if !search.has_first_line() && bounds.target < bounds.head.bytes => line_too_long(),
        Unfit::TooLarge => Fault::new(Code::HeadersTooLarge, "the head is larger than header-bytes"),
        Unfit::TooMany => Fault::new(Code::HeadersTooLarge, "there are more fields than header-count"),
    }
}

fn line_too_long() -> Fault {
    Fault::new(Code::UriTooLong, "the target is longer than uri-bytes")
}

/// `GET /path HTTP/1.1`, with single spaces and nothing else.
fn request_line(block: &Bytes, end: usize, longest_target: usize) -> Result<(Method, Uri, Version), Fault> {
    let line = block.get(..end).unwrap_or_default();
    let first = memchr::memchr(b' ', line).ok_or(Malformed("the request line has no target"))?;
    let last = memchr::memrchr(b' ', line).filter(|last| *last > first);
    let Some(last) = last else { return Err(Malformed("the request line has no version").into()) };
    let (method, target, version) = (
        line.get(..first).unwrap_or_default(),
        line.get(first + 1..last).unwrap_or_default(),
        line.get(last + 1..).unwrap_or_default(),
    );
    if method.len() > MAX_METHOD {
        return Err(Malformed("the method is too long").into());
    }
    let method = Method::from_bytes(method).map_err(|_| Malformed("the method is malformed"))?;
    let version = match version {
        b"HTTP/1.1" => Version::HTTP_11,
        b"HTTP/1.0" => Version::HTTP_10,
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            return Err(Fault::new(Code::UnsupportedVersion, "the version is neither 1.0 nor 1.1"));
        }
        _ => return Err(Malformed("the version is malformed").into()),
    };
    if target.len() > longest_target {
        return Err(line_too_long());
    }
    let uri = target_of(block.slice(first + 1..last), &method)?;
    Ok((method, uri, version))
}

/// The four forms of RFC 9112 section 3.2.
fn target_of(target: Bytes, method: &Method) -> Result<Uri, Malformed> {
    const UNFIT: Malformed = Malformed("the target is malformed");
    if target.iter().any(|byte| matches!(byte, b'#' | 0x00..=0x20 | 0x7f)) {
        return Err(Malformed("the target has a character that no target may have"));
    }
    match target.first() {
        Some(b'/') => PathAndQuery::from_maybe_shared(target).map(Uri::from).map_err(|_| UNFIT),
        Some(b'*') if target.len() == 1 => Ok(Uri::from(PathAndQuery::from_static("*"))),
        Some(_) => {
            let uri = Uri::from_maybe_shared(target).map_err(|_| UNFIT)?;
            let web = uri.scheme().is_some_and(|scheme| matches!(scheme.as_str(), "http" | "https"));
            let is_authority = *method == Method::CONNECT && uri.scheme().is_none() && uri.authority().is_some();
            if web || is_authority { Ok(uri) } else { Err(UNFIT) }
        }
        None => Err(UNFIT),
    }
}

/// Where the body is. Whatever leaves room for two answers is refused.
fn framing(version: Version, headers: &HeaderMap, has: Has) -> Result<Body, Fault> {
    match (has.coding, has.length) {
        (false, false) => Ok(Body::Done),
        (false, true) => Ok(match fields::length(headers)? {
            0 => Body::Done,
            length => Body::Length(length),
        }),
        (true, true) => Err(Malformed("the request has both a length and a transfer coding").into()),
        (true, false) if version == Version::HTTP_10 => {
            Err(Malformed("an HTTP/1.0 request has a transfer coding").into())
        }
        (true, false) if fields::is_chunked(headers) => Ok(Body::Chunked(Chunk::begin())),
        (true, false) => Err(unknown_coding(headers)),
    }
}

/// What is wrong with codings that are not exactly `chunked`.
fn unknown_coding(headers: &HeaderMap) -> Fault {
    let codings: Vec<&[u8]> = headers.get_all(TRANSFER_ENCODING).iter().flat_map(fields::list).collect();
    let is_chunked = |coding: &&[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let name = |coding: &[u8]| coding.split(|byte| *byte == b';').next().unwrap_or_default().to_vec();
    let are_tokens = codings.iter().all(|coding| {
        let name = name(coding);
        !name.is_empty() && name.iter().all(|byte| is_token_byte(*byte))
    });
    match codings.split_last() {
        Some((last, others)) if is_chunked(last) && are_tokens && !others.iter().any(is_chunked) => {
            Fault::new(Code::UnsupportedCoding, "a transfer coding besides chunked")
        }
        _ => Malformed("the last transfer coding is not exactly chunked").into(),
    }
}

/// Whether all that is expected is a word before the body (RFC 9110 section 10.1.1).
fn expects_to_continue(headers: &HeaderMap) -> bool {
    headers.get_all(EXPECT).iter().all(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Characters of a token (RFC 9110 section 5.6.2).
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::h1::body::Event;

    const BOUNDS: RequestBounds = RequestBounds { head: Bounds { bytes: 512, fields: 8 }, target: 64 };

    /// Everything a client says, however its bytes arrive: requests, then why it was given up.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct Story {
        requests: Vec<String>,
        refused: Option<Code>,
    }

    fn read(pieces: &[&[u8]]) -> Story {
        let mut story = Story::default();
        let mut input = BytesMut::new();
        let mut search = Search::default();
        let mut current: Option<(String, Body)> = None;
        let mut pieces = pieces.iter();
        loop {
            let Some((told, body)) = &mut current else {
                match take(&mut input, &mut search, BOUNDS) {
                    Ok(Some(head)) => {
                        let told = format!("{} {} {:?} {:?} ", head.method, head.uri, head.version, head.headers);
                        current = Some((told, head.body));
                    }
                    Ok(None) => match pieces.next() {
                        Some(piece) => input.extend_from_slice(piece),
                        None => return story,
                    },
                    Err(refused) => {
                        story.refused = Some(refused.fault.code());
                        return story;
                    }
                }
                continue;
            };
            match body.next(&mut input) {
                Ok(Event::Data(data)) => told.push_str(&String::from_utf8_lossy(&data)),
                Ok(Event::Trailers(trailers)) => told.push_str(&format!("{trailers:?}")),
                Ok(Event::End) => {
                    story.requests.push(std::mem::take(told));
                    current = None;
                }
                Ok(Event::NeedMore) => match pieces.next() {
                    Some(piece) => input.extend_from_slice(piece),
                    None => return story,
                },
                Err(_) => {
                    story.refused = Some(Code::MalformedRequest);
                    return story;
                }
            }
        }
    }

    fn refused(text: &str) -> Option<Code> {
        let story = read(&[text.as_bytes()]);
        assert!(story.refused.is_none() || story.requests.is_empty(), "{text:?}");
        story.refused
    }

    #[test]
    fn requests_follow_each_other() {
        let story = read(&[b"POST /a HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nhiGET /b HTTP/1.0\r\n\r\nPUT /c HTTP/1.1\r\ntransfer-encoding: Chunked\r\n\r\n1\r\nx\r\n0\r\na: b\r\n\r\n"]);
        assert_eq!(story.refused, None);
        let heads: Vec<_> =
            story.requests.iter().map(|told| told.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(heads, ["POST /a", "GET /b", "PUT /c"]);
        assert!(story.requests[0].ends_with(" hi") && story.requests[2].ends_with("x{\"a\": \"b\"}"), "{story:?}");
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for head in [
            "GET /\r\n",
            "GET / HTTP/1.1 \r\n",
            "GET  / HTTP/1.1\r\n",
            " GET / HTTP/1.1\r\n",
            "GET\t/ HTTP/1.1\r\n",
            "GET / http/1.1\r\n",
            "GET / HTTP/1.10\r\n",
            "GET / HTTP/11\r\n",
            "GET / /x HTTP/1.1\r\n",
            "GET /\u{1} HTTP/1.1\r\n",
            "GET /#f HTTP/1.1\r\n",
            "GET a HTTP/1.1\r\n",
            "GET ftp://a/ HTTP/1.1\r\n",
            "GET  HTTP/1.1\r\n",
            "G(T / HTTP/1.1\r\n",
            "\u{16}\u{3}\u{1}",
            "GET / HTTP/1.1\n",
            "GET / HTTP/1.1\r\nhost: a\n",
            "GET / HTTP/1.1\r\n\nhost: a\r\n",
            "GET / HTTP/1.1\r\na\rb: c\r\n",
            "GET / HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n",
            "GET / HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 5\r\n",
            "GET / HTTP/1.1\r\ncontent-length: 1, 1\r\n",
            "GET / HTTP/1.1\r\ncontent-length: +1\r\n",
            "GET / HTTP/1.1\r\ntransfer-encoding: chunked, chunked\r\n",
            "GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
            "GET / HTTP/1.1\r\ntransfer-encoding: chunked, gzip\r\n",
            "GET / HTTP/1.1\r\ntransfer-encoding: xchunked\r\n",
            "GET / HTTP/1.1\r\ntransfer-encoding: \u{b}chunked\r\n",
            "GET / HTTP/1.1\r\ntransfer-encoding: \"chunked\"\r\n",
            "GET / HTTP/1.1\r\ntransfer-encoding: \r\n",
            "GET / HTTP/1.0\r\ntransfer-encoding: chunked\r\n",
        ] {
            assert_eq!(refused(&format!("{head}\r\n")), Some(Code::MalformedRequest), "{head:?}");
        }
    }

    #[test]
    fn what_is_not_spoken_here_says_so() {
        assert_eq!(refused("GET / HTTP/2.0\r\n\r\n"), Some(Code::UnsupportedVersion));
        assert_eq!(refused("GET / HTTP/1.2\r\n\r\n"), Some(Code::UnsupportedVersion));
        assert_eq!(
            refused("POST / HTTP/1.1\r\ntransfer-encoding: gzip, chunked\r\n\r\n"),
            Some(Code::UnsupportedCoding)
        );
    }

    #[test]
    fn only_a_word_before_the_body_may_be_expected() {
        assert_eq!(refused("PUT / HTTP/1.1\r\nexpect: 100-Continue\r\n\r\n"), None);
        assert_eq!(refused("PUT / HTTP/1.1\r\nexpect: 200-ok\r\n\r\n"), Some(Code::ExpectationFailed));
    }

    #[test]
    fn bounds_are_kept() {
        let long = |length| format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(length));
        assert_eq!(refused(&long(63)), None);
        assert_eq!(refused(&long(64)), Some(Code::UriTooLong));
        assert_eq!(refused(&format!("GET /{}", "a".repeat(600))), Some(Code::UriTooLong));
        let fields = |count| format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(count));
        assert_eq!(refused(&fields(8)), None);
        assert_eq!(refused(&fields(9)), Some(Code::HeadersTooLarge));
        let value = format!("GET / HTTP/1.1\r\na: {}", "b".repeat(600));
        assert_eq!(refused(&value), Some(Code::HeadersTooLarge));
    }

    #[test]
    fn a_request_that_is_refused_for_its_fields_is_still_known() {
        let mut input = BytesMut::from("PUT /x HTTP/1.1\r\na b: c\r\n\r\n");
        let refused = take(&mut input, &mut Search::default(), BOUNDS).unwrap_err();
        assert_eq!(refused.line.map(|(method, uri, _)| format!("{method} {uri}")).as_deref(), Some("PUT /x"));
    }

    /// Text in which most of what matters happens often.
    fn nearly_http() -> impl Strategy<Value = Vec<u8>> {
        let part = prop_oneof![
            8 => Just("\r\n"), 2 => Just("GET / HTTP/1.1\r\n"), 2 => Just("POST /a?b HTTP/1.1\r\n"), 1 => Just("content-length: "), 1 => Just("Content-Length:5\r\n"),
            1 => Just("Transfer-Encoding: chunked\r\n"), 1 => Just("5\r\nhello\r\n"), 2 => Just("0\r\n\r\n"), 1 => Just("host: a\r\n"), 1 => Just("\n"), 1 => Just("\r"),
            1 => Just(" "), 1 => Just(":"), 1 => Just("\t"), 1 => Just(","), 1 => Just("1"), 1 => Just("x"), 1 => Just("\0"), 1 => Just("\u{e9}"), 1 => Just("HTTP/1.0\r\n"),
        ];
        proptest::collection::vec(part, 0..16).prop_map(|parts| parts.concat().into_bytes())
    }

    proptest! {
        #[test]
        fn any_chunking_of_requests_tells_the_same_story(input in nearly_http(), cuts in proptest::collection::vec(0_usize..128, 0..8)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(input.len())).collect();
            cuts.extend([0, input.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &input[pair[0]..pair[1]]).collect();
            let (whole, pieces) = (read(&[&input]), read(&pieces));
            // A bound may be noticed sooner when the bytes come slowly, never another meaning.
            prop_assert_eq!(whole, pieces);
        }

        /// Whatever is let in, a lenient reader reads in the same way.
        #[test]
        fn a_lenient_reader_agrees_with_what_is_let_in(input in nearly_http()) {
            let mut ours = BytesMut::from(&input[..]);
            if let Ok(Some(head)) = take(&mut ours, &mut Search::default(), BOUNDS) {
                let mut fields = [httparse::EMPTY_HEADER; 16];
                let mut theirs = httparse::Request::new(&mut fields);
                let length = theirs.parse(&input).unwrap().unwrap();
                prop_assert_eq!(length, input.len() - ours.len());
                prop_assert_eq!(theirs.method, Some(head.method.as_str()));
                let (hosts, others): (Vec<&httparse::Header<'_>>, Vec<_>) =
                    theirs.headers.iter().partition(|field| field.name.eq_ignore_ascii_case("host"));
                match (&head.hosts, &hosts[..]) {
                    (Hosts::None, []) | (Hosts::Several, [_, _, ..]) => {}
                    (Hosts::One(host), [field]) => prop_assert_eq!(host.as_bytes(), field.value),
                    (ours, theirs) => prop_assert!(false, "{:?} and {:?}", ours, theirs),
                }
                prop_assert_eq!(others.len(), head.headers.len());
                for field in others {
                    prop_assert!(head.headers.get_all(field.name).iter().any(|value| value.as_bytes() == field.value));
                }
            }
        }
    }
}
