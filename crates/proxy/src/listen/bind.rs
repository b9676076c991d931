//! Listening sockets. Every worker has its own socket on a TCP address (SO_REUSEPORT: the kernel shares connections out);
//! a unix socket is shared by all.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use socket2::{Domain, Protocol, Socket, Type};

use crate::plan::ListenAddress;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 4096;

/// One worker's socket.
pub(crate) enum Socketed {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

/// Addresses that this process listens on already: to overlap with them is no mistake.
pub(crate) struct Neighbours<'a>(pub(crate) &'a [SocketAddr]);

impl Neighbours<'_> {
    /// Whether one of them is reached where `wanted` is.
    pub(crate) fn overlap(&self, wanted: SocketAddr) -> bool {
        let anywhere = wanted.ip().is_unspecified();
        let overlaps = |own: &SocketAddr| anywhere || own.ip().is_unspecified() || own.ip() == wanted.ip();
        self.0.iter().any(|own| own.port() == wanted.port() && overlaps(own))
    }
}

/// As many sockets as there are workers, and what the address turned out to be (port 0 is replaced).
pub(crate) fn bind(
    address: &ListenAddress,
    workers: usize,
    neighbours: &Neighbours<'_>,
) -> io::Result<(Vec<Socketed>, String)> {
    match address {
        ListenAddress::Tcp(text) => {
            let (sockets, bound) = tcp(ListenAddress::resolved(text)?, workers, neighbours)?;
            Ok((sockets, bound.to_string()))
        }
        ListenAddress::Unix(path) => Ok((unix(path, workers)?, format!("unix:{}", path.display()))),
    }
}

fn tcp(wanted: SocketAddr, workers: usize, neighbours: &Neighbours<'_>) -> io::Result<(Vec<Socketed>, SocketAddr)> {
    if !neighbours.overlap(wanted) {
        // A socket without SO_REUSEPORT finds out whether anybody else, another gateway included, listens there.
        let probe = socket(wanted)?;
        probe.bind(&wanted.into())?;
        probe.listen(1)?;
    }
    let mut bound = wanted;
    let mut sockets = Vec::with_capacity(workers);
    for _ in 0..workers.max(1) {
        let socket = socket(wanted)?;
        socket.set_reuse_port(true)?;
        socket.bind(&bound.into())?;
        socket.listen(BACKLOG)?;
        if let Some(address) = socket.local_addr()?.as_socket() {
            bound = address;
        }
        sockets.push(Socketed::Tcp(socket.into()));
    }
    Ok((sockets, bound))
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn unix(path: &Path, workers: usize) -> io::Result<Vec<Socketed>> {
    // A socket that nobody answers on is left over from an earlier run.
    let left_over = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
        && std::os::unix::net::UnixStream::connect(path).is_err();
    if left_over {
        std::fs::remove_file(path)?;
    }
    let listener = std::os::unix::net::UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    let mut sockets = Vec::with_capacity(workers);
    for _ in 1..workers {
        sockets.push(Socketed::Unix(listener.try_clone()?));
    }
    sockets.push(Socketed::Unix(listener));
    Ok(sockets)
}
