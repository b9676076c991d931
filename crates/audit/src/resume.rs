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
