//! What operators see: a line per request, numbers, pages, and health for the platform.

use gwanmun_testkit::{Connection, Script, Speaks, Upstream, eventually};
use serde_json::{Value, json};

use crate::{all_to_service, setup, start};

#[tokio::test]
async fn a_line_of_the_access_log_has_the_fields_of_the_contract() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = start(&all_to_service(upstream.url(), "keep-alive: 1s")).await;
    let mut client = gateway.connect().await;
    client
        .send("POST /a%2Fb?secret=1 HTTP/1.1\r\nHost: shop.test:8080\r\nUser-Agent: test \"1\"\r\nContent-Length: 4\r\n\r\nbody")
        .await;
    assert_eq!(client.answer().await.text(), "request 0");
    let line = gateway.access_line(|_| true).await;
    let fields: Vec<_> = line.as_object().unwrap().keys().cloned().collect();
    let mut contract = [
        "time",
        "trace_id",
        "span_id",
        "client",
        "listener",
        "protocol",
        "method",
        "host",
        "path",
        "route",
        "upstream",
        "endpoint",
        "status",
        "fault",
        "fault_reason",
        "duration_us",
        "upstream_us",
        "bytes_in",
        "bytes_out",
        "principal",
        "user_agent",
    ];
    contract.sort_unstable();
    assert_eq!(fields, contract);
    for (field, value) in [
        ("client", json!("127.0.0.1")),
        ("listener", json!("web")),
        ("protocol", json!("HTTP/1.1")),
        ("method", json!("POST")),
        ("host", json!("shop.test:8080")),
        ("path", json!("/a%2Fb")),
        ("route", json!("all")),
        ("upstream", json!("service")),
        ("endpoint", json!(upstream.url())),
        ("status", json!(200)),
        ("fault", Value::Null),
        ("bytes_in", json!(4)),
        ("bytes_out", json!(9)),
        ("principal", Value::Null),
        ("user_agent", json!("test \"1\"")),
    ] {
        assert_eq!(line[field], value, "{field}");
    }
    let (duration, upstream_duration) = (line["duration_us"].as_u64().unwrap(), line["upstream_us"].as_u64().unwrap());
    assert!(0 < upstream_duration && upstream_duration <= duration && duration < 15_000_000, "{line}");
    assert!(line["time"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn a_request_that_no_route_takes_is_logged_too() {
    let gateway = start("routes: [{id: a, predicates: [path: /a], filters: [respond: {body: a}]}]\n").await;
    assert_eq!(gateway.get("/b").await.status(), 404);
    let line = gateway.access_line(|_| true).await;
    assert_eq!((&line["status"], &line["fault"]), (&json!(404), &json!("no-route")));
    for field in ["route", "upstream", "endpoint", "upstream_us"] {
        assert_eq!(line[field], Value::Null, "{field}");
    }
    assert_eq!(gateway.get("/a").await.text(), "a");
    let line = gateway.access_line(|line| line["path"] == "/a").await;
    assert_eq!((&line["route"], &line["upstream"], &line["bytes_out"]), (&json!("a"), &Value::Null, &json!(1)));
}

#[tokio::test]
async fn the_access_log_goes_where_it_is_sent() {
    let setup = setup();
    let path = setup.folder().join("access.log");
    let gateway = setup
        .start(&format!(
            "telemetry: {{access-log: '{}'}}\nroutes: [{{id: a, filters: [respond: {{body: a}}]}}]\n",
            path.display()
        ))
        .await;
    gateway.get("/in-a-file").await;
    let text =
        eventually("the line", async || std::fs::read_to_string(&path).ok().filter(|text| text.ends_with('\n'))).await;
    let line: Value = serde_json::from_str(text.trim_end()).unwrap();
    assert_eq!(line["path"], "/in-a-file");
    let access_log = gateway.access_log().clone();
    assert_eq!(gateway.stop().await, 0);
    assert_eq!(access_log.lines(), [Value::Null; 0]);
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = start(&format!(
        r"
workers: 2
upstreams:
  good: {{endpoints: ['{}']}}
  bad: {{endpoints: ['http://{}']}}
routes:
  - {{id: good, predicates: [path: /good], upstream: good}}
  - {{id: bad, predicates: [path: /bad], upstream: bad}}
",
        upstream.url(),
        Script::absent().await
    ))
    .await;
    for _ in 0..3 {
        gateway.get("/good").await;
    }
    gateway.get("/bad").await;
    gateway.get("/none").await;
    gateway.access_line(|line| line["path"] == "/none").await;
    for (series, value) in [
        (r#"gwanmun_requests_total{route="good",upstream="good",status="200"}"#, 3.0),
        (r#"gwanmun_requests_total{route="bad",upstream="bad",status="502"}"#, 1.0),
        (r#"gwanmun_requests_total{route="",upstream="",status="404"}"#, 1.0),
        (r#"gwanmun_request_duration_seconds_count{route="good"}"#, 3.0),
        (r#"gwanmun_faults_total{code="upstream-unreachable"}"#, 1.0),
        (r#"gwanmun_faults_total{code="no-route"}"#, 1.0),
        (r#"gwanmun_in_flight{listener="web"}"#, 0.0),
        (r#"gwanmun_upstream_connections{upstream="good",state="active"}"#, 0.0),
        ("gwanmun_log_dropped_total", 0.0),
    ] {
        assert_eq!(gateway.metric(series).await, Some(value), "{series}");
    }
    let idle = gateway.metric(r#"gwanmun_upstream_connections{upstream="good",state="idle"}"#).await.unwrap();
    assert!((1.0..=2.0).contains(&idle), "one per worker that served: {idle}");
    assert!(gateway.page("/metrics").await.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
}

#[tokio::test]
async fn a_request_is_in_flight_until_its_last_byte_has_left() {
    let (release, released) = tokio::sync::watch::channel(());
    let upstream = Script::play(move |mut connection, _| {
        let mut released = released.clone();
        async move {
            connection.request().await.unwrap();
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha").await;
            released.changed().await.unwrap();
            connection.send("lf").await;
        }
    })
    .await;
    let gateway = start(&all_to_service(&upstream.url(), "keep-alive: 1s")).await;
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.head().await.unwrap().status(), 200);
    assert_eq!(client.exactly(2).await.unwrap(), "ha");
    let in_flight = r#"gwanmun_in_flight{listener="web"}"#;
    let active = r#"gwanmun_upstream_connections{upstream="service",state="active"}"#;
    assert_eq!((gateway.metric(in_flight).await, gateway.metric(active).await), (Some(1.0), Some(1.0)));
    assert!(gateway.access_log().lines().is_empty());
    release.send_replace(());
    assert_eq!(client.exactly(2).await.unwrap(), "lf");
    gateway.access_line(|line| line["bytes_out"] == 4).await;
    assert_eq!(gateway.metric(in_flight).await, Some(0.0));
}

#[tokio::test]
async fn pages_show_the_gateway_and_hide_its_secrets() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = setup()
        .with_file("word", "opensesame")
        .start(&format!(
            "{}    filters: [add-request-header: {{name: X-Word, value: '${{file:word}}'}}]\n",
            all_to_service(upstream.url(), "keep-alive: 1s")
                .replace("{id: all, upstream: service}]", "")
                .replace("routes: [", "routes:\n  - id: all\n    upstream: service")
        ))
        .await;
    assert_eq!(gateway.page("/info").await.json()["name"], "gwanmun");
    assert_eq!(
        gateway.page("/routes").await.json(),
        json!({"routes": [{"id": "all", "order": 0, "filters": ["add-request-header"], "upstream": "service"}]})
    );
    assert_eq!(
        gateway.page("/upstreams").await.json(),
        json!({"upstreams": [{"name": "service", "endpoints": [{"url": upstream.url(), "weight": 1}]}]})
    );
    let configuration = gateway.page("/config").await;
    assert_eq!(configuration.json()["routes"][0]["id"], "all");
    assert!(!configuration.text().contains("opensesame"), "{configuration:?}");
    assert!(gateway.page("/").await.text().contains("/metrics"));
    assert_eq!(gateway.page("/nothing").await.status(), 404);
    let mut client = Connection::tcp(gateway.address("management")).await;
    assert_eq!(client.post("/routes", "{}").await.status(), 405);
    gateway.get("/").await;
    assert_eq!(upstream.received(0).await.header("x-word").as_deref(), Some("opensesame"));
}

#[tokio::test]
async fn the_platform_sees_health_and_nothing_else() {
    let gateway = start(
        "management: {address: 127.0.0.1:0, probes: 127.0.0.1:0}\nroutes: [{id: a, filters: [respond: {body: a}]}]\n",
    )
    .await;
    for (page, status) in [
        ("/health", 200),
        ("/health/liveness", 200),
        ("/health/readiness", 200),
        ("/metrics", 404),
        ("/config", 404),
        ("/routes", 404),
        ("/", 404),
    ] {
        let answer = Connection::tcp(gateway.address("probes")).await.get(page).await;
        assert_eq!(answer.status(), status, "{page}");
        if status == 200 {
            assert_eq!(answer.json()["status"], "UP");
            assert_eq!(gateway.page(page).await.status(), 200);
        }
    }
}

#[tokio::test]
async fn a_client_that_leaves_before_its_answer_is_recorded() {
    let upstream = Script::play(|mut connection, _| async move {
        connection.request().await.unwrap();
        connection.closed().await;
    })
    .await;
    let gateway = start(&all_to_service(&upstream.url(), "keep-alive: 1s")).await;
    let mut client = gateway.connect().await;
    client.send("GET /impatient HTTP/1.1\r\nHost: a\r\n\r\n").await;
    eventually("the request", async || (upstream.connections() == 1).then_some(())).await;
    drop(client);
    let line = gateway.access_line(|line| line["path"] == "/impatient").await;
    assert_eq!((&line["status"], &line["fault"], &line["bytes_out"]), (&json!(499), &Value::Null, &json!(0)));
    assert_eq!(
        (&line["route"], &line["upstream"], &line["endpoint"]),
        (&json!("all"), &json!("service"), &json!(upstream.url()))
    );
}
