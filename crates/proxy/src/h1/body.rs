//! Where a message's body is in its bytes (RFC 9112 sections 6 and 7).

use bytes::{Bytes, BytesMut};
use http::HeaderMap;

use super::Malformed;
use super::fields;
use super::head::{Bounds, Found, Search, Unfit};
use super::request::is_token_byte;

/// What trailers may be.
const TRAILERS: Bounds = Bounds { bytes: 16 * 1024, fields: 100 };
/// Bytes a chunk's size line may have.
const MAX_CHUNK_LINE: usize = 256;
/// Digits a chunk's size may have.
const MAX_DIGITS: usize = 16;
/// Bytes that chunks of no size to speak of may cost beyond their data, before somebody is wasting our time.
const MAX_OVERHEAD: u64 = 64 * 1024;

/// Smaller chunks are joined with what follows them and has come already: each piece costs somebody behind us a frame, a
/// chunk, a wake-up.
const SMALL: usize = 256;
/// So much is joined at once.
const JOINED: usize = 4 * 1024;

/// The rest of a body.
#[derive(Debug)]
pub(crate) enum Body {
    /// Nothing is left.
    Done,
    /// So many bytes are left.
    Length(u64),
    /// Chunks.
    Chunked(Chunk),
    /// All until the connection closes; answers only.
    UntilClose,
}

/// Where we are among the chunks.
#[derive(Debug)]
pub(crate) struct Chunk {
    place: Place,
    /// Bytes of size lines, less what honest chunks need.
    overhead: u64,
    /// What came after pieces that were joined.
    after: Option<Box<Result<Event, Malformed>>>,
}

#[derive(Debug)]
enum Place {
    Size,
    Data(u64),
    DataEnd,
    Trailers(Box<Search>),
}

/// What the next bytes of a body were.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Data(Bytes),
    Trailers(HeaderMap),
    End,
    NeedMore,
}

impl Body {
    /// Takes what `input` has of the body.
    pub(crate) fn next(&mut self, input: &mut BytesMut) -> Result<Event, Malformed> {
        match self {
            Self::Done => Ok(Event::End),
            Self::UntilClose if input.is_empty() => Ok(Event::NeedMore),
            Self::UntilClose => Ok(Event::Data(input.split().freeze())),
            Self::Length(left) => {
                let Some(data) = take(input, left) else { return Ok(Event::NeedMore) };
                if *left == 0 {
                    *self = Self::Done;
                }
                Ok(Event::Data(data))
            }
            Self::Chunked(chunk) => {
                let event = chunk.next(input)?;
                if matches!(event, Event::End | Event::Trailers(_)) {
                    *self = Self::Done;
                }
                Ok(event)
            }
        }
    }

    /// Whether nothing is left.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// Whether the connection's end is the body's end.
    pub(crate) fn ends_with_connection(&self) -> bool {
        matches!(self, Self::Done | Self::UntilClose)
    }

    /// The length of the rest, if it is known.
    pub(crate) fn exact_length(&self) -> Option<u64> {
        match self {
            Self::Done => Some(0),
            Self::Length(left) => Some(*left),
            Self::Chunked(_) | Self::UntilClose => None,
        }
    }
}

impl Chunk {
    /// The first chunk is to come.
    pub(crate) fn begin() -> Self {
        Self { place: Place::Size, overhead: 0, after: None }
    }

    fn next(&mut self, input: &mut BytesMut) -> Result<Event, Malformed> {
        if let Some(after) = self.after.take() {
            return *after;
        }
        match self.step(input)? {
            Event::Data(data) if data.len() < SMALL && self.more_follows(input) => {
                Ok(Event::Data(self.join(&data, input)))
            }
            event => Ok(event),
        }
    }

    /// Whether another chunk, and not the end, has begun to come.
    fn more_follows(&self, input: &[u8]) -> bool {
        matches!(self.place, Place::DataEnd) && input.get(2).is_some_and(|&byte| byte != b'0')
    }

    /// `first` and the small chunks behind it.
    fn join(&mut self, first: &[u8], input: &mut BytesMut) -> Bytes {
        let mut joined = BytesMut::with_capacity(JOINED.min(first.len() + input.len()));
        joined.extend_from_slice(first);
        while joined.len() + SMALL <= JOINED && self.more_follows(input) {
            match self.step(input) {
                Ok(Event::Data(data)) if joined.len() + data.len() <= JOINED => joined.extend_from_slice(&data),
                Ok(Event::NeedMore) => break,
                other => {
                    self.after = Some(Box::new(other));
                    break;
                }
            }
        }
        joined.freeze()
    }

    fn step(&mut self, input: &mut BytesMut) -> Result<Event, Malformed> {
        loop {
            match &mut self.place {
                Place::Size => {
                    let Some((size, line)) = size_line(input)? else { return Ok(Event::NeedMore) };
                    // An honest chunk pays for its line with its data.
                    self.overhead = self.overhead.saturating_add(line).saturating_sub(16 + size);
                    if self.overhead > MAX_OVERHEAD {
                        return Err(Malformed("the chunks have more around them than in them"));
                    }
                    self.place = match size {
                        0 => Place::Trailers(Box::default()),
                        size => Place::Data(size),
                    };
                }
                Place::Data(left) => {
                    let Some(data) = take(input, left) else { return Ok(Event::NeedMore) };
                    if *left == 0 {
                        self.place = Place::DataEnd;
                    }
                    return Ok(Event::Data(data));
                }
                Place::DataEnd => match (input.first(), input.get(1)) {
                    (None | Some(b'\r'), None) => return Ok(Event::NeedMore),
                    (Some(b'\r'), Some(b'\n')) => {
                        let _ = input.split_to(2);
                        self.place = Place::Size;
                    }
                    _ => return Err(Malformed("a chunk is longer than its size")),
                },
                Place::Trailers(search) => {
                    let length = match search.look(input, 0, TRAILERS) {
                        Ok(Found::Whole(length)) => length,
                        Ok(Found::Part) => return Ok(Event::NeedMore),
                        Err(Unfit::Malformed(malformed)) => return Err(malformed),
                        Err(Unfit::TooLarge | Unfit::TooMany) => return Err(Malformed("the trailers are too large")),
                    };
                    let block = input.split_to(length).freeze();
                    let (mut trailers, _) = fields::read(&block, 0, search.ends(), None)?;
                    if trailers.keys().any(fields::frames_the_message) {
                        return Err(Malformed("a trailer would change the framing"));
                    }
                    // An HTTP/2 peer would take them for a malformed message (RFC 9113 section 8.2.2).
                    crate::forward::remove_hop_by_hop(&mut trailers);
                    return Ok(if trailers.is_empty() { Event::End } else { Event::Trailers(trailers) });
                }
            }
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

/// The size in a chunk's first line, and the line's length; extensions are read over, within a bound (RFC 9112 section
/// 7.1.1).
fn size_line(input: &mut BytesMut) -> Result<Option<(u64, u64)>, Malformed> {
    const TOO_LONG: Malformed = Malformed("the size line of a chunk is too long");
    let Some(end) = memchr::memchr2(b'\r', b'\n', input) else {
        if input.len() > MAX_CHUNK_LINE {
            return Err(TOO_LONG);
        }
        // What is here already must be able to become good.
        let digits = input.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let next = input.iter().skip(digits).find(|byte| !matches!(byte, b' ' | b'\t'));
        let good = digits <= MAX_DIGITS && (digits > 0 || input.is_empty()) && matches!(next, None | Some(b';'));
        return if good { Ok(None) } else { Err(NO_NUMBER) };
    };
    if end > MAX_CHUNK_LINE {
        return Err(TOO_LONG);
    }
    let size = size(input.get(..end).unwrap_or_default())?;
    match (input.get(end), input.get(end + 1)) {
        (Some(b'\r'), None) => Ok(None),
        (Some(b'\r'), Some(b'\n')) => {
            let _ = input.split_to(end + 2);
            Ok(Some((size, u64::try_from(end + 2).unwrap_or(u64::MAX))))
        }
        _ => Err(Malformed("the size line of a chunk does not end with carriage return and line feed")),
    }
}

const NO_NUMBER: Malformed = Malformed("the size of a chunk is no number");

/// The number of a size line; what follows it must be extensions.
fn size(line: &[u8]) -> Result<u64, Malformed> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, extensions) = line.split_at(digits);
    if digits.is_empty() || digits.len() > MAX_DIGITS {
        return Err(NO_NUMBER);
    }
    if !are_extensions(extensions) {
        return Err(Malformed("a chunk extension is malformed"));
    }
    let mut size = 0_u64;
    for &byte in digits {
        size = (size << 4) | u64::from(char::from(byte).to_digit(16).ok_or(NO_NUMBER)?);
    }
    if size > u64::MAX / 4 {
        return Err(Malformed("a chunk is larger than anything can be"));
    }
    Ok(size)
}

/// Whether this is `;name` or `;name=value` any number of times, where a value is a token or quoted. They are dropped, but
/// a quote that does not end may reach over the end of the line in another reader's eyes.
fn are_extensions(mut text: &[u8]) -> bool {
    while !text.is_empty() {
        let Some((_, rest)) = skip_blanks(text).strip_prefix(b";").map(skip_blanks).and_then(split_token) else {
            return false;
        };
        text = match skip_blanks(rest).strip_prefix(b"=").map(skip_blanks) {
            None => rest,
            Some(value) => {
                match value.strip_prefix(b"\"").map_or_else(|| split_token(value).map(|(_, rest)| rest), behind_quoted)
                {
                    Some(rest) => rest,
                    None => return false,
                }
            }
        };
    }
    true
}

fn skip_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    text.get(blanks..).unwrap_or_default()
}

/// A token and what is behind it.
fn split_token(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = text.iter().take_while(|byte| is_token_byte(**byte)).count();
    (length > 0).then(|| text.split_at_checked(length)).flatten()
}

/// What is behind the end of a quoted string whose beginning has been read (RFC 9110 section 5.6.4).
fn behind_quoted(mut text: &[u8]) -> Option<&[u8]> {
    loop {
        match text {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', byte, rest @ ..] if is_quotable(*byte) => text = rest,
            [byte, rest @ ..] if *byte != b'\\' && is_quotable(*byte) => text = rest,
            _ => return None,
        }
    }
}

fn is_quotable(byte: u8) -> bool {
    byte == b'\t' || !byte.is_ascii_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Whole = (Vec<u8>, usize, Vec<u8>);

    /// Reads a whole body from pieces: data, trailers, and what is left of the input.
    fn read(mut body: Body, pieces: &[&[u8]]) -> Result<Option<Whole>, Malformed> {
        let mut input = BytesMut::new();
        let (mut data, mut trailers) = (Vec::new(), 0);
        let mut pieces = pieces.iter();
        loop {
            match body.next(&mut input)? {
                Event::Data(piece) => data.extend_from_slice(&piece),
                Event::Trailers(fields) => trailers = fields.len(),
                Event::End => {
                    let mut rest = input.to_vec();
                    pieces.for_each(|piece| rest.extend_from_slice(piece));
                    return Ok(Some((data, trailers, rest)));
                }
                Event::NeedMore => match pieces.next() {
                    Some(piece) => input.extend_from_slice(piece),
                    None => return Ok(None),
                },
            }
        }
    }

    fn chunked(text: &[u8]) -> Result<Option<Whole>, Malformed> {
        let whole = read(Body::Chunked(Chunk::begin()), &[text]);
        let single: Vec<&[u8]> = text.chunks(1).collect();
        // What is wrong may be noticed elsewhere when it comes slowly; that it is wrong may not depend on it.
        assert_eq!(read(Body::Chunked(Chunk::begin()), &single).ok(), whole.as_ref().ok().cloned(), "{text:?}");
        whole
    }

    #[test]
    fn chunks_are_joined_and_what_follows_is_left() {
        assert_eq!(
            chunked(b"5\r\nhello\r\n0A ; a=\"b;\\\"\" ;c\t= d;e\r\n0123456789\r\n0\r\n\r\nnext").unwrap().unwrap(),
            (b"hello0123456789".to_vec(), 0, b"next".to_vec())
        );
        assert_eq!(chunked(b"0\r\nx-sum: 1\r\n\r\n").unwrap().unwrap().1, 1);
        assert_eq!(chunked(b"1\r\na\r\n0\r\n"), Ok(None));
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        for text in [
            "x\r\n",
            "\r\n",
            "-1\r\n",
            "+5\r\n",
            "0x5\r\n",
            "5 \r\n",
            " 5\r\n",
            "5_0\r\n",
            "5\n",
            "5\rx",
            "5;a\nb\r\n",
            "5;a\rb\r\n",
            "5\r\nhello!\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "00000000000000005\r\n",
            "ffffffffffffffff\r\n",
            "5 a\r\n",
            "5;\r\n",
            "5;=b\r\n",
            "5;a=\r\n",
            "5;a=\"b\r\n",
            "5;a=\"b\\\"\r\n",
            "5;a=\"b\"c\r\n",
            "5;a b\r\n",
            "5;a \r\n",
            "5,\r\n",
            "0\r\ncontent-length: 5\r\n\r\n",
            "0\r\ntransfer-encoding: chunked\r\n\r\n",
            "0\r\nhost: a\r\n\r\n",
            "0\r\na : b\r\n\r\n",
            "0\r\na: b\n\r\n",
        ] {
            assert!(chunked(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn lines_around_the_data_are_bounded() {
        assert!(chunked(&[&b"5;"[..], &[b'a'; 300]].concat()).is_err());
        let tiny = format!("1;{}\r\na\r\n", "x".repeat(200)).repeat(1000);
        assert_eq!(
            read(Body::Chunked(Chunk::begin()), &[tiny.as_bytes()]).unwrap_err(),
            Malformed("the chunks have more around them than in them")
        );
        let honest = "1\r\na\r\n".repeat(100_000) + "0\r\n\r\n";
        assert_eq!(read(Body::Chunked(Chunk::begin()), &[honest.as_bytes()]).unwrap().unwrap().0.len(), 100_000);
    }

    #[test]
    fn small_chunks_that_came_together_leave_together() {
        let pieces = |text: &str| {
            let (mut body, mut input) = (Body::Chunked(Chunk::begin()), BytesMut::from(text));
            let mut sizes = Vec::new();
            loop {
                match body.next(&mut input).unwrap() {
                    Event::Data(data) => sizes.push(data.len()),
                    Event::End => return sizes,
                    event => panic!("{event:?}"),
                }
            }
        };
        assert_eq!(pieces(&("1\r\na\r\n".repeat(8000) + "0\r\n\r\n")), [3841, 3841, 318]);
        let large = format!("1000\r\n{}\r\n", "b".repeat(0x1000));
        assert_eq!(pieces(&format!("1\r\na\r\n1\r\na\r\n{large}1\r\na\r\n0\r\n\r\n")), [2, 0x1000, 1]);
    }

    #[test]
    fn what_is_wrong_behind_small_chunks_is_told_after_them() {
        let (mut body, mut input) = (Body::Chunked(Chunk::begin()), BytesMut::from("1\r\na\r\n1\r\nb\r\nx"));
        assert_eq!(body.next(&mut input), Ok(Event::Data(Bytes::from_static(b"ab"))));
        assert!(body.next(&mut input).is_err());
    }

    #[test]
    fn a_length_is_counted_off() {
        assert_eq!(read(Body::Length(3), &[b"a", b"bcd"]).unwrap().unwrap(), (b"abc".to_vec(), 0, b"d".to_vec()));
        assert_eq!(read(Body::Length(3), &[b"ab"]), Ok(None));
    }

    #[test]
    fn trailers_for_this_hop_only_are_dropped() {
        let mut input =
            BytesMut::from("0\r\nconnection: x-own\r\nkeep-alive: 1\r\nupgrade: h2c\r\nx-own: 1\r\nx: 1\r\n\r\n");
        let Ok(Event::Trailers(trailers)) = Chunk::begin().next(&mut input) else { panic!("no trailers") };
        assert_eq!(trailers.keys().collect::<Vec<_>>(), ["x"]);
    }
}
