//! How long a request may take, and how much of that is left.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gwanmun_chassis::axum::Router;
use gwanmun_chassis::axum::routing::get;
use gwanmun_chassis::{App, Deadline};

use crate::scene::{connect, serve};

/// What is left of the time, as an argument and as what the thread works for, and after a pause the same.
fn routes() -> Router<App> {
    async fn left(deadline: Deadline) -> String {
        let here = Deadline::current().unwrap();
        tokio::task::yield_now().await;
        assert!(here == deadline && Deadline::current() == Some(deadline));
        deadline.left().as_millis().to_string()
    }
    Router::new().route("/left", get(left)).route("/hangs", get(std::future::pending::<()>))
}

#[tokio::test]
async fn a_handler_that_is_too_slow_is_ended_with_a_problem() {
    let running = serve(routes(), "server: {timeout: 20ms}").await;
    let mut client = connect(&running).await;
    let answer = client.get("/hangs").await;
    assert_eq!((answer.status(), answer.json()["type"].as_str()), (504, Some("urn:gwanmun:fault:deadline-exceeded")));
    assert_eq!(client.get("/left").await.status(), 200, "the connection goes on");
    running.stop().await;
}

#[tokio::test]
async fn the_less_of_what_the_caller_says_and_the_service_allows_is_left() {
    let running = serve(routes(), "server: {timeout: 1000s}").await;
    let mut client = connect(&running).await;
    for (said, most) in [
        ("", 1_000_000),
        ("X-Gwanmun-Deadline: 500000\r\n", 500_000),
        ("X-Gwanmun-Deadline: 5000000\r\n", 1_000_000),
        ("X-Gwanmun-Deadline: soon\r\n", 1_000_000),
    ] {
        let left: u64 = client.ask("GET", "/left", said).await.text().parse().unwrap();
        assert!(left <= most && left > most - 60_000, "{left} of {most}");
    }
    let answer = client.ask("GET", "/hangs", "X-Gwanmun-Deadline: 10\r\n").await;
    assert_eq!(answer.status(), 504);
    running.stop().await;
}

#[tokio::test]
async fn a_request_whose_time_is_over_is_not_begun() {
    let begun = Arc::new(AtomicBool::new(false));
    let routes = Router::new().route(
        "/",
        get({
            let begun = Arc::clone(&begun);
            move || async move { begun.store(true, Ordering::SeqCst) }
        }),
    );
    let running = serve(routes, "").await;
    let answer = connect(&running).await.ask("GET", "/", "X-Gwanmun-Deadline: 0\r\n").await;
    assert_eq!((answer.status(), begun.load(Ordering::SeqCst)), (504, false));
    assert_eq!(connect(&running).await.get("/").await.status(), 200);
    assert!(begun.load(Ordering::SeqCst));
    running.stop().await;
}

#[tokio::test]
async fn spawned_tasks_have_no_deadline() {
    let routes = Router::new()
        .route("/", get(|| async { tokio::spawn(async { Deadline::current().is_none().to_string() }).await.unwrap() }));
    let running = serve(routes, "").await;
    assert_eq!(connect(&running).await.get("/").await.text(), "true");
    running.stop().await;
}
