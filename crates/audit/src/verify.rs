//! Verifies a whole log: files that follow each other, read once from beginning to end.

use std::fmt;
use std::fs::{File, TryLockError};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::chain::Chain;
use crate::flaw::Flaw;
use crate::key::PublicKey;
use crate::walk::{Seen, Walk};

/// The longest line, in bytes without its newline; the writer's are far shorter.
pub(crate) const LONGEST_LINE: usize = 64 * 1024;
const BUFFER: usize = 1024 * 1024;
/// After how many lines progress is told.
const TELL_EVERY: u64 = 1 << 14;
/// How often, and how long, the rest of a line is waited for that is being written.
const MOST_WAITS: u32 = 500;
const A_LITTLE: Duration = Duration::from_millis(1);

/// Where a verification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Lines verified.
    pub lines: u64,
    /// Bytes read, of all files.
    pub bytes: u64,
    /// Bytes of all files.
    pub of: u64,
}

/// What a log that is good holds, and how much of it is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Lines, heads included.
    pub lines: u64,
    /// Heads, each with a good signature.
    pub heads: u64,
    /// Where the log begins within its chain: the number and the hash, in hex, of the line before. Absent if it begins
    /// with the chain.
    pub follows: Option<(u64, String)>,
    /// The number of the last line.
    pub last: u64,
    /// The number of the last line that a head signs; 0 if none does.
    pub signed_up_to: u64,
    /// Lines at the end that no head signs.
    pub unsigned_tail: u64,
    /// Records that the log says are missing: they could not be written and `on-sink-error` was `allow`.
    pub lost: u64,
    /// How often a crash had cut the last line, which the log then tells.
    pub torn: u64,
    /// The ids (RFC 7638 thumbprints) of the keys that signed, and how many heads each.
    pub keys: Vec<(String, u64)>,
    /// Whether it ends as a log does whose gateway was stopped in order.
    pub is_closed: bool,
}

/// Why a log is not good.
#[derive(Debug)]
#[non_exhaustive]
pub enum Unverified {
    /// A file cannot be read.
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A line is wrong; all lines before it are good.
    Broken {
        /// In which file.
        file: PathBuf,
        /// Which line of the file, from 1 on.
        line: u64,
        /// What is wrong with it.
        flaw: Flaw,
    },
    /// There is no line in any of the files.
    Empty,
}

impl fmt::Display for Unverified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { file, error } => write!(f, "{}: {error}", file.display()),
            Self::Broken { file, line, flaw } => write!(f, "{}:{line}: {flaw}", file.display()),
            Self::Empty => f.write_str("there is no line to verify"),
        }
    }
}

impl std::error::Error for Unverified {}

/// Verifies `files`, oldest first, as one log: that no line was removed, added, moved or changed, and that heads are signed
/// by one of `keys`, or, if there are none, by the key that each head names. Memory does not grow with the files.
///
/// The log may begin in the middle of a chain, which the summary tells. Lines that were cut off at the end, down to a head
/// or after the last head, cannot be missed by anybody who has only what is left.
pub fn verify(files: &[PathBuf], keys: &[PublicKey], mut tell: impl FnMut(Progress)) -> Result<Summary, Unverified> {
    let mut walk = Walk::new(keys.to_vec());
    let mut progress = Progress { lines: 0, bytes: 0, of: 0 };
    for file in files {
        progress.of += file.metadata().map_err(unreadable(file))?.len();
    }
    let broken = |((file, line), flaw): ((usize, u64), Flaw)| {
        let file = files.get(file).cloned().unwrap_or_default();
        Unverified::Broken { file, line, flaw }
    };
    for (index, file) in files.iter().enumerate() {
        let opened = File::open(file).map_err(unreadable(file))?;
        let mut reader = BufReader::with_capacity(BUFFER, &opened);
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let place = (index, number);
            let read = read_line(&mut reader, &mut line, is_being_written(&opened)).map_err(unreadable(file))?;
            if read == 0 {
                break;
            }
            if line.pop_if(|last| *last == b'\n').is_none() {
                let flaw = if read > LONGEST_LINE { Flaw::TooLong } else { Flaw::Torn };
                // What was suspected before is told before.
                walk.finish_before().map_err(broken)?;
                return Err(broken((place, flaw)));
            }
            walk.step(place, &line).map_err(broken)?;
            progress.lines += 1;
            progress.bytes += u64::try_from(read).unwrap_or(u64::MAX);
            if progress.lines.is_multiple_of(TELL_EVERY) {
                tell(progress);
            }
        }
    }
    walk.finish().map_err(broken)?;
    let (Some(begin), Some(end)) = (walk.begin(), walk.chain()) else { return Err(Unverified::Empty) };
    Ok(summary(walk.seen(), begin, end))
}

/// Appends the next line to `line`, with its newline if it has one, and tells its length. Where the file ends within it,
/// `goes_on` is asked whether to read on.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>, mut goes_on: impl FnMut() -> bool) -> io::Result<usize> {
    loop {
        let most = u64::try_from(LONGEST_LINE + 1 - line.len()).unwrap_or(0);
        reader.by_ref().take(most).read_until(b'\n', line)?;
        if line.is_empty() || line.ends_with(b"\n") || line.len() > LONGEST_LINE || !goes_on() {
            return Ok(line.len());
        }
    }
}

/// Whether a gateway writes to the file, so that the rest of a line is about to come. It is waited for a little.
fn is_being_written(file: &File) -> impl FnMut() -> bool {
    let mut asked = 0;
    move || {
        asked += 1;
        let is_locked = match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => true,
            Err(TryLockError::Error(_)) => false,
            // Whoever wants to write shall not be kept from it.
            Ok(()) => file.unlock().is_err(),
        };
        if is_locked {
            thread::sleep(A_LITTLE);
        }
        is_locked && asked < MOST_WAITS
    }
}

fn unreadable(file: &Path) -> impl FnOnce(io::Error) -> Unverified {
    move |error| Unverified::Unreadable { file: file.to_owned(), error }
}

fn summary(seen: &Seen, begin: Chain, end: Chain) -> Summary {
    Summary {
        lines: seen.lines,
        heads: seen.heads,
        follows: (begin.seq > 0).then(|| (begin.seq, begin.hash.to_string())),
        last: end.seq,
        // The last head is a line of the chain itself, and signs those before it.
        signed_up_to: if seen.heads > 0 { end.seq - seen.tail } else { 0 },
        unsigned_tail: seen.tail,
        lost: seen.lost,
        torn: seen.torn,
        keys: seen.keys.clone(),
        is_closed: seen.is_closed,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// Gives what has come, and an end of file in between.
    struct Growing(VecDeque<&'static [u8]>);

    impl Read for Growing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let piece = self.0.pop_front().unwrap_or_default();
            buffer[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    #[test]
    fn a_line_that_is_being_written_is_waited_for() {
        let read = |goes_on: bool| {
            let mut reader = BufReader::new(Growing([&b"one"[..], b"", b" line\n", b"more"].into()));
            let mut line = Vec::new();
            read_line(&mut reader, &mut line, || goes_on).unwrap();
            String::from_utf8(line).unwrap()
        };
        assert_eq!((read(true), read(false)), ("one line\n".to_owned(), "one".to_owned()));
    }

    #[test]
    fn only_a_file_with_a_writer_is_waited_for_and_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let writer = File::create(&path).unwrap();
        let file = File::open(&path).unwrap();
        assert!(!is_being_written(&file)());
        writer.try_lock().unwrap();
        let mut goes_on = is_being_written(&file);
        assert!(goes_on());
        while goes_on() {}
    }
}
