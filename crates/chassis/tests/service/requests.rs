//! What becomes of a request: its answer, whatever the handler does.

use std::convert::Infallible;
use std::sync::Arc;

use gwanmun_chassis::axum::body::{Body, Bytes};
use gwanmun_chassis::axum::routing::{get, post};
use gwanmun_chassis::axum::{Json, Router};
use gwanmun_chassis::{App, Problem};
use gwanmun_testkit::{Http2, Reply, eventually};
use http::StatusCode;
use serde_json::{Value, json};

use crate::scene::{connect, manage, page, serve};

async fn panics() -> &'static str {
    panic!("a handler's mistake")
}

async fn fails() -> Result<(), Problem> {
    Err(std::io::Error::other("the password is 123"))?
}

fn routes() -> Router<App> {
    Router::new()
        .route("/orders/{id}", get(|| async { "seven" }))
        .route("/echo", post(|body: Json<Value>| async { body }))
        .route("/bytes", post(|body: Bytes| async move { body.len().to_string() }))
        .route("/panic", get(panics))
        .route("/fails", get(fails))
        .route("/conflict", get(|| async { (StatusCode::CONFLICT, "sent already") }))
}

#[tokio::test]
async fn a_plain_router_is_served_over_http1_and_http2() {
    let running = serve(routes(), "").await;
    let mut client = connect(&running).await;
    assert_eq!(client.get("/orders/7").await.text(), "seven");
    assert_eq!(client.get("/orders/8").await.text(), "seven");
    let mut client = Http2::tcp(running.address()).await;
    assert_eq!(client.get("/orders/7").await.text(), "seven");
    running.stop().await;
}

#[tokio::test]
async fn a_panic_is_a_problem_and_an_exception_and_the_next_request_works() {
    let running = serve(routes(), "").await;
    let mut client = connect(&running).await;
    for _ in 0..3 {
        let answer = client.get("/panic").await;
        assert_eq!((answer.status(), answer.header("content-type").unwrap()), (500, "application/problem+json".into()));
        let problem = answer.json();
        assert_eq!(problem["type"], "urn:gwanmun:fault:internal");
        assert_eq!(problem["title"], "the service failed");
        assert_eq!(problem["trace_id"].as_str().unwrap().len(), 32);
        assert!(!answer.text().contains("mistake"));
    }
    assert_eq!(client.get("/orders/7").await.text(), "seven");
    let shown = page(&running, "/exceptions").await.json();
    let [exception] = &shown["exceptions"].as_array().unwrap()[..] else { panic!("{shown}") };
    assert_eq!(exception["count"], 3, "{shown}");
    assert!(shown.to_string().contains("a handler's mistake") && shown.to_string().contains("GET /panic"), "{shown}");
    running.stop().await;
}

#[tokio::test]
async fn an_error_that_leaves_a_handler_is_an_exception_and_says_nothing_outside() {
    let running = serve(routes(), "").await;
    let answer = connect(&running).await.get("/fails").await;
    assert_eq!((answer.status(), answer.text().contains("123")), (500, false));
    let shown = page(&running, "/exceptions").await.text();
    assert!(shown.contains("the password is") && shown.contains("GET /fails"), "{shown}");
    running.stop().await;
}

#[tokio::test]
async fn errors_of_axum_and_in_plain_words_are_problems() {
    let running = serve(routes(), "").await;
    let mut client = connect(&running).await;
    let no_route = client.get("/nowhere").await;
    assert_eq!((no_route.status(), &no_route.json()["type"]), (404, &json!("urn:gwanmun:fault:no-route")));
    assert_eq!(no_route.json()["trace_id"].as_str().unwrap().len(), 32);
    let no_method = client.ask("DELETE", "/orders/7", "").await;
    assert_eq!((no_method.status(), no_method.header("allow").unwrap()), (405, "GET,HEAD".into()));
    assert_eq!(no_method.json()["title"], "Method Not Allowed");
    let no_json = client.post("/echo", "{").await;
    assert_eq!((no_json.status(), no_json.header("content-type").unwrap()), (415, "application/problem+json".into()));
    let conflict = client.get("/conflict").await;
    assert_eq!((conflict.status(), &conflict.json()["detail"]), (409, &json!("sent already")));
    let head = client.ask("HEAD", "/nowhere", "").await;
    assert_eq!(head.status(), 404);
    assert_eq!(client.get("/orders/7").await.text(), "seven", "the connection is still in step");
    running.stop().await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_whether_its_length_is_told_or_not() {
    let running = serve(routes(), "server: {body-bytes: 1000B}").await;
    let mut client = connect(&running).await;
    assert_eq!(client.post("/bytes", [b'x'; 1000]).await.text(), "1000");
    let told = client.post("/bytes", [b'x'; 1001]).await;
    assert_eq!((told.status(), &told.json()["type"]), (413, &json!("urn:gwanmun:fault:body-too-large")));

    let mut client = connect(&running).await;
    client.send("POST /bytes HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    client.send(format!("{:x}\r\n{}\r\n1\r\nx\r\n0\r\n\r\n", 1000, "x".repeat(1000))).await;
    let untold = client.answer().await;
    assert_eq!((untold.status(), &untold.json()["type"]), (413, &json!("urn:gwanmun:fault:body-too-large")));

    let mut client = Http2::tcp(running.address()).await;
    let request = client.request("POST", "/bytes").body(Reply::from("x".repeat(1001))).unwrap();
    assert_eq!(client.ask(request).await.status(), 413);
    running.stop().await;
}

#[tokio::test]
async fn a_body_that_panics_on_its_way_ends_the_connection_and_is_an_exception() {
    let pieces = || {
        let mut left = 3;
        std::iter::from_fn(move || {
            left -= 1;
            assert!(left > 0, "a stream's mistake");
            Some(Ok::<_, Infallible>(Bytes::from_static(b"piece")))
        })
    };
    let routes = Router::new().route("/", get(move || async move { Body::new(crate::scene::Pieces(pieces())) }));
    let running = serve(routes, "").await;
    let mut client = connect(&running).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(client.try_answer("GET").await.is_err());
    client.closed().await;
    assert_eq!(connect(&running).await.get("/nowhere").await.status(), 404);
    let shown = page(&running, "/exceptions").await.text();
    assert!(shown.contains("a stream's mistake"), "{shown}");
    running.stop().await;
}

#[tokio::test]
async fn a_caller_that_goes_away_ends_the_handler() {
    struct Gone(Arc<tokio::sync::Notify>);
    impl Drop for Gone {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let (begun, gone) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let routes = Router::new().route(
        "/",
        get({
            let (begun, gone) = (Arc::clone(&begun), Arc::clone(&gone));
            move || async move {
                let _gone = Gone(gone);
                begun.notify_one();
                std::future::pending::<()>().await;
            }
        }),
    );
    let running = serve(routes, "").await;
    let mut client = connect(&running).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    gwanmun_testkit::patiently("the handler", begun.notified()).await;
    drop(client);
    gwanmun_testkit::patiently("the end of the handler", gone.notified()).await;

    let mut client = Http2::tcp(running.address()).await;
    let request = client.request("GET", "/").body(Reply::empty()).unwrap();
    let asking = tokio::spawn(async move { client.try_ask(request).await.map(drop) });
    gwanmun_testkit::patiently("the handler", begun.notified()).await;
    asking.abort();
    gwanmun_testkit::patiently("the end of the handler", gone.notified()).await;
    let shown = eventually("the request in the numbers", async || {
        let shown = page(&running, "/metrics").await.text();
        shown.contains(r#"status="499""#).then_some(shown)
    });
    assert!(shown.await.contains("http_server_active_requests 0\n"));
    running.stop().await;
}

#[tokio::test]
async fn numbers_are_by_route_never_by_path() {
    let running = serve(routes(), "").await;
    let mut client = connect(&running).await;
    for id in 0..5 {
        client.get(&format!("/orders/{id}")).await;
        client.get(&format!("/nowhere/{id}")).await;
    }
    client.ask("BREW", "/orders/7", "").await;
    let shown = manage(&running).await.get("/actuator/prometheus").await.text();
    let has = |line: &str| assert!(shown.contains(line), "no {line} in\n{shown}");
    has(r#"http_server_requests_seconds_count{method="GET",uri="/orders/{id}",status="200",outcome="SUCCESS"} 5"#);
    has(r#"uri="NOT_FOUND",status="404""#);
    assert!(!shown.contains("/nowhere") && !shown.contains("BREW"), "{shown}");
    has(r#"gwanmun_faults_total{code="no-route"} 5"#);
    running.stop().await;
}
