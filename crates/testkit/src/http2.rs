//! An HTTP/2 client: by prior knowledge or over TLS.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::body::{self, Reply};
use crate::certificates::Authority;
use crate::connection;
use crate::message::Message;
use crate::patience::patiently;

/// A connection that many requests share.
#[derive(Clone)]
pub struct Http2 {
    sender: http2::SendRequest<Reply>,
    origin: String,
}

impl Http2 {
    /// Connects over TCP and speaks HTTP/2 from the first byte.
    pub async fn tcp(address: SocketAddr) -> Self {
        Self::tcp_behind(b"", address).await
    }

    /// The same after `first` has been sent as it is, as a balancer in front does.
    pub async fn tcp_behind(first: &[u8], address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(first).await.unwrap();
        Self::over(stream, "http://gateway.test".to_owned()).await
    }

    /// The same with somebody who may not be there any more.
    pub async fn try_tcp(address: SocketAddr) -> std::io::Result<Self> {
        Ok(Self::over(TcpStream::connect(address).await?, "http://gateway.test".to_owned()).await)
    }

    /// The next piece of an answer's body; `None` at its end or at its trailers.
    pub async fn piece(body: &mut Incoming) -> hyper::Result<Option<Bytes>> {
        let piece = patiently("a piece of an answer", body::piece(body)).await?;
        Ok(piece.and_then(|piece| piece.into_data().ok()))
    }

    /// Connects over TLS to `name`, which has to choose HTTP/2.
    pub async fn tls(address: SocketAddr, name: &str, authority: &Authority) -> Self {
        Self::tls_behind(b"", address, name, authority).await
    }

    /// The same after `first` has been sent as it is, as a balancer in front does.
    pub async fn tls_behind(first: &[u8], address: SocketAddr, name: &str, authority: &Authority) -> Self {
        let stream = connection::tls(first, address, name, authority, &["h2"], None).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        Self::over(stream, format!("https://{name}")).await
    }

    async fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, origin: String) -> Self {
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self { sender, origin }
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// A request to `path` of this server, to be completed.
    pub fn request(&self, method: &str, path: &str) -> http::request::Builder {
        Request::builder().method(method).uri(format!("{}{path}", self.origin))
    }

    /// Sends a request and waits for the head of the answer.
    pub async fn send(&mut self, request: Request<Reply>) -> hyper::Result<Response<Incoming>> {
        patiently("the head of an answer", async {
            self.sender.ready().await?;
            self.sender.send_request(request).await
        })
        .await
    }

    /// Sends a request and returns the whole answer, or why it is not a whole one.
    pub async fn try_ask(&mut self, request: Request<Reply>) -> hyper::Result<Message> {
        let (head, incoming) = self.send(request).await?.into_parts();
        assert_eq!(head.version, Version::HTTP_2);
        let (body, trailers) = patiently("the body of an answer", body::collect(incoming)).await?;
        let start = Message::answer_start(head.version, head.status);
        Ok(Message { start, headers: head.headers, body, trailers, ..Message::default() })
    }

    /// Sends a request and returns the whole answer.
    pub async fn ask(&mut self, request: Request<Reply>) -> Message {
        self.try_ask(request).await.expect("a whole answer comes")
    }

    /// Sends a GET and returns the whole answer.
    pub async fn get(&mut self, path: &str) -> Message {
        let request = self.request("GET", path).body(Reply::empty()).unwrap();
        self.ask(request).await
    }
}
