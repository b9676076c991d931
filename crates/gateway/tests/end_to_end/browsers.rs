//! What browsers are kept from, and clients that ask too often, with the real gateway: handshakes over both HTTPs, one limit
//! for all workers.

use std::fs;

use gwanmun_testkit::frames::{Frames, Outcome, fields, flag, frame, kind};
use gwanmun_testkit::{Http2, Reply, Speaks, Upstream};
use serde_json::Value;

use crate::failures::assert_reason;
use crate::start;

const HANDSHAKE: &str = "GET /feed HTTP/1.1\r\nHost: tool.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

#[tokio::test]
async fn other_sites_open_no_websocket_and_send_no_form() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let routes = format!("routes: [{{id: tool, upstream: '{}'}}]\n", upstream.url());
    let gateway = start(&format!("audit: {{file: audit.jsonl}}\nfilters: [csrf]\n{routes}")).await;

    let mut client = gateway.connect().await;
    client.send(format!("{HANDSHAKE}Origin: https://evil.test\r\n\r\n")).await;
    assert_eq!(client.answer().await.status(), 403);
    let line = gateway.access_line(|line| line["path"] == "/feed").await;
    assert_reason(&gateway, &line, "forbidden", "cross-site", "a WebSocket").await;

    // The same over HTTP/2 (RFC 8441), where it is a CONNECT.
    let mut client = Frames::connect(gateway.web()).await;
    let connect = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":path", "/feed"),
        (":authority", "tool.test"),
        ("sec-websocket-version", "13"),
        ("origin", "https://evil.test"),
    ];
    client.send(frame(kind::HEADERS, flag::END_HEADERS, 1, fields(&connect))).await;
    assert_eq!(client.outcome(1).await, Outcome::Answered(403));

    let mut client = gateway.connect().await;
    let own = "Origin: http://gateway.test\r\n";
    for (fields, status) in [
        ("Origin: https://evil.test\r\n", 403),
        ("Sec-Fetch-Site: cross-site\r\n", 403),
        ("Origin: null\r\n", 403),
        (own, 200),
        ("Sec-Fetch-Site: same-origin\r\n", 200),
        ("", 200),
    ] {
        let answer = client.ask("POST", "/users", &format!("{fields}Content-Length: 0\r\n")).await;
        assert_eq!(answer.status(), status, "{fields}");
    }
    assert_eq!(upstream.requests(), 3);

    let log = fs::read_to_string(gateway.folder().join("audit.jsonl")).unwrap();
    let records: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let refused = records.iter().filter(|record| record["rule"] == "cross-site").count();
    assert_eq!(refused, 5, "{log}");
}

#[tokio::test]
async fn the_limit_is_one_for_all_workers_and_goes_on_over_reloads() {
    let limited = |body: &str| {
        format!(
            "workers: 2\nroutes:\n\
             - id: a\n  predicates: [path: /a]\n  filters:\n  \
             - request-rate-limiter: {{replenish-rate: 1, burst-capacity: 6000, requested-tokens: 600}}\n  \
             - respond: {{body: {body}}}\n\
             - {{id: b, predicates: [path: /b], filters: [respond: {{body: {body}}}]}}\n"
        )
    };
    let gateway = start(&limited("old")).await;
    let mut granted = 0;
    for _ in 0..40 {
        // Each on a connection of its own, so that every worker has some.
        granted += usize::from(gateway.get("/a").await.status() == 200);
    }
    assert_eq!(granted, 10);
    gateway.reconfigure(&limited("new")).await;
    assert_eq!(gateway.get("/b").await.text(), "new");
    let answer = gateway.get("/a").await;
    assert_eq!((answer.status(), answer.json()["type"].as_str()), (429, Some("urn:gwanmun:fault:rate-limited")));
    assert_eq!(answer.header("ratelimit-policy").as_deref(), Some(r#""route";q=10;w=6000"#));
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((500..=600).contains(&wait), "{wait}");
    assert_eq!(gateway.metric(r#"gwanmun_rate_limited_total{route="a",bucket="own"}"#).await, Some(31.0));

    let mut client = Http2::tcp(gateway.web()).await;
    let request = client.request("POST", "/a").header("content-type", "application/grpc");
    let answer = client.ask(request.body(Reply::from("x")).unwrap()).await;
    assert_eq!((answer.status(), answer.header("grpc-status").as_deref()), (200, Some("8")));

    // Where the numbers change, it begins anew.
    gateway.reconfigure(&limited("new").replace("6000", "1200")).await;
    assert_eq!(gateway.get("/a").await.status(), 200);
}

#[tokio::test]
async fn default_filters_count_for_each_route_and_what_stands_twice_counts_twice() {
    let limiter = "request-rate-limiter: {replenish-rate: 1, burst-capacity: 1200, requested-tokens: 600}";
    let gateway = start(&format!(
        "default-filters: [{limiter}]\nroutes:\n\
         - {{id: a, predicates: [path: /a], filters: [respond]}}\n\
         - {{id: b, predicates: [path: /b], filters: [{limiter}, respond]}}\n"
    ))
    .await;
    for path in ["/a", "/b"] {
        let mut statuses = Vec::new();
        for _ in 0..3 {
            statuses.push(gateway.get(path).await.status());
        }
        assert_eq!(statuses, [200, 200, 429], "{path}");
    }
}
