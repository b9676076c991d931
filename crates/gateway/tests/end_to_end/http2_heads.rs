//! Heads of requests that RFC 9113 section 8 forbids, or that are too large: none reaches the upstream, whoever refuses it.

use std::time::Duration;

use gwanmun_testkit::frames::{Frames, GET, Outcome, fields, flag, frame, kind};
use gwanmun_testkit::{Gateway, Speaks, Upstream, patiently};

use crate::{all_to, start};

const PROTOCOL_ERROR: u32 = 1;

/// How a head is refused.
#[derive(Debug, Clone, Copy)]
enum Refusal {
    /// With a problem document and a line in the access log: the gateway's own doing.
    Document,
    /// With a reset of the stream: h2's.
    Reset,
    /// With the end of the connection: h2's.
    End,
}

use Refusal::{Document, End, Reset};

/// GET without one field, and with others in its place.
fn but(missing: &str, others: &[(&str, &str)]) -> Vec<u8> {
    let kept = GET.iter().filter(|(name, _)| *name != missing);
    fields(&kept.chain(others).copied().collect::<Vec<_>>())
}

fn and(name: &str, value: &str) -> Vec<u8> {
    but("", &[(name, value)])
}

async fn gateway() -> (Gateway, Upstream) {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = start(&all_to(upstream.url())).await;
    (gateway, upstream)
}

#[tokio::test]
async fn malformed_heads() {
    let (gateway, upstream) = gateway().await;
    let cases = [
        ("connection", Reset, and("connection", "close")),
        ("keep-alive", Reset, and("keep-alive", "1")),
        ("proxy-connection", Reset, and("proxy-connection", "close")),
        ("transfer-encoding", Reset, and("transfer-encoding", "chunked")),
        ("upgrade", Reset, and("upgrade", "websocket")),
        ("te", Reset, and("te", "gzip")),
        ("te with more", Reset, and("te", "trailers, gzip")),
        ("upper case", End, and("X-Upper", "1")),
        ("no name", End, and("", "1")),
        ("a blank in a name", End, and("x y", "1")),
        ("a colon in a name", End, and("x:y", "1")),
        ("NUL in a value", End, and("x", "a\0b")),
        ("CR in a value", End, and("x", "a\rb")),
        ("LF in a value", End, and("x", "a\nb")),
        ("a blank before a value", Document, and("x", " a")),
        ("a blank after a value", Document, and("x", "a\t")),
        ("no method", Reset, but(":method", &[])),
        ("no scheme", Reset, but(":scheme", &[])),
        ("no path", Reset, but(":path", &[])),
        ("an empty path", Reset, but(":path", &[(":path", "")])),
        ("no host at all", Document, but(":authority", &[])),
        ("a relative path", Reset, but(":path", &[(":path", "x")])),
        ("an absolute path", Reset, but(":path", &[(":path", "http://a.test/")])),
        ("an asterisk", Document, but(":path", &[(":path", "*")])),
        ("another scheme", Document, but(":scheme", &[(":scheme", "ftp")])),
        ("a user", Document, but(":authority", &[(":authority", "u@gateway.test")])),
        ("two pseudo-headers", Reset, and(":path", "/b")),
        ("an unknown pseudo-header", End, and(":unknown", "1")),
        ("a status", Reset, and(":status", "200")),
        ("a protocol", Reset, and(":protocol", "websocket")),
        ("a pseudo-header behind a field", Reset, but(":path", &[("x", "1"), (":path", "/")])),
        ("another host", Document, and("host", "other.test")),
        ("two hosts", Document, but(":authority", &[("host", "gateway.test"), ("host", "gateway.test")])),
        ("no length", Reset, and("content-length", "x")),
        ("a signed length", Reset, and("content-length", "+0")),
        ("a length without a body", Reset, and("content-length", "1")),
        ("two lengths", Reset, but("", &[("content-length", "0"), ("content-length", "1")])),
    ];
    let mut others = Vec::new();
    for (what, refusal, section) in cases {
        let mut client = Frames::connect(gateway.web()).await;
        client.send(frame(kind::HEADERS, flag::WHOLE, 1, section)).await;
        let outcome = client.outcome(1).await;
        match (refusal, &outcome) {
            (Document, Outcome::Answered(400)) => {
                let line = gateway.access_line(|line| line["fault"] == "malformed-request").await;
                assert_eq!(line["protocol"], "HTTP/2");
            }
            (Reset, Outcome::Reset(PROTOCOL_ERROR)) => {}
            (End, Outcome::Ended(goodbye)) => assert_eq!(goodbye.code, Some(PROTOCOL_ERROR), "{what}"),
            _ => others.push(format!("{what}: {outcome:?}, not {refusal:?}")),
        }
        assert_eq!(upstream.requests(), 0, "{what}");
    }
    assert!(others.is_empty(), "{}", others.join("\n"));
}

#[tokio::test]
async fn a_fragment_is_cut_off_before_anybody_reads_the_path() {
    let (gateway, upstream) = gateway().await;
    let mut client = Frames::connect(gateway.web()).await;
    client.send(frame(kind::HEADERS, flag::WHOLE, 1, but(":path", &[(":path", "/a#b")]))).await;
    assert_eq!(client.outcome(1).await, Outcome::Answered(200));
    assert_eq!(upstream.received(0).await.target(), "/a");
}

#[tokio::test]
async fn lengths_that_disagree_with_what_comes() {
    let (gateway, upstream) = gateway().await;
    for (length, body) in [("5", "abc"), ("2", "abc"), ("0", "abc")] {
        let section = [fields(&[(":method", "POST")]), but(":method", &[("content-length", length)])].concat();
        let mut client = Frames::connect(gateway.web()).await;
        // At once: a request that is to have nothing is complete with its head.
        let head = frame(kind::HEADERS, flag::END_HEADERS, 1, section);
        client.send([head, frame(kind::DATA, flag::END_STREAM, 1, body)].concat()).await;
        assert_eq!(client.outcome(1).await, Outcome::Reset(PROTOCOL_ERROR), "{length} for {body}");
    }
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn pseudo_headers_in_trailers_never_arrive() {
    let (gateway, upstream) = gateway().await;
    let mut client = Frames::connect(gateway.web()).await;
    let section = [fields(&[(":method", "POST")]), but(":method", &[])].concat();
    client.send(frame(kind::HEADERS, flag::END_HEADERS, 1, section)).await;
    client.send(frame(kind::DATA, 0, 1, "abc")).await;
    client.send(frame(kind::HEADERS, flag::WHOLE, 1, fields(&[(":path", "/other"), ("x-after", "1")]))).await;
    assert_eq!(client.outcome(1).await, Outcome::Answered(200));
    let request = upstream.received(0).await;
    assert_eq!((request.target(), request.trailer(":path")), ("/", None));
    client
        .send(frame(
            kind::HEADERS,
            flag::END_HEADERS,
            3,
            [fields(&[(":method", "POST")]), but(":method", &[])].concat(),
        ))
        .await;
    client.send(frame(kind::HEADERS, flag::END_HEADERS, 3, fields(&[("x-after", "1")]))).await;
    assert_eq!(client.outcome(3).await, Outcome::Reset(PROTOCOL_ERROR), "trailers end a stream");
    assert_eq!(upstream.requests(), 1);
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused_with_a_record() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = start(&format!("limits: {{header-bytes: 4KiB, header-count: 20}}\n{}", all_to(upstream.url()))).await;
    let many = but("", &[("x", "1"); 21]);
    let large = and("x", &"y".repeat(4000));
    for section in [many, large] {
        let mut client = Frames::connect(gateway.web()).await;
        client.send(frame(kind::HEADERS, flag::WHOLE, 1, section)).await;
        assert_eq!(client.outcome(1).await, Outcome::Answered(431));
        let line = gateway.access_line(|line| line["fault"] == "headers-too-large").await;
        assert_eq!(line["status"], 431);
    }
    let mut client = Frames::connect(gateway.web()).await;
    client
        .send(frame(kind::HEADERS, flag::WHOLE, 1, but("", &[("x", &"y".repeat(3000)), ("z", &"y".repeat(6000))])))
        .await;
    assert_eq!(client.outcome(1).await, Outcome::Answered(431), "by h2");
    client.send(frame(kind::HEADERS, flag::WHOLE, 3, and("x", "y"))).await;
    assert_eq!(client.outcome(3).await, Outcome::Answered(200), "the connection is still good");
    assert_eq!(upstream.requests(), 1);
}

#[tokio::test]
async fn a_body_that_pauses_for_too_long_is_refused() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = start(&format!("limits: {{body-timeout: 200ms}}\n{}", all_to(upstream.url()))).await;
    let mut client = Frames::connect(gateway.web()).await;
    let section = [fields(&[(":method", "POST")]), but(":method", &[])].concat();
    client.send(frame(kind::HEADERS, flag::END_HEADERS, 1, section)).await;
    client.send(frame(kind::DATA, 0, 1, "abc")).await;
    assert_eq!(client.outcome(1).await, Outcome::Answered(408));
}

#[tokio::test]
async fn an_answer_that_is_not_taken_is_given_up_and_the_upstream_is_free_again() {
    for trickle in [false, true] {
        let (gone, mut news) = tokio::sync::mpsc::channel(1);
        let upstream = Upstream::answering(Speaks::Http1, move |_| {
            let gone = gone.clone();
            async move {
                let (feed, body) = gwanmun_testkit::Reply::fed();
                tokio::spawn(async move {
                    while feed.data(vec![b'x'; 8192]).await {}
                    let _ = gone.send(()).await;
                });
                http::Response::new(body)
            }
        })
        .await;
        let gateway = start(&format!("limits: {{idle-timeout: 500ms}}\n{}", all_to(upstream.url()))).await;
        // Windows of streams begin shut, and that of the connection stays wide open.
        let mut client = Frames::with_settings(gateway.web(), &[(1, 0), (4, 0)]).await;
        client.send(frame(kind::HEADERS, flag::WHOLE, 1, fields(GET))).await;
        assert_eq!(client.outcome(1).await, Outcome::Answered(200));
        let (mut to, mut client) = client.split();
        let trickling = tokio::spawn(async move {
            if !trickle {
                std::future::pending::<()>().await;
            }
            while to.try_send(frame(kind::WINDOW_UPDATE, 0, 1, 1_u32.to_be_bytes())).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        assert_eq!(client.next_of(kind::RST_STREAM).await.map(|reset| reset.stream), Some(1));
        trickling.abort();
        patiently("the upstream to be free", news.recv()).await;
        let line = gateway.access_line(|_| true).await;
        assert_eq!((&line["status"], &line["fault"]), (&200.into(), &"request-timeout".into()));
    }
}
