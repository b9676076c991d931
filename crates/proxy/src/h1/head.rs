//! Where a head ends in what has been read, found line by line as it arrives. A line that does not end in CRLF is noticed
//! here, before anything of it is read (RFC 9112 section 2.2).

use super::Malformed;

/// How far the search for a head's end has come; kept while bytes arrive, so that each is looked at once, and from head
/// to head, so that there is room for the next one's lines.
#[derive(Debug, Default)]
pub(crate) struct Search {
    /// From here on nothing has been looked at.
    from: usize,
    /// The head has been found; the next look is for another.
    whole: bool,
    ends: Vec<u32>,
}

/// Bounds of a head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Bytes, the empty line included; at most 2 GiB.
    pub(crate) bytes: usize,
    /// Field lines.
    pub(crate) fields: usize,
}

/// What the bytes so far hold.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A whole head: its length with the empty line.
    Whole(usize),
    /// The beginning of one.
    Part,
}

/// Why there is no head here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// A line ends with something else than CRLF.
    Malformed(Malformed),
    /// The head goes beyond its bounds.
    TooLarge,
    /// It has too many field lines.
    TooMany,
}

impl From<Malformed> for Unfit {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl Search {
    /// Looks at what has come since; `input` begins where it began before. A start line is expected unless
    /// `start_lines` is 0.
    pub(crate) fn look(&mut self, input: &[u8], start_lines: usize, bounds: Bounds) -> Result<Found, Unfit> {
        if self.whole {
            self.whole = false;
            self.ends.clear();
        }
        loop {
            let rest = input.get(self.from..).unwrap_or_default();
            let Some(at) = memchr::memchr2(b'\r', b'\n', rest) else {
                self.from = input.len();
                break;
            };
            let end = self.from + at;
            match (rest.get(at), rest.get(at + 1)) {
                (Some(b'\n'), _) => {
                    return Err(Unfit::Malformed(Malformed("a line of the head ends without a carriage return")));
                }
                (_, None) => {
                    self.from = end;
                    break;
                }
                (_, Some(b'\n')) => {}
                (_, Some(_)) => {
                    return Err(Unfit::Malformed(Malformed("the head has a carriage return within a line")));
                }
            }
            let line_start = self.ends.last().map_or(0, |before| place(*before) + 2);
            self.from = end + 2;
            if end + 2 > bounds.bytes {
                return Err(Unfit::TooLarge);
            }
            if line_start == end && self.ends.len() >= start_lines {
                self.from = 0;
                self.whole = true;
                return Ok(Found::Whole(end + 2));
            }
            if self.ends.len() >= bounds.fields + start_lines {
                return Err(Unfit::TooMany);
            }
            self.ends.push(u32::try_from(end).map_err(|_| Unfit::TooLarge)?);
        }
        if input.len() > bounds.bytes { Err(Unfit::TooLarge) } else { Ok(Found::Part) }
    }

    /// Where each line of the head ends: the place of its CR. The empty line is not among them.
    pub(crate) fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// Whether the first line is complete.
    pub(crate) fn has_first_line(&self) -> bool {
        !self.ends.is_empty()
    }
}

/// Where in the head this is.
pub(crate) fn place(end: u32) -> usize {
    usize::try_from(end).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds { bytes: 64, fields: 3 };

    fn look(input: &[u8]) -> Result<Found, Unfit> {
        Search::default().look(input, 1, BOUNDS)
    }

    #[test]
    fn a_head_ends_with_an_empty_line() {
        let mut search = Search::default();
        let found = search.look(b"GET / HTTP/1.1\r\nhost: a\r\n\r\nrest", 1, BOUNDS);
        assert_eq!((found, search.ends()), (Ok(Found::Whole(27)), &[14, 23][..]));
        assert_eq!((search.look(b"x\r\n\r\n", 1, BOUNDS), search.ends()), (Ok(Found::Whole(5)), &[1][..]));
        assert_eq!(look(b"GET / HTTP/1.1\r\nhost: a\r\n\r"), Ok(Found::Part));
        assert_eq!(look(b""), Ok(Found::Part));
    }

    #[test]
    fn lines_end_with_both_characters() {
        for input in ["a\nb", "a\r\nb\n", "\n", "a\rb", "a\r\r\n", "a\r\nb\r\n\n", "a\r\nb\r\n\rx"] {
            assert!(matches!(look(input.as_bytes()), Err(Unfit::Malformed(_))), "{input:?}");
        }
    }

    #[test]
    fn bounds_are_kept_before_the_head_is_whole() {
        assert_eq!(look(&[b'a'; 65]), Err(Unfit::TooLarge));
        assert_eq!(look(&[b'a'; 64]), Ok(Found::Part));
        assert_eq!(look(b"a\r\nb\r\nc\r\nd\r\ne\r\n"), Err(Unfit::TooMany));
        assert!(matches!(look(b"a\r\nb\r\nc\r\nd\r\n\r\n"), Ok(Found::Whole(14))));
    }

    proptest! {
        #[test]
        fn any_chunking_finds_the_same(input in "[ab\r\n]{0,40}", cuts in proptest::collection::vec(0_usize..40, 0..6)) {
            let whole = look(input.as_bytes());
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut < input.len()).chain([input.len()]).collect();
            cuts.sort_unstable();
            let mut search = Search::default();
            let mut last = Ok(Found::Part);
            for cut in cuts {
                last = search.look(&input.as_bytes()[..cut], 1, BOUNDS);
                if last != Ok(Found::Part) {
                    break;
                }
            }
            prop_assert_eq!(last, whole);
        }
    }
}
