//! One end of a byte stream with HTTP/1 read off it by hand: strict, and not by the code under test. Clients and scripted
//! services both use it.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::certificates::{Authority, Identity};
use crate::message::Message;
use crate::patience::patiently;

/// A connection with what has been read ahead.
pub struct Connection {
    read: Box<dyn AsyncRead + Send + Unpin>,
    write: Box<dyn AsyncWrite + Send + Unpin>,
    ahead: BytesMut,
}

impl Connection {
    /// Connects over TCP.
    pub async fn tcp(address: SocketAddr) -> Self {
        Self::over(
            TcpStream::connect(address).await.unwrap_or_else(|error| panic!("no connection to {address}: {error}")),
        )
    }

    /// What is connected already.
    pub fn plain(stream: TcpStream) -> Self {
        Self::over(stream)
    }

    /// Connects over TLS to a server that must be called `name`, offering the protocols `alpn`.
    pub async fn tls(address: SocketAddr, name: &str, authority: &Authority, alpn: &[&str]) -> io::Result<Self> {
        Self::tls_behind(b"", address, name, authority, alpn).await
    }

    /// The same after `first` has been sent as it is, as a balancer in front does.
    pub async fn tls_behind(
        first: &[u8],
        address: SocketAddr,
        name: &str,
        authority: &Authority,
        alpn: &[&str],
    ) -> io::Result<Self> {
        Ok(Self::over(tls(first, address, name, authority, alpn, None).await?))
    }

    /// The same as [`Connection::tls`] with a certificate of its own.
    pub async fn tls_as(
        identity: &Identity,
        address: SocketAddr,
        name: &str,
        authority: &Authority,
    ) -> io::Result<Self> {
        Ok(Self::over(tls(b"", address, name, authority, &[], Some(identity)).await?))
    }

    /// Connects to a unix socket.
    pub async fn unix(path: &Path) -> Self {
        Self::over(UnixStream::connect(path).await.unwrap())
    }

    pub(crate) fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        let (read, write) = tokio::io::split(stream);
        Self { read: Box::new(read), write: Box::new(write), ahead: BytesMut::new() }
    }

    /// One to send with and one to receive with, for doing both at once.
    pub fn split(self) -> (Self, Self) {
        let to = Self { read: Box::new(tokio::io::empty()), write: self.write, ahead: BytesMut::new() };
        (to, Self { read: self.read, write: Box::new(tokio::io::sink()), ahead: self.ahead })
    }

    /// Writes bytes.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.expect("the other side takes what is sent");
    }

    /// Writes bytes to somebody who may have gone.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.write.write_all(bytes.as_ref()).await?;
        self.write.flush().await
    }

    /// Says that nothing more will be sent.
    pub async fn finish(&mut self) {
        let _ = self.write.shutdown().await;
    }

    /// Sends a GET and returns the whole answer.
    pub async fn get(&mut self, target: &str) -> Message {
        self.ask("GET", target, "").await
    }

    /// Sends a request without a body and with `fields` (lines that end in CRLF) and returns the whole answer.
    pub async fn ask(&mut self, method: &str, target: &str, fields: &str) -> Message {
        self.send(format!("{method} {target} HTTP/1.1\r\nHost: gateway.test\r\n{fields}\r\n")).await;
        self.answer_to(method).await
    }

    /// Sends a request with a body of told length and returns the whole answer.
    pub async fn post(&mut self, target: &str, body: impl AsRef<[u8]>) -> Message {
        let body = body.as_ref();
        let head = format!("POST {target} HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: {}\r\n\r\n", body.len());
        self.send([head.as_bytes(), body].concat()).await;
        self.answer().await
    }

    /// The whole answer that comes next.
    pub async fn answer(&mut self) -> Message {
        self.answer_to("GET").await
    }

    /// The whole answer that comes next; to a HEAD it has no body.
    pub async fn answer_to(&mut self, method: &str) -> Message {
        self.try_answer(method).await.expect("a whole answer comes")
    }

    /// The answer that comes next, or why it is not a whole one.
    pub async fn try_answer(&mut self, method: &str) -> io::Result<Message> {
        patiently("an answer", async {
            let mut message = self.head().await?;
            let status = message.status();
            if method != "HEAD" && status >= 200 && status != 204 && status != 304 {
                self.body_of(&mut message, Unframed::UntilClose).await?;
            }
            Ok(message)
        })
        .await
    }

    /// The whole request that comes next.
    pub async fn request(&mut self) -> io::Result<Message> {
        let mut message = self.head().await?;
        self.body_of(&mut message, Unframed::Empty).await?;
        Ok(message)
    }

    /// A head, without the body that may follow.
    pub async fn head(&mut self) -> io::Result<Message> {
        let start = self.line().await?;
        Ok(Message { start, headers: self.fields().await?, ..Message::default() })
    }

    /// The next chunk of a chunked body; `None` is the last one, after which trailers follow.
    pub async fn chunk(&mut self) -> io::Result<Option<Bytes>> {
        let line = patiently("a chunk", self.line()).await?;
        let size = usize::from_str_radix(&line, 16).map_err(|_| broken(format!("'{line}' is no size of a chunk")))?;
        if size == 0 {
            return Ok(None);
        }
        let data = self.exactly(size).await?;
        match &*self.exactly(2).await? {
            b"\r\n" => Ok(Some(data)),
            other => Err(broken(format!("a chunk ends with {other:?}"))),
        }
    }

    /// Exactly so many bytes.
    pub async fn exactly(&mut self, length: usize) -> io::Result<Bytes> {
        while self.ahead.len() < length {
            self.more().await?;
        }
        Ok(self.ahead.split_to(length).freeze())
    }

    /// Everything until the other side closes.
    pub async fn rest(&mut self) -> io::Result<Bytes> {
        while self.read.read_buf(&mut self.ahead).await? > 0 {}
        Ok(self.ahead.split().freeze())
    }

    /// Waits until the other side closes, in whatever way, and checks that it says nothing more before.
    pub async fn closed(&mut self) {
        let rest = patiently("the end of a connection", self.read.read_buf(&mut self.ahead)).await;
        assert!(matches!(rest, Ok(0) | Err(_)), "more came: {:?}", String::from_utf8_lossy(&self.ahead));
        assert!(self.ahead.is_empty(), "more had come: {:?}", String::from_utf8_lossy(&self.ahead));
    }

    async fn body_of(&mut self, message: &mut Message, unframed: Unframed) -> io::Result<()> {
        let (length, coding) = (message.header("content-length"), message.header("transfer-encoding"));
        match (length, coding.as_deref()) {
            (None, Some("chunked")) => {
                while let Some(chunk) = self.chunk().await? {
                    message.body.extend_from_slice(&chunk);
                }
                message.trailers = self.fields().await?;
            }
            (Some(length), None) => {
                let length = length.parse().map_err(|_| broken(format!("'{length}' is no length")))?;
                message.body = self.exactly(length).await?.to_vec();
            }
            (None, None) if unframed == Unframed::UntilClose => message.body = self.rest().await?.to_vec(),
            (None, None) => {}
            (length, coding) => return Err(broken(format!("length {length:?} with coding {coding:?}"))),
        }
        Ok(())
    }

    async fn fields(&mut self) -> io::Result<HeaderMap> {
        let mut fields = HeaderMap::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Ok(fields);
            }
            let malformed = || broken(format!("'{line}' is no field"));
            let (name, value) = line.split_once(':').ok_or_else(malformed)?;
            let name: HeaderName = name.parse().map_err(|_| malformed())?;
            fields.append(name, HeaderValue::from_str(value.trim()).map_err(|_| malformed())?);
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.ahead.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.ahead.split_to(end + 2);
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> io::Result<()> {
        match self.read.read_buf(&mut self.ahead).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// What a body is that nothing says the length of.
#[derive(PartialEq, Eq)]
enum Unframed {
    Empty,
    UntilClose,
}

fn broken(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// A TLS stream to a server that must be called `name`, behind `first`.
pub(crate) async fn tls(
    first: &[u8],
    address: SocketAddr,
    name: &str,
    authority: &Authority,
    alpn: &[&str],
    identity: Option<&Identity>,
) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let connector = TlsConnector::from(Arc::new(authority.client(alpn, identity)));
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(first).await?;
    connector.connect(ServerName::try_from(name.to_owned()).unwrap(), stream).await
}
