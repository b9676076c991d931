//! A receiver of OpenTelemetry's protocol, over HTTP or gRPC, with a reader of Protocol Buffers of its own; and one that
//! behaves as receivers do on their bad days.

mod span;
mod wire;

use std::future::pending;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::sync::watch;

use crate::body::{self, Reply};
use crate::patience::patiently;
use crate::upstream::{Speaks, Upstream};

pub use span::ReceivedSpan;

/// A receiver; dropped, it accepts nothing more.
pub struct OtlpReceiver {
    upstream: Upstream,
    requests: watch::Receiver<Vec<OtlpRequest>>,
    manner: watch::Sender<Manner>,
}

/// One request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtlpRequest {
    /// `/v1/traces`, or the method's path.
    pub path: String,
    /// The message, without gRPC's frame.
    pub message: Vec<u8>,
}

/// How a receiver behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It takes everything.
    Takes,
    /// It answers with this HTTP status.
    Answers(u16),
    /// It reads, and never answers.
    Hangs,
    /// It answers 200 with a page for people.
    Babbles,
    /// It answers 200, and the answer never ends.
    NeverStops,
    /// It sends the request somewhere else.
    Redirects,
}

impl OtlpReceiver {
    /// One that speaks HTTP.
    pub async fn http() -> Self {
        Self::start(Speaks::Http1).await
    }

    /// One that speaks gRPC.
    pub async fn grpc() -> Self {
        Self::start(Speaks::Http2).await
    }

    async fn start(speaks: Speaks) -> Self {
        let is_grpc = matches!(speaks, Speaks::Http2);
        let (sender, requests) = watch::channel(Vec::new());
        let (manner, behaves) = watch::channel(Manner::Takes);
        let handler = move |request: Request<Incoming>| {
            let (sender, manner) = (sender.clone(), *behaves.borrow());
            async move {
                let path = request.uri().path().to_owned();
                let media_type = request.headers().get("content-type").cloned();
                let wanted = if is_grpc { "application/grpc" } else { "application/x-protobuf" };
                assert_eq!(media_type.unwrap(), wanted, "{path}");
                let Ok((mut message, _)) = body::collect(request.into_body()).await else {
                    return Response::new(Reply::empty());
                };
                if is_grpc {
                    let frame: Vec<u8> = message.drain(..5).collect();
                    assert_eq!(frame[0], 0, "not compressed");
                    assert_eq!(frame[1..], u32::try_from(message.len()).unwrap().to_be_bytes());
                }
                if manner == Manner::Takes {
                    sender.send_modify(|requests| requests.push(OtlpRequest { path, message }));
                }
                answer(manner, is_grpc).await
            }
        };
        Self { upstream: Upstream::answering(speaks, handler).await, requests, manner }
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        self.upstream.url().replace("h2c://", "http://")
    }

    /// Behaves so from now on.
    pub fn behave(&self, manner: Manner) {
        self.manner.send_replace(manner);
    }

    /// Closes every connection.
    pub fn hang_up(&self) {
        self.upstream.hang_up();
    }

    /// How many connections were made to it.
    pub fn connections(&self) -> usize {
        self.upstream.connections()
    }

    /// What it took.
    pub fn requests(&self) -> Vec<OtlpRequest> {
        self.requests.borrow().clone()
    }

    /// The spans that it took.
    pub fn spans(&self) -> Vec<ReceivedSpan> {
        spans(&self.requests.borrow())
    }

    /// The first span that is `wanted`; waits for it.
    pub async fn span(&self, wanted: impl Fn(&ReceivedSpan) -> bool) -> ReceivedSpan {
        let mut requests = self.requests.clone();
        let find = |requests: &[OtlpRequest]| spans(requests).into_iter().find(|span| wanted(span));
        let found = patiently("a span", requests.wait_for(|requests| find(requests).is_some())).await;
        find(&found.expect("the receiver serves")).unwrap()
    }
}

fn spans(requests: &[OtlpRequest]) -> Vec<ReceivedSpan> {
    let about_traces = |request: &&OtlpRequest| request.path.contains("/traces") || request.path.contains("Trace");
    requests.iter().filter(about_traces).flat_map(|request| span::of_request(&request.message)).collect()
}

async fn answer(manner: Manner, is_grpc: bool) -> Response<Reply> {
    let response = Response::builder();
    match manner {
        Manner::Takes if is_grpc => {
            let (feed, body) = Reply::fed();
            tokio::spawn(async move {
                feed.data(&[0_u8; 5][..]).await;
                feed.trailers(&[("grpc-status", "0")]).await;
            });
            response.header("content-type", "application/grpc").body(body)
        }
        Manner::Takes => response.header("content-type", "application/x-protobuf").body(Reply::empty()),
        Manner::Answers(status) => response.status(status).body(Reply::empty()),
        Manner::Hangs => pending().await,
        Manner::Babbles => response.header("content-type", "text/html").body("<html>welcome</html>".into()),
        Manner::NeverStops => {
            let (feed, body) = Reply::fed();
            tokio::spawn(async move { while feed.data(vec![b'x'; 64 * 1024]).await {} });
            response.header("content-type", "application/x-protobuf").body(body)
        }
        Manner::Redirects => response.status(307).header("location", "http://127.0.0.1:1/").body(Reply::empty()),
    }
    .unwrap()
}
