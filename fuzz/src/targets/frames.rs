//! The walk over HTTP/2 frames: any cutting of the bytes gives the heads that their lengths alone give.

use gwanmun_proxy::fuzzing::frame_heads;

use crate::pieces::{Choices, cut};
use crate::targets::gateway_h2;

/// The input's first byte is the length of what stands before the frames, the next ones choose how it is cut.
pub(crate) fn run(input: &[u8]) {
    let mut choices = Choices::of(input);
    let preface = usize::from(choices.one_of(32));
    let pieces = choices.pieces();
    let stream = pieces.concat();
    let whole = frame_heads(preface, &[&stream]);
    assert_eq!(frame_heads(preface, &pieces), whole, "cutting matters");
    assert_eq!(frame_heads(preface, &cut(&stream, &vec![1; stream.len()])), whole, "cutting into bytes matters");
    let frames = stream.get(preface..).unwrap_or_default();
    let simple: Vec<_> = gateway_h2::frame_heads(frames).map(|head| (head.kind, head.stream)).collect();
    assert_eq!(whole.iter().map(|head| (head.kind, head.stream)).collect::<Vec<_>>(), simple);
}
