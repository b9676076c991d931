//! The walk over HTTP/2 frames as a function over pieces of bytes.

use crate::listen::frames::FrameWalker;

/// What stands before a frame's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHead {
    /// Length of the payload, bytes.
    pub length: u32,
    /// The frame's type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream.
    pub stream: u32,
}

/// The heads of the frames behind `preface` bytes, the bytes arriving in `pieces`.
pub fn frame_heads(preface: usize, pieces: &[&[u8]]) -> Vec<FrameHead> {
    let mut walker = FrameWalker::after(preface);
    let mut heads = Vec::new();
    for piece in pieces {
        walker.walk(piece, |head, _| {
            heads.push(FrameHead { length: head.length, kind: head.kind, flags: head.flags, stream: head.stream });
        });
    }
    heads
}
