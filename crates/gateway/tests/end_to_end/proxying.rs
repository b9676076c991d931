//! What a proxy does to a message on its way: routes, filters, hop-by-hop fields, who the client is, which trace it is.

use gwanmun_testkit::{Connection, Script, Speaks, Upstream};

use crate::{all_to, all_to_service, setup, start};

#[tokio::test]
async fn routes_lead_to_their_upstreams_through_their_filters() {
    let (orders, bills) = (Upstream::recording(Speaks::Http1).await, Upstream::recording(Speaks::Http1).await);
    let gateway = start(&format!(
        r#"
filters:
  - add-response-header: {{name: X-Door, value: door}}
default-filters:
  - add-request-header: {{name: X-Default, value: default}}
routes:
  - id: orders
    predicates: [{{path: "/orders/{{id}}/**"}}, {{method: [GET]}}]
    filters:
      - strip-prefix: 1
      - add-request-header: {{name: X-Order, value: "{{id}}"}}
      - set-response-header: {{name: X-Route, value: orders}}
    upstream: {}
  - id: bills
    predicates: [{{path: "/bills/**"}}, {{host: "bills.*"}}]
    upstream: {}
"#,
        orders.url(),
        bills.url()
    ))
    .await;

    let answer = gateway.get("/orders/7/lines?page=2").await;
    assert_eq!((answer.status(), answer.text().as_str()), (200, "request 0"));
    assert_eq!(answer.header("x-route").as_deref(), Some("orders"));
    assert_eq!(answer.header("x-door").as_deref(), Some("door"));
    let request = orders.received(0).await;
    assert_eq!(request.start, "GET /7/lines?page=2 HTTP/1.1");
    assert_eq!(request.header("x-order").as_deref(), Some("7"));
    assert_eq!(request.header("x-default").as_deref(), Some("default"));
    assert_eq!(request.header("x-forwarded-prefix").as_deref(), Some("/orders"));

    let mut client = gateway.connect().await;
    client.send("GET /bills/1 HTTP/1.1\r\nHost: bills.test\r\n\r\n").await;
    assert_eq!(client.answer().await.status(), 200);
    assert_eq!(bills.received(0).await.target(), "/bills/1");

    assert_eq!(client.get("/bills/1").await.status(), 404, "another host");
    assert_eq!(client.post("/orders/7/lines", "x").await.status(), 404, "another method");
    assert_eq!((orders.requests(), bills.requests()), (1, 1));
}

#[tokio::test]
async fn connections_are_kept_for_the_next_request_on_both_sides() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = start(&all_to(upstream.url())).await;
    let mut client = gateway.connect().await;
    for number in 0..3 {
        assert_eq!(client.get("/").await.text(), format!("request {number}"));
    }
    assert_eq!(client.post("/", "body").await.text(), "request 3");
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn hop_by_hop_fields_of_a_request_end_at_the_gateway() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = start(&all_to(upstream.url())).await;
    let fields = "Connection: keep-alive, X-Nominated\r\nConnection: te\r\nX-Nominated: 1\r\nKeep-Alive: 5\r\n\
                  Proxy-Connection: keep-alive\r\nTE: trailers, gzip\r\nX-End-To-End: 1\r\n";
    assert_eq!(gateway.connect().await.ask("GET", "/", fields).await.status(), 200);
    let request = upstream.received(0).await;
    for name in ["connection", "x-nominated", "keep-alive", "proxy-connection", "transfer-encoding"] {
        assert_eq!(request.header(name), None, "{name}");
    }
    assert_eq!(request.header("te").as_deref(), Some("trailers"), "trailers are passed on, so they may be wanted");
    assert_eq!(request.header("x-end-to-end").as_deref(), Some("1"));
}

#[tokio::test]
async fn a_client_cannot_nominate_what_the_gateway_adds() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let filters = "default-filters: [add-request-header: {name: X-Added, value: '1'}]\n";
    let gateway = start(&format!("{filters}{}", all_to(upstream.url()))).await;
    let fields = "Connection: X-Added, X-Forwarded-For, Traceparent, Host\r\n";
    assert_eq!(gateway.connect().await.ask("GET", "/", fields).await.status(), 200);
    let request = upstream.received(0).await;
    for name in ["x-added", "x-forwarded-for", "traceparent", "host"] {
        assert!(request.header(name).is_some(), "{name}");
    }
}

#[tokio::test]
async fn hop_by_hop_fields_of_an_answer_end_at_the_gateway() {
    let upstream = Script::saying(
        "HTTP/1.1 200 OK\r\nConnection: close, X-Nominated\r\nX-Nominated: 1\r\nKeep-Alive: 5\r\n\
         Proxy-Authenticate: Basic\r\nUpgrade: h2c\r\nX-End-To-End: 1\r\nContent-Length: 2\r\n\r\nok",
    )
    .await;
    let gateway = start(&all_to(&upstream.url())).await;
    let mut client = gateway.connect().await;
    let answer = client.get("/").await;
    assert_eq!(answer.text(), "ok");
    for name in ["connection", "x-nominated", "keep-alive", "proxy-authenticate", "upgrade"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    assert_eq!(answer.header("x-end-to-end").as_deref(), Some("1"));
    assert_eq!(client.get("/").await.status(), 200, "the upstream's close is not the client's");
    assert_eq!(upstream.connections(), 2);
}

#[tokio::test]
async fn internal_headers_never_survive_from_outside() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = start(&format!(
        "internal-headers: [X-Consent-*, X-Exact]\ntrusted-proxies: [127.0.0.1/32]\n{}",
        all_to(upstream.url())
    ))
    .await;
    let fields = "Txn-Token: a\r\nTXN-TOKEN: b\r\nX-Gwanmun-User: a\r\nx-gwanmun-anything: a\r\nX-Consent-Ads: a\r\nX-Exact: a\r\n\
                  X-Exactly: stays\r\nX-Consen: stays\r\n";
    assert_eq!(gateway.connect().await.ask("GET", "/", fields).await.status(), 200);
    let request = upstream.received(0).await;
    for name in ["txn-token", "x-gwanmun-user", "x-gwanmun-anything", "x-consent-ads", "x-exact"] {
        assert_eq!(request.header(name), None, "{name}");
    }
    assert_eq!(request.header("x-exactly").as_deref(), Some("stays"));
    assert_eq!(request.header("x-consen").as_deref(), Some("stays"));
}

/// What only a trusted proxy may say.
const CLAIMS: &str = "Forwarded: for=6.6.6.6\r\nX-Forwarded-For: 6.6.6.6, 7.7.7.7\r\nX-Forwarded-Proto: https\r\n\
                      X-Forwarded-Host: evil.test\r\nX-Forwarded-Port: 443\r\nX-Forwarded-Prefix: /evil\r\n\
                      X-Forwarded-User: root\r\nX-Forwarded-Client-Cert: Subject=\"CN=root\"\r\nClient-Cert: :AAAA:\r\n\
                      Client-Cert-Chain: :AAAA:\r\n\
                      Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nTracestate: a=b\r\n\
                      B3: 0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1\r\nX-B3-TraceId: 0af7651916cd43dd8448eb211c80319c\r\n";

#[tokio::test]
async fn what_an_untrusted_peer_says_about_the_client_is_dropped_and_told_anew() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = start(&format!("trusted-proxies: [10.0.0.0/8]\n{}", all_to(upstream.url()))).await;
    assert_eq!(gateway.connect().await.ask("GET", "/", CLAIMS).await.status(), 200);
    let request = upstream.received(0).await;
    assert_eq!(request.header("forwarded").as_deref(), Some("for=127.0.0.1;host=\"gateway.test\";proto=http"));
    assert_eq!(request.header("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(request.header("x-forwarded-proto").as_deref(), Some("http"));
    assert_eq!(request.header("x-forwarded-host").as_deref(), Some("gateway.test"));
    assert_eq!(request.header("x-forwarded-port"), Some(gateway.web().port().to_string()));
    for name in [
        "x-forwarded-prefix",
        "x-forwarded-user",
        "x-forwarded-client-cert",
        "client-cert",
        "client-cert-chain",
        "tracestate",
        "b3",
        "x-b3-traceid",
    ] {
        assert_eq!(request.header(name), None, "{name}");
    }
    assert!(!request.header("traceparent").unwrap().contains("0af7651916cd43dd8448eb211c80319c"));
    let line = gateway.access_line(|_| true).await;
    assert_eq!(line["client"], "127.0.0.1");
}

#[tokio::test]
async fn what_a_trusted_peer_says_about_the_client_is_continued() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = start(&format!("trusted-proxies: [127.0.0.1/32, 7.7.7.7]\n{}", all_to(upstream.url()))).await;
    let claims = CLAIMS.replace("Forwarded: for=6.6.6.6\r\n", "");
    assert_eq!(gateway.connect().await.ask("GET", "/", &claims).await.status(), 200);
    let request = upstream.received(0).await;
    assert_eq!(request.header("x-forwarded-for").as_deref(), Some("6.6.6.6, 7.7.7.7, 127.0.0.1"));
    assert_eq!(request.header("x-forwarded-proto").as_deref(), Some("https"));
    assert_eq!(request.header("x-forwarded-host").as_deref(), Some("evil.test"));
    assert_eq!(request.header("x-forwarded-port").as_deref(), Some("443"));
    assert_eq!(request.header("x-forwarded-prefix").as_deref(), Some("/evil"));
    assert_eq!(request.header("client-cert").as_deref(), Some(":AAAA:"));
    assert_eq!(request.header("tracestate").as_deref(), Some("a=b"));
    let line = gateway.access_line(|_| true).await;
    assert_eq!(line["client"], "6.6.6.6", "right to left through the trusted proxies");
}

#[tokio::test]
async fn a_trace_goes_on_from_a_trusted_caller_only_and_a_span_is_always_our_own() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let given = format!("Traceparent: 00-{trace}-{span}-01\r\n");
    let trusting = start(&format!("trusted-proxies: [127.0.0.1]\n{}", all_to(upstream.url()))).await;
    let wary = start(&all_to(upstream.url())).await;

    trusting.connect().await.ask("GET", "/", &given).await;
    let sent = upstream.received(0).await.header("traceparent").unwrap();
    let parts: Vec<_> = sent.split('-').collect();
    assert_eq!((parts[0], parts[1], parts[3]), ("00", trace, "01"));
    assert_ne!(parts[2], span);
    let line = trusting.access_line(|_| true).await;
    assert_eq!((line["trace_id"].as_str(), line["span_id"].as_str()), (Some(trace), Some(parts[2])));

    wary.connect().await.ask("GET", "/", &given).await;
    let sent = upstream.received(1).await.header("traceparent").unwrap();
    let parts: Vec<_> = sent.split('-').collect();
    assert_ne!(parts[1], trace);
    assert_eq!((parts[1].len(), parts[2].len()), (32, 16));
    let line = wary.access_line(|_| true).await;
    assert_eq!((line["trace_id"].as_str(), line["span_id"].as_str()), (Some(parts[1]), Some(parts[2])));
}

#[tokio::test]
async fn the_host_is_the_upstreams_unless_the_clients_is_preserved() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = start(&format!(
        "routes:\n  - {{id: kept, predicates: [path: /kept], filters: [preserve-host-header], upstream: '{0}'}}\n  - {{id: own, upstream: '{0}'}}\n",
        upstream.url()
    ))
    .await;
    let mut client = gateway.connect().await;
    client.get("/own").await;
    client.get("/kept").await;
    assert_eq!(upstream.received(0).await.header("host"), Some(format!("127.0.0.1:{}", upstream.port())));
    assert_eq!(upstream.received(1).await.header("host").as_deref(), Some("gateway.test"));
}

#[tokio::test]
async fn bodies_keep_their_bytes_in_every_framing() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = start(&all_to(upstream.url())).await;
    let mut client = gateway.connect().await;
    client.post("/", "with a length").await;
    let request = upstream.received(0).await;
    assert_eq!((request.text().as_str(), request.header("content-length").as_deref()), ("with a length", Some("13")));

    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nin ch\r\n4\r\nunks\r\n0\r\n\r\n")
        .await;
    assert_eq!(client.answer().await.status(), 200);
    let request = upstream.received(1).await;
    assert_eq!((request.text().as_str(), request.header("content-length")), ("in chunks", None));

    client.post("/", "").await;
    let request = upstream.received(2).await;
    assert_eq!((request.text().as_str(), request.header("content-length").as_deref()), ("", Some("0")));

    client.get("/").await;
    let request = upstream.received(3).await;
    assert_eq!((request.header("content-length"), request.header("transfer-encoding")), (None, None));
}

#[tokio::test]
async fn answers_keep_their_bytes_in_every_framing() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nhello",
        "HTTP/1.0 200 OK\r\n\r\nhello",
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ] {
        let upstream = Script::saying(answer).await;
        let gateway = start(&all_to(&upstream.url())).await;
        let received = gateway.get("/").await;
        assert_eq!((received.status(), received.text().as_str()), (200, "hello"), "{answer:?}");
        assert_eq!(received.header("link"), None);
    }
}

#[tokio::test]
async fn answers_without_a_body_have_none_and_keep_the_connection() {
    let upstream = Script::play(|mut connection, _| async move {
        while let Ok(request) = connection.request().await {
            let answer = match (request.method(), request.target()) {
                ("HEAD", _) => "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n",
                (_, "/204") => "HTTP/1.1 204 No Content\r\n\r\n",
                (_, "/304") => "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n",
                _ => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            };
            connection.send(answer).await;
        }
    })
    .await;
    let gateway = start(&all_to(&upstream.url())).await;
    let mut client = gateway.connect().await;
    let head = client.ask("HEAD", "/", "").await;
    assert_eq!((head.status(), head.header("content-length").as_deref()), (200, Some("1234")));
    let none = client.get("/204").await;
    assert_eq!((none.status(), none.header("content-length")), (204, None));
    let same = client.get("/304").await;
    assert_eq!((same.status(), same.header("etag").as_deref()), (304, Some("\"a\"")));
    assert_eq!(client.get("/").await.text(), "ok");
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn every_spelling_of_a_path_is_matched_and_forwarded_as_one() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway =
        start(&format!("routes: [{{id: a, predicates: [path: /a/b], upstream: '{}'}}]\n", upstream.url())).await;
    let mut client = gateway.connect().await;
    for target in ["/a/b?q=%61", "/a/./b?q=%61", "/x/../a//b?q=%61", "/%61/%62?q=%61", "http://gateway.test/a/b?q=%61"]
    {
        assert_eq!(client.get(target).await.status(), 200, "{target}");
    }
    for number in 0..upstream.requests() {
        assert_eq!(upstream.received(number).await.target(), "/a/b?q=%61");
    }
    assert_eq!(upstream.requests(), 5);
}

#[tokio::test]
async fn requests_that_could_be_read_in_two_ways_are_refused() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = start(&all_to(upstream.url())).await;
    for request in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n",
        "GET http://user@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
    ] {
        let mut client = gateway.connect().await;
        client.send(request).await;
        let answer = client.answer().await;
        assert_eq!(answer.status(), 400, "{request:?}: {answer:?}");
        assert_eq!(answer.json()["type"], "urn:gwanmun:fault:malformed-request");
    }
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn limits_of_a_request_are_kept() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = start(&format!("limits: {{uri-bytes: 64B, body-bytes: 16B}}\n{}", all_to(upstream.url()))).await;
    let mut client = gateway.connect().await;
    let long = client.get(&format!("/{}", "a".repeat(64))).await;
    assert_eq!((long.status(), &long.json()["type"]), (414, &"urn:gwanmun:fault:uri-too-long".into()));
    assert_eq!(gateway.get(&format!("/{}", "a".repeat(63))).await.status(), 200);

    let large = gateway.connect().await.post("/", [b'a'; 17]).await;
    assert_eq!((large.status(), &large.json()["type"]), (413, &"urn:gwanmun:fault:body-too-large".into()));
    assert_eq!(gateway.connect().await.post("/", [b'a'; 16]).await.status(), 200);

    let mut client = gateway.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\na\r\n0123456789\r\n")
        .await;
    let large = client.answer().await;
    assert_eq!((large.status(), &large.json()["type"]), (413, &"urn:gwanmun:fault:body-too-large".into()));
    assert_eq!(upstream.requests(), 2);
}

#[tokio::test]
async fn unix_sockets_serve_on_both_sides() {
    let setup = setup();
    let (door, back) = (setup.folder().join("door.sock"), setup.folder().join("back.sock"));
    let upstream = Upstream::recording(Speaks::Unix(back)).await;
    let gateway = setup
        .start(&format!("listeners: [{{name: local, address: 'unix:{}'}}]\n{}", door.display(), all_to(upstream.url())))
        .await;
    let mut client = Connection::unix(&door).await;
    assert_eq!(client.get("/a").await.text(), "request 0");
    assert_eq!(client.get("/b").await.text(), "request 1");
    assert_eq!(upstream.received(1).await.target(), "/b");
    assert_eq!(upstream.connections(), 1);
    assert_eq!(gateway.access_line(|line| line["path"] == "/b").await["listener"], "local");
}

#[tokio::test]
async fn endpoints_take_turns_by_weight_and_a_dead_one_costs_no_request() {
    let (one, three) = (Upstream::recording(Speaks::Http1).await, Upstream::recording(Speaks::Http1).await);
    let dead = Script::absent().await;
    let gateway = start(&format!(
        "workers: 1\nupstreams:\n  service: {{endpoints: ['{}', {{url: '{}', weight: 3}}, 'http://{dead}']}}\nroutes: [{{id: all, upstream: service}}]\n",
        one.url(),
        three.url()
    ))
    .await;
    let mut client = gateway.connect().await;
    for _ in 0..20 {
        assert_eq!(client.get("/").await.status(), 200);
    }
    assert_eq!(one.requests() + three.requests(), 20);
    assert!(
        one.requests() >= 4 && three.requests() >= 2 * one.requests() - 1,
        "{} and {}",
        one.requests(),
        three.requests()
    );
}

#[tokio::test]
async fn a_name_is_resolved_and_every_address_of_it_may_be_an_endpoint() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    for scheme in ["http", "dns+http"] {
        let gateway =
            start(&all_to_service(&format!("{scheme}://localhost:{}", upstream.port()), "keep-alive: 1s")).await;
        assert_eq!(gateway.get("/").await.status(), 200, "{scheme}");
    }
}

#[tokio::test]
async fn a_filter_may_send_a_request_somewhere_else() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = start(&format!(
        "routes:\n  - {{id: elsewhere, filters: [set-request-uri: '{}/elsewhere?a=b'], upstream: 'http://{}'}}\n",
        upstream.url(),
        Script::absent().await
    ))
    .await;
    let mut client = gateway.connect().await;
    assert_eq!(client.get("/").await.status(), 200);
    assert_eq!(client.get("/").await.status(), 200);
    assert_eq!(upstream.received(1).await.target(), "/elsewhere?a=b");
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn one_listener_is_told_from_another() {
    let gateway = start(
        r"
listeners: [{name: inside, address: 127.0.0.1:0}, {name: outside, address: 127.0.0.1:0}]
routes: [{id: inside, predicates: [listener: [inside]], filters: [respond: {body: hello}]}]
",
    )
    .await;
    assert_eq!(Connection::tcp(gateway.address("inside")).await.get("/").await.text(), "hello");
    assert_eq!(Connection::tcp(gateway.address("outside")).await.get("/").await.status(), 404);
}
