//! Upstreams that fail in every way there is: what the client is told, what the log says, and that nothing is sent twice
//! that might have been acted on.

use std::time::Duration;

use gwanmun_testkit::{Gateway, Http2, Message, Reply, Script, Speaks, Upstream};
use http::Response;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::{all_to, all_to_service, start};

/// The problem `answer` is, which must have the shape of RFC 9457.
fn problem(answer: &Message) -> (u16, String) {
    assert_eq!(answer.header("content-type").as_deref(), Some("application/problem+json"));
    let problem = answer.json();
    assert_eq!(problem["status"], answer.status());
    assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{problem}");
    let code = problem["type"]
        .as_str()
        .and_then(|kind| kind.strip_prefix("urn:gwanmun:fault:"))
        .unwrap_or_else(|| panic!("{problem}"));
    (answer.status(), code.to_owned())
}

/// A service that fails in one way: what the client is told, and what its operator.
async fn failing(url: &str, status: u16, code: &str, reason: Option<&str>) {
    let gateway = start(&all_to_service(url, "timeouts: {response: 300ms, connect: 300ms}")).await;
    let answer = gateway.get("/").await;
    assert_eq!(problem(&answer), (status, code.to_owned()), "{url}");
    let line = gateway.access_line(|_| true).await;
    assert_eq!((&line["status"], &line["fault"]), (&status.into(), &code.into()));
    assert_eq!(line["trace_id"], answer.json()["trace_id"], "the client can tell us where to look");
    assert_eq!(line["upstream"], "service");
    assert_eq!(line["endpoint"], url);
    assert!(!answer.text().contains("127.0.0.1"), "no internal detail leaves: {answer:?}");
    if let Some(reason) = reason {
        assert_reason(&gateway, &line, code, reason, url).await;
    }
}

/// That the log and the metric name `reason`.
pub(crate) async fn assert_reason(gateway: &Gateway, line: &Value, code: &str, reason: &str, why: &str) {
    assert_eq!((&line["fault"], &line["fault_reason"]), (&code.into(), &reason.into()), "{why}");
    let series = format!("gwanmun_fault_reasons_total{{code=\"{code}\",reason=\"{reason}\"}}");
    assert_eq!(gateway.metric(&series).await, Some(1.0), "{why}");
}

#[tokio::test]
async fn nobody_listens() {
    let refused = Some("connection-refused");
    failing(&format!("http://{}", Script::absent().await), 502, "upstream-unreachable", refused).await;
    failing(&format!("h2c://{}", Script::absent().await), 502, "upstream-unreachable", refused).await;
    failing(&format!("https://{}", Script::absent().await), 502, "upstream-unreachable", refused).await;
    failing("unix:/nobody/listens/here", 502, "upstream-unreachable", Some("connect-failed")).await;
    failing("http://no-such-name.invalid", 502, "upstream-unreachable", Some("dns-failure")).await;
}

#[tokio::test]
async fn no_connection_comes_about() {
    // Somebody listens and never accepts: when its queue is full, whoever connects waits.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(Ok(one)) = tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(address)).await {
        waiting.push(one);
    }
    failing(&format!("http://{address}"), 504, "upstream-timeout", Some("connect-timeout")).await;
    failing(&format!("h2c://{address}"), 504, "upstream-timeout", Some("connect-timeout")).await;
}

#[tokio::test]
async fn no_tls_comes_about() {
    let scene = |connection: gwanmun_testkit::Connection, _| async move { drop(connection) };
    for upstream in [Script::play(scene).await, Script::saying_at_once("220 smtp ready\r\n").await] {
        let url = upstream.url().replace("http:", "https:");
        failing(&url, 502, "upstream-unreachable", Some("tls-handshake")).await;
    }
    let silent = Script::play(|mut connection, _| async move { drop(connection.rest().await) }).await;
    let url = silent.url().replace("http:", "https:");
    failing(&url, 504, "upstream-timeout", Some("connect-timeout")).await;
}

#[tokio::test]
async fn no_answer_comes() {
    let upstream = Script::play(|mut connection, _| async move {
        let _ = connection.rest().await;
    })
    .await;
    failing(&upstream.url(), 504, "upstream-timeout", Some("head-stalled")).await;
}

#[tokio::test]
async fn half_a_head_comes_and_then_nothing() {
    let upstream = Script::play(|mut connection, _| async move {
        connection.send("HTTP/1.1 200 OK\r\nContent-").await;
        let _ = connection.rest().await;
    })
    .await;
    failing(&upstream.url(), 504, "upstream-timeout", Some("head-stalled")).await;
}

#[tokio::test]
async fn the_connection_closes_before_the_head() {
    let at_once = Script::play(|connection, _| async move { drop(connection) }).await;
    // Closed with a request unread is a reset, if the request was there in time.
    failing(&at_once.url(), 502, "upstream-unreachable", None).await;
    failing(&Script::saying("").await.url(), 502, "upstream-unreachable", Some("closed-early")).await;
    let halfway = Script::play(|mut connection, _| async move { drop(connection.exactly(1).await) }).await;
    failing(&halfway.url(), 502, "upstream-unreachable", Some("connection-reset")).await;
}

#[tokio::test]
async fn the_connection_closes_within_the_head() {
    for head in ["HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 100 Continue\r\n\r\n"] {
        failing(&Script::saying(head).await.url(), 502, "upstream-malformed", Some("head-truncated")).await;
    }
}

#[tokio::test]
async fn protocols_are_switched_unasked() {
    let upstream =
        Script::saying("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n").await;
    failing(&upstream.url(), 502, "upstream-malformed", Some("unasked-upgrade")).await;
}

#[tokio::test]
async fn the_answer_is_no_http() {
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(1000));
    let large = format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "a".repeat(1 << 20));
    let flood = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100);
    for (answer, reason) in [
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", "malformed-head"),
        ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "malformed-framing"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "malformed-framing"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "malformed-framing"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot a size\r\n", "malformed-chunk"),
        ("HTTP/1.1 200 OK\r\nBad Name: 1\r\n\r\n", "malformed-head"),
        ("HTTP/1.1 200 OK\nContent-Length: 0\n\n", "malformed-head"),
        (&many, "too-many-fields"),
        (&large, "head-too-large"),
        (&flood, "too-many-interim"),
    ] {
        failing(&Script::saying(answer).await.url(), 502, "upstream-malformed", Some(reason)).await;
    }
    let http1 = Script::saying_at_once("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let url = http1.url().replace("http:", "h2c:");
    failing(&url, 502, "upstream-malformed", Some("http2-protocol")).await;
}

#[tokio::test]
async fn a_body_that_breaks_off_is_never_a_complete_message() {
    let fed_and_failed = |speaks| {
        Upstream::answering(speaks, |_| async {
            let (feed, body) = Reply::fed();
            tokio::spawn(async move {
                feed.data("half").await;
                feed.fail().await;
            });
            Response::new(body)
        })
    };
    let chunked = |rest| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n{rest}");
    let scripts = [
        (Script::saying("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await, "length-truncated"),
        (Script::saying(chunked("")).await, "chunks-truncated"),
        (Script::saying(chunked("0\r\n")).await, "chunks-truncated"),
        (Script::saying(chunked("zz\r\n")).await, "malformed-chunk"),
    ];
    let upstreams = [
        (fed_and_failed(Speaks::Http1).await, "chunks-truncated"),
        (fed_and_failed(Speaks::Http2).await, "http2-stream-reset"),
    ];
    let urls = scripts.iter().map(|(script, reason)| (script.url(), *reason));
    let urls = urls.chain(upstreams.iter().map(|(upstream, reason)| (upstream.url().to_owned(), *reason)));
    for (url, reason) in urls {
        let fine = "{id: fine, predicates: [path: /fine], filters: [respond: {body: fine}]}";
        let gateway = start(&format!("routes: [{fine}, {{id: all, upstream: '{url}'}}]\n")).await;
        let mut client = gateway.connect().await;
        client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let answer = client.try_answer("GET").await;
        assert!(answer.is_err(), "{url}: {answer:?}");

        let mut client = Http2::tcp(gateway.web()).await;
        let request = client.request("GET", "/2").body(Reply::empty()).unwrap();
        let answer = client.try_ask(request).await;
        assert!(answer.is_err(), "{url}: {answer:?}");
        assert_eq!(client.get("/fine").await.text(), "fine", "only the streams were cut");

        for path in ["/1", "/2"] {
            let line = gateway.access_line(|line| line["path"] == path).await;
            assert_eq!((&line["status"], &line["fault"]), (&200.into(), &"upstream-malformed".into()), "{url} {path}");
            assert_eq!(line["fault_reason"], reason, "{url} {path}");
        }
    }
}

#[tokio::test]
async fn an_answer_until_close_that_is_reset_is_never_a_complete_message() {
    let (cut, cutting) = tokio::sync::watch::channel(0);
    let upstream = Script::play(move |mut connection, number| {
        let mut cutting = cutting.clone();
        async move {
            // Not all of the request is read, so that closing is a reset.
            connection.exactly(1).await.unwrap();
            connection.send("HTTP/1.1 200 OK\r\n\r\nhalf").await;
            let _ = cutting.wait_for(|cut| *cut > number).await;
        }
    })
    .await;
    let gateway = start(&all_to(&upstream.url())).await;
    let padding = "x".repeat(500);

    let mut client = gateway.connect().await;
    client.send(format!("GET /1 HTTP/1.1\r\nHost: a\r\nX: {padding}\r\n\r\n")).await;
    client.head().await.unwrap();
    assert_eq!(client.chunk().await.unwrap().unwrap(), "half");
    cut.send_replace(1);
    assert!(client.chunk().await.is_err());

    let mut client = Http2::tcp(gateway.web()).await;
    let mut answer =
        client.send(client.request("GET", "/2").header("x", &padding).body(Reply::empty()).unwrap()).await.unwrap();
    assert_eq!(next_data(&mut answer).await.unwrap(), "half");
    cut.send_replace(2);
    assert!(next_data(&mut answer).await.is_err());

    // HTTP/1.0 knows an end by the end of the connection only: that must be a reset.
    let mut client = gateway.connect().await;
    client.send(format!("GET /3 HTTP/1.0\r\nHost: a\r\nX: {padding}\r\n\r\n")).await;
    client.head().await.unwrap();
    assert_eq!(client.exactly(4).await.unwrap(), "half");
    cut.send_replace(3);
    let end = gwanmun_testkit::patiently("a reset", client.rest()).await;
    assert!(end.is_err(), "{end:?}");

    for path in ["/1", "/2", "/3"] {
        let line = gateway.access_line(|line| line["path"] == path).await;
        assert_eq!((&line["status"], &line["fault"]), (&200.into(), &"upstream-malformed".into()), "{path}");
        assert_eq!(line["fault_reason"], "close-truncated", "{path}");
    }
}

async fn next_data(answer: &mut Response<hyper::body::Incoming>) -> hyper::Result<bytes::Bytes> {
    let frame = std::future::poll_fn(|cx| hyper::body::Body::poll_frame(std::pin::Pin::new(answer.body_mut()), cx));
    gwanmun_testkit::patiently("a piece", frame).await.expect("no end").map(|frame| frame.into_data().unwrap())
}

#[tokio::test]
async fn a_body_that_pauses_for_too_long_is_cut() {
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let upstream = Upstream::answering(speaks, |_| async {
            let (feed, body) = Reply::fed();
            tokio::spawn(async move {
                feed.data("half").await;
                feed.refused().await;
            });
            Response::new(body)
        })
        .await;
        let gateway = start(&all_to_service(upstream.url(), "timeouts: {idle: 200ms}")).await;
        let mut client = gateway.connect().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(client.try_answer("GET").await.is_err());
        let line = gateway.access_line(|_| true).await;
        assert_eq!((&line["status"], &line["fault"]), (&200.into(), &"upstream-timeout".into()));
        assert_reason(&gateway, &line, "upstream-timeout", "body-stalled", upstream.url()).await;
    }
}

#[tokio::test]
async fn an_exchange_that_takes_too_long_altogether_is_cut() {
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let upstream = Upstream::answering(speaks, |_| async {
            let (feed, body) = Reply::fed();
            tokio::spawn(async move {
                while feed.data("more").await {
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
            });
            Response::new(body)
        })
        .await;
        let gateway = start(&all_to_service(upstream.url(), "timeouts: {total: 600ms}")).await;
        let mut client = gateway.connect().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(client.try_answer("GET").await.is_err(), "{}", upstream.url());
        let line = gateway.access_line(|_| true).await;
        assert_eq!((&line["status"], &line["fault"]), (&200.into(), &"upstream-timeout".into()));
        assert_reason(&gateway, &line, "upstream-timeout", "total-timeout", upstream.url()).await;
    }
}

#[tokio::test]
async fn an_upstream_that_hangs_up_between_two_requests_costs_a_safe_request_nothing() {
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let upstream = Upstream::recording(speaks).await;
        let gateway = start(&all_to(upstream.url())).await;
        let mut client = gateway.connect().await;
        for number in 0..20 {
            assert_eq!(client.get("/").await.text(), format!("request {number}"), "{}", upstream.url());
            upstream.hang_up();
        }
        assert_eq!(upstream.connections(), 20);
        let series = "gwanmun_fault_reasons_total";
        assert!(!gateway.page("/metrics").await.text().contains(&format!("{series}{{")), "nobody was told of a fault");
    }
}

/// A service that answers the first request of its first connection and closes that connection at the second one.
async fn closing_when_used_again() -> Script {
    Script::play(|mut connection, number| async move {
        while let Ok(request) = connection.request().await {
            if number == 0 && request.target() != "/first" {
                return;
            }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        }
    })
    .await
}

#[tokio::test]
async fn a_kept_connection_that_turns_out_closed_costs_a_safe_request_nothing() {
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
        let upstream = closing_when_used_again().await;
        let gateway = start(&all_to(&upstream.url())).await;
        let mut client = gateway.connect().await;
        assert_eq!(client.get("/first").await.status(), 200);
        client.send(format!("{method} /second HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        let answer = client.head().await.unwrap();
        assert_eq!((answer.status(), upstream.connections()), (200, 2), "{method}");
        let retries = gateway.metric("gwanmun_upstream_retries_total{reason=\"stale-connection\"}").await;
        assert_eq!(retries, Some(1.0), "{method}");
    }
}

#[tokio::test]
async fn what_may_have_been_acted_on_is_not_sent_again() {
    for (method, body) in [("POST", ""), ("PATCH", ""), ("POST", "body"), ("PUT", "body")] {
        let upstream = closing_when_used_again().await;
        let gateway = start(&all_to(&upstream.url())).await;
        let mut client = gateway.connect().await;
        assert_eq!(client.get("/first").await.status(), 200);
        client
            .send(format!("{method} /second HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
            .await;
        assert_eq!(problem(&client.answer().await), (502, "upstream-unreachable".to_owned()), "{method}");
        assert_eq!(upstream.connections(), 1, "{method}");
        let line = gateway.access_line(|line| line["path"] == "/second").await;
        assert_reason(&gateway, &line, "upstream-unreachable", "stale-connection", method).await;
    }
}

#[tokio::test]
async fn an_answer_is_not_asked_for_a_third_time() {
    let upstream = Script::play(|mut connection, number| async move {
        if number == 0 {
            connection.request().await.unwrap();
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        }
        let _ = connection.request().await;
    })
    .await;
    let gateway = start(&all_to(&upstream.url())).await;
    let mut client = gateway.connect().await;
    assert_eq!(client.get("/").await.status(), 200);
    assert_eq!(client.get("/").await.status(), 502);
    assert_eq!(upstream.connections(), 2);
}

#[tokio::test]
async fn bytes_behind_an_answer_never_become_the_next_one() {
    let upstream = Script::play(|mut connection, number| async move {
        while let Ok(request) = connection.request().await {
            let honest = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}");
            let forged = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";
            let extra = if request.method() == "HEAD" { "hello" } else { forged };
            connection.send(honest + extra).await;
        }
    })
    .await;
    let gateway = start(&all_to(&upstream.url())).await;
    let mut client = gateway.connect().await;
    for number in 0..3 {
        assert_eq!(client.get("/").await.text(), number.to_string(), "each on a connection of its own");
    }
    assert_eq!(client.ask("HEAD", "/", "").await.status(), 200);
    assert_eq!(client.get("/").await.text(), "4");
}

#[tokio::test]
async fn what_an_answer_may_not_have_never_reaches_the_next_client() {
    const FORGED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";
    let interim = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100);
    for (why, answer, status) in [
        ("no content", "HTTP/1.1 204 No Content\r\nContent-Length: 52\r\n\r\n", 204),
        ("no chunks", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", 204),
        ("not modified", "HTTP/1.1 304 Not Modified\r\n\r\n", 304),
        ("reset content", "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n", 205),
        ("switched unasked", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", 502),
        ("interim flood", &interim, 502),
        ("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 1\r\n\r\n", 502),
    ] {
        let answer = format!("{answer}{FORGED}");
        let upstream = Script::play(move |mut connection, number| {
            let answer = answer.clone();
            async move {
                while connection.request().await.is_ok() {
                    let honest = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhonest";
                    let _ = connection.try_send(if number == 0 { &answer } else { honest }).await;
                }
            }
        })
        .await;
        // One worker, so that a connection that was kept would be used again.
        let gateway = start(&format!("workers: 1\n{}", all_to(&upstream.url()))).await;
        let mut client = gateway.connect().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(client.head().await.unwrap().status(), status, "{why}");
        assert_eq!(gateway.get("/").await.text(), "honest", "{why}");
        assert_eq!(upstream.connections(), 2, "{why}");
    }
}

#[tokio::test]
async fn bytes_that_come_late_behind_an_answer_never_become_the_next_one() {
    let (say, mut said) = tokio::sync::mpsc::channel::<()>(1);
    let say = std::sync::Mutex::new(Some(say));
    let upstream = Script::play(move |mut connection, number| {
        let say = say.lock().unwrap().take();
        async move {
            connection.request().await.unwrap();
            connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}")).await;
            if let Some(say) = say {
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged").await;
                say.send(()).await.unwrap();
            }
            let _ = connection.request().await;
        }
    })
    .await;
    let gateway = start(&all_to(&upstream.url())).await;
    let mut client = gateway.connect().await;
    assert_eq!(client.get("/").await.text(), "0");
    said.recv().await.unwrap();
    assert_eq!(client.get("/").await.text(), "1");
}

#[tokio::test]
async fn a_body_longer_than_told_is_cut_to_what_was_told() {
    let upstream = Script::saying("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlonger").await;
    let gateway = start(&all_to(&upstream.url())).await;
    let mut client = gateway.connect().await;
    assert_eq!(client.get("/").await.text(), "long");
    assert_eq!(client.get("/").await.text(), "long");
    assert_eq!(upstream.connections(), 2);
}

#[tokio::test]
async fn callers_of_grpc_are_told_in_grpc() {
    let gateway = start(&all_to(&format!("h2c://{}", Script::absent().await))).await;
    let mut client = Http2::tcp(gateway.web()).await;
    for content_type in ["application/grpc", "application/grpc+proto"] {
        let request =
            client.request("POST", "/a.B/C").header("content-type", content_type).body(Reply::from("x")).unwrap();
        let answer = client.ask(request).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.header("content-type").as_deref(), Some("application/grpc"));
        assert_eq!(answer.header("grpc-status").as_deref(), Some("14"), "unavailable");
        assert!(answer.header("grpc-message").is_some());
        assert!(answer.body.is_empty());
    }
    let line = gateway.access_line(|_| true).await;
    assert_eq!((&line["fault"], &line["route"]), (&"upstream-unreachable".into(), &"all".into()));
}

#[tokio::test]
async fn a_request_that_breaks_off_is_the_clients_fault() {
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let upstream = Upstream::recording(speaks).await;
        let limits = "limits: {body-timeout: 500ms, body-bytes: 1KiB}\n";
        let gateway = start(&format!("{limits}{}", all_to(upstream.url()))).await;
        let mut client = gateway.connect().await;
        client.send("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf").await;
        assert_eq!(problem(&client.answer().await), (408, "request-timeout".to_owned()), "{}", upstream.url());
        let line = gateway.access_line(|line| line["path"] == "/slow").await;
        assert_eq!(line["fault"], "request-timeout");

        let mut client = Http2::tcp(gateway.web()).await;
        let (feed, body) = Reply::fed();
        let sending = tokio::spawn(async move { while feed.data(vec![b'a'; 500]).await {} });
        let request = client.request("POST", "/large").body(body).unwrap();
        assert_eq!(problem(&client.ask(request).await), (413, "body-too-large".to_owned()), "{}", upstream.url());
        sending.await.unwrap();

        let mut client = gateway.connect().await;
        client.send("POST /gone HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf").await;
        drop(client);
        let line = gateway.access_line(|line| line["path"] == "/gone").await;
        assert_eq!((&line["fault"], &line["bytes_in"]), (&"malformed-request".into(), &4.into()));
        assert_eq!(upstream.requests(), 0, "half a request is none");
    }
}
