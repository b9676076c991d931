//! Walks along a chain, line after line, and finds the first that is wrong.
//!
//! Where a line does not follow the one before, either may have been changed. The line after it tells which: if that one
//! follows, this one is as it was.

use crate::chain::{Chain, Hash};
use crate::flaw::Flaw;
use crate::head::{self, Head, Why};
use crate::key::PublicKey;
use crate::line::{Line, Value};

/// What has been seen on the way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) lines: u64,
    pub(crate) heads: u64,
    /// Records that are told to be missing, by lines `event: gap`.
    pub(crate) lost: u64,
    /// Lines `event: torn`: ends of the log that a crash had cut.
    pub(crate) torn: u64,
    /// Lines after the last head, or all.
    pub(crate) tail: u64,
    /// Keys that signed, in the order in which they appear, and how many heads each.
    pub(crate) keys: Vec<(String, u64)>,
    /// Whether the last line is the head of a clean end.
    pub(crate) is_closed: bool,
}

/// A walk along a chain. `P` says where a line stands.
#[derive(Debug)]
pub(crate) struct Walk<P> {
    /// Keys that may sign; none: the key that a head names.
    accepted: Vec<PublicKey>,
    /// The key that the last head named, and how.
    named: Option<(Vec<u8>, PublicKey)>,
    /// Before the first line.
    begin: Option<Chain>,
    last: Option<Last<P>>,
    suspicion: Option<Suspicion<P>>,
    /// After how many lines the last head promised the next.
    every: Option<u64>,
    first: Option<P>,
    seen: Seen,
}

#[derive(Debug, Clone, Copy)]
struct Last<P> {
    place: P,
    before: Chain,
    after: Chain,
}

/// A line that does not follow the one before; the next line tells which of the two is wrong.
#[derive(Debug)]
struct Suspicion<P> {
    /// The hash of the line.
    hash: Hash,
    /// What is wrong if the line is as it was.
    if_good: (P, Flaw),
    otherwise: (P, Flaw),
    at_the_end: (P, Flaw),
}

impl<P: Copy> Walk<P> {
    /// A walk that begins anywhere.
    pub(crate) fn new(accepted: Vec<PublicKey>) -> Self {
        let (named, begin, last, suspicion) = (None, None, None, None);
        Self { accepted, named, begin, last, suspicion, every: None, first: None, seen: Seen::default() }
    }

    /// Goes on by `bytes`, a line without its newline, which stands at `place`.
    pub(crate) fn step(&mut self, place: P, bytes: &[u8]) -> Result<(), (P, Flaw)> {
        let line = Line::read(bytes);
        if let Some(suspicion) = self.suspicion.take() {
            let follows = line.is_ok_and(|line| line.prev == suspicion.hash);
            return Err(if follows { suspicion.if_good } else { suspicion.otherwise });
        }
        let line = line.map_err(|at| (place, Flaw::Malformed { at }))?;
        let before = self.before(&line).map_err(|flaw| (place, flaw))?;
        let after = Chain { seq: line.seq, hash: Hash::of(bytes) };
        let is_head = line.event == head::EVENT.as_bytes();
        let head =
            if is_head { Some(Head::read(&line, bytes).ok_or((place, Flaw::Malformed { at: 0 }))?) } else { None };
        if let Some(suspicion) = self.suspect(place, &line, before, after).map_err(|flaw| (place, flaw))? {
            let Some(head) = head else {
                self.suspicion = Some(suspicion);
                return Ok(());
            };
            // A head need not wait for the next line: its signature tells whether it is as it was.
            let is_good = self.check_signature(&head).is_ok();
            return Err(if is_good { suspicion.if_good } else { suspicion.otherwise });
        }
        match &head {
            Some(head) => self.pass_head(head, before).map_err(|flaw| (place, flaw))?,
            None => self.pass(&line).map_err(|flaw| (place, flaw))?,
        }
        self.seen.lines += 1;
        self.begin.get_or_insert(before);
        self.first.get_or_insert(place);
        self.last = Some(Last { place, before, after });
        Ok(())
    }

    /// Where the chain stands, if there was a line.
    pub(crate) fn chain(&self) -> Option<Chain> {
        self.last.map(|last| last.after)
    }

    /// Where the chain stood before the first line, if there was one.
    pub(crate) fn begin(&self) -> Option<Chain> {
        self.begin
    }

    /// What has been seen so far.
    pub(crate) fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Tells what was suspected of the last line, where no whole line comes that could clear it up.
    pub(crate) fn finish_before(&mut self) -> Result<(), (P, Flaw)> {
        self.suspicion.take().map_or(Ok(()), |suspicion| Err(suspicion.at_the_end))
    }

    /// Ends the walk.
    pub(crate) fn finish(&mut self) -> Result<(), (P, Flaw)> {
        self.finish_before()?;
        match self.first {
            Some(first) if self.seen.heads == 0 && !self.accepted.is_empty() => Err((first, Flaw::Unsigned)),
            _ => Ok(()),
        }
    }

    /// The chain that the line has to follow. The first line says it itself.
    fn before(&self, line: &Line<'_>) -> Result<Chain, Flaw> {
        let follows_nothing = line.prev == Hash::ZEROS;
        match self.last {
            Some(last) => Ok(last.after),
            None if line.seq > 0 && (line.seq == 1) == follows_nothing => {
                Ok(Chain { seq: line.seq - 1, hash: line.prev })
            }
            None => Err(Flaw::FalseBeginning),
        }
    }

    /// What is wrong with the line's place in the chain, as far as it can be told without the next line.
    fn suspect(&self, place: P, line: &Line<'_>, before: Chain, after: Chain) -> Result<Option<Suspicion<P>>, Flaw> {
        let wanted = before.seq.saturating_add(1);
        let out_of_turn = Flaw::OutOfTurn { found: line.seq, wanted };
        let unchained = Flaw::Unchained { found: line.prev.to_string(), wanted: before.hash.to_string() };
        match self.last {
            _ if line.seq == wanted && line.prev == before.hash => Ok(None),
            Some(last) if line.seq == wanted => {
                let changed = Flaw::Changed { found: before.hash.to_string(), wanted: line.prev.to_string() };
                let changed = (last.place, changed);
                let if_good = changed.clone();
                Ok(Some(Suspicion { hash: after.hash, if_good, otherwise: (place, unchained), at_the_end: changed }))
            }
            // Two lines for one place: the one that is followed was there first.
            Some(last) if line.seq == before.seq && line.prev == last.before.hash && after.hash != before.hash => {
                let (if_good, otherwise) = ((last.place, Flaw::Inserted), (place, out_of_turn));
                Ok(Some(Suspicion { hash: after.hash, if_good, at_the_end: otherwise.clone(), otherwise }))
            }
            _ => Err(out_of_turn),
        }
    }

    fn pass(&mut self, line: &Line<'_>) -> Result<(), Flaw> {
        if let Some(every) = self.every.filter(|every| self.seen.tail >= *every) {
            return Err(Flaw::HeadDue { every });
        }
        for (name, value) in line.members() {
            match (name, value) {
                ("lost", Value::Number(lost)) => self.seen.lost = self.seen.lost.saturating_add(lost),
                ("sha256", _) => self.seen.torn += 1,
                _ => {}
            }
        }
        self.seen.tail += 1;
        self.seen.is_closed = false;
        Ok(())
    }

    fn pass_head(&mut self, head: &Head<'_>, before: Chain) -> Result<(), Flaw> {
        if head.count != before.seq {
            return Err(Flaw::Count { found: head.count, wanted: before.seq });
        }
        if head.hash != before.hash {
            return Err(Flaw::SignedHash);
        }
        let kid = self.check_signature(head)?;
        match self.seen.keys.iter_mut().find(|(known, _)| *known == kid) {
            Some((_, heads)) => *heads += 1,
            None => self.seen.keys.push((kid, 1)),
        }
        self.every = Some(head.every);
        self.seen.heads += 1;
        self.seen.tail = 0;
        self.seen.is_closed = head.reason == Why::Stop.as_str().as_bytes();
        Ok(())
    }

    /// Checks who signed a head, and tells the key's id.
    fn check_signature(&mut self, head: &Head<'_>) -> Result<String, Flaw> {
        if !matches!(&self.named, Some((object, _)) if object == head.key) {
            let key = PublicKey::named_by(head.key).ok_or(Flaw::Key)?;
            self.named = Some((head.key.to_vec(), key));
        }
        let Some((_, named)) = &self.named else { return Err(Flaw::Key) };
        if named.kid().as_bytes() != head.kid || named.alg().as_bytes() != head.alg {
            return Err(Flaw::Key);
        }
        let is_accepted = |key: &PublicKey| key.kid() == named.kid();
        if !self.accepted.is_empty() && !self.accepted.iter().any(is_accepted) {
            return Err(Flaw::OtherKey { found: named.kid().to_owned() });
        }
        if !named.is_signed(head.signed, head.signature) {
            return Err(Flaw::Signature);
        }
        Ok(named.kid().to_owned())
    }
}
