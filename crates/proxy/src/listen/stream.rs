//! A byte stream from a client, whatever carries it, with the bytes that were read to find out what is spoken on it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

use crate::patience::Silence;

/// How an HTTP/2 client begins (RFC 9113 section 3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connected stream. A client that takes nothing of what waits for it loses it after a while: what waits holds memory
/// and an upstream's connection, and nothing else would ever end that.
pub(crate) struct ServerIo {
    ahead: BytesMut,
    carrier: Carrier,
    /// How long a write may wait.
    silence: Silence,
}

pub(crate) enum Carrier {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

impl ServerIo {
    pub(crate) fn new(carrier: Carrier, patience: Duration) -> Self {
        Self { ahead: BytesMut::new(), carrier, silence: Silence::of(patience) }
    }

    /// What was read to find out which protocol this is.
    pub(crate) fn take_ahead(&mut self) -> BytesMut {
        std::mem::take(&mut self.ahead)
    }

    /// Whether what was written may wait for a flush.
    pub(crate) fn holds_back_writes(&self) -> bool {
        matches!(self.carrier, Carrier::Tls(_))
    }

    /// Makes the end of this connection an error for the client, so that it takes nothing for complete that is not.
    pub(crate) fn reset_at_end(&self) {
        let outcome = match &self.carrier {
            Carrier::Tcp(stream) => SockRef::from(stream).set_linger(Some(Duration::ZERO)),
            Carrier::Tls(stream) => SockRef::from(stream.get_ref().0).set_linger(Some(Duration::ZERO)),
            Carrier::Unix(_) => Ok(()),
        };
        if let Err(error) = outcome {
            tracing::debug!(event = "reset-failed", %error, "a connection ends without a reset");
        }
    }

    /// The outcome of a write, or the end of our patience.
    fn patiently<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.silence.broken();
            return outcome;
        }
        ready!(self.silence.poll_over(cx));
        // Otherwise the kernel would go on to hold what it has taken from us, for as long as the client likes.
        self.reset_at_end();
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing of what waits for it")))
    }

    /// Reads until it is clear whether the client speaks HTTP/2; what was read is read again later. `None` if the client
    /// left without a word.
    pub(crate) async fn begins_with_http2(&mut self) -> io::Result<Option<bool>> {
        let mut read = BytesMut::with_capacity(8192);
        let decided = loop {
            if self.carrier.read_buf(&mut read).await? == 0 {
                break if read.is_empty() { None } else { Some(false) };
            }
            let common = read.iter().zip(PREFACE).take_while(|(read, wanted)| read == wanted).count();
            if common == PREFACE.len() {
                break Some(true);
            }
            if common < read.len() {
                break Some(false);
            }
        };
        self.ahead = read;
        Ok(decided)
    }
}

impl AsyncRead for ServerIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ahead.has_remaining() {
            let length = self.ahead.len().min(buf.remaining());
            buf.put_slice(&self.ahead.split_to(length));
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.carrier).poll_read(cx, buf)
    }
}

impl AsyncWrite for ServerIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = match &mut self.carrier {
            Carrier::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Carrier::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
            Carrier::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        };
        self.patiently(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = match &mut self.carrier {
            Carrier::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Carrier::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Carrier::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        };
        self.patiently(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = match &mut self.carrier {
            Carrier::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Carrier::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Carrier::Unix(stream) => Pin::new(stream).poll_flush(cx),
        };
        self.patiently(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.carrier {
            Carrier::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Carrier::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Carrier::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

impl AsyncRead for Carrier {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}
