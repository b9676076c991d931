//! Accepting: every connection of a listener becomes a task of its own, unless there are too many.

use std::future::poll_fn;
use std::io::Read;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use gwanmun_telemetry::metrics::Refusal;
use socket2::{SockFilter, SockRef};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::drain::Doorway;
use crate::listen::bind::Socketed;
use crate::listen::seldom::Seldom;
use crate::reply;
use crate::serve;
use crate::worker::{ConnectionPermit, Worker};

/// After a failed accept (out of file handles, say) the next try waits so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Drops every segment that has the flag SYN (RFC 9293 section 3.1: byte 13, value 2): load the byte, test the bit, take
/// nothing or all.
const NO_SYN: [SockFilter; 4] = [
    SockFilter::new(0x30, 0, 0, 13),
    SockFilter::new(0x45, 0, 1, 2),
    SockFilter::new(0x06, 0, 0, 0),
    SockFilter::new(0x06, 0, 0, u32::MAX),
];

/// Handshakes of TCP that have begun when a doorway is closed have so long to end.
const HANDSHAKES: Duration = Duration::from_millis(50);

/// Accepts connections by one doorway until it is closed, and then those that clients believe to have already: closing
/// the socket would reset them.
pub(crate) async fn accept(worker: Rc<Worker>, doorway: Rc<Doorway>, socket: Socketed) -> std::io::Result<()> {
    let door = Door::open(socket)?;
    let (failures, refusals) = (Seldom::default(), Seldom::default());
    loop {
        tokio::select! {
            biased;
            () = doorway.closed() => break,
            arrived = poll_fn(|cx| door.poll_accept(cx)) => match arrived {
                Ok(arrived) => begin(&worker, &doorway, arrived, &refusals),
                Err(error) => pause(&error, &doorway, &failures).await,
            },
        }
    }
    if !doorway.bound.has_heir() {
        door.turn_new_ones_away();
    }
    let handshakes = tokio::time::sleep(HANDSHAKES);
    tokio::pin!(handshakes);
    loop {
        tokio::select! {
            biased;
            arrived = poll_fn(|cx| door.poll_accept(cx)) => match arrived {
                Ok(arrived) => begin(&worker, &doorway, arrived, &refusals),
                Err(error) => pause(&error, &doorway, &failures).await,
            },
            () = &mut handshakes => break,
        }
    }
    // Lets the runtime hear of what has come meanwhile.
    tokio::task::yield_now().await;
    while let Some(Ok(arrived)) = poll_fn(|cx| Poll::Ready(at_once(door.poll_accept(cx)))).await {
        begin(&worker, &doorway, arrived, &refusals);
    }
    Ok(())
}

/// A listening socket.
enum Door {
    Tcp { listener: TcpListener, port: u16 },
    Unix(UnixListener),
}

impl Door {
    fn open(socket: Socketed) -> std::io::Result<Self> {
        Ok(match socket {
            Socketed::Tcp(listener) => {
                let listener = TcpListener::from_std(listener)?;
                let port = listener.local_addr()?.port();
                Self::Tcp { listener, port }
            }
            Socketed::Unix(listener) => Self::Unix(UnixListener::from_std(listener)?),
        })
    }

    /// The system drops what asks for a new connection, and lets those end their handshake that have begun it. Clients
    /// ask again after a second, and are refused then.
    fn turn_new_ones_away(&self) {
        let Self::Tcp { listener, .. } = self else { return };
        if let Err(error) = SockRef::from(listener).attach_filter(&NO_SYN) {
            tracing::debug!(event = "filter-refused", %error, "connections that arrive while a listener closes may be reset");
        }
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<std::io::Result<Arrived>> {
        match self {
            Self::Tcp { listener, port } => {
                listener.poll_accept(cx).map_ok(|(stream, peer)| Arrived::Tcp { stream, peer, port: *port })
            }
            Self::Unix(listener) => listener.poll_accept(cx).map_ok(|(stream, _)| Arrived::Unix(stream)),
        }
    }
}

fn at_once<T>(poll: Poll<T>) -> Option<T> {
    match poll {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

async fn pause(error: &std::io::Error, doorway: &Doorway, failures: &Seldom) {
    if let Some(times) = failures.happened(Instant::now()) {
        let listener = doorway.bound.listener.load();
        tracing::warn!(event = "accept-failed", listener = %listener.name, times, %error, "a connection could not be accepted");
    }
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

pub(crate) enum Arrived {
    Tcp { stream: TcpStream, peer: SocketAddr, port: u16 },
    Unix(UnixStream),
}

impl Arrived {
    /// Says a last word, as far as that is possible without waiting.
    fn tell(&self, word: &[u8]) {
        let socket = match self {
            Self::Tcp { stream, .. } => SockRef::from(stream),
            Self::Unix(stream) => SockRef::from(stream),
        };
        // What has been said already is taken from the kernel, which would answer it with a reset.
        let _ = (&*socket).read(&mut [0; 4096]);
        let _ = socket.send(word);
    }
}

/// Serves a connection in a task of its own, unless there are too many.
fn begin(worker: &Rc<Worker>, doorway: &Rc<Doorway>, arrived: Arrived, refusals: &Seldom) {
    let listener = doorway.bound.listener.load_full();
    let number = doorway.bound.number;
    let limit = listener.limits.connections;
    let Some(permit) = ConnectionPermit::take(worker, doorway, limit) else {
        worker.plan().metrics.refused(number, Refusal::Connections);
        if listener.tls.is_none() {
            arrived.tell(&reply::OVERLOADED);
        }
        if let Some(times) = refusals.happened(Instant::now()) {
            tracing::warn!(event = "connections-exceeded", listener = %listener.name, limit, times, "a connection was refused");
        }
        return;
    };
    let worker = Rc::clone(worker);
    tokio::task::spawn_local(async move {
        if let Err(error) = serve::connection(&worker, number, &listener, arrived, Rc::new(permit)).await {
            tracing::debug!(event = "connection-ended", listener = %listener.name, error = %error, "a connection ended early");
        }
    });
}
