//! New connections, within the upstream's time limit.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use gwanmun_core::Reason;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::upstream::io::Io;
use crate::upstream::no_connection::NoConnection;
use crate::upstream::tls::ClientTls;

/// What was agreed on while connecting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alpn {
    Http1,
    Http2,
}

/// Connects over TCP, and over TLS where `tls` is given.
pub(crate) async fn tcp(
    address: SocketAddr,
    tls: Option<&ClientTls>,
    limit: Duration,
) -> Result<(Io, Alpn), NoConnection> {
    let connecting = async {
        let stream = TcpStream::connect(address).await.map_err(NoConnection::unreached)?;
        stream.set_nodelay(true).map_err(NoConnection::unreached)?;
        let Some(tls) = tls else { return Ok((Io::Tcp(stream), Alpn::Http1)) };
        let connector = TlsConnector::from(std::sync::Arc::clone(&tls.config));
        let stream = connector.connect(tls.name.clone(), stream).await.map_err(NoConnection::unsecured)?;
        let alpn = if stream.get_ref().1.alpn_protocol() == Some(b"h2") { Alpn::Http2 } else { Alpn::Http1 };
        Ok((Io::Tls(Box::new(stream)), alpn))
    };
    within(limit, connecting).await
}

/// Connects to a unix socket.
pub(crate) async fn unix(path: &Path, limit: Duration) -> Result<(Io, Alpn), NoConnection> {
    let connecting = async {
        let stream = UnixStream::connect(path).await.map_err(NoConnection::unreached)?;
        Ok((Io::Unix(stream), Alpn::Http1))
    };
    within(limit, connecting).await
}

async fn within<T>(
    limit: Duration,
    connecting: impl Future<Output = Result<T, NoConnection>>,
) -> Result<T, NoConnection> {
    match tokio::time::timeout(limit, connecting).await {
        Ok(outcome) => outcome,
        Err(_) => Err(NoConnection::late(Reason::ConnectTimeout, limit)),
    }
}
