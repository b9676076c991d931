//! What every request is cleaned of before anybody reads it, and how operators see that.

use gwanmun_testkit::{Http2, Reply, Speaks, Upstream};
use serde_json::json;

use crate::{all_to, start};

#[tokio::test]
async fn what_was_cleaned_is_in_the_log_and_counted() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = start(&all_to(upstream.url())).await;
    let mut client = gateway.connect().await;
    assert_eq!(client.ask("GET", "/clean", "User-Agent: test\r\nAccept: */*\r\n").await.status(), 200);
    let line = gateway.access_line(|line| line["path"] == "/clean").await;
    assert!(line.get("sanitized").is_none() && line.get("linked_trace_id").is_none(), "{line}");

    let fields = "User-Agent: caf\u{e9}\r\nReferer: nothing\r\nProxy: http://evil.test\r\nX-Original-URL: /admin\r\n\
                  X-HTTP-Method-Override: DELETE\r\nX-Real-IP: 6.6.6.6\r\nTxn_Token: forged\r\nConnection: X-Hop\r\nX-Hop: 1\r\n";
    assert_eq!(client.ask("GET", "/a//b", fields).await.status(), 200);
    let request = upstream.received(1).await;
    for name in [
        "referer",
        "proxy",
        "x-original-url",
        "x-http-method-override",
        "x-real-ip",
        "txn_token",
        "connection",
        "x-hop",
    ] {
        assert_eq!(request.header(name), None, "{name}");
    }
    assert_eq!((request.target(), request.header("user-agent").as_deref()), ("/a/b", Some("caf%C3%A9")));
    let line = gateway.access_line(|line| line["path"] == "/a/b").await;
    let done =
        ["path", "connection", "internal", "forwarding", "override", "proxy", "header:referer", "header:user-agent"];
    assert_eq!(line["sanitized"], json!(done));
    for what in done {
        let series = format!(r#"gwanmun_sanitized_total{{what="{what}"}}"#);
        assert_eq!(gateway.metric(&series).await, Some(1.0), "{what}");
    }
    assert_eq!(gateway.metric(r#"gwanmun_sanitized_total{what="trace"}"#).await, Some(0.0));
}

#[tokio::test]
async fn requests_that_two_services_could_read_differently_are_refused() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = start(&format!("limits: {{cookies: 3}}\n{}", all_to(upstream.url()))).await;
    for (target, fields, status, reason) in [
        ("/", "Authorization: Basic a\r\nAuthorization: Basic b\r\n", 400, "ambiguous-header"),
        ("/", "Content-Type: text/plain\r\nContent-Type: text/html\r\n", 400, "ambiguous-header"),
        ("/", "Content-Type: text/plain, text/html\r\n", 400, "ambiguous-header"),
        ("/", "Origin: https://a.test\r\nOrigin: https://b.test\r\n", 400, "ambiguous-header"),
        ("/", "If-Match: \"a\r\n", 400, "ambiguous-header"),
        ("/a/..;/b", "", 400, "malformed-path"),
        ("/a/%2e%2e%2fb", "", 400, "malformed-path"),
        ("/%0d%0aX-Evil:1", "", 400, "refused-path"),
        ("http://other.test/", "", 400, "ambiguous-host"),
        ("/", "Cookie: a=1; b=2; c=3; d=4\r\n", 431, "too-many-cookies"),
        ("/", "Cookie: a=1; b=2\r\nCookie: c=3; d=4\r\n", 431, "too-many-cookies"),
    ] {
        let agent = format!("{target} {}", fields.len());
        let answer = gateway.connect().await.ask("GET", target, &format!("User-Agent: {agent}\r\n{fields}")).await;
        assert_eq!(answer.status(), status, "{target} {fields:?}");
        let line = gateway.access_line(|line| line["user_agent"] == agent.as_str()).await;
        assert_eq!(line["fault_reason"], reason, "{target} {fields:?}");
    }
    assert_eq!(upstream.requests(), 0);
    assert_eq!(gateway.connect().await.ask("GET", "/", "Cookie: a=1; b=2; c=3\r\n").await.status(), 200);
}

#[tokio::test]
async fn what_is_for_all_cannot_be_nominated_away() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = start(&format!("trusted-proxies: [127.0.0.1]\n{}", all_to(upstream.url()))).await;
    let fields = "Connection: Authorization, Cookie, X-Forwarded-For, Content-Length, Txn-Token, Content-Type\r\n\
                  Authorization: Basic a\r\nCookie: a=1\r\nX-Forwarded-For: 9.9.9.9\r\nTxn-Token: a\r\n\
                  Content-Type: text/plain\r\nContent-Length: 4\r\n";
    let mut client = gateway.connect().await;
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\nbody")).await;
    assert_eq!(client.answer().await.status(), 200);
    let request = upstream.received(0).await;
    for (name, value) in [
        ("authorization", "Basic a"),
        ("cookie", "a=1"),
        ("content-type", "text/plain"),
        ("content-length", "4"),
        ("x-forwarded-for", "9.9.9.9, 127.0.0.1"),
    ] {
        assert_eq!(request.header(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!((request.header("txn-token"), request.text().as_str()), (None, "body"));
    let line = gateway.access_line(|_| true).await;
    assert_eq!((&line["client"], &line["sanitized"]), (&json!("9.9.9.9"), &json!(["connection", "internal"])));
}

#[tokio::test]
async fn paths_are_read_by_the_policy_for_route_and_upstream_alike() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = start(&format!(
        "paths: {{encoded-slash: decode, backslash: refuse, parameters: strip, duplicate-slashes: refuse}}\n\
         routes: [{{id: all, predicates: [path: /a/*], upstream: '{}'}}]\n",
        upstream.url()
    ))
    .await;
    let mut client = gateway.connect().await;
    for target in ["/a/b", "/a%2Fb", "/x%2f..%2fa/b;v=1", "/a;x/b;y"] {
        assert_eq!(client.get(target).await.status(), 200, "{target}");
    }
    for number in 0..upstream.requests() {
        assert_eq!(upstream.received(number).await.target(), "/a/b");
    }
    for target in ["/a//b", "/a%5Cb", "/a\\b", "/a%2f/b", "/a/..;/b"] {
        assert_eq!(gateway.get(target).await.status(), 400, "{target}");
    }
    assert_eq!(upstream.requests(), 4);
}

#[tokio::test]
async fn of_two_stories_about_the_client_neither_is_passed_on() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = start(&format!("trusted-proxies: [127.0.0.1]\n{}", all_to(upstream.url()))).await;
    let fields = "X-Forwarded-For: 9.9.9.9\r\nForwarded: for=6.6.6.6\r\n";
    gateway.connect().await.ask("GET", "/", fields).await;
    let request = upstream.received(0).await;
    assert_eq!(request.header("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(request.header("forwarded").as_deref(), Some("for=127.0.0.1;host=\"gateway.test\";proto=http"));
    let line = gateway.access_line(|_| true).await;
    assert_eq!((&line["client"], &line["sanitized"]), (&json!("127.0.0.1"), &json!(["forwarding"])));
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

#[tokio::test]
async fn an_untrusted_callers_trace_is_restarted_and_linked() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let propagate = "telemetry: {traces: {propagate: [w3c, b3]}}\n";
    let gateway = start(&format!("{propagate}{}", all_to(upstream.url()))).await;
    for (number, fields) in [
        format!("Traceparent: 00-{TRACE}-{SPAN}-01\r\nTracestate: a=b\r\n"),
        format!("B3: {TRACE}-{SPAN}-1\r\n"),
        format!("X-B3-TraceId: {TRACE}\r\nX-B3-SpanId: {SPAN}\r\nX-B3-Sampled: 1\r\n"),
    ]
    .iter()
    .enumerate()
    {
        assert_eq!(gateway.connect().await.ask("GET", &format!("/{number}"), fields).await.status(), 200);
        let line = gateway.access_line(|line| line["path"] == format!("/{number}")).await;
        assert_eq!((&line["linked_trace_id"], &line["sanitized"]), (&json!(TRACE), &json!(["trace"])));
        let request = upstream.received(number).await;
        assert!(!format!("{request:?}").contains(TRACE), "{request:?}");
        let (ours, span) = (line["trace_id"].as_str().unwrap(), line["span_id"].as_str().unwrap());
        assert_eq!(request.header("traceparent"), Some(format!("00-{ours}-{span}-00")));
        assert_eq!(request.header("b3"), Some(format!("{ours}-{span}-0")));
        assert_eq!((request.header("tracestate"), request.header("x-b3-traceid")), (None, None));
    }
}

#[tokio::test]
async fn a_trusted_callers_b3_is_continued() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let propagate = "trusted-proxies: [127.0.0.1]\ntelemetry: {traces: {propagate: [w3c, b3-multi]}}\n";
    let gateway = start(&format!("{propagate}{}", all_to(upstream.url()))).await;
    let mut client = gateway.connect().await;
    client.ask("GET", "/", &format!("B3: {SPAN}-{SPAN}-d\r\n")).await;
    let request = upstream.received(0).await;
    let padded = format!("0000000000000000{SPAN}");
    assert_eq!(request.header("x-b3-traceid").as_ref(), Some(&padded));
    assert_eq!((request.header("x-b3-sampled").as_deref(), request.header("b3")), (Some("1"), None));
    let span = request.header("x-b3-spanid").unwrap();
    assert_ne!(span, SPAN);
    assert_eq!(request.header("traceparent"), Some(format!("00-{padded}-{span}-01")));

    client.ask("GET", "/", &format!("B3: bad\r\nTraceparent: 00-{TRACE}-{SPAN}-01\r\nTracestate: a=b\r\n")).await;
    let request = upstream.received(1).await;
    assert_eq!(request.header("x-b3-traceid").as_deref(), Some(TRACE));
    assert_eq!(request.header("tracestate").as_deref(), Some("a=b"));
}

#[tokio::test]
async fn headers_that_the_operator_keeps_come_through() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = start(&format!("headers: {{keep: [X-HTTP-Method-Override]}}\n{}", all_to(upstream.url()))).await;
    let fields = "X-HTTP-Method-Override: PATCH\r\nX-HTTP-Method: PATCH\r\n";
    gateway.connect().await.ask("POST", "/", &format!("{fields}Content-Length: 0\r\n")).await;
    let request = upstream.received(0).await;
    assert_eq!(request.header("x-http-method-override").as_deref(), Some("PATCH"));
    assert_eq!(request.header("x-http-method"), None);
}

#[tokio::test]
async fn http2_is_cleaned_alike_and_its_cookies_are_one() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = start(&format!("limits: {{cookies: 3}}\n{}", all_to(upstream.url()))).await;
    let mut client = Http2::tcp(gateway.web()).await;
    let request = client.request("GET", "/a//b").header("cookie", "a=1").header("cookie", "b=2; $Version=1");
    let request = request.header("x-original-url", "/admin").header("authorization", "Basic a");
    assert_eq!(client.ask(request.body(Reply::empty()).unwrap()).await.status(), 200);
    let request = upstream.received(0).await;
    assert_eq!((request.target(), request.header("cookie").as_deref()), ("/a/b", Some("a=1; b=2")));
    assert_eq!(request.header("x-original-url"), None);
    let line = gateway.access_line(|_| true).await;
    assert_eq!(line["sanitized"], json!(["path", "override", "header:cookie"]));

    let twice = client.request("GET", "/").header("authorization", "Basic a").header("authorization", "Basic b");
    assert_eq!(client.ask(twice.body(Reply::empty()).unwrap()).await.status(), 400);
    let crumbs = client.request("GET", "/").header("cookie", "a=1; b=2").header("cookie", "c=3; d=4");
    assert_eq!(client.ask(crumbs.body(Reply::empty()).unwrap()).await.status(), 431);
    assert_eq!(upstream.requests(), 1);
}
