//! Raw bytes of an upstream against the whole gateway: a truncated answer never looks complete, and nothing of what it
//! smuggles reaches the next client.

use std::cell::Cell;

use crate::pieces::Choices;
use crate::reader::{self, End, Message};
use crate::world::{Client, Service, play};

const REQUESTS: &[&[u8]] = &[
    b"GET /first HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    b"HEAD /first HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    b"POST /first HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 3\r\n\r\nabc",
    b"GET /first HTTP/1.0\r\nhost: x\r\n\r\n",
    b"GET /first HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    b"POST /first HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
];
const SECOND: &[u8] = b"GET /second HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
const SECOND_ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecond";

/// The input's first byte chooses the request, the second whether the upstream closes, then how its bytes are cut.
pub(crate) fn run(input: &[u8]) {
    let mut choices = Choices::of(input);
    let request = REQUESTS[usize::from(choices.one_of(u8::try_from(REQUESTS.len()).unwrap()))];
    let closes = choices.one_of(2) == 1;
    let pieces: Vec<Vec<u8>> = choices.pieces().into_iter().map(<[u8]>::to_vec).collect();
    let stream = pieces.concat();
    let first = Client { pieces: vec![request], closes: false };
    let second = Client { pieces: vec![SECOND], closes: false };
    let seen = play(vec![first, second], Fuzzed { pieces, closes, said: Cell::default() });

    let method = reader::requests(request).messages[0].method().to_owned();
    let got = reader::answers(&seen.clients[0], |_| Some(method.clone()));
    assert!(!matches!(got.end, End::Broken(_)), "the client gets what is no answer: {:?}", got.end);
    let reference = reader::answers(&stream, |_| Some(method.clone()));
    let is_final = |answer: &&Message| answer.status() >= 200 || answer.status() == 101;
    if let Some(answer) = got.messages.iter().find(is_final) {
        judge(answer, reference.messages.iter().find(is_final), closes, request);
    }

    let second = reader::answers(&seen.clients[1], |_| None);
    let [answer] = second.messages.as_slice() else { panic!("the second client gets {:?}", second.messages) };
    assert!(answer.whole && answer.body == b"second", "the second client gets {answer:?}");
}

/// `got` is what the client sees, `reference` what the upstream said.
fn judge(got: &Message, reference: Option<&Message>, closes: bool, request: &[u8]) {
    if got.status() == 101 {
        return;
    }
    let ours = got.all("content-type").any(|kind| kind == b"application/problem+json");
    if ours && matches!(got.status(), 502 | 504) {
        return;
    }
    let Some(reference) = reference else { panic!("the client gets an answer that nobody gave: {got:?}") };
    assert_eq!(got.status(), reference.status());
    // To HTTP/1.0 a body may be told by the connection's end alone, and then nothing tells a truncated one.
    let blind = got.until_close && request.windows(8).any(|window| window == b"HTTP/1.0");
    if got.whole && !blind {
        let complete = reference.whole && (!reference.until_close || closes);
        assert!(complete, "a truncated answer looks complete: {got:?} of {reference:?}");
        assert_eq!(got.body, reference.body);
    } else {
        assert!(reference.body.starts_with(&got.body), "{got:?} of {reference:?}");
    }
}

/// Answers the first request ever with its pieces, and every other properly.
struct Fuzzed {
    pieces: Vec<Vec<u8>>,
    closes: bool,
    said: Cell<bool>,
}

impl Service for Fuzzed {
    fn hear(&self, _: usize, heard: &[u8], new: usize) -> Option<Vec<Vec<u8>>> {
        if heard[heard.len() - new..].windows(8).any(|window| window == b" /second") {
            return Some(vec![SECOND_ANSWER.to_vec()]);
        }
        if self.said.replace(true) {
            // The rest of the first request, or what is tried again.
            return Some(Vec::new());
        }
        let mut pieces = self.pieces.clone();
        if self.closes {
            pieces.push(Vec::new());
        }
        Some(pieces)
    }
}
