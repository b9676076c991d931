//! Numbers as those who collect them read them: a strict reader of ours, Prometheus, `promtool`.

use gwanmun_testkit::{Exposition, Gateway, Prometheus, Script, Speaks, Upstream, promtool_has_no_complaint};

use crate::start;

/// What every metric is for.
const DOCUMENTATION: &str = include_str!("../../../../docs/observability/metrics.md");

/// A gateway with names that have to be escaped, and at least one of everything that counts without an auth server.
async fn busy() -> (Gateway, Upstream) {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let configuration = format!(
        r#"
workers: 2
upstreams:
  good: {{endpoints: ['{}']}}
  bad: {{endpoints: ['http://{}']}}
routes:
  - {{id: 'say "good" \', predicates: [path: /good], upstream: good}}
  - {{id: bad, predicates: [path: /bad], upstream: bad}}
  - {{id: rare, predicates: [path: /rare], filters: [request-rate-limiter: {{requests: 1, per: 1h}}, respond: {{body: a}}]}}
"#,
        upstream.url(),
        Script::absent().await
    );
    let gateway = start(&configuration).await;
    for path in ["/good", "/good", "/bad", "/none", "/rare", "/rare"] {
        gateway.get(path).await;
    }
    gateway.connect().await.ask("GET", "/good", "X-Forwarded-For: 1.2.3.4\r\nConnection: close\r\n").await;
    for path in ["/bad", "/none", "/rare"] {
        gateway.access_line(|line| line["path"] == path).await;
    }
    (gateway, upstream)
}

#[tokio::test]
async fn every_number_is_read_by_a_strict_reader_and_documented() {
    let (gateway, _upstream) = busy().await;
    let text = gateway.page("/metrics").await.text();
    let page = Exposition::read(&text).unwrap_or_else(|what| panic!("{what}\n{text}"));
    for (name, kind) in [
        ("gwanmun_requests_total", "counter"),
        ("gwanmun_request_duration_seconds", "histogram"),
        ("gwanmun_rate_limited_total", "counter"),
        ("process_cpu_seconds_total", "counter"),
        ("process_open_fds", "gauge"),
        ("tokio_busy_seconds_total", "counter"),
    ] {
        assert_eq!(page.kind(name), Some(kind), "{name}");
    }
    let good = r#"gwanmun_requests_total{route="say \"good\" \\",upstream="good",status="200"}"#;
    assert_eq!(page.value(good), Some(3.0), "{text}");
    let build = format!("gwanmun_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(page.value(&build), Some(1.0));
    for worker in ["worker-0", "worker-1"] {
        assert_eq!(page.value(&format!("tokio_workers{{runtime=\"{worker}\"}}")), Some(1.0));
    }
    let missing: Vec<&str> = page.names().filter(|name| !DOCUMENTATION.contains(&format!("`{name}`"))).collect();
    assert_eq!(missing, [""; 0], "not in docs/observability/metrics.md");
}

#[tokio::test]
#[ignore = "needs prometheus: cargo xtask test --full"]
async fn prometheus_has_what_the_gateway_shows_and_no_complaint() {
    let (gateway, _upstream) = busy().await;
    promtool_has_no_complaint(&gateway.page("/metrics").await.text());
    let prometheus = Prometheus::scraping(&[("gwanmun", gateway.address("management"))]).await;
    assert_eq!(prometheus.value(r#"up{job="gwanmun"} == 1"#).await, 1.0);
    for (expression, value) in [
        (r#"gwanmun_requests_total{route="say \"good\" \\",status="200"}"#, 3.0),
        (r#"gwanmun_request_duration_seconds_bucket{route="bad",le="+Inf"}"#, 1.0),
        (r#"sum(gwanmun_requests_total{status="429"})"#, 1.0),
        (r#"sum(tokio_workers)"#, 2.0),
        ("count(process_resident_memory_bytes > 1e6)", 1.0),
        ("count(gwanmun_build_info)", 1.0),
    ] {
        assert_eq!(prometheus.value(expression).await, value, "{expression}");
    }
    // What it sees is what the page says, series by series.
    let page = Exposition::read(&gateway.page("/metrics").await.text()).unwrap();
    let series = prometheus.value(r#"count({job="gwanmun",__name__=~"gwanmun_.*"})"#).await;
    assert_eq!(series, page.series().filter(|series| series.starts_with("gwanmun_")).count() as f64);
}
