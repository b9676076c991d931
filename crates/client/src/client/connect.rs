//! New connections: names looked up, addresses tried in turn, TLS agreed on.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio_rustls::TlsConnector;

use crate::call_error::CallError;
use crate::client::destination::Destination;
use crate::client::sender::{Sender, Speaks};
use crate::client::settings::{Protocol, Settings};
use crate::client::tasks::Tasks;
use crate::client::tls::HTTP_2;

/// How many of a name's addresses are tried.
const ADDRESSES: usize = 4;

/// How many bytes the head of an answer may have.
pub(crate) const HEAD_BYTES: usize = 64 * 1024;

/// How much of an answer over HTTP/2 may be on its way.
const WINDOW: u32 = 64 * 1024;

/// Connects within the time for it.
pub(crate) async fn connect(to: &Destination, settings: &Settings) -> Result<Sender, CallError> {
    let limit = settings.connect_timeout;
    match tokio::time::timeout(limit, connect_at_leisure(to, settings)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(CallError::Timeout(limit)),
    }
}

async fn connect_at_leisure(to: &Destination, settings: &Settings) -> Result<Sender, CallError> {
    match &settings.socket {
        Some(path) => secure(UnixStream::connect(path).await.map_err(unreached)?, to, settings).await,
        None => secure(tcp(to, settings.connect_timeout).await?, to, settings).await,
    }
}

/// The first of the addresses that answers; none may use up the time of the others.
async fn tcp(to: &Destination, limit: Duration) -> Result<TcpStream, CallError> {
    let found = lookup_host((to.host.as_str(), to.port)).await.map_err(unreached)?;
    let addresses: Vec<SocketAddr> = found.take(ADDRESSES).collect();
    let share = limit / u32::try_from(addresses.len().max(1)).unwrap_or(1);
    let mut last = CallError::Unreachable("the name has no address".into());
    for address in addresses {
        match tokio::time::timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true).map_err(unreached)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = unreached(error),
            Err(_) => last = CallError::Timeout(share),
        }
    }
    Err(last)
}

async fn secure<T>(stream: T, to: &Destination, settings: &Settings) -> Result<Sender, CallError>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    if !to.is_secure {
        return speak(stream, settings.protocol).await;
    }
    let name = ServerName::try_from(to.host.clone());
    let name = name.map_err(|_| CallError::Tls("no certificate could have this name".into()))?;
    let connector = TlsConnector::from(settings.tls.config(settings.protocol)?);
    let stream = connector.connect(name, stream).await.map_err(unsecured)?;
    if settings.protocol == Protocol::Http2 && stream.get_ref().1.alpn_protocol() != Some(HTTP_2) {
        return Err(CallError::Tls("HTTP/2 is not spoken there".into()));
    }
    speak(stream, settings.protocol).await
}

/// Speaks HTTP on `stream`. The tasks that drive the connection end with it, and with our end of it; what goes wrong on it
/// is told to the call that uses it.
async fn speak<T>(stream: T, protocol: Protocol) -> Result<Sender, CallError>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = TokioIo::new(stream);
    let (tasks, spawner) = Tasks::new();
    let speaks = match protocol {
        Protocol::Http1 => {
            let handshake = http1::Builder::new().max_header_size(HEAD_BYTES).handshake(stream).await;
            let (sender, connection) = handshake.map_err(unspoken)?;
            spawner.spawn(connection);
            Speaks::Http1(sender)
        }
        Protocol::Http2 => {
            let mut builder = http2::Builder::new(spawner.clone());
            let head = u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX);
            builder
                .max_header_list_size(head)
                .initial_stream_window_size(WINDOW)
                .initial_connection_window_size(WINDOW);
            let (sender, connection) = builder.handshake(stream).await.map_err(unspoken)?;
            spawner.spawn(connection);
            Speaks::Http2(sender)
        }
    };
    drop(spawner);
    Ok(Sender::new(speaks, tasks.at_rest()))
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn unspoken(error: hyper::Error) -> CallError {
    CallError::Unreachable(error.to_string().into())
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn unreached(error: io::Error) -> CallError {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => CallError::Refused,
        _ => CallError::Unreachable(error.to_string().into()),
    }
}

fn unsecured(error: io::Error) -> CallError {
    match error.get_ref() {
        Some(inner) if inner.is::<rustls::Error>() => CallError::Tls(inner.to_string().into()),
        _ => unreached(error),
    }
}
