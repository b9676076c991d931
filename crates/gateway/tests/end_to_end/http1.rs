//! HTTP/1 connections of clients: how long they live, what ends them, and what a client is told that breaks the rules.

use std::time::Duration;

use bytes::Bytes;
use gwanmun_testkit::{Gateway, Reply, Script, Speaks, Upstream, patiently};
use http::Response;

use crate::{all_to, start};

const KEPT: &str = "routes: [{id: a, filters: [respond: {body: a}]}]\n";

/// Sends `bytes` and reads all that comes until the connection ends.
async fn said(gateway: &Gateway, bytes: impl AsRef<[u8]>) -> String {
    let mut client = gateway.connect().await;
    client.send(bytes).await;
    let rest = patiently("the end of the connection", client.rest()).await.unwrap();
    String::from_utf8(rest.to_vec()).unwrap()
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_with_a_problem_document_and_a_line_in_the_log() {
    let gateway = start(KEPT).await;
    let many = format!("GET /many HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(200));
    for (request, status, code, method) in [
        ("nonsense\r\n\r\n", 400, "malformed-request", "-"),
        ("GET / HTTP/1.1\nHost: a\n\n", 400, "malformed-request", "-"),
        ("PUT /x HTTP/1.1\r\nHost : a\r\n\r\n", 400, "malformed-request", "PUT"),
        ("GET / HTTP/3.0\r\n\r\n", 505, "unsupported-version", "-"),
        ("PUT / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501, "unsupported-coding", "PUT"),
        ("PUT / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", 417, "expectation-failed", "PUT"),
        (&many, 431, "headers-too-large", "-"),
    ] {
        let answer = said(&gateway, format!("{request}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {answer}");
        assert!(answer.contains("connection: close\r\n") && answer.contains("application/problem+json"), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        assert!(answer.ends_with('}') && answer.contains(&format!("urn:gwanmun:fault:{code}")), "{answer}");
        let line = gateway.access_line(|line| line["fault"] == code && line["method"] == method).await;
        assert_eq!((&line["status"], &line["protocol"]), (&status.into(), &"HTTP/1.1".into()));
    }
    assert_eq!(gateway.metric("gwanmun_faults_total{code=\"malformed-request\"}").await, Some(3.0));
}

#[tokio::test]
async fn a_request_that_is_turned_away_at_the_door_is_the_last_of_its_connection() {
    let gateway = start(KEPT).await;
    let answer = said(&gateway, "GET / HTTP/1.1\r\nHost: a b\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.matches("HTTP/1.1 ").count() == 1, "{answer}");
}

#[tokio::test]
async fn clients_of_http_1_0_are_kept_when_they_ask_for_it() {
    let gateway = start(KEPT).await;
    let once = said(&gateway, "GET / HTTP/1.0\r\n\r\n").await;
    assert!(once.starts_with("HTTP/1.1 200 ") && once.contains("connection: close\r\n"), "{once}");
    let mut client = gateway.connect().await;
    for _ in 0..2 {
        client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").await;
        assert_eq!(client.answer().await.header("connection").as_deref(), Some("keep-alive"));
    }
}

#[tokio::test]
async fn a_connection_without_requests_is_closed_without_a_word() {
    let gateway = start(&format!("limits: {{idle-timeout: 100ms}}\n{KEPT}")).await;
    let mut client = gateway.connect().await;
    assert_eq!(client.get("/").await.status(), 200);
    assert_eq!(patiently("the end", client.rest()).await.unwrap(), Bytes::new());
}

#[tokio::test]
async fn a_head_that_comes_too_slowly_is_answered_with_408() {
    let gateway = start(&format!("limits: {{header-timeout: 100ms}}\n{KEPT}")).await;
    let answer = said(&gateway, "GET / HTTP/1.1\r\nHost:").await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("urn:gwanmun:fault:request-timeout"), "{answer}");
}

#[tokio::test]
async fn a_client_is_not_asked_for_a_body_that_nobody_needs() {
    let gateway = start(KEPT).await;
    let answer = said(&gateway, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("connection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn an_answer_reaches_a_client_that_is_still_sending() {
    let gateway = start(KEPT).await;
    for _ in 0..20 {
        let mut client = gateway.connect().await;
        client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n").await;
        client.send(vec![b'a'; 200_000]).await;
        assert_eq!(client.answer().await.text(), "a");
    }
}

#[tokio::test]
async fn an_answer_of_unknown_length_that_breaks_off_is_no_complete_one_even_for_http_1_0() {
    let upstream = Script::saying("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").await;
    let gateway = start(&all_to(&upstream.url())).await;
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.0\r\n\r\n").await;
    let end = patiently("the end", client.rest()).await;
    assert!(end.is_err(), "{end:?}");
}

#[tokio::test]
async fn what_a_client_sends_ahead_is_bounded() {
    let (ask, asked) = tokio::sync::watch::channel(false);
    let upstream = Upstream::answering(Speaks::Http1, move |_| {
        let mut asked = asked.clone();
        async move {
            asked.wait_for(|asked| *asked).await.unwrap();
            Response::new(Reply::from("late"))
        }
    })
    .await;
    let gateway = start(&all_to(upstream.url())).await;
    let client = gateway.connect().await;
    let before = gateway.peak_memory();
    let (mut to, mut from) = client.split();
    let sending = tokio::spawn(async move {
        // More than all buffers on the way would hold.
        let requests = "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1000);
        let mut sent = 0;
        while to.try_send(&requests).await.is_ok() {
            sent += 1;
            if sent == 2000 {
                break;
            }
        }
    });
    upstream.arrived(1).await;
    assert!(gateway.peak_memory() - before < 8 * 1024 * 1024, "{before} grew to {}", gateway.peak_memory());
    ask.send_replace(true);
    for _ in 0..100 {
        assert_eq!(from.answer().await.text(), "late");
    }
    sending.abort();
}

#[tokio::test]
async fn a_client_that_has_ended_its_side_still_reads_its_answers() {
    const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let upstream = Upstream::answering(Speaks::Http1, |_| async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Response::new("slowly".into())
    })
    .await;
    let gateway = start(&all_to(upstream.url())).await;
    for (text, answers) in [
        (GET.to_owned(), 1),
        (GET.repeat(3), 3),
        ("GET / HTTP/1.0\r\n\r\n".to_owned(), 1),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc".to_owned(), 1),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n".to_owned(), 1),
    ] {
        let mut client = gateway.connect().await;
        client.send(&text).await;
        client.finish().await;
        let said = patiently("the end of the connection", client.rest()).await.unwrap();
        let said = String::from_utf8_lossy(&said);
        assert_eq!(
            (said.matches("HTTP/1.1 200").count(), said.matches("slowly").count()),
            (answers, answers),
            "{text:?}"
        );
    }
}
