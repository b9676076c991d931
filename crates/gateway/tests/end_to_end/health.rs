//! Health: what the gateway stands on, what the configuration has it look at, and what that means for the platform.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use gwanmun_testkit::{Gateway, Redis, Reply, Speaks, Upstream, eventually};
use http::Response;
use serde_json::{Value, json};

use crate::{setup, start};

const ROUTES: &str = "routes: [{id: a, filters: [respond: {body: hello}]}]\n";

/// The status of a page of health.
async fn code(gateway: &Gateway, page: &str) -> u16 {
    gateway.page(page).await.status()
}

/// Waits until the component `name` is `status`, and gives its details.
async fn becomes(gateway: &Gateway, name: &str, status: &str) -> Value {
    eventually(&format!("{name} to be {status}"), async || {
        let page = gateway.page(&format!("/health/{name}")).await;
        let page = (page.status() != 404).then(|| page.json())?;
        (page["status"] == status).then(|| page["details"].clone())
    })
    .await
}

/// A service that answers with the status that it is given.
async fn service() -> (Upstream, Arc<AtomicU16>) {
    let status = Arc::new(AtomicU16::new(200));
    let shared = Arc::clone(&status);
    let upstream = Upstream::answering(Speaks::Http1, move |_| {
        let status = shared.load(Ordering::SeqCst);
        async move { Response::builder().status(status).body(Reply::empty()).unwrap() }
    })
    .await;
    (upstream, status)
}

#[tokio::test]
async fn a_dependency_that_goes_and_comes_flips_readiness_and_not_liveness() {
    let (upstream, status) = service().await;
    let url = upstream.url();
    let gateway = start(&format!(
        "health: {{every: 100ms, checks: {{inventory: {{http: '{url}/ready'}}, mail: {{http: '{url}', readiness: false}}}}}}\n{ROUTES}"
    ))
    .await;
    for _ in 0..2 {
        status.store(200, Ordering::SeqCst);
        becomes(&gateway, "inventory", "UP").await;
        becomes(&gateway, "mail", "UP").await;
        assert_eq!((code(&gateway, "/health/readiness").await, code(&gateway, "/health").await), (200, 200));
        status.store(503, Ordering::SeqCst);
        let details = becomes(&gateway, "inventory", "DOWN").await;
        assert_eq!(details["error"], "found status 503, wanted 200 to 299");
        assert_eq!((code(&gateway, "/health/readiness").await, code(&gateway, "/health").await), (503, 503));
        let pages = ["/health/liveness", "/health/startup"];
        assert_eq!((code(&gateway, pages[0]).await, code(&gateway, pages[1]).await), (200, 200));
        assert_eq!(gateway.get("/").await.text(), "hello");
    }
    let down = r#"health_status{check="inventory",status="DOWN"}"#;
    assert_eq!(gateway.metric(down).await, Some(1.0));
    assert_eq!(gateway.metric(r#"health_changes_total{check="inventory"}"#).await, Some(3.0));
    assert_eq!(gateway.event("health-changed").await["level"], "warn");
    gateway.reconfigure(&format!("health: {{checks: {{mail: {{http: '{url}', readiness: false}}}}}}\n{ROUTES}")).await;
    assert_eq!(code(&gateway, "/health/readiness").await, 200);
    assert_eq!((code(&gateway, "/health/inventory").await, code(&gateway, "/health/mail").await), (404, 503));
}

#[tokio::test]
async fn a_lost_store_is_shown_and_takes_no_requests_away_unless_the_configuration_says_so() {
    let mut redis = Redis::start().await;
    let top = |settings: &str| {
        let place = redis.place();
        format!(
            "store: {{url: 'redis://{place}', timeout: 200ms}}\nhealth: {{every: 100ms, checks: {{store: {settings}}}}}\n{ROUTES}"
        )
    };
    let (shown, needed) = (top("{}"), top("{readiness: true}"));
    let gateway = setup().start(&shown).await;
    becomes(&gateway, "store", "UP").await;
    redis.kill();
    let details = becomes(&gateway, "store", "DOWN").await;
    assert!(details["error"].is_string() && details["kind"].is_string(), "{details}");
    assert_eq!((code(&gateway, "/health/readiness").await, code(&gateway, "/health").await), (200, 503));
    assert_eq!(gateway.get("/").await.text(), "hello");
    gateway.reconfigure(&needed).await;
    assert_eq!(code(&gateway, "/health/readiness").await, 503, "what was found is remembered");
    redis.restart().await;
    becomes(&gateway, "store", "UP").await;
    assert_eq!(code(&gateway, "/health/readiness").await, 200);
    redis.pause();
    becomes(&gateway, "store", "DOWN").await;
    assert_eq!((code(&gateway, "/health/readiness").await, code(&gateway, "/health/liveness").await), (503, 200));
    redis.resume();
    becomes(&gateway, "store", "UP").await;
    gateway.reconfigure(ROUTES).await;
    assert_eq!((code(&gateway, "/health/store").await, code(&gateway, "/health/readiness").await), (404, 200));
}

#[tokio::test]
async fn a_transaction_goes_through_the_gateway_itself_and_its_duration_is_a_number() {
    let gateway = start(ROUTES).await;
    let web = gateway.web();
    let steps = |text: &str| {
        let step = format!("{{url: 'http://{web}/', contains: {text}}}");
        format!("health: {{checks: {{greeting: {{every: 100ms, steps: [{step}, {step}]}}}}}}\n{ROUTES}")
    };
    gateway.reconfigure(&steps("hello")).await;
    let details = becomes(&gateway, "greeting", "UP").await;
    assert_eq!(details["steps"].as_array().map(Vec::len), Some(2));
    let count = gateway.metric(r#"health_check_duration_seconds_count{check="greeting"}"#).await;
    assert!(count >= Some(1.0), "{count:?}");
    gateway.reconfigure(&steps("goodbye")).await;
    let details = becomes(&gateway, "greeting", "DOWN").await;
    assert_eq!(details["error"], "step 1: the answer does not have the text that is wanted");
}

#[tokio::test]
async fn operators_see_what_the_gateway_stands_on() {
    let gateway = start(ROUTES).await;
    let page = gateway.page("/health").await.json();
    assert_eq!(page["groups"], json!(["liveness", "readiness", "startup"]));
    let components = &page["components"];
    assert_eq!(components["process"], json!({"status": "UP", "details": {"state": "ready"}}));
    assert_eq!(components["configuration"]["status"], "UP");
    assert!(components["listeners"].to_string().contains(&gateway.web().to_string()), "{components}");
    assert_eq!(components.get("store"), None, "it is in memory");
}
