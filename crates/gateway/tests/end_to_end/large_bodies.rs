//! A body of a gibibyte there and back again: the gateway holds a little of it at a time, whatever is spoken.

use std::future::{Future, poll_fn};
use std::pin::Pin;

use bytes::Bytes;
use gwanmun_testkit::{Authority, Connection, Gateway, Http2, Reply, Speaks, Upstream};
use hyper::body::{Body, Incoming};

use crate::{all_to, setup};

const MIB: usize = 1024 * 1024;
const WHOLE: usize = 1024 * MIB;
/// Sent and read at once.
const PIECE: usize = 256 * 1024;
/// What the gateway may take more than for a small request.
const GROWTH: usize = 10_000_000;

/// A gateway with a cleartext listener `web` and a TLS listener `edge` before something that sends every body back.
async fn gateway_to(upstream: &Upstream, authority: &Authority) -> Gateway {
    let edge = authority.issue(&["a.test"]);
    setup()
        .with_file("edge.pem", edge.pem())
        .with_file("edge.key", edge.key())
        .start(&format!(
            "listeners: [{{name: web, address: 127.0.0.1:0}}, {{name: edge, address: 127.0.0.1:0, tls: {{certificates: \
             [{{certificate: edge.pem, key: edge.key}}]}}}}]\n{}",
            all_to(upstream.url())
        ))
        .await
}

/// Piece number `number` of the body: wrong ones and lost ones show.
fn piece(number: usize) -> Bytes {
    let mut bytes = vec![(number % 251) as u8; PIECE];
    bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
    bytes.into()
}

async fn over_http1(client: Connection) {
    let (mut to, mut from) = client.split();
    let sending = tokio::spawn(async move {
        to.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {WHOLE}\r\n\r\n")).await;
        for number in 0..WHOLE / PIECE {
            to.send(piece(number)).await;
        }
        to
    });
    let head = from.head().await.unwrap();
    assert_eq!((head.status(), head.header("content-length")), (200, Some(WHOLE.to_string())));
    for number in 0..WHOLE / PIECE {
        assert!(from.exactly(PIECE).await.unwrap() == piece(number), "piece {number}");
    }
    sending.await.unwrap();
}

async fn over_http2(mut client: Http2) {
    let (feed, body) = Reply::fed();
    let sending = tokio::spawn(async move {
        for number in 0..WHOLE / PIECE {
            assert!(feed.data(piece(number)).await, "piece {number}");
        }
    });
    let request = client.request("POST", "/").body(body).unwrap();
    let mut answer = client.send(request).await.unwrap().into_body();
    let (mut received, mut ahead) = (0, Vec::with_capacity(2 * PIECE));
    while let Some(data) = next(&mut answer).await {
        ahead.extend_from_slice(&data);
        while ahead.len() >= PIECE {
            assert!(ahead[..PIECE] == piece(received), "piece {received}");
            ahead.drain(..PIECE);
            received += 1;
        }
    }
    assert_eq!((received, ahead.len()), (WHOLE / PIECE, 0));
    sending.await.unwrap();
}

/// What comes next of a body; empty for trailers.
async fn next(body: &mut Incoming) -> Option<Bytes> {
    let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?;
    Some(frame.unwrap().into_data().unwrap_or_default())
}

/// Runs `exchange` and compares the most memory the gateway had before and after it.
async fn grows_little(what: &str, gateway: &Gateway, exchange: impl Future<Output = ()>) {
    let before = gateway.peak_memory();
    exchange.await;
    // The kernel counts in parts: the most may look a little less afterwards.
    let growth = gateway.peak_memory().saturating_sub(before);
    assert!(growth < GROWTH, "{what}: {growth} bytes more than the {before} before");
}

#[tokio::test]
#[ignore = "passes gibibytes: cargo xtask test --full"]
async fn a_gibibyte_passes_there_and_back_in_little_memory() {
    let authority = Authority::new();
    let upstream = Upstream::echoing(Speaks::Http1).await;
    let gateway = gateway_to(&upstream, &authority).await;
    let (web, edge) = (gateway.web(), gateway.address("edge"));

    let mut client = Connection::tcp(web).await;
    assert_eq!(client.post("/", "small").await.text(), "small");
    grows_little("HTTP/1.1", &gateway, over_http1(client)).await;

    let mut client = Connection::tls(edge, "a.test", &authority, &["http/1.1"]).await.unwrap();
    assert_eq!(client.post("/", "small").await.text(), "small");
    grows_little("HTTP/1.1 over TLS", &gateway, over_http1(client)).await;

    let mut client = Http2::tcp(web).await;
    assert_eq!(client.get("/").await.status(), 200);
    grows_little("HTTP/2", &gateway, over_http2(client)).await;

    let mut client = Http2::tls(edge, "a.test", &authority).await;
    assert_eq!(client.get("/").await.status(), 200);
    grows_little("HTTP/2 over TLS", &gateway, over_http2(client)).await;
}

#[tokio::test]
#[ignore = "passes gibibytes: cargo xtask test --full"]
async fn a_gibibyte_passes_to_an_http2_service_and_back_in_little_memory() {
    let authority = Authority::new();
    let upstream = Upstream::echoing(Speaks::Http2).await;
    let gateway = gateway_to(&upstream, &authority).await;

    let mut client = gateway.connect().await;
    assert_eq!(client.post("/", "small").await.text(), "small");
    grows_little("HTTP/1.1", &gateway, over_http1(client)).await;

    let mut client = Http2::tls(gateway.address("edge"), "a.test", &authority).await;
    assert_eq!(client.get("/").await.status(), 200);
    grows_little("HTTP/2 over TLS", &gateway, over_http2(client)).await;
}
