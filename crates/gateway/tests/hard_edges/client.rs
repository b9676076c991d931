//! The client: sends the bytes of a form, whole or in pieces, and reads whatever comes back.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::form::{Form, SECOND, Then};

/// In how many writes a form is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pieces {
    /// One.
    Whole,
    /// One for each byte, or for some more where there are many of them.
    Small,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Heard {
    /// The answers, interim ones left out.
    pub(crate) answers: Vec<Answer>,
    /// What came behind them and is no answer.
    pub(crate) rest: Vec<u8>,
    /// Whether the server closed in the end; else it went on waiting.
    pub(crate) closed: bool,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: u16,
    /// Its fields, names in lower case.
    pub(crate) fields: Vec<(String, String)>,
    /// Its body.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// Sends a form and reads until the server closes or says nothing for so long.
pub(crate) async fn exchange(address: SocketAddr, form: &Form, pieces: Pieces, quiet: Duration) -> Heard {
    let mut stream =
        TcpStream::connect(address).await.unwrap_or_else(|error| panic!("no connection to {address}: {error}"));
    stream.set_nodelay(true).unwrap();
    let bytes = form.sent();
    let size = match pieces {
        Pieces::Whole => bytes.len().max(1),
        Pieces::Small => 1 + bytes.len() / 400,
    };
    for piece in bytes.chunks(size) {
        if stream.write_all(piece).await.is_err() {
            break;
        }
        if pieces == Pieces::Small {
            tokio::task::yield_now().await;
        }
    }
    let mut heard = Vec::new();
    let mut closed = false;
    if matches!(form.then, Then::SecondInTurn | Then::FinishInTurn) {
        while !closed && !heard.windows(4).any(|window| window == b"\r\n\r\n") {
            match tokio::time::timeout(quiet, stream.read_buf(&mut heard)).await {
                Err(_) => break,
                Ok(read) => closed = !read.is_ok_and(|read| read > 0),
            }
        }
    }
    match form.then {
        Then::Second => {}
        Then::SecondInTurn => drop(stream.write_all(SECOND.as_bytes()).await),
        Then::Finish | Then::FinishInTurn => drop(stream.shutdown().await),
    }
    while !closed {
        match tokio::time::timeout(quiet, stream.read_buf(&mut heard)).await {
            Err(_) => break,
            Ok(read) => closed = !read.is_ok_and(|read| read > 0),
        }
    }
    let mut rest = heard.as_slice();
    let mut answers = Vec::new();
    while let Some((answer, behind)) = answer(rest) {
        rest = behind;
        if answer.status == 101 || answer.status >= 200 {
            answers.push(answer);
        }
    }
    Heard { answers, rest: rest.to_vec(), closed }
}

/// The answer that `bytes` begin with, and what is behind it.
fn answer(bytes: &[u8]) -> Option<(Answer, &[u8])> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let fields: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut answer = Answer { status, fields, body: Vec::new() };
    let mut rest = &bytes[end + 4..];
    if status < 200 || status == 204 || status == 304 {
        return Some((answer, rest));
    }
    if let Some(length) = answer.field("content-length") {
        let length: usize = length.parse().ok()?;
        (answer.body, rest) = (rest.get(..length)?.to_vec(), &rest[length..]);
    } else if answer.field("transfer-encoding").is_some() {
        loop {
            let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
            let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?, 16).ok()?;
            answer.body.extend_from_slice(rest.get(end + 2..end + 2 + size)?);
            rest = rest.get(end + 4 + size..)?;
            if size == 0 {
                break;
            }
        }
    } else {
        (answer.body, rest) = (rest.to_vec(), &[]);
    }
    Some((answer, rest))
}
