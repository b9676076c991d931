//! The access log: one JSON line per request, written when the last byte has left. A worker formats into a buffer of its
//! own and hands full buffers to the thread that writes, so that a slow disk or pipe costs lines and never a request.

mod line;

use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::appended::Appended;
use crate::sanitized::Sanitized;
use crate::writer::{CHUNK, Writer};
use gwanmun_core::Stamp;

/// Where the lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sink {
    /// Nowhere; nothing is formatted.
    Off,
    /// To standard output.
    Stdout,
    /// To the end of a file, which is made where it is missing, and anew when it was rotated away.
    File(PathBuf),
}

/// The log, shared by all workers; clones are the same log.
#[derive(Debug, Clone)]
pub struct AccessLog {
    writer: Option<Arc<Writer>>,
}

impl AccessLog {
    /// Opens the sink and starts the thread that writes to it. Fails where the file cannot be opened.
    pub fn open(sink: Sink) -> io::Result<Self> {
        let failing = |error: &io::Error| {
            tracing::warn!(event = "access-log-failing", error = %error, "lines of the access log are lost");
        };
        let writer = match sink {
            Sink::Off => return Ok(Self { writer: None }),
            // A descriptor of our own: no lock and no second buffer between us and the pipe.
            Sink::Stdout => {
                let out = File::from(io::stdout().as_fd().try_clone_to_owned()?);
                Writer::start("access-log", out, failing)?
            }
            Sink::File(path) => Writer::start("access-log", Appended::open(&path)?, failing)?,
        };
        Ok(Self { writer: Some(Arc::new(writer)) })
    }

    /// A buffer for one worker.
    pub fn buffer(&self) -> AccessBuffer {
        AccessBuffer { writer: self.writer.clone(), bytes: Vec::new(), lines: 0, stamp: Stamp::new() }
    }

    /// Whether lines go nowhere, so that entries need not be gathered.
    pub fn is_off(&self) -> bool {
        self.writer.is_none()
    }

    /// Lines lost so far: the queue was full, or the sink refused them.
    pub fn dropped(&self) -> u64 {
        self.writer.as_ref().map_or(0, |writer| writer.dropped())
    }

    /// Writes everything the buffers handed over and ends the thread. To be called when the workers have ended; again is
    /// nothing. Blocks for at most 5 s where nobody reads the pipe.
    pub fn close(&self) {
        if let Some(writer) = &self.writer {
            writer.close();
        }
    }
}

/// The lines of one worker on their way. Flushes itself when dropped.
#[derive(Debug)]
pub struct AccessBuffer {
    writer: Option<Arc<Writer>>,
    bytes: Vec<u8>,
    lines: u64,
    stamp: Stamp,
}

/// What a worker has to do after a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Pushed {
    /// The buffer was empty: `flush` should be called soon (10 ms is a good time).
    FirstInBuffer,
    /// A flush is due already, or the lines are on their way.
    NothingToDo,
}

impl AccessBuffer {
    /// Formats one line; hands the buffer over when it holds more than 32 KiB. Never waits, and allocates only to replace
    /// a buffer.
    pub fn push(&mut self, entry: &Entry<'_>) -> Pushed {
        if self.writer.is_none() {
            return Pushed::NothingToDo;
        }
        if self.bytes.capacity() == 0 {
            self.bytes.reserve(CHUNK + CHUNK / 4);
        }
        line::push(&mut self.bytes, &mut self.stamp, entry);
        self.lines += 1;
        if self.bytes.len() > CHUNK {
            self.flush();
            Pushed::NothingToDo
        } else if self.lines == 1 {
            Pushed::FirstInBuffer
        } else {
            Pushed::NothingToDo
        }
    }

    /// Hands over what is there. Where the queue is full the lines are dropped and counted.
    pub fn flush(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        if lines > 0
            && let Some(writer) = &self.writer
        {
            writer.offer(&mut self.bytes, lines);
        }
    }
}

impl Drop for AccessBuffer {
    fn drop(&mut self) {
        self.flush();
    }
}

/// What the log tells of one request; the fields are the keys of the line, in their order. Absent ones are `null`.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// When the request's head had arrived.
    pub time: SystemTime,
    /// 32 hex digits.
    pub trace_id: &'a str,
    /// 16 hex digits: the gateway's own span.
    pub span_id: &'a str,
    /// The resolved client; none on a unix socket.
    pub client: Option<IpAddr>,
    /// The listener's name.
    pub listener: &'a str,
    /// `HTTP/1.1`, `HTTP/2`, …
    pub protocol: &'a str,
    /// The method as it came.
    pub method: &'a str,
    /// The host asked for; empty where none was.
    pub host: &'a str,
    /// Path as it came, whatever its bytes.
    pub path: &'a [u8],
    /// Id of the route taken.
    pub route: Option<&'a str>,
    /// Name of its upstream.
    pub upstream: Option<&'a str>,
    /// The endpoint that answered, or was tried last.
    pub endpoint: Option<&'a str>,
    /// The status sent.
    pub status: u16,
    /// The fault's code, where the gateway answered by itself.
    pub fault: Option<&'a str>,
    /// What exactly went wrong, where that is known.
    pub fault_reason: Option<&'a str>,
    /// From the request's first byte to the answer's last.
    pub duration: Duration,
    /// The part of it spent with the upstream.
    pub upstream_duration: Option<Duration>,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// Who asked, where that was established.
    pub principal: Option<&'a str>,
    /// `User-Agent` as it came, whatever its bytes.
    pub user_agent: Option<&'a [u8]>,
    /// What was done to the request at the door; no field where it was nothing.
    pub sanitized: Sanitized,
    /// The trace an untrusted caller said it was in, 32 hex digits; no field where there was none.
    pub linked_trace_id: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::thread;

    use super::*;

    fn entry() -> Entry<'static> {
        Entry {
            time: SystemTime::UNIX_EPOCH,
            trace_id: "4bf92f3577b34da6a3ce929d0e0e4736",
            span_id: "00f067aa0ba902b7",
            client: Some([192, 0, 2, 1].into()),
            listener: "edge",
            protocol: "HTTP/1.1",
            method: "GET",
            host: "example.org",
            path: b"/orders/7",
            route: Some("orders"),
            upstream: Some("orders"),
            endpoint: Some("http://127.0.0.1:9001"),
            status: 200,
            fault: None,
            fault_reason: None,
            duration: Duration::from_micros(1234),
            upstream_duration: Some(Duration::from_micros(1000)),
            bytes_in: 0,
            bytes_out: 1024,
            principal: None,
            user_agent: Some(b"curl/8.5.0"),
            sanitized: Sanitized::NOTHING,
            linked_trace_id: None,
        }
    }

    fn to_file() -> (tempfile::TempDir, PathBuf, AccessLog) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let log = AccessLog::open(Sink::File(path.clone())).unwrap();
        (folder, path, log)
    }

    #[test]
    fn nothing_is_lost_under_load() {
        let (_folder, path, log) = to_file();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut buffer = log.buffer();
                    for bytes_in in 0..5000 {
                        let _ = buffer.push(&Entry { bytes_in, ..entry() });
                    }
                });
            }
        });
        log.close();
        let text = fs::read_to_string(path).unwrap();
        assert_eq!((text.lines().count(), log.dropped()), (10_000, 0));
        for line in text.lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
    }

    #[test]
    fn the_first_line_in_a_buffer_asks_for_a_flush() {
        let (_folder, path, log) = to_file();
        let mut buffer = log.buffer();
        assert_eq!(buffer.push(&entry()), Pushed::FirstInBuffer);
        assert_eq!(buffer.push(&entry()), Pushed::NothingToDo);
        buffer.flush();
        assert_eq!(buffer.push(&entry()), Pushed::FirstInBuffer);
        let long = vec![b'x'; CHUNK];
        assert_eq!(buffer.push(&Entry { path: &long, ..entry() }), Pushed::NothingToDo, "handed over by itself");
        assert_eq!(buffer.push(&Entry { path: &long, ..entry() }), Pushed::NothingToDo, "nothing is left behind");
        buffer.flush();
        log.close();
        assert_eq!(fs::read_to_string(path).unwrap().lines().count(), 5);
    }

    #[test]
    fn a_buffer_that_goes_leaves_its_lines() {
        let (_folder, path, log) = to_file();
        let _ = log.buffer().push(&entry());
        log.close();
        log.clone().close();
        assert_eq!(fs::read_to_string(path).unwrap().lines().count(), 1);
    }

    #[test]
    fn a_file_is_continued() {
        let (_folder, path, log) = to_file();
        let _ = log.buffer().push(&entry());
        log.close();
        let log = AccessLog::open(Sink::File(path.clone())).unwrap();
        let _ = log.buffer().push(&entry());
        log.close();
        assert_eq!(fs::read_to_string(path).unwrap().lines().count(), 2);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_costs_lines_only() {
        let log = AccessLog::open(Sink::File("/dev/full".into())).unwrap();
        let mut buffer = log.buffer();
        for _ in 0..3 {
            let _ = buffer.push(&entry());
            buffer.flush();
        }
        log.close();
        assert_eq!(log.dropped(), 3);
    }

    #[test]
    fn off_formats_nothing() {
        let log = AccessLog::open(Sink::Off).unwrap();
        let mut buffer = log.buffer();
        assert!(log.is_off());
        assert_eq!(buffer.push(&entry()), Pushed::NothingToDo);
        assert!(buffer.bytes.is_empty());
        log.close();
        assert_eq!(log.dropped(), 0);
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = AccessLog::open(Sink::File(folder.path().join("missing/access.log"))).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
