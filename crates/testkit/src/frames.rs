//! An HTTP/2 client that sends frames as a test writes them (RFC 9113), and field sections without compression (RFC 7541):
//! for everything that a decent client would not do.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;

use crate::connection::Connection;
use crate::patience::patiently;

/// How an HTTP/2 connection begins (RFC 9113 section 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Types of frames (RFC 9113 section 6).
pub mod kind {
    #![allow(missing_docs, reason = "the names are the RFC's")]
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// Flags of frames.
pub mod flag {
    #![allow(missing_docs, reason = "the names are the RFC's")]
    pub const ACK: u8 = 0x1;
    pub const END_STREAM: u8 = 0x1;
    pub const END_HEADERS: u8 = 0x4;
    /// Of a request without a body, in one frame.
    pub const WHOLE: u8 = END_STREAM | END_HEADERS;
}

/// A GET of `/`.
pub const GET: &[(&str, &str)] =
    &[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "gateway.test")];

/// A connection that speaks in frames.
pub struct Frames {
    connection: Connection,
}

/// A frame that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream; 0 for the connection.
    pub stream: u32,
    /// What is in it.
    pub payload: Bytes,
}

/// What became of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered, with this status.
    Answered(u16),
    /// It was reset, with this error code.
    Reset(u32),
    /// The connection was ended.
    Ended(Goodbye),
}

/// A GOAWAY, or a connection that ended without one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Goodbye {
    /// The error code; `None` where there was no GOAWAY.
    pub code: Option<u32>,
    /// The latest stream that may have been acted on.
    pub latest: u32,
    /// What was said besides.
    pub words: String,
}

impl Frames {
    /// Connects and says hello: the preface and settings without a table for compression.
    pub async fn connect(address: SocketAddr) -> Self {
        Self::with_settings(address, &[(1, 0)]).await
    }

    /// Connects and says hello with these settings.
    pub async fn with_settings(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let mut payload = Vec::new();
        for (name, value) in settings {
            payload.extend(name.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        let mut connection = Connection::tcp(address).await;
        connection.send([PREFACE, &frame(kind::SETTINGS, 0, 0, payload)].concat()).await;
        Self { connection }
    }

    /// Sends bytes, which need not be frames.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.connection.send(bytes).await;
    }

    /// One to send with and one to receive with, which acknowledges nothing.
    pub fn split(self) -> (Connection, Self) {
        let (to, connection) = self.connection.split();
        (to, Self { connection })
    }

    /// The next frame; `None` at the end of the connection. What has to be acknowledged is acknowledged.
    pub async fn next(&mut self) -> Option<Frame> {
        let frame = patiently("a frame", receive(&mut self.connection)).await.ok()?;
        if matches!(frame.kind, kind::SETTINGS | kind::PING) && frame.flags & flag::ACK == 0 {
            let payload: &[u8] = if frame.kind == kind::PING { &frame.payload } else { &[] };
            let _ = self.connection.try_send(self::frame(frame.kind, flag::ACK, 0, payload)).await;
        }
        Some(frame)
    }

    /// The next frame of this type; those before are passed over.
    pub async fn next_of(&mut self, kind: u8) -> Option<Frame> {
        loop {
            match self.next().await {
                Some(frame) if frame.kind != kind => {}
                frame => return frame,
            }
        }
    }

    /// All frames that are still to come before the connection ends.
    pub async fn rest(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await {
            frames.push(frame);
        }
        frames
    }

    /// What becomes of a stream.
    pub async fn outcome(&mut self, stream: u32) -> Outcome {
        loop {
            match self.next().await {
                Some(frame) if frame.stream == stream && frame.kind == kind::HEADERS => {
                    return Outcome::Answered(frame.status());
                }
                Some(frame) if frame.stream == stream && frame.kind == kind::RST_STREAM => {
                    return Outcome::Reset(number(&frame.payload));
                }
                Some(frame) if frame.kind == kind::GOAWAY && number(&frame.payload[4..]) != 0 => {
                    return Outcome::Ended(Goodbye::of(&frame));
                }
                Some(_) => {}
                None => return Outcome::Ended(Goodbye::default()),
            }
        }
    }

    /// Sends what `rounds` makes, one after the other, and reads all the time, until the connection ends; at most `limit`
    /// rounds.
    pub async fn flood(self, limit: u32, mut rounds: impl FnMut(u32) -> Vec<u8> + Send + 'static) -> Goodbye {
        let (mut to, mut from) = self.split();
        let sending = tokio::spawn(async move {
            for round in 0..limit {
                if to.try_send(rounds(round)).await.is_err() {
                    break;
                }
            }
            to
        });
        let mut goodbye = Goodbye::default();
        while let Ok(frame) = patiently("the end of an attacker", receive(&mut from.connection)).await {
            if frame.kind == kind::GOAWAY {
                goodbye = Goodbye::of(&frame);
            }
        }
        let _ = sending.await;
        goodbye
    }
}

impl Frame {
    /// The status in the HEADERS frame of an answer.
    pub fn status(&self) -> u16 {
        status(&self.payload)
    }
}

impl Goodbye {
    fn of(frame: &Frame) -> Self {
        let words = String::from_utf8_lossy(&frame.payload[8..]).into_owned();
        Self { code: Some(number(&frame.payload[4..])), latest: number(&frame.payload), words }
    }
}

/// A frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let [_, length @ ..] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A field section: every field literally and without indexing.
pub fn fields<N: AsRef<[u8]>, V: AsRef<[u8]>>(fields: &[(N, V)]) -> Vec<u8> {
    let mut section = Vec::new();
    for (name, value) in fields {
        section.push(0);
        for text in [name.as_ref(), value.as_ref()] {
            push_length(&mut section, text.len());
            section.extend(text);
        }
    }
    section
}

/// A length in seven bits and as many bytes as it takes (RFC 7541 section 5.1), not Huffman encoded.
fn push_length(out: &mut Vec<u8>, length: usize) {
    if length < 127 {
        return out.push(u8::try_from(length).unwrap());
    }
    out.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        out.push(u8::try_from(rest % 128 + 128).unwrap());
        rest /= 128;
    }
    out.push(u8::try_from(rest).unwrap());
}

async fn receive(connection: &mut Connection) -> io::Result<Frame> {
    let head = connection.exactly(9).await?;
    let length = usize::try_from(number(&[0, head[0], head[1], head[2]])).unwrap();
    let payload = connection.exactly(length).await?;
    Ok(Frame { kind: head[3], flags: head[4], stream: number(&head[5..]) & 0x7fff_ffff, payload })
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes[..4].try_into().unwrap())
}

/// The status of an answer, which stands first in its section; only table-less encodings are understood.
fn status(section: &[u8]) -> u16 {
    const INDEXED: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    let section = &section[section.iter().take_while(|byte| **byte & 0xe0 == 0x20).count()..];
    if section[0] & 0x80 != 0 {
        return INDEXED[usize::from(section[0] & 0x7f) - 8];
    }
    assert!([0x48, 0x08, 0x18].contains(&section[0]), "no status at the beginning of {section:?}");
    let (length, value) = (usize::from(section[1] & 0x7f), &section[2..]);
    if section[1] & 0x80 == 0 {
        return std::str::from_utf8(&value[..length]).unwrap().parse().unwrap();
    }
    // Huffman: 0, 1 and 2 have five bits, the other digits six.
    let mut bits = value[..length].iter().flat_map(|byte| (0..8).rev().map(move |bit| u16::from(byte >> bit & 1)));
    (0..3).fold(0, |status, _| {
        let five = (0..5).fold(0, |code, _| code * 2 + bits.next().unwrap());
        let digit = if five < 3 { five } else { five * 2 + bits.next().unwrap() - 0x16 };
        status * 10 + digit
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read_in_every_form() {
        assert_eq!(status(&[0x88]), 200);
        assert_eq!(status(&[0x20, 0x8c]), 400);
        assert_eq!(status(&[0x48, 3, b'5', b'0', b'2']), 502);
        // 4 = 011010, 3 = 011001, 1 = 00001, then ones.
        assert_eq!(status(&[0x08, 0x83, 0b0110_1001, 0b1001_0000, 0b1111_1111]), 431);
    }
}
