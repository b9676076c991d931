//! Puts records into the chain and the chain into storage. A write counts as a whole or not at all: after one that failed,
//! the file is cut back to the last line that counts, before anything else is written.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use gwanmun_core::Clock;

use crate::chain::{Chain, Hash};
use crate::head::{Why, push_head};
use crate::key::Signer;
use crate::storage::{State, Storage};
use crate::text::push_string;
use gwanmun_core::Stamp;

/// How much of a line that a crash had cut is kept in readable form; all of it is in its hash.
const LONGEST_TORN: usize = 4096;

/// What a ledger keeps to.
pub(crate) struct Rules {
    pub(crate) signer: Signer,
    /// After how many lines without a head one follows.
    pub(crate) every: u64,
    /// A file that has this many bytes is set aside.
    pub(crate) most_bytes: Option<u64>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// The log, as its one writer sees it.
pub(crate) struct Ledger<S> {
    storage: S,
    rules: Rules,
    stamp: Stamp,
    at: Mark,
    /// There may be more in the file than counts.
    is_torn: bool,
    /// Something was written that the disk may not have yet.
    is_dirty: bool,
    buffer: Vec<u8>,
}

/// A place in the log that can be gone back to while the file is the same.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    chain: Chain,
    /// Bytes of the file that count.
    length: u64,
    /// Lines since the last head.
    since_head: u64,
    /// The head that has to come before the next line.
    due: Option<Why>,
}

impl<S: Storage> Ledger<S> {
    /// Goes on after `chain`, the first `length` bytes of the file. What stands there after them, `torn`, is taken away and
    /// told in a line of its own. The log has a new head after this.
    pub(crate) fn open(storage: S, rules: Rules, chain: Chain, length: u64, torn: &[u8]) -> io::Result<Self> {
        let at = Mark { chain, length, since_head: 0, due: Some(Why::Start) };
        let (stamp, buffer, is_torn) = (Stamp::new(), Vec::new(), !torn.is_empty());
        let mut ledger = Self { storage, rules, stamp, at, is_torn, is_dirty: false, buffer };
        if torn.is_empty() {
            ledger.append(&[], 0)?
        } else {
            ledger.append(&[&torn_body(torn)], 0)?
        };
        ledger.sync()?;
        Ok(ledger)
    }

    /// Writes lines that end in `bodies`, or none of them; before them, that `lost` records are missing, unless it is 0.
    /// Tells the place before them.
    pub(crate) fn append(&mut self, bodies: &[&[u8]], lost: u64) -> io::Result<Mark> {
        self.settle()?;
        self.follow_file()?;
        let mut next = self.at;
        let mut out = std::mem::take(&mut self.buffer);
        out.clear();
        let gap = (lost > 0).then(|| format!(r#""event":"gap","lost":{lost}}}"#));
        let now = self.rules.clock.wall();
        let mut filled = next.due.take().map_or(Ok(()), |why| self.head(&mut next, &mut out, now, why));
        let gap = gap.as_ref().map(|gap| gap.as_bytes());
        for body in gap.into_iter().chain(bodies.iter().copied()) {
            filled = filled.and_then(|()| self.line(&mut next, &mut out, now, body));
        }
        let written = filled.and_then(|()| self.write(&out, next));
        self.buffer = out;
        written
    }

    /// Goes back to a place in the same file: what was written after it does not count.
    pub(crate) fn revert(&mut self, mark: Mark) -> io::Result<()> {
        self.at = mark;
        self.is_torn = true;
        self.settle()
    }

    /// Has the disk take what was written.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if self.is_dirty {
            self.storage.sync()?;
            self.is_dirty = false;
        }
        Ok(())
    }

    /// Whether there is something the disk may not have yet.
    pub(crate) fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// Signs what is there and has the disk take it.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        self.settle()?;
        self.end_with(Why::Stop)?;
        self.sync()
    }

    /// Cuts the file back to what counts.
    fn settle(&mut self) -> io::Result<()> {
        if self.is_torn {
            self.storage.truncate(self.at.length)?;
            self.is_torn = false;
        }
        Ok(())
    }

    /// Looks what has become of the file, and begins a new one where it was renamed, emptied or has grown large.
    fn follow_file(&mut self) -> io::Result<()> {
        match self.storage.state()? {
            State::Here(length) if length == self.at.length => {}
            State::Here(0) => {
                tracing::warn!(event = "audit-file-emptied", "the audit log was emptied by somebody else; it goes on");
                self.at = Mark { length: 0, due: Some(Why::Open), ..self.at };
            }
            State::Here(length) => {
                let wanted = self.at.length;
                return Err(io::Error::other(format!(
                    "somebody else wrote to it: {wanted} bytes wanted, found {length}"
                )));
            }
            State::Gone => {
                self.end_with(Why::Rotate)?;
                self.sync()?;
                self.renew()?;
            }
        }
        if self.rules.most_bytes.is_some_and(|most| self.at.length >= most) {
            self.end_with(Why::Rotate)?;
            self.sync()?;
            self.storage.set_aside(self.at.chain.seq)?;
            self.renew()?;
        }
        Ok(())
    }

    fn renew(&mut self) -> io::Result<()> {
        self.storage.renew()?;
        self.at = Mark { length: 0, due: Some(Why::Open), ..self.at };
        tracing::info!(event = "audit-file-begun", after = self.at.chain.seq, "a new file of the audit log was begun");
        Ok(())
    }

    /// Closes the file by a head, unless it ends in one that says so.
    fn end_with(&mut self, why: Why) -> io::Result<()> {
        if self.at.due == Some(Why::Open) {
            // Whoever ended the file before has failed to begin the next; or this one has no line yet.
            return Ok(());
        }
        let mut next = self.at;
        let mut out = Vec::new();
        let now = self.rules.clock.wall();
        self.head(&mut next, &mut out, now, why)?;
        next.due = Some(Why::Open);
        self.write(&out, next)?;
        Ok(())
    }

    fn line(&mut self, next: &mut Mark, out: &mut Vec<u8>, now: SystemTime, body: &[u8]) -> io::Result<()> {
        next.chain.push_line(out, &mut self.stamp, now, body);
        next.since_head += 1;
        if next.since_head >= self.rules.every { self.head(next, out, now, Why::Count) } else { Ok(()) }
    }

    fn head(&mut self, next: &mut Mark, out: &mut Vec<u8>, now: SystemTime, why: Why) -> io::Result<()> {
        let (signer, every) = (&self.rules.signer, self.rules.every);
        push_head(out, &mut next.chain, &mut self.stamp, now, signer, why, every)?;
        next.since_head = 0;
        Ok(())
    }

    /// Writes `out`, after which the log stands at `next`.
    fn write(&mut self, out: &[u8], next: Mark) -> io::Result<Mark> {
        let before = self.at;
        if let Err(error) = write_all(&mut self.storage, out) {
            self.is_torn = true;
            // If this fails too, it is tried again before the next write.
            drop(self.settle());
            return Err(error);
        }
        let length = before.length.saturating_add(u64::try_from(out.len()).unwrap_or(u64::MAX));
        self.at = Mark { length, ..next };
        self.is_dirty |= !out.is_empty();
        Ok(before)
    }
}

fn write_all(storage: &mut impl Storage, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match storage.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The end of a line that tells what a crash had left of one.
fn torn_body(torn: &[u8]) -> Vec<u8> {
    let (length, hash) = (torn.len(), Hash::of(torn));
    let mut body = format!(r#""event":"torn","bytes":{length},"sha256":"{hash}","text":"#).into_bytes();
    push_string(&mut body, torn, LONGEST_TORN);
    body.push(b'}');
    body
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use gwanmun_core::ManualClock;

    use super::*;
    use crate::storage::memory::Memory;
    use crate::walk::{Seen, Walk};

    const BODY: &[u8] = br#""event":"authorize","actor":"u1","decision":"deny"}"#;

    fn rules(every: u64, most_bytes: Option<u64>) -> Rules {
        Rules { signer: Signer::generate().unwrap(), every, most_bytes, clock: Arc::new(ManualClock::at(UNIX_EPOCH)) }
    }

    fn ledger(memory: &Memory, every: u64, most_bytes: Option<u64>) -> Ledger<Memory> {
        Ledger::open(memory.clone(), rules(every, most_bytes), Chain::BEGINNING, 0, b"").unwrap()
    }

    /// What all files hold, each of which has to end with a line.
    fn walked(files: &[Vec<u8>]) -> Seen {
        let mut walk = Walk::new(Vec::new());
        for line in files.iter().flat_map(|file| file.split_inclusive(|byte| *byte == b'\n')) {
            walk.step((), line.strip_suffix(b"\n").unwrap()).unwrap();
        }
        walk.finish().unwrap();
        walk.seen().clone()
    }

    #[test]
    fn heads_stand_where_they_are_promised() {
        let memory = Memory::default();
        let mut ledger = ledger(&memory, 3, None);
        for _ in 0..7 {
            ledger.append(&[BODY, BODY], 0).unwrap();
        }
        ledger.close().unwrap();
        let events: String =
            memory.lines().iter().map(|line| if line.contains("\"head\"") { 'H' } else { '.' }).collect();
        assert_eq!(events, "H...H...H...H...H..H");
        let seen = walked(&memory.files());
        assert_eq!((seen.lines, seen.heads, seen.tail, seen.is_closed), (20, 6, 0, true));
    }

    #[test]
    fn a_write_that_fails_midway_leaves_nothing_and_the_next_goes_on() {
        let memory = Memory::default();
        let mut ledger = ledger(&memory, 100, None);
        ledger.append(&[BODY], 0).unwrap();
        let good = memory.files();
        for room in [0, 1, 50, 200, 201] {
            memory.leave_room(room);
            assert_eq!(ledger.append(&[BODY, BODY], 0).unwrap_err().kind(), io::ErrorKind::StorageFull);
            assert_eq!(memory.files(), good);
        }
        memory.leave_room(usize::MAX);
        ledger.append(&[BODY], 0).unwrap();
        ledger.close().unwrap();
        assert_eq!(walked(&memory.files()).lines, 4);
    }

    #[test]
    fn what_could_not_be_cut_away_at_once_is_cut_away_before_the_next_line() {
        let memory = Memory::default();
        let mut ledger = ledger(&memory, 100, None);
        memory.leave_room(99);
        memory.refuse_truncation(true);
        ledger.append(&[BODY], 0).unwrap_err();
        memory.leave_room(usize::MAX);
        ledger.append(&[BODY], 0).unwrap_err();
        memory.refuse_truncation(false);
        ledger.append(&[BODY], 0).unwrap();
        assert_eq!(walked(&memory.files()).lines, 2);
    }

    #[test]
    fn what_is_reverted_never_was() {
        let memory = Memory::default();
        let mut ledger = ledger(&memory, 2, None);
        ledger.append(&[BODY], 0).unwrap();
        let good = memory.files();
        let mark = ledger.append(&[BODY, BODY, BODY], 0).unwrap();
        ledger.revert(mark).unwrap();
        assert_eq!(memory.files(), good);
        ledger.append(&[BODY, BODY], 0).unwrap();
        assert_eq!(walked(&memory.files()).lines, 5);
    }

    #[test]
    fn a_file_that_is_large_is_set_aside_and_the_chain_goes_on() {
        let memory = Memory::default();
        let mut ledger = ledger(&memory, 100, Some(1500));
        for _ in 0..20 {
            ledger.append(&[BODY], 0).unwrap();
        }
        ledger.close().unwrap();
        let files = memory.files();
        assert!(files.len() > 2, "{}", files.len());
        for file in &files {
            let text = String::from_utf8_lossy(file);
            let is_head = |line: Option<&str>| line.unwrap().contains("\"event\":\"head\"");
            assert!(is_head(text.lines().next()) && is_head(text.lines().last()), "{text}");
        }
        assert_eq!(walked(&files).lines, 20 + 2 * u64::try_from(files.len()).unwrap());
        walked(&files[1..]);
    }

    #[test]
    fn a_file_that_was_renamed_is_ended_and_the_chain_goes_on_in_a_new_one() {
        let memory = Memory::default();
        let mut ledger = ledger(&memory, 100, None);
        ledger.append(&[BODY], 0).unwrap();
        memory.rename();
        memory.refuse_renewal(true);
        for _ in 0..3 {
            ledger.append(&[BODY], 0).unwrap_err();
        }
        memory.refuse_renewal(false);
        ledger.append(&[BODY], 0).unwrap();
        let files = memory.files();
        assert_eq!(files.len(), 2);
        let ends = String::from_utf8_lossy(&files[0]).matches("\"reason\":\"rotate\"").count();
        assert_eq!((ends, walked(&files).lines), (1, 5));
    }

    #[test]
    fn a_file_that_was_emptied_goes_on_and_one_that_was_cut_does_not() {
        let memory = Memory::default();
        let mut ledger = ledger(&memory, 100, None);
        ledger.append(&[BODY], 0).unwrap();
        memory.cut(10);
        ledger.append(&[BODY], 0).unwrap_err();
        memory.cut(0);
        ledger.append(&[BODY], 0).unwrap();
        assert_eq!(walked(&memory.files()).lines, 2);
    }

    #[test]
    fn a_torn_line_is_kept_in_a_line_of_its_own() {
        let memory = Memory::default();
        let mut before = ledger(&memory, 100, None);
        before.append(&[BODY], 0).unwrap();
        let (chain, length) = (before.at.chain, before.at.length);
        let torn = b"{\"seq\":3,\"time\0\xff";
        memory.clone().write(torn).unwrap();
        let mut after = Ledger::open(memory.clone(), rules(100, None), chain, length, torn).unwrap();
        after.close().unwrap();
        let lines = memory.lines();
        let told: serde_json::Value = serde_json::from_str(&lines[3]).unwrap();
        assert_eq!((told["event"].as_str(), told["bytes"].as_u64()), (Some("torn"), Some(16)));
        assert_eq!(told["text"].as_str().unwrap(), String::from_utf8_lossy(torn));
        assert_eq!((walked(&memory.files()).torn, lines.len()), (1, 5));
    }
}
