//! New connections, within the upstream's time limit.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::upstream::io::Io;
use crate::upstream::tls::ClientTls;

/// What was agreed on while connecting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alpn {
    Http1,
    Http2,
}

/// Connects over TCP, and over TLS where `tls` is given.
pub(crate) async fn tcp(address: SocketAddr, tls: Option<&ClientTls>, limit: Duration) -> io::Result<(Io, Alpn)> {
    let connecting = async {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = tls else { return Ok((Io::Tcp(stream), Alpn::Http1)) };
        let connector = TlsConnector::from(std::sync::Arc::clone(&tls.config));
        let stream = connector.connect(tls.name.clone(), stream).await?;
        let alpn = if stream.get_ref().1.alpn_protocol() == Some(b"h2") { Alpn::Http2 } else { Alpn::Http1 };
        Ok((Io::Tls(Box::new(stream)), alpn))
    };
    within(limit, connecting).await
}

/// Connects to a unix socket.
pub(crate) async fn unix(path: &Path, limit: Duration) -> io::Result<(Io, Alpn)> {
    within(limit, async { Ok((Io::Unix(UnixStream::connect(path).await?), Alpn::Http1)) }).await
}

async fn within<T>(limit: Duration, connecting: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match tokio::time::timeout(limit, connecting).await {
        Ok(outcome) => outcome,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {limit:?}"))),
    }
}
