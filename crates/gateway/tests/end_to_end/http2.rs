//! HTTP/2 on both sides: many streams on one connection, and what one of them does is no matter to the others.

use std::collections::BTreeMap;
use std::time::Duration;

use gwanmun_testkit::frames::{Frames, fields, flag, frame, kind};
use gwanmun_testkit::{Http2, Reply, Speaks, Upstream, patiently};
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::sync::{mpsc, watch};

use crate::{all_to, all_to_service, start};

#[tokio::test]
async fn prior_knowledge_is_enough_on_cleartext() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = start(&all_to(upstream.url())).await;
    let mut client = Http2::tcp(gateway.web()).await;
    let request = client.request("POST", "/a?b").header("x-a", "1").body(Reply::from("body")).unwrap();
    assert_eq!(client.ask(request).await.text(), "request 0");
    let request = upstream.received(0).await;
    assert_eq!((request.start.as_str(), request.text().as_str()), ("POST /a?b HTTP/1.1", "body"));
    assert_eq!(request.header("x-forwarded-host").as_deref(), Some("gateway.test"));
    assert_eq!(request.header("x-a").as_deref(), Some("1"));
    let line = gateway.access_line(|_| true).await;
    assert_eq!((&line["protocol"], &line["host"]), (&"HTTP/2".into(), &"gateway.test".into()));
}

#[tokio::test]
async fn an_http2_upstream_gets_all_requests_on_one_connection() {
    let upstream = Upstream::recording(Speaks::Http2).await;
    let gateway = start(&format!("workers: 1\n{}", all_to(upstream.url()))).await;
    let mut http1 = gateway.connect().await;
    let fields = "Connection: keep-alive, X-Nominated\r\nX-Nominated: 1\r\nTE: trailers\r\n";
    assert_eq!(http1.ask("GET", "/one?q", fields).await.status(), 200);
    assert_eq!(http1.post("/two", "body").await.status(), 200);
    let mut http2 = Http2::tcp(gateway.web()).await;
    let many = (0..20).map(|_| {
        let mut http2 = http2.clone();
        tokio::spawn(async move { http2.get("/").await.status() })
    });
    for status in many.collect::<Vec<_>>() {
        assert_eq!(status.await.unwrap(), 200);
    }
    assert_eq!(http2.get("/").await.status(), 200);
    assert_eq!((upstream.requests(), upstream.connections()), (23, 1));
    let request = upstream.received(0).await;
    assert_eq!(request.start, "GET /one?q HTTP/2.0");
    assert_eq!(request.authority, Some(format!("127.0.0.1:{}", upstream.port())));
    assert_eq!(
        (request.header("connection"), request.header("x-nominated"), request.header("host")),
        (None, None, None)
    );
    assert_eq!(upstream.received(1).await.text(), "body");
}

/// A service that answers `/held` when it is told to, and all else at once.
async fn holding(speaks: Speaks) -> (Upstream, watch::Sender<bool>) {
    let (release, released) = watch::channel(false);
    let handler = move |request: Request<Incoming>| {
        let mut released = released.clone();
        async move {
            if request.uri().path() == "/held" {
                let _ = released.wait_for(|released| *released).await;
            }
            Response::new(Reply::from("ok"))
        }
    };
    (Upstream::answering(speaks, handler).await, release)
}

#[tokio::test]
async fn a_slow_stream_holds_no_other_one_up() {
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let (upstream, release) = holding(speaks).await;
        let gateway = start(&all_to(upstream.url())).await;
        let mut client = Http2::tcp(gateway.web()).await;
        let mut slow = client.clone();
        let held = tokio::spawn(async move { slow.get("/held").await });
        for _ in 0..30 {
            assert_eq!(client.get("/").await.status(), 200);
        }
        assert!(!held.is_finished());
        release.send_replace(true);
        assert_eq!(held.await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn an_http2_upstream_that_stays_silent_is_not_waited_for_whether_the_request_has_a_body_or_not() {
    let (upstream, _never) = holding(Speaks::Http2).await;
    let gateway = start(&all_to_service(upstream.url(), "timeouts: {response: 300ms}")).await;
    let mut client = Http2::tcp(gateway.web()).await;
    for body in [Reply::empty(), Reply::from("body")] {
        let request = client.request("POST", "/held").body(body).unwrap();
        let answer = client.ask(request).await;
        assert_eq!((answer.status(), &answer.json()["type"]), (504, &"urn:gwanmun:fault:upstream-timeout".into()));
    }
    assert_eq!(client.get("/").await.status(), 200, "the connection is still good");
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_body_that_goes_on_arriving_does_not_run_out_of_time() {
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let upstream = Upstream::recording(speaks).await;
        let gateway = start(&all_to_service(upstream.url(), "timeouts: {response: 800ms}")).await;
        let mut client = Http2::tcp(gateway.web()).await;
        let (feed, body) = Reply::fed();
        let request = client.request("POST", "/").body(body).unwrap();
        let sending = tokio::spawn(async move {
            for _ in 0..6 {
                feed.data("a").await;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
        assert_eq!(client.ask(request).await.status(), 200, "{}", upstream.url());
        sending.await.unwrap();
        assert_eq!(upstream.received(0).await.text(), "aaaaaa");
    }
}

#[tokio::test]
async fn a_request_that_is_taken_back_is_taken_back_from_the_upstream() {
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let (told, mut news) = mpsc::channel(4);
        let upstream = Upstream::answering(speaks, move |_| {
            let told = told.clone();
            async move {
                told.send("came").await.unwrap();
                let _gone = OnDrop(told);
                std::future::pending::<Response<Reply>>().await
            }
        })
        .await;
        let gateway = start(&all_to(upstream.url())).await;
        let client = Http2::tcp(gateway.web()).await;
        let mut asking = client.clone();
        let request = client.request("GET", "/").body(Reply::empty()).unwrap();
        let asking = tokio::spawn(async move { asking.send(request).await.map(|_| ()) });
        assert_eq!(patiently("the request", news.recv()).await, Some("came"));
        asking.abort();
        assert_eq!(patiently("its end", news.recv()).await, Some("went"));
        let line = gateway.access_line(|_| true).await;
        assert_eq!((&line["status"], &line["route"], &line["bytes_out"]), (&499.into(), &"all".into(), &0.into()));
        let left = format!(r#"gwanmun_requests_total{{route="all",upstream="{}",status="499"}}"#, upstream.url());
        assert_eq!(gateway.metric(&left).await, Some(1.0));
        assert_eq!(gateway.metric(r#"gwanmun_in_flight{listener="web"}"#).await, Some(0.0));
    }
}

struct OnDrop(mpsc::Sender<&'static str>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        let _ = self.0.try_send("went");
    }
}

#[tokio::test]
async fn more_streams_than_allowed_wait_for_their_turn() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = start(&format!("limits: {{streams: 2}}\n{}", all_to(upstream.url()))).await;
    let mut client = Http2::tcp(gateway.web()).await;
    // With its answer come the settings.
    client.get("/").await;
    let many = (0..20).map(|_| {
        let mut client = client.clone();
        tokio::spawn(async move { client.get("/").await.status() })
    });
    for status in many.collect::<Vec<_>>() {
        assert_eq!(status.await.unwrap(), 200);
    }
    assert_eq!(upstream.requests(), 21);
}

#[tokio::test]
async fn a_host_that_disagrees_with_the_authority_is_refused() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = start(&all_to(upstream.url())).await;
    let mut client = Http2::tcp(gateway.web()).await;
    let request = client.request("GET", "/").header("host", "other.test").body(Reply::empty()).unwrap();
    let answer = client.ask(request).await;
    assert_eq!((answer.status(), &answer.json()["type"]), (400, &"urn:gwanmun:fault:malformed-request".into()));
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn an_upstream_that_takes_no_more_requests_finishes_the_old_ones_and_gets_the_new_ones_on_a_new_connection() {
    let (upstream, release) = holding(Speaks::Http2).await;
    let gateway = start(&format!("workers: 1\n{}", all_to(upstream.url()))).await;
    let mut client = Http2::tcp(gateway.web()).await;
    assert_eq!(client.get("/").await.status(), 200);
    let mut slow = client.clone();
    let held = tokio::spawn(async move { slow.get("/held").await });
    upstream.arrived(2).await;
    upstream.say_goodbye();
    for _ in 0..5 {
        let request = client.request("POST", "/").body(Reply::from("body")).unwrap();
        assert_eq!(client.ask(request).await.status(), 200);
    }
    assert!(!held.is_finished());
    release.send_replace(true);
    assert_eq!(held.await.unwrap().status(), 200);
    assert_eq!(upstream.connections(), 2);
}

#[tokio::test]
async fn a_connection_without_streams_is_closed_in_the_end() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = start(&format!("limits: {{idle-timeout: 200ms}}\n{}", all_to(upstream.url()))).await;
    let mut client = gateway.connect().await;
    // The preface and empty SETTINGS (RFC 9113 sections 3.4 and 6.5), then nothing: GOAWAY is not even acknowledged.
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    let said = patiently("the end of an idle connection", client.rest()).await.unwrap_or_default();
    assert!(said.windows(4).any(|frame| frame == [8, 7, 0, 0]), "no GOAWAY of 8 bytes in {said:?}");
}

#[tokio::test]
async fn a_connection_that_drains_finishes_its_streams_and_acts_on_no_new_ones() {
    let (upstream, release) = holding(Speaks::Http1).await;
    let gateway = start(&all_to(upstream.url())).await;
    let mut client = Frames::connect(gateway.web()).await;
    let get = |stream, path| {
        let fields =
            fields(&[(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "gateway.test")]);
        frame(kind::HEADERS, flag::WHOLE, stream, fields)
    };
    client.send(get(1, "/held")).await;
    upstream.arrived(1).await;
    gateway.signal("TERM");
    let warning = client.next_of(kind::GOAWAY).await.unwrap();
    assert_eq!(warning.payload[..8], [0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    // Sent before the client could know, so it counts (RFC 9113 section 6.8).
    client.send(get(3, "/held")).await;
    let last = client.next_of(kind::GOAWAY).await.unwrap();
    assert_eq!(last.payload[..8], [0, 0, 0, 3, 0, 0, 0, 0]);
    client.send(get(5, "/held")).await;
    client.send(frame(kind::PING, 0, 0, "are you?")).await;
    assert_eq!(client.next_of(kind::PING).await.unwrap().payload, "are you?", "it goes on");
    release.send_replace(true);
    let rest = client.rest().await;
    let answered = rest.iter().filter(|frame| frame.kind == kind::HEADERS).map(|frame| (frame.stream, frame.status()));
    assert_eq!(answered.collect::<BTreeMap<_, _>>(), BTreeMap::from([(1, 200), (3, 200)]));
    let about = rest.iter().filter(|frame| frame.stream == 5).count();
    assert_eq!(about, 0, "not a word about it: it may be sent to somebody else");
    assert_eq!(gateway.ended().await, 0);
}
