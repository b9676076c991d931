//! Services that speak HTTP/2 by hand, frame by frame: goodbyes, refusals, resets, limits and broken rules. What was not
//! acted on is sent again, what may have been is not, and what happens to one stream happens to that one only.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use gwanmun_testkit::{Authority, Connection, Gateway, Http2, Message, Reply, Script, Speaks, Upstream, eventually};
use http::Response;

use crate::failures::assert_reason;
use crate::{all_to_service, setup, start};

const PREFACE: usize = 24;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;
const REFUSED_STREAM: u32 = 7;
const INTERNAL_ERROR: u32 = 2;

/// A connection of the gateway's, seen by a service that reads and writes frames.
struct Frames {
    connection: Connection,
    early: VecDeque<Frame>,
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Bytes,
}

impl Frames {
    /// Says hello and which settings hold: pairs of a number and a value.
    async fn begin(mut connection: Connection, settings: &[(u16, u32)]) -> Self {
        connection.exactly(PREFACE).await.unwrap();
        let mut frames = Self { connection, early: VecDeque::new() };
        let payload: Vec<u8> =
            settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
        frames.send(SETTINGS, 0, 0, &payload).await;
        frames
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        let _ = self.connection.try_send(frame).await;
    }

    /// The next frame; `None` when the gateway has closed.
    async fn next(&mut self) -> Option<Frame> {
        let head = self.connection.exactly(9).await.ok()?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let stream = u32::from_be_bytes(head[5..9].try_into().unwrap());
        let frame =
            Frame { kind: head[3], flags: head[4], stream, payload: self.connection.exactly(length).await.ok()? };
        if frame.kind == SETTINGS && frame.flags & ACK == 0 {
            self.send(SETTINGS, ACK, 0, b"").await;
        }
        Some(frame)
    }

    /// The stream of the next request, which is read to its end, and its body.
    async fn request(&mut self) -> Option<(u32, Vec<u8>)> {
        let mut body = Vec::new();
        loop {
            let frame = match self.early.pop_front() {
                Some(frame) => frame,
                None => self.next().await?,
            };
            if frame.kind == DATA {
                body.extend(frame.payload);
            }
            if matches!(frame.kind, HEADERS | DATA) && frame.flags & END_STREAM != 0 {
                return Some((frame.stream, body));
            }
        }
    }

    /// Waits until the gateway knows the settings.
    async fn settled(&mut self) {
        while let Some(frame) = self.next().await {
            if frame.kind == SETTINGS && frame.flags & ACK != 0 {
                return;
            }
            // What comes too early is for later.
            self.early.push_back(frame);
        }
    }

    /// Answers `200` with `body`.
    async fn answer(&mut self, stream: u32, body: &[u8]) {
        self.send(HEADERS, END_HEADERS, stream, &[0x88]).await;
        self.send(DATA, END_STREAM, stream, body).await;
    }

    async fn reset(&mut self, stream: u32, code: u32) {
        self.send(RST_STREAM, 0, stream, &code.to_be_bytes()).await;
    }

    async fn goodbye(&mut self, last: u32) {
        self.send(GOAWAY, 0, 0, &[last.to_be_bytes(), 0_u32.to_be_bytes()].concat()).await;
    }

    /// Reads until the gateway closes.
    async fn rest(&mut self) {
        while self.next().await.is_some() {}
    }
}

async fn before(script: &Script) -> Gateway {
    let url = script.url().replace("http:", "h2c:");
    start(&all_to_service(&url, "timeouts: {response: 5s}")).await
}

async fn retries(gateway: &Gateway, reason: &str) -> Option<f64> {
    gateway.metric(&format!("gwanmun_upstream_retries_total{{reason=\"{reason}\"}}")).await
}

async fn post(gateway: &Gateway, body: &'static str) -> Message {
    let mut client = Http2::tcp(gateway.web()).await;
    let request = client.request("POST", "/").body(body.into()).unwrap();
    client.ask(request).await
}

#[tokio::test]
async fn a_refused_stream_is_sent_again_whatever_the_method() {
    let script = Script::play(|connection, _| async move {
        let mut frames = Frames::begin(connection, &[]).await;
        let mut refused = false;
        while let Some((stream, body)) = frames.request().await {
            if std::mem::replace(&mut refused, true) {
                frames.answer(stream, &body).await;
            } else {
                frames.reset(stream, REFUSED_STREAM).await;
            }
        }
    })
    .await;
    let gateway = before(&script).await;
    assert_eq!(post(&gateway, "body").await.text(), "body");
    assert_eq!(retries(&gateway, "http2-refused-stream").await, Some(1.0));
    assert_eq!(gateway.connect().await.post("/", "over HTTP/1.1").await.text(), "over HTTP/1.1");
}

#[tokio::test]
async fn a_stream_that_is_refused_again_and_again_is_given_up() {
    let script = Script::play(|connection, _| async move {
        let mut frames = Frames::begin(connection, &[]).await;
        while let Some((stream, _)) = frames.request().await {
            frames.reset(stream, REFUSED_STREAM).await;
        }
    })
    .await;
    let gateway = before(&script).await;
    assert_eq!(post(&gateway, "body").await.status(), 502);
    let line = gateway.access_line(|_| true).await;
    assert_reason(&gateway, &line, "upstream-unreachable", "http2-refused-stream", "refused").await;
    assert_eq!(retries(&gateway, "http2-refused-stream").await, Some(2.0));
}

#[tokio::test]
async fn what_a_goodbye_leaves_out_goes_to_another_connection_and_what_it_takes_is_finished() {
    let script = Script::play(|connection, number| async move {
        let mut frames = Frames::begin(connection, &[]).await;
        if number > 0 {
            while let Some((stream, body)) = frames.request().await {
                frames.answer(stream, &body).await;
            }
            return;
        }
        let (first, _) = frames.request().await.unwrap();
        let (second, _) = frames.request().await.unwrap();
        assert!(second > first);
        frames.goodbye(first).await;
        frames.answer(first, b"on the old one").await;
        frames.rest().await;
    })
    .await;
    // One worker, so that both requests meet on one connection.
    let url = script.url().replace("http:", "h2c:");
    let gateway = start(&format!("workers: 1\n{}", all_to_service(&url, "timeouts: {response: 5s}"))).await;
    let mut client = Http2::tcp(gateway.web()).await;
    let mut other = client.clone();
    let requests = ["first", "second"].map(|body| client.request("POST", "/").body(Reply::from(body)).unwrap());
    let [first, second] = requests;
    let (first, second) = tokio::join!(client.ask(first), other.ask(second));
    let mut texts = [first.text(), second.text()];
    texts.sort();
    assert!(texts[0] == "on the old one" || texts[1] == "on the old one", "{texts:?}");
    assert_eq!(retries(&gateway, "http2-goaway").await, Some(1.0));
    assert_eq!(post(&gateway, "third").await.text(), "third");
    assert_eq!(script.connections(), 2);
}

#[tokio::test]
async fn what_may_have_been_acted_on_is_told_and_not_sent_again() {
    for (reason, code) in [
        ("http2-stream-reset", "upstream-malformed"),
        ("http2-protocol", "upstream-malformed"),
        ("http2-connection-lost", "upstream-unreachable"),
    ] {
        let script = Script::play(move |connection, _| async move {
            let mut frames = Frames::begin(connection, &[]).await;
            let (stream, _) = frames.request().await.unwrap();
            match reason {
                "http2-stream-reset" => frames.reset(stream, INTERNAL_ERROR).await,
                "http2-protocol" => frames.send(DATA, END_STREAM, stream, b"no head").await,
                _ => return,
            }
            frames.rest().await;
        })
        .await;
        let gateway = before(&script).await;
        let answer = post(&gateway, "body").await;
        assert_eq!(answer.status(), 502, "{reason}");
        let line = gateway.access_line(|_| true).await;
        assert_reason(&gateway, &line, code, reason, reason).await;
        assert_eq!(script.connections(), 1, "{reason}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_takes_no_other_with_it() {
    for reason in ["http2-stream-reset", "http2-protocol"] {
        let script = Script::play(move |connection, _| async move {
            let mut frames = Frames::begin(connection, &[]).await;
            while let Some((stream, body)) = frames.request().await {
                if body != b"break" {
                    frames.answer(stream, &body).await;
                    continue;
                }
                // `content-length: 9`, and then less.
                let head = [&[0x88, 0x0f, 0x0d, 1][..], b"9"].concat();
                frames.send(HEADERS, END_HEADERS, stream, &head).await;
                if reason == "http2-stream-reset" {
                    frames.send(DATA, 0, stream, b"half").await;
                    frames.reset(stream, INTERNAL_ERROR).await;
                } else {
                    frames.send(DATA, END_STREAM, stream, b"half").await;
                }
            }
        })
        .await;
        let gateway = before(&script).await;
        let mut client = Http2::tcp(gateway.web()).await;
        let request = client.request("POST", "/broken").body("break".into()).unwrap();
        assert!(client.try_ask(request).await.is_err(), "{reason}");
        let request = client.request("POST", "/fine").body("fine".into()).unwrap();
        assert_eq!(client.ask(request).await.text(), "fine", "{reason}");
        let mut client = gateway.connect().await;
        client.send("POST /broken1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nbreak").await;
        assert!(client.try_answer("POST").await.is_err(), "{reason}");
        let line = gateway.access_line(|line| line["path"] == "/broken1").await;
        assert_eq!((&line["fault"], &line["fault_reason"]), (&"upstream-malformed".into(), &reason.into()));
    }
}

#[tokio::test]
async fn a_grpc_answer_that_breaks_off_ends_with_the_status_that_says_so() {
    let script = Script::play(|connection, _| async move {
        let mut frames = Frames::begin(connection, &[]).await;
        let (stream, _) = frames.request().await.unwrap();
        // `content-type: application/grpc`
        let head = [&[0x88, 0x0f, 0x10, 16][..], b"application/grpc"].concat();
        frames.send(HEADERS, END_HEADERS, stream, &head).await;
        frames.send(DATA, 0, stream, b"half").await;
        frames.reset(stream, INTERNAL_ERROR).await;
        frames.rest().await;
    })
    .await;
    let gateway = before(&script).await;
    let mut client = Http2::tcp(gateway.web()).await;
    let request = client.request("POST", "/a.B/C").header("content-type", "application/grpc");
    let answer = client.ask(request.body(Reply::from("x")).unwrap()).await;
    assert_eq!((answer.status(), answer.header("grpc-status")), (200, None));
    assert_eq!(answer.trailers.get("grpc-status").map(|status| status.as_bytes()), Some(&b"14"[..]));
    let line = gateway.access_line(|_| true).await;
    assert_reason(&gateway, &line, "upstream-malformed", "http2-stream-reset", "broken off").await;
}

#[tokio::test]
async fn where_few_streams_are_allowed_there_are_more_connections_within_a_bound() {
    // One stream at a time, and none is answered before all that can be there are there.
    let waiting = Arc::new(tokio::sync::Barrier::new(8));
    let most = Arc::new(Mutex::new((0_usize, 0_usize)));
    let seen = Arc::clone(&most);
    let script = Script::play(move |connection, _| {
        let (waiting, seen) = (Arc::clone(&waiting), Arc::clone(&seen));
        async move {
            let mut frames = Frames::begin(connection, &[(3, 1)]).await;
            frames.settled().await;
            {
                let mut seen = seen.lock().unwrap();
                seen.0 += 1;
                seen.1 = seen.1.max(seen.0);
            }
            let mut first = true;
            while let Some((stream, body)) = frames.request().await {
                if std::mem::replace(&mut first, false) {
                    waiting.wait().await;
                }
                frames.answer(stream, &body).await;
            }
            seen.lock().unwrap().0 -= 1;
        }
    })
    .await;
    let url = script.url().replace("http:", "h2c:");
    let gateway = start(&format!("workers: 1\n{}", all_to_service(&url, "timeouts: {response: 10s}"))).await;
    let client = Http2::tcp(gateway.web()).await;
    let mut asked = Vec::new();
    for number in 0..30 {
        let mut client = client.clone();
        asked.push(tokio::spawn(async move {
            let request = client.request("POST", "/").body(format!("{number}").into()).unwrap();
            client.ask(request).await.text()
        }));
        if number < 8 {
            // One after the other, so that each finds the streams of the others taken.
            let has_settled = async || (most.lock().unwrap().0 > number).then_some(());
            eventually("another connection", has_settled).await;
        }
    }
    for (number, answer) in asked.into_iter().enumerate() {
        assert_eq!(answer.await.unwrap(), number.to_string());
    }
    assert_eq!(most.lock().unwrap().1, 8, "no more than eight at once");
    assert_eq!(script.connections(), 8);
    let idle = r#"gwanmun_upstream_connections{upstream="service",state="idle"}"#;
    eventually("eight idle connections", async || gateway.metric(idle).await.filter(|count| *count == 8.0)).await;
}

#[tokio::test]
async fn an_upstream_may_change_what_it_speaks() {
    let authority = Authority::new();
    let identity = authority.issue(&["127.0.0.1"]);
    let handler = |request: http::Request<hyper::body::Incoming>| async move {
        Response::new(Reply::from(format!("{:?}", request.version())))
    };
    let upstream = Upstream::answering(Speaks::Tls(identity, &["h2", "http/1.1"]), handler).await;
    let gateway =
        setup().with_file("ca.pem", authority.pem()).start(&all_to_service(upstream.url(), "tls: {ca: ca.pem}")).await;
    for (alpn, version) in [
        (&["h2", "http/1.1"][..], "HTTP/2.0"),
        (&["http/1.1"], "HTTP/1.1"),
        (&["h2"], "HTTP/2.0"),
        (&[], "HTTP/1.1"),
        (&["h2"], "HTTP/2.0"),
    ] {
        upstream.speak(alpn);
        upstream.hang_up();
        // On several connections, so that every worker has its turn.
        for _ in 0..8 {
            assert_eq!(gateway.get("/").await.text(), version, "{alpn:?}");
        }
    }
}

#[tokio::test]
async fn a_caller_of_grpc_waits_as_long_as_it_says() {
    let upstream = Upstream::answering(Speaks::Http2, |_| async { std::future::pending().await }).await;
    let gateway = start(&all_to_service(upstream.url(), "timeouts: {response: 10s}")).await;
    let mut client = Http2::tcp(gateway.web()).await;
    let call = |timeout: &str, path: &str| {
        let request = client.request("POST", path).header("content-type", "application/grpc");
        request.header("grpc-timeout", timeout).body(Reply::from("x")).unwrap()
    };
    let (late, odd) = (call("200m", "/late"), call("200 m", "/odd"));
    let answer = client.ask(late).await;
    assert_eq!((answer.status(), answer.header("grpc-status").as_deref()), (200, Some("4")));
    assert_eq!(answer.header("grpc-message").as_deref(), Some("the service behind did not answer in time"));
    let line = gateway.access_line(|line| line["path"] == "/late").await;
    assert_reason(&gateway, &line, "upstream-timeout", "grpc-timeout", "late").await;
    let answer = client.ask(odd).await;
    assert_eq!((answer.status(), answer.header("grpc-status").as_deref()), (200, Some("13")));
    let line = gateway.access_line(|line| line["path"] == "/odd").await;
    assert_reason(&gateway, &line, "malformed-request", "malformed-grpc-timeout", "odd").await;
    upstream.arrived(1).await;
}

#[tokio::test]
async fn an_answer_in_very_small_frames_is_taken_as_fast_as_it_comes() {
    const FRAMES: usize = 30_000;
    let script = Script::play(|connection, _| async move {
        let mut frames = Frames::begin(connection, &[]).await;
        while let Some((stream, _)) = frames.request().await {
            frames.send(HEADERS, END_HEADERS, stream, &[0x88]).await;
            // All of them in one piece.
            let small = gwanmun_testkit::frames::frame(DATA, 0, stream, b"a");
            frames.connection.send(small.repeat(FRAMES)).await;
            frames.send(DATA, END_STREAM, stream, b"").await;
        }
    })
    .await;
    let gateway = before(&script).await;
    // Over HTTP/1: a client with the same library gives up in its turn, on a slow machine.
    let mut client = gateway.connect().await;
    for _ in 0..3 {
        assert_eq!(client.post("/", "body").await.text().len(), FRAMES);
    }
}
