//! Bodies on their way: large ones, slow ones, both directions at once, trailers, and nobody who reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use gwanmun_testkit::{Connection, Gateway, Http2, Reply, Script, Speaks, Upstream, patiently};
use http::Response;
use tokio::sync::{mpsc, oneshot};

use crate::{all_to, start};

const MIB: usize = 1024 * 1024;

/// Bytes in which a lost or doubled piece shows.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 251 + at % 251) as u8).collect()
}

#[tokio::test]
async fn large_bodies_pass_in_both_directions() {
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let upstream = Upstream::echoing(speaks).await;
        let gateway = start(&all_to(upstream.url())).await;
        let body = Bytes::from(pattern(16 * MIB));

        let (http1, sent) = (gateway.connect().await, body.clone());
        let mut http2 = Http2::tcp(gateway.web()).await;
        let request = http2.request("POST", "/").body(Reply::from(body.clone())).unwrap();
        let (from_http1, from_http2) = tokio::join!(
            async {
                let (to, mut from) = http1.split();
                let sending = tokio::spawn(async move {
                    let mut to = to;
                    to.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", sent.len())).await;
                    to.send(&sent).await;
                });
                let answer = from.answer().await;
                sending.await.unwrap();
                answer
            },
            http2.ask(request)
        );
        assert!(from_http1.body == body, "{} bytes over HTTP/1.1 from {}", from_http1.body.len(), upstream.url());
        assert!(from_http2.body == body, "{} bytes over HTTP/2 from {}", from_http2.body.len(), upstream.url());
        let line = gateway.access_line(|line| line["protocol"] == "HTTP/2").await;
        assert_eq!((&line["bytes_in"], &line["bytes_out"]), (&(16 * MIB).into(), &(16 * MIB).into()));
    }
}

/// Waits until `count` has stopped growing.
async fn settled(count: &AtomicUsize) {
    patiently("a sender that has to wait", async {
        let mut before = usize::MAX;
        loop {
            let now = count.load(Ordering::Relaxed);
            if now == before && now > 0 {
                return;
            }
            before = now;
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    })
    .await;
}

/// Much less than the 64 MiB that are waiting to be read; how much of them the kernel takes is its own matter.
fn holds_little(gateway: &Gateway) {
    let peak = gateway.peak_memory();
    assert!(peak < 48 * MIB, "the gateway took {peak} bytes of memory with nobody reading");
}

#[tokio::test]
async fn an_upstream_has_to_wait_for_a_client_that_does_not_read() {
    const WHOLE: usize = 64 * MIB;
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let taken = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&taken);
        let upstream = Upstream::answering(speaks, move |_| {
            let counter = Arc::clone(&counter);
            async move {
                let (feed, body) = Reply::fed();
                tokio::spawn(async move {
                    let piece = Bytes::from(vec![b'a'; 64 * 1024]);
                    while counter.load(Ordering::Relaxed) < WHOLE && feed.data(piece.clone()).await {
                        counter.fetch_add(piece.len(), Ordering::Relaxed);
                    }
                });
                Response::new(body)
            }
        })
        .await;
        let gateway = start(&all_to(upstream.url())).await;

        let mut http1 = gateway.connect().await;
        http1.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(http1.head().await.unwrap().status(), 200);
        settled(&taken).await;
        holds_little(&gateway);
        let mut received = 0;
        while let Some(chunk) = http1.chunk().await.unwrap() {
            received += chunk.len();
        }
        assert_eq!(received, WHOLE);

        taken.store(0, Ordering::Relaxed);
        let mut http2 = Http2::tcp(gateway.web()).await;
        let request = http2.request("GET", "/").body(Reply::empty()).unwrap();
        let answer = http2.send(request).await.unwrap();
        settled(&taken).await;
        holds_little(&gateway);
        drop(answer);
    }
}

#[tokio::test]
async fn a_client_has_to_wait_for_an_upstream_that_does_not_read() {
    const WHOLE: usize = 64 * MIB;
    let (read_on, may_read) = oneshot::channel::<()>();
    let may_read = std::sync::Mutex::new(Some(may_read));
    let upstream = Script::play(move |mut connection, _| {
        let may_read = may_read.lock().unwrap().take().unwrap();
        async move {
            connection.head().await.unwrap();
            may_read.await.unwrap();
            connection.exactly(WHOLE).await.unwrap();
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        }
    })
    .await;
    let gateway = start(&all_to(&upstream.url())).await;
    let (mut to, mut from) = gateway.connect().await.split();
    to.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {WHOLE}\r\n\r\n")).await;
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    tokio::spawn(async move {
        let piece = vec![b'a'; 64 * 1024];
        for _ in 0..WHOLE / piece.len() {
            to.send(&piece).await;
            counter.fetch_add(piece.len(), Ordering::Relaxed);
        }
    });
    settled(&sent).await;
    holds_little(&gateway);
    read_on.send(()).unwrap();
    assert_eq!(from.answer().await.text(), "ok");
}

#[tokio::test]
async fn pieces_pass_both_ways_before_either_body_has_ended() {
    let upstream = Upstream::echoing(Speaks::Http1).await;
    let gateway = start(&all_to(upstream.url())).await;
    let mut client = gateway.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").await;
    assert_eq!(client.head().await.unwrap().status(), 200);
    assert_eq!(client.chunk().await.unwrap().unwrap(), "first");
    client.send("6\r\nsecond\r\n").await;
    assert_eq!(client.chunk().await.unwrap().unwrap(), "second");
    client.send("0\r\n\r\n").await;
    assert_eq!(client.chunk().await.unwrap(), None);
}

#[tokio::test]
async fn server_sent_events_arrive_when_they_are_sent() {
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let (feeds, mut fed) = mpsc::channel(1);
        let upstream = Upstream::answering(speaks, move |_| {
            let feeds = feeds.clone();
            async move {
                let (feed, body) = Reply::fed();
                feeds.send(feed).await.unwrap();
                Response::builder().header("content-type", "text/event-stream").body(body).unwrap()
            }
        })
        .await;
        let gateway = start(&all_to(upstream.url())).await;
        let mut client = gateway.connect().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n").await;
        let feed = fed.recv().await.unwrap();
        assert_eq!(client.head().await.unwrap().header("content-type").as_deref(), Some("text/event-stream"));
        for event in ["data: 1\n\n", "data: 2\n\n"] {
            feed.data(event).await;
            assert_eq!(client.chunk().await.unwrap().unwrap(), event);
        }
        drop(feed);
        assert_eq!(client.chunk().await.unwrap(), None);
    }
}

#[tokio::test]
async fn trailers_pass_from_http2_to_http2_and_back() {
    let upstream = Upstream::echoing(Speaks::Http2).await;
    let gateway = start(&all_to(upstream.url())).await;
    let mut client = Http2::tcp(gateway.web()).await;
    let (feed, body) = Reply::fed();
    let request = client.request("POST", "/").header("te", "trailers").body(body).unwrap();
    let sending = tokio::spawn(async move {
        feed.data("message").await;
        feed.trailers(&[("grpc-status", "0"), ("x-checksum", "1")]).await;
    });
    let answer = client.ask(request).await;
    sending.await.unwrap();
    assert_eq!(answer.text(), "message");
    assert_eq!(answer.trailer("grpc-status").as_deref(), Some("0"));
    assert_eq!(answer.trailer("x-checksum").as_deref(), Some("1"));
}

#[tokio::test]
async fn trailers_pass_through_chunks() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = start(&all_to(upstream.url())).await;
    let mut client = gateway.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nab\r\n0\r\nX-Sum: 1\r\n\r\n").await;
    assert_eq!(client.answer().await.status(), 200);
    let request = upstream.received(0).await;
    assert_eq!((request.text().as_str(), request.trailer("x-sum").as_deref()), ("ab", Some("1")));

    let upstream = Script::saying(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nab\r\n0\r\nX-Sum: 1\r\n\r\n",
    )
    .await;
    let gateway = start(&all_to(&upstream.url())).await;
    let answer = gateway.connect().await.ask("GET", "/", "TE: trailers\r\nConnection: te\r\n").await;
    assert_eq!((answer.text().as_str(), answer.trailer("x-sum").as_deref()), ("ab", Some("1")));
    let answer = Http2::tcp(gateway.web()).await.get("/").await;
    assert_eq!((answer.text().as_str(), answer.trailer("x-sum").as_deref()), ("ab", Some("1")));
}

#[tokio::test]
async fn trailers_bring_no_internal_header_to_the_upstream() {
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let upstream = Upstream::recording(speaks).await;
        let gateway = start(&all_to(upstream.url())).await;
        let mut client = Http2::tcp(gateway.web()).await;
        let (feed, body) = Reply::fed();
        let request = client.request("POST", "/").body(body).unwrap();
        let sending = tokio::spawn(async move {
            feed.data("message").await;
            feed.trailers(&[
                ("txn-token", "forged"),
                ("x-gwanmun-user", "root"),
                ("x-forwarded-for", "6.6.6.6"),
                ("x-sum", "1"),
            ])
            .await;
        });
        assert_eq!(client.ask(request).await.status(), 200);
        sending.await.unwrap();
        let received = upstream.received(0).await;
        assert_eq!(received.trailer("x-sum").as_deref(), Some("1"));
        for name in ["txn-token", "x-gwanmun-user", "x-forwarded-for"] {
            assert_eq!(received.trailer(name), None, "{name}");
        }
    }
}

#[tokio::test]
async fn an_answer_may_come_before_the_request_has_ended() {
    let upstream = Script::play(|mut connection, _| async move {
        connection.head().await.unwrap();
        connection.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await;
    })
    .await;
    let gateway = start(&all_to(&upstream.url())).await;
    let mut client = gateway.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbeginning").await;
    let answer = client.answer().await;
    assert_eq!((answer.status(), answer.text().as_str()), (403, "no"));

    let mut client = Http2::tcp(gateway.web()).await;
    let (feed, body) = Reply::fed();
    let request = client.request("POST", "/").body(body).unwrap();
    let sending = tokio::spawn(async move {
        feed.data("beginning").await;
        feed
    });
    let answer = client.ask(request).await;
    assert_eq!((answer.status(), answer.text().as_str()), (403, "no"));
    drop(sending.await.unwrap());
    assert_eq!(upstream.connections(), 2, "a connection with half a request on it is not used again");
}

#[tokio::test]
async fn a_client_that_expects_to_be_asked_is_asked() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = start(&all_to(upstream.url())).await;
    let mut client = gateway.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n").await;
    assert_eq!(client.answer().await.status(), 100);
    client.send("body").await;
    assert_eq!(client.answer().await.status(), 200);
    let request = upstream.received(0).await;
    assert_eq!((request.text().as_str(), request.header("expect")), ("body", None));
}

#[tokio::test]
async fn an_upstream_learns_that_a_client_has_gone() {
    let (told, mut gone) = mpsc::channel(1);
    let upstream = Upstream::answering(Speaks::Http1, move |_| {
        let told = told.clone();
        async move {
            let (feed, body) = Reply::fed();
            tokio::spawn(async move {
                feed.data("first").await;
                feed.refused().await;
                told.send(()).await.unwrap();
            });
            Response::new(body)
        }
    })
    .await;
    let gateway = start(&all_to(upstream.url())).await;
    let mut client = gateway.connect().await;
    client.send("GET /left HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.head().await.unwrap().status(), 200);
    assert_eq!(client.chunk().await.unwrap().as_deref(), Some(&b"first"[..]));
    drop(client);
    patiently("the upstream to notice", gone.recv()).await.unwrap();
    let line = gateway.access_line(|line| line["path"] == "/left").await;
    assert_eq!((&line["status"], &line["bytes_out"]), (&200.into(), &5.into()));

    let mut client = Http2::tcp(gateway.web()).await;
    let request = client.request("GET", "/reset").body(Reply::empty()).unwrap();
    let answer = client.send(request).await.unwrap();
    drop(answer);
    patiently("the upstream to notice", gone.recv()).await.unwrap();
    gateway.access_line(|line| line["path"] == "/reset").await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = start(&all_to(upstream.url())).await;
    let mut client: Connection = gateway.connect().await;
    client.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\nPOST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbodyGET /c HTTP/1.1\r\nHost: a\r\n\r\n").await;
    for number in 0..3 {
        assert_eq!(client.answer().await.text(), format!("request {number}"));
    }
    let requests = [upstream.received(0).await, upstream.received(1).await, upstream.received(2).await];
    assert_eq!(requests.map(|request| request.target().to_owned()), ["/a", "/b", "/c"]);
}

#[tokio::test]
async fn a_client_that_reads_nothing_loses_its_answer() {
    let upstream =
        Upstream::answering(Speaks::Http1, |_| async { Response::new(Reply::from(pattern(32 * MIB))) }).await;
    let gateway = start(&format!("limits: {{idle-timeout: 200ms}}\n{}", all_to(upstream.url()))).await;
    let mut silent = gateway.connect().await;
    silent.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // The line is written when the exchange has ended: without a time limit it never would.
    let line = gateway.access_line(|line| line["path"] == "/large").await;
    assert!(line["bytes_out"].as_u64().unwrap() < 32 * MIB as u64, "{line}");
}

#[tokio::test]
async fn a_client_that_listens_need_not_speak() {
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let upstream = Upstream::echoing(speaks).await;
        let gateway = start(&format!("limits: {{body-timeout: 50ms}}\n{}", all_to(upstream.url()))).await;
        let mut client = Http2::tcp(gateway.web()).await;
        let (feed, body) = Reply::fed();
        assert!(feed.data("one").await);
        let request = client.request("POST", "/").body(body).unwrap();
        let mut answer = client.send(request).await.unwrap().into_body();
        assert_eq!(Http2::piece(&mut answer).await.unwrap().unwrap(), "one", "{}", upstream.url());
        let silence = tokio::time::timeout(Duration::from_millis(300), Http2::piece(&mut answer)).await;
        assert!(silence.is_err(), "{silence:?} from {}", upstream.url());
        assert!(feed.data("two").await);
        assert_eq!(Http2::piece(&mut answer).await.unwrap().unwrap(), "two", "{}", upstream.url());
    }
}

#[tokio::test]
async fn a_request_that_grows_too_large_while_it_is_answered_is_the_clients_fault() {
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let upstream = Upstream::echoing(speaks).await;
        let gateway = start(&format!("limits: {{body-bytes: 1KiB}}\n{}", all_to(upstream.url()))).await;
        let mut client = Http2::tcp(gateway.web()).await;
        let (feed, body) = Reply::fed();
        assert!(feed.data("one").await);
        let request = client.request("POST", "/").body(body).unwrap();
        let mut answer = client.send(request).await.unwrap().into_body();
        assert_eq!(Http2::piece(&mut answer).await.unwrap().unwrap(), "one", "{}", upstream.url());
        let _ = feed.data(vec![b'a'; 1024]).await;
        while let Ok(Some(_)) = Http2::piece(&mut answer).await {}
        assert_eq!(gateway.access_line(|_| true).await["fault"], "body-too-large", "{}", upstream.url());
    }
}
