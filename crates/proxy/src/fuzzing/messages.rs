//! The HTTP/1 codec as functions over pieces of bytes: message after message, until one is refused.

use bytes::BytesMut;
use http::header::HOST;
use http::{HeaderMap, Method};

use crate::h1::body::{Body, Event};
use crate::h1::fields::Hosts;
use crate::h1::head::{Bounds, Search};
use crate::h1::request::{self, RequestBounds};
use crate::h1::response;

/// The bounds of what [`read_requests`] takes: small, so that short inputs meet them.
const BOUNDS: RequestBounds = RequestBounds { head: Bounds { bytes: 512, fields: 12 }, target: 128 };

/// What a stream of bytes was.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The messages whose heads were accepted; only the last may be without its end.
    pub messages: Vec<Message>,
    /// How it ended.
    pub ending: Ending,
    /// The most bytes that were held without being part of a message.
    pub held: usize,
}

/// How a stream of bytes ended.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Behind a message, or before the first.
    #[default]
    Clean,
    /// More bytes are wanted; so many are held.
    Partial(usize),
    /// The next bytes were refused: the status of it for a request, 502 for an answer.
    Refused(u16),
}

/// One message.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Message {
    /// Method and target of a request, or the status of an answer.
    pub start: String,
    /// Whether it is HTTP/1.1, and not 1.0.
    pub is_1_1: bool,
    /// The fields.
    pub headers: HeaderMap,
    /// The body without its framing, as far as it came.
    pub body: Vec<u8>,
    /// The fields behind a chunked body.
    pub trailers: HeaderMap,
    /// Whether all of it came.
    pub is_whole: bool,
    /// Whether the end of the connection would make it whole.
    pub ends_with_connection: bool,
}

/// Reads what a client sends, its bytes arriving in `pieces`.
pub fn read_requests(pieces: &[&[u8]]) -> Reading {
    const MALFORMED: u16 = 400;
    read(pieces, |input, search| {
        let head = request::take(input, search, BOUNDS).map_err(|refused| refused.fault.code().status().as_u16())?;
        let Some(mut head) = head else { return Ok(None) };
        match head.hosts {
            Hosts::None => {}
            Hosts::One(host) => drop(head.headers.insert(HOST, host)),
            // The door says so, right behind.
            Hosts::Several => return Err(MALFORMED),
        }
        let start = format!("{} {}", head.method, head.uri);
        let is_1_1 = head.version == http::Version::HTTP_11;
        Ok(Some((Message { start, is_1_1, headers: head.headers, ..Message::default() }, head.body)))
    })
}

/// Reads what an upstream sends as answers to `method` requests.
pub fn read_answers(method: &Method, pieces: &[&[u8]]) -> Reading {
    const MALFORMED: u16 = 502;
    read(pieces, |input, search| {
        let Some(head) = response::take(input, search).map_err(|_| MALFORMED)? else { return Ok(None) };
        let framing = head.framing(method).map_err(|_| MALFORMED)?;
        let start = head.status.as_str().to_owned();
        let is_1_1 = head.version == http::Version::HTTP_11;
        Ok(Some((Message { start, is_1_1, headers: head.headers, ..Message::default() }, framing)))
    })
}

type Taken = Result<Option<(Message, Body)>, u16>;

fn read(pieces: &[&[u8]], take: impl Fn(&mut BytesMut, &mut Search) -> Taken) -> Reading {
    let mut reading = Reading::default();
    let mut input = BytesMut::new();
    let mut search = Search::default();
    let mut rest = Body::Done;
    for piece in pieces {
        input.extend_from_slice(piece);
        if let Err(status) = go_on(&mut reading, &mut input, &mut search, &mut rest, &take) {
            reading.ending = Ending::Refused(status);
            return reading;
        }
        reading.held = reading.held.max(input.len());
    }
    let is_whole = reading.messages.last().is_none_or(|message| message.is_whole);
    reading.ending = if is_whole && input.is_empty() { Ending::Clean } else { Ending::Partial(input.len()) };
    reading
}

/// Takes all that can be taken of what is there.
fn go_on(
    reading: &mut Reading,
    input: &mut BytesMut,
    search: &mut Search,
    rest: &mut Body,
    take: impl Fn(&mut BytesMut, &mut Search) -> Taken,
) -> Result<(), u16> {
    const MALFORMED: u16 = 400;
    loop {
        match reading.messages.last_mut().filter(|message| !message.is_whole) {
            Some(message) => match rest.next(input).map_err(|_| MALFORMED)? {
                Event::Data(data) => message.body.extend_from_slice(&data),
                Event::Trailers(trailers) => (message.trailers, message.is_whole) = (trailers, true),
                Event::End => message.is_whole = true,
                Event::NeedMore => return Ok(()),
            },
            None if input.is_empty() => return Ok(()),
            None => match take(input, search)? {
                Some((mut message, body)) => {
                    message.ends_with_connection = body.ends_with_connection();
                    *rest = body;
                    reading.messages.push(message);
                }
                None => return Ok(()),
            },
        }
    }
}
