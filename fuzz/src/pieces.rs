//! Inputs of stream targets begin with a few bytes that say how the rest is cut and how the peers behave.

/// Bytes taken off the front of an input.
pub(crate) struct Choices<'a> {
    rest: &'a [u8],
}

impl<'a> Choices<'a> {
    /// Everything is still there.
    pub(crate) fn of(input: &'a [u8]) -> Self {
        Self { rest: input }
    }

    /// The next byte; 0 behind the end.
    pub(crate) fn byte(&mut self) -> u8 {
        match self.rest.split_first() {
            Some((first, rest)) => {
                self.rest = rest;
                *first
            }
            None => 0,
        }
    }

    /// One of `0..count`.
    pub(crate) fn one_of(&mut self, count: u8) -> u8 {
        self.byte() % count
    }

    /// What is left.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// What is left, cut in at most eight places that the next bytes choose.
    pub(crate) fn pieces(mut self) -> Vec<&'a [u8]> {
        let cuts: Vec<usize> = (0..self.one_of(8)).map(|_| usize::from(self.byte())).collect();
        cut(self.rest, &cuts)
    }
}

/// `bytes` in pieces of the given lengths, and one with the rest; none is empty.
pub(crate) fn cut<'a>(bytes: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    for length in lengths {
        let (piece, after) = rest.split_at((*length).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces.retain(|piece| !piece.is_empty());
    pieces
}
