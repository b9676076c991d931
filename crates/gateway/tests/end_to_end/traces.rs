//! Spans of sampled requests, as receivers get them; and receivers on their bad days, whom no request notices.

use std::path::Path;
use std::time::{Duration, Instant};

use gwanmun_testkit::{Gateway, Manner, OtlpReceiver, ReceivedSpan, Rotel, Speaks, Upstream, eventually};
use serde_json::{Value, json};

use crate::{all_to, all_to_service, start};

const CALLER: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLERS_SPAN: &str = "b7ad6b7169203331";

/// Peers on this machine may say which trace they are in.
const TRUSTING: &str = "trusted-proxies: [127.0.0.1]\n";

fn otlp(receiver: &OtlpReceiver, settings: &str) -> String {
    format!("telemetry: {{traces: {{otlp: '{}', {settings}}}}}\n", receiver.url())
}

async fn ask(gateway: &Gateway, head: &str) {
    let mut client = gateway.connect().await;
    client.send(&format!("GET /orders/7?token=secret HTTP/1.1\r\nHost: shop.test:81\r\n{head}\r\n")).await;
    client.answer().await;
}

fn is_server(span: &ReceivedSpan) -> bool {
    span.kind == 2
}

fn attribute<'a>(span: &'a ReceivedSpan, name: &str) -> &'a str {
    span.attributes.get(name).map_or("", String::as_str)
}

#[tokio::test]
async fn a_trusted_callers_trace_goes_through_the_gateway_to_the_upstream() {
    for (receiver, protocol) in [(OtlpReceiver::http().await, "http"), (OtlpReceiver::grpc().await, "grpc")] {
        let upstream = Upstream::recording(Speaks::Http1).await;
        let telemetry = otlp(&receiver, &format!("protocol: {protocol}, propagate: [w3c, b3]"));
        let gateway =
            start(&format!("{}{telemetry}{TRUSTING}", all_to_service(upstream.url(), "keep-alive: 1s"))).await;
        ask(&gateway, &format!("traceparent: 00-{CALLER}-{CALLERS_SPAN}-01\r\nuser-agent: test\r\n")).await;
        let server = receiver.span(is_server).await;
        let call = receiver.span(|span| span.kind == 3).await;
        let told = upstream.received(0).await;
        assert_eq!(told.header("traceparent"), Some(format!("00-{CALLER}-{}-01", call.span_id)));
        assert_eq!(told.header("b3"), Some(format!("{CALLER}-{}-1", call.span_id)));
        assert_eq!((server.trace_id.as_str(), server.parent_id.as_str()), (CALLER, CALLERS_SPAN));
        assert_eq!((call.trace_id.as_str(), &call.parent_id), (CALLER, &server.span_id));
        assert_eq!((server.name.as_str(), call.name.as_str()), ("GET all", "GET service"));
        assert!(server.begin <= call.begin && call.end <= server.end && call.begin < call.end, "{server:?} {call:?}");
        let line = gateway.access_line(|_| true).await;
        assert_eq!((&line["trace_id"], &line["span_id"]), (&json!(CALLER), &json!(server.span_id)));
        for (name, value) in [
            ("http.request.method", "GET"),
            ("http.route", "all"),
            ("http.response.status_code", "200"),
            ("url.path", "/orders/7"),
            ("url.scheme", "http"),
            ("client.address", "127.0.0.1"),
            ("server.address", "shop.test"),
            ("user_agent.original", "test"),
            ("gwanmun.upstream", "service"),
        ] {
            assert_eq!(attribute(&server, name), value, "{name}");
        }
        assert_eq!(attribute(&call, "server.address"), "127.0.0.1");
        assert_eq!(attribute(&call, "server.port"), upstream.port().to_string());
        assert_eq!(attribute(&call, "http.response.status_code"), "200");
        assert_eq!((&server.error, &call.error, server.links.len()), (&None, &None, 0));
        assert_eq!(server.resource["service.name"], "gwanmun");
        assert!(!format!("{server:?}{call:?}").contains("secret"));
        let sent = r#"gwanmun_telemetry_sent_total{signal="traces"}"#;
        eventually("both to be counted", async || gateway.metric(sent).await.filter(|sent| *sent == 2.0)).await;
    }
}

#[tokio::test]
async fn a_stranger_gets_a_trace_of_its_own_with_a_link() {
    let (receiver, upstream) = (OtlpReceiver::http().await, Upstream::recording(Speaks::Http1).await);
    let gateway = start(&format!("{}{}", all_to(upstream.url()), otlp(&receiver, "sample: 1"))).await;
    ask(&gateway, &format!("traceparent: 00-{CALLER}-{CALLERS_SPAN}-00\r\n")).await;
    let server = receiver.span(is_server).await;
    assert_ne!(server.trace_id, CALLER);
    assert_eq!((server.parent_id.as_str(), server.links[..].len()), ("", 1));
    assert_eq!(server.links[0], (CALLER.to_owned(), CALLERS_SPAN.to_owned()));
}

#[tokio::test]
async fn what_is_not_sampled_leaves_no_span_and_the_upstream_is_told_so() {
    let (receiver, upstream) = (OtlpReceiver::http().await, Upstream::recording(Speaks::Http1).await);
    let gateway = start(&format!("{}{}{TRUSTING}", all_to(upstream.url()), otlp(&receiver, "sample: 0"))).await;
    ask(&gateway, &format!("traceparent: 00-{CALLER}-{CALLERS_SPAN}-00\r\n")).await;
    ask(&gateway, "").await;
    ask(&gateway, &format!("traceparent: 00-{CALLER}-{CALLERS_SPAN}-01\r\n")).await;
    receiver.span(is_server).await;
    let line = gateway.access_line(|line| line["trace_id"] == CALLER).await;
    let told = upstream.received(0).await.header("traceparent").unwrap();
    assert_eq!(told, format!("00-{CALLER}-{}-00", line["span_id"].as_str().unwrap()));
    assert!(upstream.received(1).await.header("traceparent").unwrap().ends_with("-00"));
    assert_eq!(gateway.stop().await, 0);
    assert_eq!(receiver.spans().len(), 2, "those of the third request");
}

#[tokio::test]
async fn what_waits_is_sent_at_the_end() {
    let receiver = OtlpReceiver::grpc().await;
    let gateway = start(&format!(
        "routes: [{{id: a, filters: [respond: {{body: a}}]}}]\n{}",
        otlp(&receiver, "sample: 1, protocol: grpc")
    ))
    .await;
    ask(&gateway, "").await;
    assert_eq!(gateway.stop().await, 0);
    let [span] = &receiver.spans()[..] else { panic!() };
    assert_eq!((span.name.as_str(), span.kind), ("GET a", 2));
}

#[tokio::test]
async fn failures_are_told_with_whose_they_are() {
    let receiver = OtlpReceiver::http().await;
    let nobody = Upstream::recording(Speaks::Http1).await.url().to_owned();
    let gateway = start(&format!(
        "routes: [{{id: gone, predicates: [path: /orders/*], upstream: '{nobody}'}}]\n{}",
        otlp(&receiver, "sample: 1")
    ))
    .await;
    ask(&gateway, "").await;
    assert_eq!(gateway.get("/nothing").await.status(), 404);
    let failed = receiver.span(|span| is_server(span) && span.name == "GET gone").await;
    let call = receiver.span(|span| span.kind == 3).await;
    let lost = receiver.span(|span| span.name == "GET").await;
    assert_eq!(
        (failed.error.as_deref(), attribute(&failed, "http.response.status_code")),
        (Some("upstream-unreachable"), "502")
    );
    assert_eq!(
        (call.error.as_deref(), attribute(&call, "error.type")),
        (Some("upstream-unreachable"), "upstream-unreachable")
    );
    assert_eq!((&lost.error, attribute(&lost, "error.type")), (&None, "no-route"), "the client's");
}

#[tokio::test]
async fn a_reload_takes_spans_elsewhere_and_away() {
    let (first, second) = (OtlpReceiver::http().await, OtlpReceiver::grpc().await);
    let routes = "routes: [{id: a, filters: [respond: {body: a}]}]\n";
    let gateway = start(&format!("{routes}{}", otlp(&first, "sample: 1"))).await;
    ask(&gateway, "").await;
    gateway.reconfigure(&format!("{routes}{}", otlp(&second, "sample: 1, protocol: grpc"))).await;
    ask(&gateway, "").await;
    first.span(is_server).await;
    second.span(is_server).await;
    gateway.reconfigure(&format!("{routes}telemetry: {{traces: {{sample: 1}}}}\n")).await;
    ask(&gateway, "").await;
    assert_eq!(gateway.stop().await, 0);
    assert_eq!((first.spans().len(), second.spans().len()), (1, 1));
}

/// What the gateway counts as thrown away.
async fn dropped(gateway: &Gateway, reason: &str) -> f64 {
    let series = format!(r#"gwanmun_telemetry_dropped_total{{signal="traces",reason="{reason}"}}"#);
    gateway.metric(&series).await.unwrap_or_default()
}

#[tokio::test]
async fn a_lying_receiver_costs_its_spans_and_nothing_else() {
    let receiver = OtlpReceiver::http().await;
    let routes = "routes: [{id: a, filters: [respond: {body: a}]}]\n";
    let gateway = start(&format!("{routes}{}", otlp(&receiver, "sample: 1"))).await;
    let manners = [Manner::Answers(500), Manner::Babbles, Manner::NeverStops, Manner::Redirects];
    for (count, manner) in (1..).zip(manners) {
        receiver.behave(manner);
        ask(&gateway, "").await;
        eventually("a dropped span", async || (dropped(&gateway, "refused").await >= f64::from(count)).then_some(()))
            .await;
    }
    receiver.behave(Manner::Takes);
    ask(&gateway, "").await;
    receiver.span(is_server).await;
    gateway.event("collector-back").await;
    assert_eq!((gateway.count("collector-failing"), gateway.count("collector-back")), (1, 1));
}

#[tokio::test]
async fn a_receiver_that_is_away_for_a_while_gets_its_spans_later() {
    let receiver = OtlpReceiver::http().await;
    let routes = "routes: [{id: a, filters: [respond: {body: a}]}]\n";
    let gateway = start(&format!("{routes}{}", otlp(&receiver, "sample: 1"))).await;
    receiver.behave(Manner::Answers(503));
    ask(&gateway, "").await;
    gateway.event("collector-failing").await;
    receiver.behave(Manner::Takes);
    receiver.span(is_server).await;
    gateway.event("collector-back").await;
    assert_eq!(dropped(&gateway, "unreachable").await, 0.0);
}

#[tokio::test]
async fn nobody_waits_for_a_receiver_that_hangs_and_what_waits_for_it_is_bounded() {
    let receiver = OtlpReceiver::http().await;
    receiver.behave(Manner::Hangs);
    let routes = "routes: [{id: a, filters: [respond: {body: a}]}]\n";
    let gateway = start(&format!("{routes}{}", otlp(&receiver, "sample: 1"))).await;
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(gateway.connect().await);
    }
    let mut asked = 0;
    let full = eventually("a full queue", async || {
        for client in &mut clients {
            let pipelined = "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100);
            client.send(&pipelined).await;
            for _ in 0..100 {
                assert_eq!(client.answer().await.status(), 200);
            }
            asked += 100;
        }
        Some(dropped(&gateway, "full").await).filter(|count| *count > 0.0)
    })
    .await;
    assert!(full <= f64::from(asked) - 8_192.0, "{full} of {asked}");
    let stopping = Instant::now();
    assert_eq!(gateway.stop().await, 0);
    assert!(stopping.elapsed() < Duration::from_secs(10), "{:?}", stopping.elapsed());
}

#[tokio::test]
async fn zipkin_gets_spans_by_its_rules() {
    let zipkin = Upstream::recording(Speaks::Http1).await;
    let upstream = Upstream::recording(Speaks::Http1).await;
    let telemetry = format!("telemetry: {{traces: {{zipkin: '{}/api/v2/spans', propagate: [b3]}}}}\n", zipkin.url());
    let gateway = start(&format!("{}{telemetry}{TRUSTING}", all_to(upstream.url()))).await;
    ask(&gateway, &format!("b3: {CALLER}-{CALLERS_SPAN}-1\r\n")).await;
    let message = zipkin.received(0).await;
    assert!(message.start.starts_with("POST /api/v2/spans "), "{}", message.start);
    assert_eq!(message.header("content-type").as_deref(), Some("application/json"));
    let spans: Value = serde_json::from_str(&message.text()).unwrap();
    let spans = spans.as_array().unwrap();
    let of_kind = |kind: &str| spans.iter().find(|span| span["kind"] == kind).unwrap();
    let (server, call) = (of_kind("SERVER"), of_kind("CLIENT"));
    assert_eq!((&server["traceId"], &server["parentId"]), (&json!(CALLER), &json!(CALLERS_SPAN)));
    assert_eq!((&call["traceId"], &call["parentId"]), (&json!(CALLER), &server["id"]));
    let told = upstream.received(0).await.header("b3").unwrap();
    assert_eq!(told, format!("{CALLER}-{}-1", call["id"].as_str().unwrap()));
    for span in spans {
        assert_eq!(span["localEndpoint"]["serviceName"], "gwanmun");
        assert!(span["timestamp"].as_u64().unwrap() > 1_600_000_000_000_000 && span["duration"].as_u64().unwrap() > 0);
        assert!(span["tags"].as_object().unwrap().values().all(Value::is_string), "{span}");
    }
}

#[tokio::test]
#[ignore = "slow: installs a Python package"]
async fn a_receiver_of_another_make_reads_our_spans() {
    let rotel = Rotel::start(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("python")).await;
    for (url, protocol, callers_span) in
        [(rotel.http(), "http", "b7ad6b7169203331"), (rotel.grpc(), "grpc", "b7ad6b7169203332")]
    {
        let upstream = Upstream::recording(Speaks::Http1).await;
        let telemetry = format!("telemetry: {{traces: {{otlp: '{url}', protocol: {protocol}, sample: 1}}}}\n");
        let routes = all_to_service(upstream.url(), "keep-alive: 1s");
        let trusting = start(&format!("{routes}{telemetry}{TRUSTING}")).await;
        ask(&trusting, &format!("traceparent: 00-{CALLER}-{callers_span}-01\r\n")).await;
        let server = rotel.span(|span| span.parent_id == callers_span).await;
        let call = rotel.span(|span| span.parent_id == server.id).await;
        assert_eq!((server.trace_id.as_str(), call.trace_id.as_str()), (CALLER, CALLER));
        assert_eq!((server.kind.as_str(), call.kind.as_str()), ("SPAN_KIND_SERVER", "SPAN_KIND_CLIENT"));
        assert_eq!((server.name.as_str(), server.service.as_str()), ("GET all", "gwanmun"));
        assert_eq!(upstream.received(0).await.header("traceparent"), Some(format!("00-{CALLER}-{}-01", call.id)));

        let strict = start(&format!("{routes}{telemetry}")).await;
        ask(&strict, &format!("traceparent: 00-{CALLER}-{callers_span}-01\r\n")).await;
        let line = strict.access_line(|_| true).await;
        let stranger = rotel.span(|span| span.id == line["span_id"].as_str().unwrap() && !span.links.is_empty()).await;
        assert_eq!((stranger.parent_id.as_str(), stranger.links), ("", vec![CALLER.to_owned()]));
        assert_ne!(stranger.trace_id, CALLER);
    }
}
