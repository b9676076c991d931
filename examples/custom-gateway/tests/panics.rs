//! What becomes of requests whose filter panics, of those beside them, and of who should hear of it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever goes wrong in a test is a failed test"
)]

use gwanmun_testkit::{Bugsink, Connection, Gateway, Http2, Reply, Setup, Speaks, Tracker, Upstream, eventually};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

const GATEWAY: &str = env!("CARGO_BIN_EXE_panicking-gateway");

async fn gateway(upstream: &Upstream, more: &str) -> Gateway {
    let routes = format!("routes:\n  - id: orders\n    upstream: {}\n    filters: [{{panic: {{}}}}]\n", upstream.url());
    Setup::of(GATEWAY).start(&format!("workers: 1\n{routes}{more}")).await
}

async fn get(connection: &mut Connection, target: &str, panic: &str) -> u16 {
    connection.ask("GET", target, &format!("X-Panic: {panic}\r\n")).await.status()
}

async fn exceptions(gateway: &Gateway) -> Vec<Value> {
    gateway.page("/exceptions").await.json()["exceptions"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_panic_costs_its_own_request_only() {
    let upstream = Upstream::echoing(Speaks::Http1).await;
    let gateway = gateway(&upstream, "").await;
    let mut connection = gateway.connect().await;
    let mut beside = gateway.connect().await;
    for panic in ["request", "wait", "response", "other", "internal"] {
        let answer = connection.ask("GET", "/orders/1", &format!("X-Panic: {panic}\r\n")).await;
        assert_eq!(answer.status(), 500, "{panic}");
        assert_eq!(answer.header("content-type").unwrap(), "application/problem+json");
        let problem = answer.json();
        assert_eq!(problem["type"], "urn:gwanmun:fault:internal");
        assert!(!answer.text().contains("hunter2"));
        let trace_id = problem["trace_id"].as_str().unwrap();
        let line = gateway.access_line(|line| line["trace_id"] == trace_id).await;
        assert_eq!(
            (&line["fault"], &line["route"], &line["status"]),
            (&json!("internal"), &json!("orders"), &json!(500))
        );
        assert_eq!(line["fault_reason"] == "panicked", panic != "internal", "{line}");
        let told = exceptions(&gateway).await;
        assert!(told.iter().any(|told| told["trace_id"] == trace_id && told["transaction"] == "orders"), "{told:?}");
        assert_eq!(get(&mut connection, "/", "no").await, 200, "the connection goes on");
        assert_eq!(get(&mut beside, "/", "no").await, 200, "so does another of the same worker");
    }
    assert_eq!(gateway.metric("gwanmun_exceptions_total{kind=\"panic\"}").await, Some(4.0));
    assert_eq!(gateway.metric("gwanmun_exceptions_total{kind=\"error\"}").await, Some(1.0));
    assert_eq!(gateway.metric("gwanmun_in_flight{listener=\"web\"}").await, Some(0.0));
    let line = gateway.event("panic").await;
    assert_eq!((&line["level"], &line["thread"]), (&json!("error"), &json!("worker-0")));
    assert!(line["location"].as_str().unwrap().contains("tests/panicking/gateway.rs:"), "{line}");
    assert!(line["trace_id"].as_str().is_some_and(|trace_id| trace_id.len() == 32), "{line}");
    assert_eq!(gateway.stop().await, 0);
}

#[tokio::test]
async fn a_panic_resets_no_other_stream() {
    let upstream = Upstream::echoing(Speaks::Http1).await;
    let gateway = gateway(&upstream, "").await;
    let mut client = Http2::tcp(gateway.web()).await;
    for panic in ["request", "wait", "response"] {
        let request = client.request("GET", "/orders/1").header("x-panic", panic);
        assert_eq!(client.ask(request.body(Reply::empty()).unwrap()).await.status(), 500);
    }
    assert_eq!(client.get("/").await.status(), 200);
}

#[tokio::test]
async fn a_thousand_panics_are_one_for_the_tracker() {
    let (upstream, tracker) = (Upstream::echoing(Speaks::Http1).await, Tracker::start().await);
    let telemetry = format!("telemetry: {{exceptions: {{dsn: '{}', environment: test}}}}\n", tracker.dsn());
    let gateway = gateway(&upstream, &telemetry).await;
    let mut connection = gateway.connect().await;
    for number in 0..1000 {
        assert_eq!(get(&mut connection, &format!("/orders/{number}"), "request").await, 500);
    }
    assert_eq!(get(&mut connection, "/", "other").await, 500);
    tracker.called("envelope", 2).await;
    let [order, eggs] = &tracker.events()[..] else { panic!("{:?}", tracker.events()) };
    let value = &order["exception"]["values"][0];
    assert_eq!((&value["type"], &value["value"]), (&json!("panic"), &json!("no order 0, password=***")));
    let frames = value["stacktrace"]["frames"].as_array().unwrap();
    let innermost = frames.last().unwrap();
    assert!(innermost["function"].as_str().unwrap().ends_with("place_order"), "{innermost}");
    assert_eq!(innermost["in_app"], true);
    assert!(innermost["filename"].as_str().unwrap().ends_with("panicking/gateway.rs") && frames.len() > 5);
    assert_eq!((&order["transaction"], &order["environment"]), (&json!("orders"), &json!("test")));
    assert!(order["release"].as_str().unwrap().starts_with("gwanmun@"));
    let trace_id = order["contexts"]["trace"]["trace_id"].clone();
    gateway.access_line(|line| line["trace_id"] == trace_id && line["path"] == "/orders/0").await;
    assert_ne!(order["fingerprint"], eggs["fingerprint"]);
    assert_eq!(eggs["exception"]["values"][0]["value"], "no eggs left");

    let listed = exceptions(&gateway).await;
    let listed = listed.iter().find(|listed| listed["fingerprint"] == order["fingerprint"][0]).unwrap();
    assert_eq!(listed["count"], 1000);
    let page = gateway.page(&format!("/exceptions/{}", listed["fingerprint"].as_str().unwrap())).await.json();
    assert_eq!(page["frames"][0]["function"], innermost["function"]);
    assert_eq!(gateway.page("/exceptions/0123456789abcdef").await.status(), 404);
    for shown in [gateway.page("/config").await.text(), gateway.page("/metrics").await.text(), gateway.log().text()] {
        assert!(!shown.contains(tracker.key()) && !shown.contains("hunter2"), "{shown}");
    }
    eventually("both to be acknowledged", async || {
        let sent = gateway.metric("gwanmun_telemetry_sent_total{signal=\"exceptions\"}").await;
        (sent == Some(2.0)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_tracker_comes_and_goes_with_the_configuration() {
    let (upstream, tracker) = (Upstream::echoing(Speaks::Http1).await, Tracker::start().await);
    let configuration = |telemetry: &str| {
        let routes =
            format!("routes:\n  - id: orders\n    upstream: {}\n    filters: [{{panic: {{}}}}]\n", upstream.url());
        format!("{routes}telemetry: {{exceptions: {telemetry}}}\n")
    };
    let gateway = Setup::of(GATEWAY).start(&configuration("{dsn: ''}")).await;
    let mut connection = gateway.connect().await;
    assert_eq!(get(&mut connection, "/", "other").await, 500);
    gateway.reconfigure(&configuration(&format!("{{dsn: '{}'}}", tracker.dsn()))).await;
    assert_eq!(get(&mut connection, "/", "response").await, 500);
    tracker.called("envelope", 1).await;
    gateway.reconfigure(&configuration("{}")).await;
    assert_eq!(get(&mut connection, "/", "wait").await, 500);
    assert_eq!(exceptions(&gateway).await.len(), 3);
    assert_eq!(gateway.stop().await, 0);
    let said: Vec<_> = tracker.events().iter().map(|event| event["exception"]["values"][0]["value"].clone()).collect();
    assert!(said.contains(&json!("the answer is wrong")) && !said.contains(&json!("waited for nothing")), "{said:?}");
}

#[tokio::test]
#[ignore = "slow: installs Bugsink"]
async fn a_thousand_panics_are_one_issue_in_bugsink_which_may_come_and_go() {
    let upstream = Upstream::echoing(Speaks::Http1).await;
    let mut bugsink = Bugsink::start(Path::new(env!("CARGO_TARGET_TMPDIR"))).await;
    let telemetry = format!("telemetry: {{exceptions: {{dsn: '{}', every: 10m}}}}\n", bugsink.dsn());
    let gateway = gateway(&upstream, &telemetry).await;
    let mut connection = gateway.connect().await;
    for number in 0..1000 {
        assert_eq!(get(&mut connection, &format!("/orders/{number}"), "request").await, 500);
    }
    assert_eq!(get(&mut connection, "/", "wait").await, 500);
    let [order, wait] = &bugsink.known(2).await[..] else { panic!("two issues") };
    let (mut order, mut wait) = (order, wait);
    if wait["calculated_value"] != "waited for nothing" {
        (order, wait) = (wait, order);
    }
    assert_eq!((&order["calculated_type"], &wait["calculated_type"]), (&json!("panic"), &json!("panic")));
    assert_eq!(
        (&order["calculated_value"], &order["transaction"]),
        (&json!("no order 0, password=***"), &json!("orders"))
    );
    assert_eq!(order["digested_event_count"], 1);
    let event = bugsink.events(order).await.swap_remove(0);
    assert_eq!(event["release"], format!("gwanmun@{}", env!("CARGO_PKG_VERSION")));
    let innermost = event["exception"]["values"][0]["stacktrace"]["frames"].as_array().unwrap().last().unwrap().clone();
    assert!(innermost["function"].as_str().unwrap().ends_with("place_order"), "{innermost}");
    let trace_id = event["contexts"]["trace"]["trace_id"].clone();
    gateway.access_line(|line| line["trace_id"] == trace_id).await;

    // Killed, stalled and back again: requests go on, and what fits is told then.
    bugsink.kill();
    let slowest = panics(&mut connection, "other").await;
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    bugsink.restart().await;
    bugsink.known(3).await;
    bugsink.pause();
    let slowest = panics(&mut connection, "response").await;
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    assert_eq!(get(&mut connection, "/", "no").await, 200);
    bugsink.resume();
    bugsink.known(4).await;
    assert_eq!(gateway.metric("gwanmun_exceptions_total{kind=\"panic\"}").await, Some(1201.0));
    assert_eq!(gateway.stop().await, 0);
}

/// A hundred panics, and how long the slowest took.
async fn panics(connection: &mut Connection, panic: &str) -> Duration {
    let mut slowest = Duration::ZERO;
    for _ in 0..100 {
        let begin = Instant::now();
        assert_eq!(get(connection, "/", panic).await, 500);
        slowest = slowest.max(begin.elapsed());
    }
    slowest
}
