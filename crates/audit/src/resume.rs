//! How an existing log goes on: its end is read, checked and continued.

use crate::chain::Chain;
use crate::flaw::Flaw;
use crate::walk::Walk;

/// How much of the end of a file is read, in bytes: some ten thousand lines.
pub(crate) const WINDOW: u64 = 4 * 1024 * 1024;

/// The end of a log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// After its last whole line; absent if there is none.
    pub(crate) chain: Option<Chain>,
    /// Bytes up to the end of its last whole line.
    pub(crate) length: u64,
    /// What stands after that: the beginning of a line that a crash has cut.
    pub(crate) torn: Vec<u8>,
    /// Whether the last line is the head of a clean end.
    pub(crate) is_closed: bool,
}

/// Reads the end of a log whose last `bytes` begin at byte `begin`. Fails with the byte at which the first line stands that
/// is wrong.
pub(crate) fn read(begin: u64, bytes: &[u8]) -> Result<End, (u64, Flaw)> {
    let whole = memchr::memrchr(b'\n', bytes).map_or(0, |newline| newline + 1);
    let (lines, torn) = bytes.split_at_checked(whole).unwrap_or((bytes, &[]));
    let mut place = begin;
    let mut walk = Walk::new(Vec::new());
    for (index, line) in lines.split_inclusive(|byte| *byte == b'\n').enumerate() {
        // The first line of a window may have its beginning before it.
        if index > 0 || begin == 0 {
            walk.step(place, line.strip_suffix(b"\n").unwrap_or(line))?;
        }
        place += u64::try_from(line.len()).unwrap_or(u64::MAX);
    }
    walk.finish()?;
    if begin > 0 && walk.chain().is_none() {
        return Err((begin, Flaw::TooLong));
    }
    Ok(End { chain: walk.chain(), length: place, torn: torn.to_vec(), is_closed: walk.seen().is_closed })
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use gwanmun_core::Stamp;

    /// Lines that follow each other, and the chain after them.
    fn log(lines: usize) -> (Vec<u8>, Chain) {
        let (mut out, mut stamp, mut chain) = (Vec::new(), Stamp::new(), Chain::BEGINNING);
        for _ in 0..lines {
            chain.push_line(&mut out, &mut stamp, UNIX_EPOCH, br#""event":"authorize","decision":"deny"}"#);
        }
        (out, chain)
    }

    #[test]
    fn a_log_goes_on_from_wherever_its_end_was_read() {
        let (bytes, chain) = log(5);
        let length = u64::try_from(bytes.len()).unwrap();
        let last_line = bytes.len() / 5 + 1;
        for begin in 0..bytes.len() - last_line {
            let end = read(u64::try_from(begin).unwrap(), &bytes[begin..]).unwrap();
            assert_eq!(end, End { chain: Some(chain), length, torn: Vec::new(), is_closed: false });
        }
    }

    #[test]
    fn what_does_not_end_is_told_apart() {
        let (bytes, chain) = log(2);
        let length = u64::try_from(bytes.len()).unwrap();
        let end = read(0, &[&bytes[..], b"{\"seq\":3"].concat()).unwrap();
        assert_eq!(end, End { chain: Some(chain), length, torn: b"{\"seq\":3".to_vec(), is_closed: false });
        let end = read(0, b"{").unwrap();
        assert_eq!(end, End { chain: None, length: 0, torn: b"{".to_vec(), is_closed: false });
    }

    #[test]
    fn an_end_without_a_line_is_no_log() {
        assert_eq!(read(7, &[b'x'; 100]), Err((7, Flaw::TooLong)));
        assert!(matches!(read(0, b"hello\n"), Err((0, Flaw::Malformed { .. }))));
    }
}
