//! What one client may use up.

use gwanmun_chassis::App;
use gwanmun_chassis::axum::Router;
use gwanmun_chassis::axum::body::{Body, Bytes};
use gwanmun_chassis::axum::routing::{get, post};
use gwanmun_testkit::frames::{Frames, GET, fields, flag, frame, kind};
use gwanmun_testkit::{Connection, Http2, Reply, eventually};
use http::StatusCode;

use crate::scene::{Pieces, connect, page, serve};

fn routes() -> Router<App> {
    Router::new().route("/", get(|| async { "here" })).route("/hangs", get(std::future::pending::<()>))
}

#[tokio::test]
async fn a_head_that_does_not_come_in_time_ends_the_connection() {
    let running = serve(routes(), "server: {header-timeout: 30ms, idle-timeout: 1h}").await;
    for beginning in ["", "G", "GET / HTTP/1.1\r\nHost: a\r\n", "PRI * HTTP/2.0\r\n"] {
        let mut client = connect(&running).await;
        client.send(beginning).await;
        client.closed().await;
    }
    let mut client = connect(&running).await;
    assert_eq!(client.get("/").await.text(), "here");
    client.send("GET / HT").await;
    client.closed().await;
    running.stop().await;
}

#[tokio::test]
async fn an_idle_connection_is_ended_and_a_busy_one_is_not() {
    let running = serve(routes(), "server: {idle-timeout: 60ms}").await;
    let mut busy = connect(&running).await;
    busy.send("GET /hangs HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut idle = connect(&running).await;
    assert_eq!(idle.get("/").await.text(), "here");
    idle.closed().await;
    let mut client = Http2::tcp(running.address()).await;
    assert_eq!(client.get("/").await.text(), "here");
    eventually("the end of an idle connection", async || client.is_closed().then_some(())).await;
    assert!(tokio::time::timeout(std::time::Duration::from_millis(50), busy.head()).await.is_err());
    drop(busy);
    running.stop().await;
}

#[tokio::test]
async fn heads_have_a_size_and_a_number_of_fields() {
    let running = serve(routes(), "server: {header-bytes: 8KiB, header-count: 20}").await;
    let mut client = connect(&running).await;
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", "x".repeat(16 * 1024))).await;
    assert_eq!(client.answer().await.status(), 431);
    let mut client = connect(&running).await;
    let fields: String = (0..30).map(|number| format!("X-{number}: a\r\n")).collect();
    assert_eq!(client.ask("GET", "/", &fields).await.status(), 431);
    let mut client = Http2::tcp(running.address()).await;
    let request = client.request("GET", "/").header("x-long", "x".repeat(16 * 1024)).body(Reply::empty()).unwrap();
    assert_eq!(client.send(request).await.map(|answer| answer.status()).unwrap_or(StatusCode::OK), 431);
    assert_eq!(connect(&running).await.get("/").await.text(), "here");
    running.stop().await;
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_until_one_goes() {
    let running = serve(routes(), "server: {connections: 2}").await;
    let mut first = connect(&running).await;
    let mut second = connect(&running).await;
    assert_eq!((first.get("/").await.status(), second.get("/").await.status()), (200, 200));
    let mut third = connect(&running).await;
    third.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let early = tokio::time::timeout(std::time::Duration::from_millis(50), third.head()).await;
    assert!(early.is_err(), "it has to wait");
    drop(first);
    assert_eq!(third.answer().await.text(), "here");
    running.stop().await;
}

#[tokio::test]
async fn two_requests_in_one_are_none() {
    let running = serve(routes(), "").await;
    for request in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\nhello",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/9.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a/b\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a@b\r\nConnection: close\r\n\r\n",
        "GET http://b/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    ] {
        let mut client: Connection = connect(&running).await;
        client.send(request).await;
        assert_eq!(client.answer().await.status(), 400, "{request}");
        client.closed().await;
    }
    running.stop().await;
}

#[tokio::test]
async fn a_length_beside_chunks_counts_for_nothing_and_no_second_request_follows() {
    let running = serve(Router::new().route("/", post(async |body: String| body)), "").await;
    for fields in ["Content-Length: 4\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 4"]
    {
        let mut client = connect(&running).await;
        let hidden = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n5\r\nhello\r\n0\r\n\r\n{hidden}")).await;
        let answer = client.answer().await;
        assert_eq!((answer.status(), answer.text()), (200, "hello".to_owned()), "{fields}");
        client.closed().await;
    }
    running.stop().await;
}

#[tokio::test]
async fn a_body_in_a_coding_that_nobody_undoes_is_refused() {
    let running = serve(Router::new().route("/", post(async |body: String| body)), "").await;
    for coding in ["gzip, chunked", "chunked\r\nTransfer-Encoding: chunked", "identity\r\nTransfer-Encoding: chunked"] {
        let mut client = connect(&running).await;
        let chunks = "5\r\nhello\r\n0\r\n\r\n";
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {coding}\r\n\r\n{chunks}")).await;
        assert_eq!(client.answer().await.status(), 501, "{coding}");
        client.closed().await;
    }
    running.stop().await;
}

static PIECE: Bytes = Bytes::from_static(&[b'x'; 64 * 1024]);

#[tokio::test]
async fn a_client_that_does_not_take_its_answer_is_left() {
    let routes =
        Router::new().route("/", get(|| async { Body::new(Pieces(std::iter::repeat_n(PIECE.clone(), 512).map(Ok))) }));
    let running = serve(routes, "server: {idle-timeout: 60ms}").await;
    let mut client = connect(&running).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    eventually("the end of the request", async || {
        let numbers = page(&running, "/metrics").await.text();
        (numbers.contains("http_server_active_requests 0\n") && numbers.contains("http_server_requests_seconds_count{"))
            .then_some(())
    })
    .await;
    assert!(client.try_answer("GET").await.is_err(), "it does not get all of it");
    running.stop().await;
}

#[tokio::test]
async fn a_client_of_http2_whose_window_stays_shut_is_left() {
    let running = serve(routes(), "server: {idle-timeout: 60ms}").await;
    // SETTINGS_INITIAL_WINDOW_SIZE.
    let mut client = Frames::with_settings(running.address(), &[(4, 0)]).await;
    client.send(frame(kind::HEADERS, flag::WHOLE, 1, fields(GET))).await;
    let answered = client.next_of(kind::HEADERS).await.expect("an answer");
    assert_eq!(answered.stream, 1);
    assert!(client.rest().await.iter().all(|frame| frame.kind != kind::DATA), "nothing may be sent");
    running.stop().await;
}
