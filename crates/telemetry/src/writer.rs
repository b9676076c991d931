//! A thread that writes lines, fed by a bounded queue. Whoever hands lines over never waits: what does not fit is dropped
//! and counted, and so is what a full disk or a closed pipe refuses.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Size at which a buffer of lines is worth a write.
pub(crate) const CHUNK: usize = 32 * 1024;
const MAX_QUEUED_CHUNKS: usize = 1024;
const MAX_QUEUED_BYTES: usize = 8 * 1024 * 1024;
const MAX_SPARE: usize = 16;
/// How long closing waits for a reader that does not read.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_millis(1);

enum Message {
    /// Whole lines, each ended by a line feed.
    Write(Vec<u8>),
    Close,
}

/// The near end of the queue.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: SyncSender<Message>,
    shared: Arc<Shared>,
    thread: Mutex<Option<Thread>>,
}

#[derive(Debug, Default)]
struct Shared {
    dropped: AtomicU64,
    queued_bytes: AtomicUsize,
    spare: Mutex<Vec<Vec<u8>>>,
}

#[derive(Debug)]
struct Thread {
    /// Disconnects when the thread ends.
    ended: Receiver<()>,
    handle: JoinHandle<()>,
}

impl Writer {
    /// Starts the thread `name`, which owns `out` and calls `on_failure` when writing begins to fail.
    pub(crate) fn start(name: &str, out: impl Write + Send + 'static, on_failure: fn(&io::Error)) -> io::Result<Self> {
        let (queue, messages) = sync_channel(MAX_QUEUED_CHUNKS);
        let (alive, ended) = sync_channel(0);
        let shared = Arc::new(Shared::default());
        let mut end = FarEnd { out, shared: Arc::clone(&shared), on_failure, torn: false, failing: false };
        let handle = thread::Builder::new().name(name.to_owned()).spawn(move || {
            end.run(&messages);
            drop(alive);
        })?;
        Ok(Self { queue, shared, thread: Mutex::new(Some(Thread { ended, handle })) })
    }

    /// Hands the lines in `buffer` over and leaves it empty and ready for more. Never waits.
    pub(crate) fn offer(&self, buffer: &mut Vec<u8>, lines: u64) {
        // Few bytes are copied, so that a queued line does not hold a whole buffer.
        let bytes = if buffer.len() < CHUNK / 4 {
            let copy = buffer.as_slice().to_vec();
            buffer.clear();
            copy
        } else {
            std::mem::replace(buffer, self.shared.spare())
        };
        self.send(bytes, lines);
    }

    /// Hands whole lines over. Never waits.
    pub(crate) fn send(&self, bytes: Vec<u8>, lines: u64) {
        let size = bytes.capacity();
        let queued = self.shared.queued_bytes.fetch_add(size, Ordering::Relaxed);
        let refused = if queued.saturating_add(size) > MAX_QUEUED_BYTES {
            Some(bytes)
        } else {
            match self.queue.try_send(Message::Write(bytes)) {
                Ok(()) => None,
                Err(TrySendError::Full(message) | TrySendError::Disconnected(message)) => message.into_bytes(),
            }
        };
        if let Some(bytes) = refused {
            self.shared.queued_bytes.fetch_sub(size, Ordering::Relaxed);
            self.shared.dropped.fetch_add(lines, Ordering::Relaxed);
            self.shared.recycle(bytes);
        }
    }

    /// Lines lost so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Writes what is queued and ends the thread; lines offered later are dropped. Gives up on a reader that does not
    /// read for 5 s. Again is nothing.
    pub(crate) fn close(&self) {
        let mut slot = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(thread) = slot.take() else { return };
        let deadline = Instant::now() + CLOSE_LIMIT;
        while let Err(TrySendError::Full(_)) = self.queue.try_send(Message::Close) {
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
}

impl Message {
    fn into_bytes(self) -> Option<Vec<u8>> {
        match self {
            Self::Write(bytes) => Some(bytes),
            Self::Close => None,
        }
    }
}

impl Shared {
    /// A buffer, used before where there is one. A lock held by the other side is not waited for.
    fn spare(&self) -> Vec<u8> {
        let used = self.spare.try_lock().ok().and_then(|mut spare| spare.pop());
        used.unwrap_or_else(|| Vec::with_capacity(CHUNK + CHUNK / 4))
    }

    fn recycle(&self, mut bytes: Vec<u8>) {
        if !(CHUNK..=2 * CHUNK).contains(&bytes.capacity()) {
            return;
        }
        bytes.clear();
        if let Ok(mut spare) = self.spare.try_lock()
            && spare.len() < MAX_SPARE
        {
            spare.push(bytes);
        }
    }
}

/// What the thread owns.
struct FarEnd<W> {
    out: W,
    shared: Arc<Shared>,
    on_failure: fn(&io::Error),
    /// The last write ended within a line.
    torn: bool,
    failing: bool,
}

impl<W: Write> FarEnd<W> {
    fn run(&mut self, messages: &Receiver<Message>) {
        while let Ok(Message::Write(bytes)) = messages.recv() {
            self.write(bytes);
        }
        while let Ok(Message::Write(bytes)) = messages.try_recv() {
            self.write(bytes);
        }
    }

    fn write(&mut self, bytes: Vec<u8>) {
        let size = bytes.capacity();
        if self.torn && write_all(&mut self.out, b"\n").is_ok() {
            self.torn = false;
        }
        match write_all(&mut self.out, &bytes) {
            Ok(()) => self.failing = false,
            Err((rest, error)) => {
                let lost = rest.iter().filter(|byte| **byte == b'\n').count();
                self.shared.dropped.fetch_add(u64::try_from(lost).unwrap_or(u64::MAX), Ordering::Relaxed);
                let written = bytes.len() - rest.len();
                if let Some(last) = written.checked_sub(1).and_then(|index| bytes.get(index)) {
                    self.torn = *last != b'\n';
                }
                if !std::mem::replace(&mut self.failing, true) {
                    (self.on_failure)(&error);
                }
            }
        }
        self.shared.queued_bytes.fetch_sub(size, Ordering::Relaxed);
        self.shared.recycle(bytes);
    }
}

/// Like `Write::write_all`, but tells what is left and waits where the far side is non-blocking.
fn write_all<'a>(out: &mut impl Write, mut bytes: &'a [u8]) -> Result<(), (&'a [u8], io::Error)> {
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => return Err((bytes, io::ErrorKind::WriteZero.into())),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(RETRY),
            Err(error) => return Err((bytes, error)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    /// Takes what a script allows; shows what it took.
    struct Scripted {
        script: Receiver<io::Result<usize>>,
        taken: Sender<Vec<u8>>,
    }

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let allowed = self.script.recv().unwrap_or(Ok(usize::MAX))?.min(bytes.len());
            self.taken.send(bytes[..allowed].to_vec()).unwrap();
            Ok(allowed)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn scripted() -> (Writer, Sender<io::Result<usize>>, Receiver<Vec<u8>>) {
        let (allow, script) = channel();
        let (taken, seen) = channel();
        (Writer::start("test", Scripted { script, taken }, |_| ()).unwrap(), allow, seen)
    }

    fn offer(writer: &Writer, text: &str) {
        let lines = text.matches('\n').count();
        writer.offer(&mut text.as_bytes().to_vec(), u64::try_from(lines).unwrap());
    }

    #[test]
    fn a_stalled_reader_costs_lines_and_no_waiting() {
        let (writer, allow, seen) = scripted();
        let offered = u64::try_from(MAX_QUEUED_CHUNKS).unwrap() + 100;
        for _ in 0..offered {
            offer(&writer, "line\n");
        }
        // The thread holds at most one chunk; the queue holds the others.
        let dropped = writer.dropped();
        assert!((99..=100).contains(&dropped), "{dropped}");
        drop(allow);
        writer.close();
        assert_eq!(u64::try_from(seen.iter().count()).unwrap(), offered - dropped);
    }

    #[test]
    fn queued_bytes_are_bounded() {
        let (writer, allow, seen) = scripted();
        let line = format!("{}\n", "x".repeat(1024 * 1024));
        for _ in 0..20 {
            offer(&writer, &line);
        }
        let dropped = writer.dropped();
        assert!((12..=13).contains(&dropped), "{dropped}");
        drop(allow);
        writer.close();
        assert_eq!(u64::try_from(seen.iter().count()).unwrap(), 20 - dropped);
        assert_eq!(writer.shared.queued_bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_a_full_disk_refuses_is_counted_and_the_next_line_stands_alone() {
        let (writer, allow, seen) = scripted();
        for step in [Ok(5), Err(io::ErrorKind::StorageFull.into()), Ok(usize::MAX), Ok(usize::MAX)] {
            allow.send(step).unwrap();
        }
        offer(&writer, "one\ntwo\nthree\n");
        offer(&writer, "four\n");
        writer.close();
        assert_eq!(seen.iter().collect::<Vec<_>>().concat(), b"one\nt\nfour\n");
        assert_eq!(writer.dropped(), 2);
    }

    #[test]
    fn a_busy_far_side_is_tried_again() {
        let (writer, allow, seen) = scripted();
        for step in [Err(io::ErrorKind::WouldBlock.into()), Err(io::ErrorKind::Interrupted.into()), Ok(usize::MAX)] {
            allow.send(step).unwrap();
        }
        offer(&writer, "line\n");
        writer.close();
        assert_eq!(seen.iter().collect::<Vec<_>>(), [b"line\n"]);
        assert_eq!(writer.dropped(), 0);
    }

    #[test]
    fn a_closed_pipe_costs_lines_only() {
        let (reader, pipe) = io::pipe().unwrap();
        drop(reader);
        let writer = Writer::start("test", pipe, |error| assert_eq!(error.kind(), io::ErrorKind::BrokenPipe)).unwrap();
        offer(&writer, "a\nb\n");
        offer(&writer, "c\n");
        writer.close();
        assert_eq!(writer.dropped(), 3);
    }

    #[test]
    fn a_failure_is_told_when_it_begins() {
        static TOLD: AtomicU64 = AtomicU64::new(0);
        let (allow, script) = channel();
        let (taken, _seen) = channel();
        let tell = |_: &io::Error| {
            TOLD.fetch_add(1, Ordering::Relaxed);
        };
        let writer = Writer::start("test", Scripted { script, taken }, tell).unwrap();
        for works in [false, false, true, false] {
            allow.send(if works { Ok(usize::MAX) } else { Err(io::ErrorKind::StorageFull.into()) }).unwrap();
            offer(&writer, "line\n");
        }
        writer.close();
        assert_eq!((TOLD.load(Ordering::Relaxed), writer.dropped()), (2, 3));
    }

    #[test]
    fn lines_after_the_end_are_counted_as_dropped() {
        let (writer, allow, _seen) = scripted();
        drop(allow);
        writer.close();
        writer.close();
        offer(&writer, "a\nb\n");
        assert_eq!(writer.dropped(), 2);
    }

    #[test]
    fn full_buffers_are_used_again() {
        let (writer, allow, _seen) = scripted();
        drop(allow);
        let mut buffer = vec![b'\n'; CHUNK];
        let first = buffer.as_ptr();
        writer.offer(&mut buffer, 1);
        writer.close();
        let again = writer.shared.spare();
        assert_eq!(again.as_ptr(), first);
    }
}
