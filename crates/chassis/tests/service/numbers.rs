//! Numbers of a service as those who collect them read them: a strict reader of ours, `promtool`.

use gwanmun_chassis::axum::Router;
use gwanmun_chassis::axum::routing::get;
use gwanmun_testkit::{Exposition, promtool_has_no_complaint};

use crate::scene::{connect, page, serve};

/// What every metric is for.
const DOCUMENTATION: &str = include_str!("../../../../docs/observability/metrics.md");

/// The page of a service that has answered two requests.
async fn shown() -> String {
    let running = serve(Router::new().route("/orders/{id}", get(|| async { "one" })), "").await;
    assert_eq!(connect(&running).await.get("/orders/7").await.status(), 200);
    assert_eq!(connect(&running).await.get("/none").await.status(), 404);
    page(&running, "/metrics").await.text()
}

#[tokio::test]
async fn every_number_is_read_by_a_strict_reader_and_documented() {
    let text = shown().await;
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
#[ignore = "needs promtool: cargo xtask test --full"]
async fn promtool_has_no_complaint_about_a_service() {
    promtool_has_no_complaint(&shown().await);
}
