//! Raw bytes against the whole gateway over HTTP/2. The preface is there already; frames come as they are, or are built
//! from short records, so that mutations need not get lengths right.

use crate::pieces::{Choices, cut};
use crate::targets::gateway_h1::{Manner, Upstream, check_clean, sent};
use crate::world::{Client, play};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
const DATA: u8 = 0;
const HEADERS: u8 = 1;

/// The input's first byte chooses the upstream's manner, the second how frames are written and whether the client closes,
/// then how the stream is cut.
pub(crate) fn run(input: &[u8]) {
    let mut choices = Choices::of(input);
    let manner = Manner::of(choices.one_of(8));
    let mode = choices.byte();
    let (closes, built) = (mode & 1 == 1, mode & 2 == 0);
    let cuts: Vec<usize> = (0..choices.one_of(8)).map(|_| usize::from(choices.byte())).collect();
    let frames = if built { build(choices.rest()) } else { choices.rest().to_vec() };
    let stream = [PREFACE, SETTINGS, &frames].concat();
    let seen = play(vec![Client { pieces: cut(&stream, &cuts), closes }], Upstream(manner));

    let asked = frame_heads(&frames).filter(|frame| frame.kind == HEADERS).count();
    let sent = sent(&seen.upstream);
    assert!(sent.len() <= asked, "{} requests of {asked} streams", sent.len());
    sent.iter().for_each(check_clean);
    check_answer(&seen.clients[0]);
}

/// Records of type, flags, stream and length (a byte each) become frames.
fn build(records: &[u8]) -> Vec<u8> {
    let mut frames = Vec::new();
    let mut rest = records;
    while let [kind, flags, stream, length, after @ ..] = rest {
        let (payload, after) = after.split_at(usize::from(*length).min(after.len()));
        let length = u8::try_from(payload.len()).unwrap();
        frames.extend_from_slice(&[0, 0, length, *kind, *flags, 0, 0, 0, *stream]);
        frames.extend_from_slice(payload);
        rest = after;
    }
    frames
}

pub(crate) struct FrameHead {
    pub(crate) kind: u8,
    pub(crate) stream: u32,
    whole: bool,
}

/// The frames of a stream by its lengths alone (RFC 9113 section 4.1).
pub(crate) fn frame_heads(bytes: &[u8]) -> impl Iterator<Item = FrameHead> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let [a, b, c, kind, _, d, e, f, g, after @ ..] = rest else { return None };
        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        rest = after.get(length..).unwrap_or_default();
        let stream = u32::from_be_bytes([d & 0x7f, *e, *f, *g]);
        Some(FrameHead { kind: *kind, stream, whole: after.len() >= length })
    })
}

/// What the client gets is frames: known types, answers on streams that a client may open, no data before a head.
fn check_answer(bytes: &[u8]) {
    let mut begun = std::collections::BTreeSet::new();
    for frame in frame_heads(bytes) {
        assert!(frame.kind <= 9, "a frame of type {}", frame.kind);
        assert!(frame.whole, "a frame without its end");
        match frame.kind {
            HEADERS => {
                assert!(frame.stream % 2 == 1, "an answer on stream {}", frame.stream);
                begun.insert(frame.stream);
            }
            DATA => assert!(begun.contains(&frame.stream), "data before a head on stream {}", frame.stream),
            _ => {}
        }
    }
}
