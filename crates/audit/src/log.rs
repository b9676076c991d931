//! The audit log as its users see it: opened once, shared by the threads of the gateway, closed at the end.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use gwanmun_core::{Clock, Code, Fault, Secret, Tallies, Tally};
use gwanmun_jose::KeyError;
use tokio::sync::oneshot;

use crate::chain::Chain;
use crate::flaw::Flaw;
use crate::key::Signer;
use crate::ledger::{Ledger, Rules};
use crate::record::Record;
use crate::resume::{self, End};
use crate::storage::{Disk, Storage, last_aside, read_end};
use crate::writer::{Entry, Message, Place, Shared, Writer};

/// How many records may wait to be written.
const LONGEST_QUEUE: usize = 4096;
/// How long closing waits for a disk that does not answer.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_millis(1);

/// What an audit log is opened with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// The file; it is made where there is none.
    pub file: PathBuf,
    /// After how many lines a head signs them; at least 1.
    pub sign_every: u64,
    /// The private key that signs, as PEM (PKCS #8). None: one is made, which is known by the log only.
    pub key: Option<Secret<Vec<u8>>>,
    /// What happens to what cannot be recorded.
    pub on_sink_error: OnSinkError,
    /// How large a file may grow, in bytes, before it is set aside as `FILE.NUMBER`, the number of its last line. None:
    /// without bound.
    pub max_bytes: Option<u64>,
    /// How long a record waits to be written before it counts as one that cannot be.
    pub patience: Duration,
}

impl Settings {
    /// The defaults: a head every 1000 lines, a key of its own, `deny`, no bound, one second.
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Self {
            file: file.into(),
            sign_every: 1000,
            key: None,
            on_sink_error: OnSinkError::Deny,
            max_bytes: None,
            patience: Duration::from_secs(1),
        }
    }

    /// Whether the key is one that signs; nothing is opened.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn check(&self) -> Result<(), Unopened> {
        let Some(pem) = &self.key else { return Ok(()) };
        Signer::from_pem(pem.expose()).map(drop).map_err(Unopened::Key)
    }
}

/// What happens to what cannot be recorded. There is nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnSinkError {
    /// It does not happen.
    Deny,
    /// It happens, is counted, and the log tells how many records are missing.
    Allow,
}

/// Why a record is not in the log, and never will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unavailable {
    /// Too many wait.
    Full,
    /// The write took longer than anybody waits.
    Slow,
    /// The system refused.
    Failed(io::ErrorKind),
    /// The log was closed.
    Closed,
}

impl Unavailable {
    /// The word for metrics: `full`, `slow`, `failed` or `closed`.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Slow => "slow",
            Self::Failed(_) => "failed",
            Self::Closed => "closed",
        }
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => write!(f, "more than {LONGEST_QUEUE} records wait for the audit log"),
            Self::Slow => f.write_str("writing the audit log takes too long"),
            Self::Failed(kind) => write!(f, "the audit log cannot be written: {kind}"),
            Self::Closed => f.write_str("the audit log is closed"),
        }
    }
}

impl std::error::Error for Unavailable {}

/// What a request is answered that cannot be recorded.
impl From<Unavailable> for Fault {
    fn from(why: Unavailable) -> Self {
        Self::new(Code::AuditUnavailable, why.to_string())
    }
}

/// Why a log cannot be opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Unopened {
    /// The key is none that signs.
    Key(KeyError),
    /// The file cannot be opened, is written to by somebody else, or cannot be written to.
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// What is there was changed, so that nothing can follow it.
    Broken {
        /// In which file.
        file: PathBuf,
        /// At which byte the line begins that is wrong.
        at: u64,
        /// What is wrong with it.
        flaw: Flaw,
    },
}

impl fmt::Display for Unopened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(why) => write!(f, "the key of the audit log cannot be used: {why}"),
            Self::File { file, error } => write!(f, "{}: {error}", file.display()),
            Self::Broken { file, at, flaw } => {
                write!(f, "{}: the line at byte {at} is wrong, so that the log cannot go on: {flaw}", file.display())
            }
        }
    }
}

impl std::error::Error for Unopened {}

/// A log that can be written to; clones are the same. Every clone is used up or [closed](Self::close) before the file can
/// be opened again.
#[derive(Debug, Clone)]
pub struct AuditLog(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    queue: SyncSender<Message>,
    shared: Arc<Shared>,
    on_sink_error: OnSinkError,
    lost: Tally,
    denied: Tally,
    thread: Mutex<Option<Thread>>,
}

#[derive(Debug)]
struct Thread {
    /// Disconnects when the thread ends.
    ended: Receiver<()>,
    handle: JoinHandle<()>,
}

impl AuditLog {
    /// Opens the log, or goes on with the one that is there, and writes a head. Counts in
    /// `gwanmun_audit_records_total`, `gwanmun_audit_lost_total{reason}` and `gwanmun_audit_denied_total{reason}`.
    ///
    /// The last lines of the file are read and have to be in order. A last line that does not end, as a crash of the
    /// machine leaves it, is taken away and told in a line of its own.
    pub fn open(settings: Settings, clock: Arc<dyn Clock>, tallies: &Tallies) -> Result<Self, Unopened> {
        let file = settings.file.clone();
        let signer = signer(&settings)?;
        let failed = |error| Unopened::File { file: file.clone(), error };
        let mut disk = Disk::open(&file).map_err(failed)?;
        let (begin, bytes) = disk.read_end(resume::WINDOW).map_err(failed)?;
        let end = end_of(&file, begin, &bytes)?;
        let chain = match end.chain {
            Some(chain) => chain,
            None => chain_of_last_aside(&file)?,
        };
        if !end.torn.is_empty() {
            let bytes = end.torn.len();
            tracing::warn!(event = "audit-line-torn", file = %file.display(), bytes, "the last line of the audit log was cut; it is kept in a line of its own");
        }
        let unclean = chain != Chain::BEGINNING && !end.is_closed;
        tracing::info!(event = "audit-opened", file = %file.display(), after = chain.seq, unclean, kid = signer.kid(), "the audit log is open");
        let rules = Rules { signer, every: settings.sign_every.max(1), most_bytes: settings.max_bytes, clock };
        let ledger = Ledger::open(disk, rules, chain, end.length, &end.torn).map_err(failed)?;
        Self::start(ledger, settings.on_sink_error, settings.patience, tallies).map_err(failed)
    }

    fn start<S: Storage>(
        ledger: Ledger<S>,
        on_sink_error: OnSinkError,
        patience: Duration,
        tallies: &Tallies,
    ) -> io::Result<Self> {
        let (queue, messages) = sync_channel(LONGEST_QUEUE);
        let (alive, ended) = sync_channel(0);
        let shared = Arc::new(Shared::new(patience));
        let written = tallies.tally("gwanmun_audit_records_total", "Records in the audit log.", &[]).cell(&[]);
        let writer = Writer::new(ledger, messages, Arc::clone(&shared), written);
        let handle = thread::Builder::new().name("audit".to_owned()).spawn(move || {
            writer.run();
            drop::<SyncSender<()>>(alive);
        })?;
        let lost = "Records that are missing in the audit log while what they tell went on.";
        let denied = "What was refused because it could not be recorded.";
        Ok(Self(Arc::new(Inner {
            queue,
            shared,
            on_sink_error,
            lost: tallies.tally("gwanmun_audit_lost_total", lost, &["reason"]),
            denied: tallies.tally("gwanmun_audit_denied_total", denied, &["reason"]),
            thread: Mutex::new(Some(Thread { ended, handle })),
        })))
    }

    /// Records; done when the line is in the file, so that killing this process does not take it away. Fails where it is
    /// not in the file and never will be; with [`OnSinkError::Allow`] that is counted and no failure. The future has to be
    /// awaited in a tokio runtime that has a timer. If it is dropped, the line may be written or not.
    pub fn record(&self, record: &Record<'_>) -> impl Future<Output = Result<(), Unavailable>> + Send + use<> {
        let (done, answer) = oneshot::channel();
        let place = Arc::new(Place::default());
        let offered = self.offer(Entry { body: record.body(), place: Arc::clone(&place), done });
        let log = self.clone();
        async move {
            let outcome = match offered {
                Ok(()) => log.wait(answer, &place).await,
                Err(why) => Err(why),
            };
            outcome.or_else(|why| log.refuse(why))
        }
    }

    /// Writes what waits, signs, has the disk take it and ends the thread; records that come later fail. Gives up on a
    /// disk that does not answer for 5 s. Again is nothing.
    pub fn close(&self) {
        let mut slot = self.0.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(thread) = slot.take() else { return };
        let deadline = Instant::now() + CLOSE_LIMIT;
        while let Err(TrySendError::Full(_)) = self.0.queue.try_send(Message::Close) {
            if Instant::now() >= deadline {
                return;
            }
            thread::sleep(RETRY);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if let Err(RecvTimeoutError::Disconnected) = thread.ended.recv_timeout(left) {
            // It has nothing to return, and a panic in it has been reported.
            drop(thread.handle.join());
        }
    }

    fn offer(&self, entry: Entry) -> Result<(), Unavailable> {
        if self.0.shared.is_stuck() {
            return Err(Unavailable::Slow);
        }
        self.0.queue.try_send(Message::Record(entry)).map_err(|refused| match refused {
            TrySendError::Full(_) => Unavailable::Full,
            TrySendError::Disconnected(_) => Unavailable::Closed,
        })
    }

    async fn wait(
        &self,
        mut answer: oneshot::Receiver<Result<(), Unavailable>>,
        place: &Place,
    ) -> Result<(), Unavailable> {
        let answered = match tokio::time::timeout(self.0.shared.patience, &mut answer).await {
            Ok(answered) => answered,
            Err(_) if place.give_up() => return Err(Unavailable::Slow),
            Err(_) => answer.await,
        };
        answered.unwrap_or(Err(Unavailable::Closed))
    }

    fn refuse(&self, why: Unavailable) -> Result<(), Unavailable> {
        match self.0.on_sink_error {
            OnSinkError::Deny => {
                self.0.denied.count(&[why.reason()]);
                Err(why)
            }
            OnSinkError::Allow => {
                self.0.lost.count(&[why.reason()]);
                self.0.shared.lost.fetch_add(1, Ordering::AcqRel);
                Ok(())
            }
        }
    }
}

fn signer(settings: &Settings) -> Result<Signer, Unopened> {
    if let Some(pem) = &settings.key {
        return Signer::from_pem(pem.expose()).map_err(Unopened::Key);
    }
    let signer = Signer::generate().map_err(Unopened::Key)?;
    tracing::warn!(
        event = "audit-key-made",
        kid = signer.kid(),
        key = signer.public(),
        "the audit log has no key of its own; one was made that ends with this process"
    );
    Ok(signer)
}

/// Where the chain goes on whose current file has no line: after the file that was set aside last.
fn chain_of_last_aside(file: &Path) -> Result<Chain, Unopened> {
    let failed = |error| Unopened::File { file: file.to_owned(), error };
    let Some(aside) = last_aside(file).map_err(failed)? else { return Ok(Chain::BEGINNING) };
    let failed = |error| Unopened::File { file: aside.clone(), error };
    let mut opened = std::fs::File::open(&aside).map_err(failed)?;
    let (begin, bytes) = read_end(&mut opened, resume::WINDOW).map_err(failed)?;
    Ok(end_of(&aside, begin, &bytes)?.chain.unwrap_or(Chain::BEGINNING))
}

fn end_of(file: &Path, begin: u64, bytes: &[u8]) -> Result<End, Unopened> {
    resume::read(begin, bytes).map_err(|(at, flaw)| Unopened::Broken { file: file.to_owned(), at, flaw })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::UNIX_EPOCH;

    use gwanmun_core::ManualClock;

    use super::*;
    use crate::record::{Decision, Event};
    use crate::storage::memory::Memory;
    use crate::{PublicKey, Summary, verify};

    /// For disks that answer.
    const LONG: Duration = Duration::from_secs(60);

    fn clock() -> Arc<dyn Clock> {
        Arc::new(ManualClock::at(UNIX_EPOCH))
    }

    fn settings(file: &Path) -> Settings {
        Settings { patience: LONG, ..Settings::new(file) }
    }

    fn open(file: &Path) -> Result<AuditLog, Unopened> {
        AuditLog::open(settings(file), clock(), &Tallies::default())
    }

    fn on(memory: &Memory, on_sink_error: OnSinkError, patience: Duration, tallies: &Tallies) -> AuditLog {
        let rules = Rules { signer: Signer::generate().unwrap(), every: 1000, most_bytes: None, clock: clock() };
        let ledger = Ledger::open(memory.clone(), rules, Chain::BEGINNING, 0, b"").unwrap();
        AuditLog::start(ledger, on_sink_error, patience, tallies).unwrap()
    }

    /// Records of these actors, all at once.
    fn record(log: &AuditLog, actors: &[&str]) -> Vec<Result<(), Unavailable>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let record = |actor| log.record(&Record::new(Event::Authorize, Decision::Allow).actor(actor));
        let futures: Vec<_> = actors.iter().copied().map(record).collect();
        runtime.block_on(async {
            let mut outcomes = Vec::new();
            for future in futures {
                outcomes.push(future.await);
            }
            outcomes
        })
    }

    fn verified(files: &[&Path]) -> Summary {
        let files: Vec<_> = files.iter().map(|file| file.to_path_buf()).collect();
        verify(&files, &[], |_| ()).unwrap()
    }

    fn counts(tallies: &Tallies, name: &str) -> Vec<(Vec<String>, u64)> {
        tallies.all().iter().find(|tally| tally.name() == name).unwrap().counts()
    }

    #[test]
    fn a_record_is_in_the_file_when_it_is_acknowledged() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit.jsonl");
        let log = open(&file).unwrap();
        assert_eq!(record(&log, &["u1"]), [Ok(())]);
        assert!(fs::read_to_string(&file).unwrap().contains(r#""event":"authorize","actor":"u1","decision":"allow"}"#));
        log.close();
        assert_eq!(record(&log, &["u2"]), [Err(Unavailable::Closed)]);
        let summary = verified(&[&file]);
        assert_eq!((summary.lines, summary.heads, summary.unsigned_tail, summary.is_closed), (3, 2, 0, true));
    }

    #[test]
    fn a_log_goes_on_over_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit.jsonl");
        for round in 1..4 {
            let log = open(&file).unwrap();
            record(&log, &["u1", "u2"]);
            log.close();
            let summary = verified(&[&file]);
            assert_eq!((summary.lines, summary.keys.len()), (round * 4, usize::try_from(round).unwrap()));
        }
    }

    #[test]
    fn a_log_goes_on_after_the_file_that_was_set_aside_last() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit.jsonl");
        let settings = Settings { max_bytes: Some(1), ..settings(&file) };
        let log = AuditLog::open(settings, clock(), &Tallies::default()).unwrap();
        record(&log, &["u1"]);
        log.close();
        let aside = folder.path().join("audit.jsonl.000000000002");
        assert!(aside.exists());
        let second = folder.path().join("audit.jsonl.000000000005");
        fs::rename(&file, &second).unwrap();
        open(&file).unwrap().close();
        assert_eq!(verified(&[&aside, &second, &file]).last, 7);
    }

    #[test]
    fn a_file_that_was_renamed_by_somebody_else_is_ended_and_the_next_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit.jsonl");
        let log = open(&file).unwrap();
        record(&log, &["u1"]);
        let old = folder.path().join("audit.jsonl.1");
        fs::rename(&file, &old).unwrap();
        fs::write(&file, "").unwrap();
        assert_eq!(record(&log, &["u2"]), [Ok(())]);
        log.close();
        assert!(fs::read_to_string(&old).unwrap().lines().last().unwrap().contains("\"reason\":\"rotate\""));
        assert_eq!(verified(&[&old, &file]).lines, 6);
        let alone = verified(&[&file]);
        assert_eq!((alone.lines, alone.follows.map(|(last, _)| last)), (3, Some(3)));
    }

    #[test]
    fn what_a_crash_has_cut_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit.jsonl");
        let log = open(&file).unwrap();
        record(&log, &["u1", "u2"]);
        log.close();
        let bytes = fs::read(&file).unwrap();
        let newline = bytes.iter().position(|byte| *byte == b'\n').unwrap();
        for cut in [1, 70, newline, newline + 1, newline + 2, bytes.len() - 100, bytes.len() - 1] {
            fs::write(&file, &bytes[..cut]).unwrap();
            let is_whole = bytes[cut - 1] == b'\n';
            open(&file).unwrap().close();
            assert_eq!(verified(&[&file]).torn, u64::from(!is_whole), "cut at {cut}");
        }
    }

    #[test]
    fn a_log_that_was_changed_does_not_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit.jsonl");
        let log = open(&file).unwrap();
        record(&log, &["u1", "u2"]);
        log.close();
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace("\"u1\"", "\"u3\"")).unwrap();
        let at = u64::try_from(text.find('\n').unwrap() + 1).unwrap();
        let Unopened::Broken { at: found, .. } = open(&file).unwrap_err() else {
            panic!("it was found at another stage")
        };
        assert_eq!(found, at);
    }

    #[test]
    fn two_writers_of_one_file_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit.jsonl");
        let first = open(&file).unwrap();
        let told = open(&file).unwrap_err().to_string();
        assert!(told.contains("has a writer already"), "{told}");
        first.close();
        open(&file).unwrap().close();
    }

    #[test]
    fn what_cannot_be_recorded_is_refused_and_not_in_the_file() {
        let (memory, tallies) = (Memory::default(), Tallies::default());
        let log = on(&memory, OnSinkError::Deny, LONG, &tallies);
        memory.leave_room(100);
        assert_eq!(record(&log, &["u1"]), [Err(Unavailable::Failed(io::ErrorKind::StorageFull))]);
        memory.leave_room(usize::MAX);
        assert_eq!(record(&log, &["u2"]), [Ok(())]);
        log.close();
        let lines = memory.lines();
        assert!(lines.len() == 3 && lines[1].contains("\"u2\""), "{lines:?}");
        assert_eq!(counts(&tallies, "gwanmun_audit_denied_total"), [(vec!["failed".to_owned()], 1)]);
        assert_eq!(counts(&tallies, "gwanmun_audit_records_total"), [(Vec::new(), 1)]);
    }

    #[test]
    fn a_disk_that_hangs_holds_nobody_up_for_long_and_leaves_no_line_of_who_was_refused() {
        let (memory, tallies) = (Memory::default(), Tallies::default());
        let log = on(&memory, OnSinkError::Deny, Duration::from_millis(50), &tallies);
        memory.hold(true);
        assert_eq!(record(&log, &["u1", "u2"]), [Err(Unavailable::Slow), Err(Unavailable::Slow)]);
        memory.hold(false);
        // Whether the writer has taken note of its good luck is its business: the next who is let in is written.
        while record(&log, &["u3"]) != [Ok(())] {}
        log.close();
        let text = memory.lines().join("\n");
        assert!(!text.contains("\"u1\"") && !text.contains("\"u2\""), "{text}");
        assert_eq!(text.matches("\"u3\"").count(), 1);
    }

    #[test]
    fn a_queue_that_is_full_refuses_at_once() {
        let (memory, tallies) = (Memory::default(), Tallies::default());
        let log = on(&memory, OnSinkError::Deny, LONG, &tallies);
        memory.hold(true);
        let record = || log.record(&Record::new(Event::Authorize, Decision::Allow));
        let waiting: Vec<_> = (0..3 * LONGEST_QUEUE).map(|_| record()).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let outcome = runtime.block_on(waiting.into_iter().last().unwrap());
        assert!(matches!(outcome, Err(Unavailable::Full | Unavailable::Slow)), "{outcome:?}");
        memory.hold(false);
        log.close();
    }

    #[test]
    fn what_is_allowed_to_be_lost_is_counted_and_told() {
        let (memory, tallies) = (Memory::default(), Tallies::default());
        let log = on(&memory, OnSinkError::Allow, LONG, &tallies);
        memory.leave_room(0);
        assert_eq!(record(&log, &["u1"]), [Ok(())]);
        assert_eq!(record(&log, &["u2"]), [Ok(())]);
        memory.leave_room(usize::MAX);
        assert_eq!(record(&log, &["u3"]), [Ok(())]);
        log.close();
        let lines = memory.lines();
        assert!(lines[1].contains(r#""event":"gap","lost":2}"#) && lines[2].contains("\"u3\""), "{lines:?}");
        assert_eq!(counts(&tallies, "gwanmun_audit_lost_total"), [(vec!["failed".to_owned()], 2)]);
    }

    #[test]
    fn a_key_that_is_given_signs() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit.jsonl");
        let pem = b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
        let settings = Settings { key: Some(Secret::new(pem.to_vec())), ..settings(&file) };
        let log = AuditLog::open(settings.clone(), clock(), &Tallies::default()).unwrap();
        record(&log, &["u1"]);
        log.close();
        // RFC 8037, appendix A.3.
        let kid = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
        let key = PublicKey::read(pem).unwrap();
        assert_eq!((verified(&[&file]).keys, key.kid()), (vec![(kid.to_owned(), 2)], kid));
        verify(std::slice::from_ref(&file), &[key], |_| ()).unwrap();
        let other = PublicKey::read(Signer::generate().unwrap().public().as_bytes()).unwrap();
        let told = verify(std::slice::from_ref(&file), &[other], |_| ()).unwrap_err().to_string();
        assert!(told.ends_with(&format!("audit.jsonl:1: the head is signed by another key, {kid}")), "{told}");
        let settings = Settings { key: Some(Secret::new(b"no key".to_vec())), ..settings };
        assert!(matches!(AuditLog::open(settings, clock(), &Tallies::default()), Err(Unopened::Key(_))));
    }
}
