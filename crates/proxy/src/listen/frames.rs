//! The frames of an HTTP/2 connection (RFC 9113 section 4.1), head by head: nine bytes are looked at, payloads are skipped.
//! No I/O and no meaning here; `guard` counts what passes.

/// Length of a frame's head.
const HEAD: usize = 9;

/// What stands before a frame's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHead {
    /// Length of the payload, bytes.
    pub(crate) length: u32,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
}

impl FrameHead {
    fn parse([a, b, c, kind, flags, s0, s1, s2, s3]: [u8; HEAD]) -> Self {
        let length = u32::from_be_bytes([0, a, b, c]);
        Self { length, kind, flags, stream: u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]) }
    }
}

/// One direction of a connection, cut into pieces anyhow.
#[derive(Debug)]
pub(crate) struct FrameWalker {
    /// What is left of a payload.
    skip: usize,
    /// The beginning of a head that is not complete.
    begun: [u8; HEAD],
    have: usize,
}

impl FrameWalker {
    /// A direction that begins with `preface` bytes that are no frame.
    pub(crate) fn after(preface: usize) -> Self {
        Self { skip: preface, begun: [0; HEAD], have: 0 }
    }

    /// Whether the latest head's payload has not passed whole, or no head has been complete yet.
    pub(crate) fn is_within_payload(&self) -> bool {
        self.skip > 0
    }

    /// Goes on over `bytes`; `each` is told of every head at its last byte, with what follows it in this piece.
    pub(crate) fn walk(&mut self, mut bytes: &[u8], mut each: impl FnMut(FrameHead, &[u8])) {
        loop {
            match bytes.get(self.skip..) {
                Some(rest) => (self.skip, bytes) = (0, rest),
                None => {
                    self.skip -= bytes.len();
                    return;
                }
            }
            let head = match bytes.split_first_chunk::<HEAD>() {
                Some((head, rest)) if self.have == 0 => {
                    bytes = rest;
                    *head
                }
                _ => {
                    for slot in self.begun.iter_mut().skip(self.have) {
                        let Some((&byte, rest)) = bytes.split_first() else { return };
                        (*slot, bytes) = (byte, rest);
                        self.have += 1;
                    }
                    self.have = 0;
                    self.begun
                }
            };
            let head = FrameHead::parse(head);
            self.skip = usize::try_from(head.length).unwrap_or(usize::MAX);
            each(head, bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn heads(preface: usize, pieces: &[&[u8]]) -> (Vec<FrameHead>, bool) {
        let (mut walker, mut heads) = (FrameWalker::after(preface), Vec::new());
        for piece in pieces {
            walker.walk(piece, |head, _| heads.push(head));
        }
        (heads, walker.is_within_payload())
    }

    #[test]
    fn heads_are_read_and_payloads_skipped() {
        let bytes = b"PRI\0\0\x02\x06\x01\x80\0\0\x07ab\0\0\0\x04\0\0\0\0\0\x01\0\0\0\x05\0\0\0\x01xyz";
        let (heads, within) = heads(3, &[bytes]);
        let head = |length, kind, flags, stream| FrameHead { length, kind, flags, stream };
        assert_eq!(heads, [head(2, 6, 1, 7), head(0, 4, 0, 0), head(65536, 0, 5, 1)]);
        assert!(within);
    }

    proptest! {
        #[test]
        fn cutting_the_bytes_anywhere_changes_nothing(
            frames in prop::collection::vec((0..40_u8, any::<[u8; 6]>()), 0..20),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
            preface in 0..30_usize,
        ) {
            let mut bytes = vec![0xff; preface];
            for (length, rest) in &frames {
                bytes.extend([0, 0, *length]);
                bytes.extend(rest);
                bytes.extend(std::iter::repeat_n(0xff, usize::from(*length)));
            }
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).chain([0, bytes.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<_> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            let found = heads(preface, &pieces);
            prop_assert_eq!(&found, &heads(preface, &[&bytes]));
            prop_assert_eq!(found.0.len(), frames.len());
            prop_assert!(!found.1);
        }
    }
}
