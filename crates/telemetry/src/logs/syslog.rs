//! Lines for a syslog receiver over TCP. A thread of its own takes them from a bounded queue, connects again with growing
//! pauses while the receiver is away, and counts what no longer fits; nobody else waits for it, stalled or gone.

mod frame;
#[cfg(test)]
mod tests;

use std::io::{self, Read as _, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::export::{Collector, CollectorState};
use crate::spec::LogsSpec;
use crate::writer::Writer;
use frame::Header;

/// `local0`.
pub(super) const DEFAULT_FACILITY: u8 = 16;
/// Until a connection stands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Until one that takes nothing is given up.
const STALL: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Who receives, and how we name ourselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Receiver {
    /// `host:port`.
    address: Box<str>,
    header: Header,
}

/// The lines on their way to a receiver.
pub(super) struct Syslog {
    receiver: Receiver,
    writer: Writer,
    shared: Arc<Shared>,
    offered: AtomicU64,
}

#[derive(Default)]
struct Shared {
    /// What waits is sent if the receiver is there, and given up otherwise.
    hurry: Mutex<bool>,
    hurried: Condvar,
    /// What it took, when, and what went wrong last.
    state: Mutex<CollectorState>,
}

impl Receiver {
    /// The one that `spec` names. It was checked before: what is no address is none.
    pub(super) fn of(spec: &LogsSpec, name: &str) -> Option<Self> {
        let address = address(spec.syslog.as_ref()?).ok()?;
        let facility = spec.facility.as_ref().map_or(DEFAULT_FACILITY, |facility| facility.value);
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Some(Self { address: address.into(), header: Header::new(facility, &host, name, std::process::id()) })
    }
}

/// `host:port` in `tcp://host:port`; if it is not one, what is wrong.
pub(super) fn address(url: &str) -> Result<&str, &'static str> {
    let wanted = "wanted tcp://host:port";
    if url.starts_with("tls://") {
        return Err(
            "syslog is sent over plain TCP only, wanted tcp://host:port of a receiver beside it that speaks TLS",
        );
    }
    let address = url.strip_prefix("tcp://").ok_or(wanted)?.trim_end_matches('/');
    let (host, port) = address.rsplit_once(':').ok_or(wanted)?;
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
        }
    };
    if is_host && port.parse::<u16>().is_ok_and(|port| port != 0) { Ok(address) } else { Err(wanted) }
}

impl Syslog {
    /// Starts the thread. Whether the receiver is there shows later.
    pub(super) fn start(receiver: Receiver) -> io::Result<Self> {
        Self::with(receiver, FIRST_PAUSE, STALL)
    }

    fn with(receiver: Receiver, first_pause: Duration, stall: Duration) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let link = Link {
            receiver: receiver.clone(),
            shared: Arc::clone(&shared),
            stream: None,
            first_pause,
            pause: first_pause,
            stall,
            frame: Vec::new(),
            given_up: false,
        };
        // The link tells itself when sending begins to fail.
        let writer = Writer::start("log-syslog", link, |_| ())?;
        Ok(Self { receiver, writer, shared, offered: AtomicU64::new(0) })
    }

    /// Puts one line in the queue. Never waits.
    pub(super) fn send(&self, line: Vec<u8>) {
        self.offered.fetch_add(1, Ordering::Relaxed);
        self.writer.send(line, 1);
    }

    /// From now on lines are given up while the receiver is away. To be called before the writer is closed.
    pub(super) fn hurry(&self) {
        *self.shared.hurry.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.hurried.notify_all();
    }

    pub(super) fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    pub(super) fn writer(&self) -> &Writer {
        &self.writer
    }

    /// How the receiver does.
    pub(super) fn collector(&self) -> Collector {
        let mut state = self.shared.state().clone();
        state.dropped = self.writer.dropped();
        state.queued = self.offered.load(Ordering::Relaxed).saturating_sub(state.sent + state.dropped);
        Collector { signal: "logs", target: format!("tcp://{}", self.receiver.address).into(), state }
    }
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, CollectorState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_hurried(&self) -> bool {
        *self.hurry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits, or less where nobody waits for the receiver any more.
    fn pause(&self, pause: Duration) {
        let hurry = self.hurry.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.hurried.wait_timeout_while(hurry, pause, |hurry| !*hurry));
    }
}

/// The connection, owned by the thread. Each write is one line.
struct Link {
    receiver: Receiver,
    shared: Arc<Shared>,
    stream: Option<TcpStream>,
    first_pause: Duration,
    pause: Duration,
    stall: Duration,
    frame: Vec<u8>,
    /// Nobody waits any more, and the receiver was away.
    given_up: bool,
}

impl Write for Link {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.given_up {
            return Err(io::ErrorKind::NotConnected.into());
        }
        self.frame.clear();
        self.receiver.header.push(&mut self.frame, line);
        loop {
            let hurried = self.shared.is_hurried();
            match self.attempt() {
                Ok(()) => {
                    self.taken();
                    return Ok(line.len());
                }
                Err(error) => {
                    self.stream = None;
                    self.failed(&error);
                    if hurried {
                        self.given_up = true;
                        return Err(io::Error::other(error));
                    }
                }
            }
            self.shared.pause(self.pause);
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Link {
    /// Sends the frame as a whole, over a new connection if need be: nobody could tell where a torn one ends.
    fn attempt(&mut self) -> io::Result<()> {
        if self.stream.as_ref().is_some_and(has_left) {
            self.stream = None;
        }
        let stream = match &mut self.stream {
            Some(stream) => stream,
            place => place.insert(connect(&self.receiver.address, self.stall)?),
        };
        stream.write_all(&self.frame)
    }

    fn taken(&mut self) {
        self.pause = self.first_pause;
        let mut state = self.shared.state();
        state.sent += 1;
        state.last_success = Some(SystemTime::now());
        let recovers = state.last_failure.take().is_some();
        drop(state);
        if recovers {
            let receiver = &*self.receiver.address;
            tracing::info!(event = "log-receiver-back", receiver, "the syslog receiver takes lines again");
        }
    }

    fn failed(&self, error: &io::Error) {
        let text = match error.kind() {
            // What the limit of a write ends with.
            io::ErrorKind::WouldBlock => "it takes nothing".into(),
            _ => error.to_string().into_boxed_str(),
        };
        let before = self.shared.state().last_failure.replace((SystemTime::now(), text));
        if before.is_none() {
            let receiver = &*self.receiver.address;
            tracing::warn!(event = "log-receiver-away", receiver, error = %error, "the syslog receiver takes no lines");
        }
    }
}

fn connect(address: &str, stall: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "its name has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(stream) => {
                stream.set_write_timeout(Some(stall))?;
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Whether the far side has closed: what is written then is lost without a word. It has nothing to say, so that whatever
/// it sends is thrown away.
fn has_left(mut stream: &TcpStream) -> bool {
    if stream.set_nonblocking(true).is_err() {
        return true;
    }
    let read = stream.read(&mut [0; 512]);
    let stays = match read {
        Ok(length) => length > 0,
        Err(error) => matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
    };
    !stays || stream.set_nonblocking(false).is_err()
}
