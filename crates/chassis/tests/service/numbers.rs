//! Numbers of a service as those who collect them read them: a strict reader of ours, `promtool`.

use gwanmun_chassis::Running;
use gwanmun_chassis::axum::Router;
use gwanmun_chassis::axum::routing::get;
use gwanmun_testkit::{Exposition, Prometheus, promtool_has_no_complaint};

use crate::scene::{connect, page, serve};

/// What every metric is for.
const DOCUMENTATION: &str = include_str!("../../../../docs/observability/metrics.md");

/// A service that has answered two requests.
async fn busy() -> Running {
    let running = serve(Router::new().route("/orders/{id}", get(|| async { "one" })), "").await;
    assert_eq!(connect(&running).await.get("/orders/7").await.status(), 200);
    assert_eq!(connect(&running).await.get("/none").await.status(), 404);
    running
}

#[tokio::test]
async fn every_number_is_read_by_a_strict_reader_and_documented() {
    let text = page(&busy().await, "/metrics").await.text();
    let page = Exposition::read(&text).unwrap_or_else(|what| panic!("{what}\n{text}"));
    for series in [
        r#"http_server_requests_seconds_count{method="GET",uri="/orders/{id}",status="200",outcome="SUCCESS"}"#,
        r#"http_server_requests_seconds_count{method="GET",uri="NOT_FOUND",status="404",outcome="CLIENT_ERROR"}"#,
        r#"service_build_info{service="orders",version=""}"#,
        r#"tokio_workers{runtime="service"}"#,
    ] {
        assert_eq!(page.value(series), Some(1.0), "{series}\n{text}");
    }
    assert!(page.value("process_resident_memory_bytes").is_some_and(|bytes| bytes > 1e6));
    let missing: Vec<&str> = page.names().filter(|name| !DOCUMENTATION.contains(&format!("`{name}`"))).collect();
    assert_eq!(missing, [""; 0], "not in docs/observability/metrics.md");
}

#[tokio::test]
#[ignore = "needs prometheus: cargo xtask test --full"]
async fn prometheus_has_what_a_service_shows_and_no_complaint() {
    let running = busy().await;
    let shown = page(&running, "/metrics").await.text();
    promtool_has_no_complaint(&shown);
    let prometheus = Prometheus::scraping(&[("orders", running.management_address())]).await;
    assert_eq!(prometheus.value(r#"up{job="orders"} == 1"#).await, 1.0);
    for (expression, value) in [
        (r#"http_server_requests_seconds_count{uri="/orders/{id}",status="200"}"#, 1.0),
        (r#"http_server_requests_seconds_bucket{status="404",le="+Inf"}"#, 1.0),
        ("count(process_resident_memory_bytes > 1e6)", 1.0),
        ("count(service_build_info)", 1.0),
    ] {
        assert_eq!(prometheus.value(expression).await, value, "{expression}");
    }
    // What it sees is what the page says, series by series.
    let series = prometheus.value(r#"count({job="orders",__name__=~"http_server_.*"})"#).await;
    let page = Exposition::read(&shown).unwrap();
    assert_eq!(series, page.series().filter(|series| series.starts_with("http_server_")).count() as f64);
}
