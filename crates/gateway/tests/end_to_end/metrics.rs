//! Numbers as those who collect them read them: a strict reader of ours, Prometheus, `promtool`.

use std::path::Path;

use gwanmun_testkit::{
    Exposition, Gateway, Prometheus, Rotel, Script, Speaks, Upstream, eventually, promtool, promtool_has_no_complaint,
};

use crate::start;

/// What every metric is for.
const DOCUMENTATION: &str = include_str!("../../../../docs/observability/metrics.md");

/// A gateway that has counted of everything that counts without an auth server.
async fn busy() -> (Gateway, Upstream) {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let configuration = format!(
        r#"
workers: 2
upstreams:
  good: {{endpoints: ['{}']}}
  bad: {{endpoints: ['http://{}']}}
routes:
  - {{id: good/v1, predicates: [path: /good], upstream: good}}
  - {{id: bad, predicates: [path: /bad], upstream: bad}}
  - {{id: rare, predicates: [path: /rare], filters: [request-rate-limiter: {{replenish-rate: 1, burst-capacity: 60, requested-tokens: 60}}, respond: {{body: a}}]}}
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
    let good = r#"gwanmun_requests_total{route="good/v1",upstream="good",status="200"}"#;
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
        (r#"gwanmun_requests_total{route="good/v1",status="200"}"#, 3.0),
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

#[tokio::test]
async fn numbers_are_pushed_where_the_latest_configuration_says() {
    let (first, second) = (Upstream::recording(Speaks::Http1).await, Upstream::recording(Speaks::Http1).await);
    let to = |upstream: &Upstream, every: &str| {
        let metrics = format!("{{otlp: '{}', every: {every}}}", upstream.url());
        format!("telemetry: {{metrics: {metrics}}}\nroutes: [{{id: a, filters: [respond: {{body: a}}]}}]\n")
    };
    let gateway = start(&to(&first, "100ms")).await;
    let pushed = first.received(0).await;
    assert_eq!((pushed.method(), pushed.target()), ("POST", "/v1/metrics"));
    assert_eq!(pushed.header("content-type").as_deref(), Some("application/x-protobuf"));
    let told = |name: &str| pushed.body.windows(name.len()).any(|window| window == name.as_bytes());
    for name in ["service.name", "gwanmun_config_reloads_total", "process_resident_memory_bytes"] {
        assert!(told(name), "{name}");
    }
    gateway.reconfigure(&to(&second, "1h")).await;
    second.arrived(1).await;
    // What is counted last leaves at the end.
    gateway.get("/").await;
    let pushes = second.requests();
    assert_eq!(gateway.stop().await, 0);
    assert!(second.requests() > pushes);
}

#[tokio::test]
async fn a_receiver_that_never_answers_holds_up_nothing_and_is_counted() {
    let silent = Script::play(|mut connection, _| async move {
        let _ = connection.request().await;
        std::future::pending().await
    })
    .await;
    let gateway = start(&format!(
        "telemetry: {{metrics: {{otlp: '{}', every: 100ms}}}}\nroutes: [{{id: a, filters: [respond: {{body: a}}]}}]\n",
        silent.url()
    ))
    .await;
    assert_eq!(gateway.get("/").await.text(), "a");
    let series = r#"gwanmun_telemetry_dropped_total{signal="metrics",reason="full"}"#;
    eventually("pushes that were left out", async || gateway.metric(series).await.filter(|count| *count >= 2.0)).await;
    assert_eq!(gateway.get("/").await.text(), "a");
    assert_eq!(gateway.stop().await, 0);
}

#[tokio::test]
#[ignore = "installs rotel: cargo xtask test --full"]
async fn a_real_receiver_has_the_numbers_over_http_and_grpc() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    let rotel = Rotel::telling("metrics", &folder).await;
    for (protocol, url) in [("http", rotel.http()), ("grpc", rotel.grpc())] {
        let gateway = start(&format!(
            "telemetry: {{metrics: {{otlp: '{url}', protocol: {protocol}, every: 100ms}}}}\n\
             routes: [{{id: 'over-{protocol}', filters: [respond: {{body: a}}]}}]\n"
        ))
        .await;
        gateway.get("/").await;
        let route = format!("     -> route: Str(over-{protocol})\n");
        let told = rotel.told(&[&route]).await;
        for told_of in [
            "-> Name: gwanmun_request_duration_seconds",
            "-> Unit: s",
            "-> DataType: Histogram",
            "-> AggregationTemporality: AGGREGATION_TEMPORALITY_CUMULATIVE",
            "ExplicitBounds #13: 10",
            "-> Name: process_resident_memory_bytes",
            "-> Unit: By",
            "-> service.name: Str(gwanmun)",
        ] {
            assert!(told.contains(told_of), "{told_of}");
        }
        let sent = r#"gwanmun_telemetry_sent_total{signal="metrics"}"#;
        eventually("its answer", async || gateway.metric(sent).await.filter(|count| *count >= 1.0)).await;
        assert_eq!(gateway.stop().await, 0);
    }
}

#[test]
#[ignore = "needs promtool: cargo xtask test --full"]
fn promtool_takes_the_configuration_and_the_alerts_of_the_documentation() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    for block in DOCUMENTATION.split("```yml\n# file: ").skip(1) {
        let (name, text) = block.split_once('\n').unwrap();
        write(name, text.split("\n```").next().unwrap());
    }
    write("tests.yml", ALERTS);
    let said = promtool(&["check", "config", &file("prometheus.yml")], "").unwrap();
    assert!(said.contains("3 rules found"), "{said}");
    promtool(&["test", "rules", &file("tests.yml")], "").unwrap();
}

/// When the alerts of the documentation fire, and when not.
const ALERTS: &str = r#"
rule_files: [gwanmun-rules.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'gwanmun_requests_total{instance="a",route="good",status="200"}', values: '0+100x30'}
      - {series: 'gwanmun_requests_total{instance="a",route="good",status="502"}', values: '0+1x30'}
      - {series: 'gwanmun_requests_total{instance="a",route="bad",status="200"}', values: '0+100x30'}
      - {series: 'gwanmun_requests_total{instance="a",route="bad",status="502"}', values: '0+100x30'}
      - {series: 'http_server_requests_seconds_count{instance="b",uri="/x",outcome="SERVER_ERROR"}', values: '0+5x30'}
      - {series: 'gwanmun_config_last_reload_successful{instance="a"}', values: '1 1 1 0x27'}
      - {series: 'config_last_reload_successful{instance="b"}', values: '1x30'}
      - {series: 'gwanmun_telemetry_dropped_total{instance="a",signal="traces",reason="full"}', values: '0+3x30'}
      - {series: 'gwanmun_log_dropped_total{instance="a"}', values: '7x30'}
    alert_rule_test:
      - eval_time: 2m
        alertname: RequestsFail
      - eval_time: 20m
        alertname: RequestsFail
        exp_alerts:
          - exp_labels: {severity: page, instance: a, route: bad}
            exp_annotations: {summary: "50% of the requests to bad fail"}
          - exp_labels: {severity: page, instance: b, uri: /x}
            exp_annotations: {summary: "100% of the requests to /x fail"}
      - eval_time: 7m
        alertname: ConfigurationNotInForce
      - eval_time: 10m
        alertname: ConfigurationNotInForce
        exp_alerts:
          - exp_labels: {severity: ticket, instance: a}
            exp_annotations: {summary: "a serves on with an earlier configuration; its log says what is wrong with the new one"}
      - eval_time: 25m
        alertname: TelemetryIsLost
        exp_alerts:
          - exp_labels: {severity: ticket, instance: a, signal: traces}
            exp_annotations: {summary: "a cannot get rid of its traces"}
"#;
