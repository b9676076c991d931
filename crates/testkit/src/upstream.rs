//! A decent service: HTTP/1.1, HTTP/2 by prior knowledge, either of them over TLS, or HTTP/1.1 on a unix socket.

use std::convert::Infallible;
use std::future::Future;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::body::Reply;
use crate::certificates::{self, Identity};
use crate::message::Message;
use crate::patience::patiently;

/// What a service speaks, and on what.
pub enum Speaks {
    /// HTTP/1.1 over TCP.
    Http1,
    /// HTTP/2 by prior knowledge over TCP.
    Http2,
    /// Over TLS with this certificate, the first protocol of these that the client offers too.
    Tls(Identity, &'static [&'static str]),
    /// HTTP/1.1 on a unix socket.
    Unix(PathBuf),
}

/// A running service; dropped, it accepts nothing more.
pub struct Upstream {
    url: String,
    port: u16,
    received: watch::Receiver<Vec<Message>>,
    connections: watch::Receiver<usize>,
    arrived: watch::Receiver<usize>,
    goodbye: watch::Sender<Goodbye>,
    alpn: watch::Sender<&'static [&'static str]>,
    task: JoinHandle<()>,
}

impl Upstream {
    /// Keeps every request, see [`Upstream::received`], and answers `200` with `request NUMBER` from 0.
    pub async fn recording(speaks: Speaks) -> Self {
        let (sender, received) = watch::channel(Vec::new());
        let handler = move |request: Request<Incoming>| {
            let sender = sender.clone();
            async move {
                let Some(message) = Message::received(request).await else { return Response::new(Reply::empty()) };
                let number = sender.borrow().len();
                sender.send_modify(|received| received.push(message));
                Response::new(format!("request {number}").into())
            }
        };
        let mut upstream = Self::answering(speaks, handler).await;
        upstream.received = received;
        upstream
    }

    /// Sends every body back as it comes.
    pub async fn echoing(speaks: Speaks) -> Self {
        let echo = |request: Request<Incoming>| async { Response::new(Reply::Incoming(request.into_body())) };
        Self::answering(speaks, echo).await
    }

    /// Answers every request with what `handler` makes of it.
    pub async fn answering<F: Future<Output = Response<Reply>> + Send + 'static>(
        speaks: Speaks,
        handler: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    ) -> Self {
        let (count, connections) = watch::channel(0_usize);
        let (_, received) = watch::channel(Vec::new());
        let (goodbye, said) = watch::channel(Goodbye::None);
        let (count_request, arrived) = watch::channel(0_usize);
        let handler = move |request| {
            count_request.send_modify(|count| *count += 1);
            handler(request)
        };
        let (alpn, chosen) = watch::channel(match &speaks {
            Speaks::Tls(_, alpn) => *alpn,
            _ => &[],
        });
        if let Speaks::Unix(path) = speaks {
            let listener = UnixListener::bind(&path).unwrap();
            let task = tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    count.send_modify(|count| *count += 1);
                    tokio::spawn(serve(stream, Protocol::Http1, handler.clone(), said.clone()));
                }
            });
            return Self {
                url: format!("unix:{}", path.display()),
                port: 0,
                received,
                connections,
                arrived,
                goodbye,
                alpn,
                task,
            };
        }
        // With the usual queue of 128 a burst of connections on a busy machine loses some of them for a second.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let listener = socket.listen(1024).unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = match &speaks {
            Speaks::Http1 | Speaks::Unix(_) => "http",
            Speaks::Http2 => "h2c",
            Speaks::Tls(..) => "https",
        };
        let protocol = if matches!(speaks, Speaks::Http2) { Protocol::Http2 } else { Protocol::Http1 };
        let tls = match &speaks {
            Speaks::Tls(identity, _) => Some(identity.server(&[])),
            _ => None,
        };
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.send_modify(|count| *count += 1);
                let (handler, said) = (handler.clone(), said.clone());
                let Some(mut tls) = tls.clone() else {
                    tokio::spawn(serve(stream, protocol, handler, said));
                    continue;
                };
                tls.alpn_protocols = certificates::protocols(&chosen.borrow());
                let tls = TlsAcceptor::from(Arc::new(tls));
                tokio::spawn(async move {
                    let Ok(stream) = tls.accept(stream).await else { return };
                    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                    serve(stream, if http2 { Protocol::Http2 } else { Protocol::Http1 }, handler, said).await;
                });
            }
        });
        Self {
            url: format!("{scheme}://{address}"),
            port: address.port(),
            received,
            connections,
            arrived,
            goodbye,
            alpn,
            task,
        }
    }

    /// Where it listens, as an upstream is written.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Request `number` from 0 that a recording service got; waits for it.
    pub async fn received(&self, number: usize) -> Message {
        let mut received = self.received.clone();
        let received = patiently("a request", received.wait_for(|received| received.len() > number)).await;
        received.expect("a recording service")[number].clone()
    }

    /// How many requests a recording service got.
    pub fn requests(&self) -> usize {
        self.received.borrow().len()
    }

    /// Closes every connection without a word; new ones are welcome.
    pub fn hang_up(&self) {
        self.goodbye.send_replace(Goodbye::AtOnce);
    }

    /// Speaks these protocols over TLS from the next connection on.
    pub fn speak(&self, alpn: &'static [&'static str]) {
        self.alpn.send_replace(alpn);
    }

    /// Takes no more requests on the connections there are, and finishes what runs on them.
    pub fn say_goodbye(&self) {
        self.goodbye.send_replace(Goodbye::InTheEnd);
    }

    /// Waits until so many requests have arrived, answered or not.
    pub async fn arrived(&self, requests: usize) {
        let mut arrived = self.arrived.clone();
        patiently("requests", arrived.wait_for(|arrived| *arrived >= requests)).await.expect("a running service");
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        *self.connections.borrow()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How a connection is to end.
#[derive(Clone, Copy)]
enum Goodbye {
    None,
    AtOnce,
    InTheEnd,
}

#[derive(Clone, Copy)]
enum Protocol {
    Http1,
    Http2,
}

async fn serve<F: Future<Output = Response<Reply>> + Send + 'static>(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    protocol: Protocol,
    handler: impl Fn(Request<Incoming>) -> F + Send + 'static,
    mut said: watch::Receiver<Goodbye>,
) {
    said.mark_unchanged();
    let service = service_fn(move |request| {
        let answer = handler(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let stream = TokioIo::new(stream);
    match protocol {
        Protocol::Http1 => {
            let connection = pin!(http1::Builder::new().serve_connection(stream, service));
            until_goodbye(connection, |connection| connection.graceful_shutdown(), said).await;
        }
        Protocol::Http2 => {
            let connection = pin!(http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service));
            until_goodbye(connection, |connection| connection.graceful_shutdown(), said).await;
        }
    }
}

async fn until_goodbye<C: Future>(
    mut connection: Pin<&mut C>,
    finish: impl FnOnce(Pin<&mut C>),
    mut said: watch::Receiver<Goodbye>,
) {
    tokio::select! {
        _ = connection.as_mut() => return,
        Ok(()) = said.changed() => {}
        else => return,
    }
    if matches!(*said.borrow(), Goodbye::InTheEnd) {
        finish(connection.as_mut());
        connection.await;
    }
}
