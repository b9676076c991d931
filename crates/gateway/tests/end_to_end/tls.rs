//! TLS on both sides: who is served with which certificate, what is spoken then, and which upstreams are believed.

use gwanmun_testkit::{Authority, Connection, Gateway, Http2, Identity, Speaks, Upstream};

use crate::{all_to, all_to_service, setup};

/// A gateway with certificates for `a.test`, which serves strangers too, and `*.b.test`.
async fn edge(authority: &Authority, upstream: &Upstream) -> Gateway {
    let (a, b) = (authority.issue(&["a.test"]), authority.issue(&["*.b.test"]));
    setup()
        .with_file("a.pem", a.pem())
        .with_file("a.key", a.key())
        .with_file("b.pem", b.pem())
        .with_file("b.key", b.key())
        .start(&format!(
            r"
listeners:
  - name: edge
    address: 127.0.0.1:0
    tls: {{certificates: [{{certificate: a.pem, key: a.key}}, {{certificate: b.pem, key: b.key}}]}}
{}",
            all_to(upstream.url())
        ))
        .await
}

#[tokio::test]
async fn a_connection_too_many_is_closed_before_a_handshake() {
    let authority = Authority::new();
    let identity = authority.issue(&["a.test"]);
    let gateway = setup()
        .with_file("a.pem", identity.pem())
        .with_file("a.key", identity.key())
        .start(
            "listeners: [{name: edge, address: 127.0.0.1:0, tls: {certificates: [{certificate: a.pem, key: a.key}]}}]\n\
             limits: {connections: 1}\nroutes: [{id: a, filters: [respond: {body: a}]}]\n",
        )
        .await;
    let edge = gateway.address("edge");
    let mut first = Connection::tls(edge, "a.test", &authority, &[]).await.unwrap();
    assert_eq!(first.get("/").await.status(), 200);
    Connection::tcp(edge).await.closed().await;
    assert_eq!(first.get("/").await.status(), 200);
}

#[tokio::test]
async fn a_client_and_the_gateway_agree_on_a_protocol() {
    let (authority, upstream) = (Authority::new(), Upstream::recording(Speaks::Http1).await);
    let gateway = edge(&authority, &upstream).await;
    let edge = gateway.address("edge");
    for alpn in [&["http/1.1"][..], &[]] {
        let mut client = Connection::tls(edge, "a.test", &authority, alpn).await.unwrap();
        assert_eq!(client.get("/http1").await.status(), 200);
    }
    assert_eq!(Http2::tls(edge, "a.test", &authority).await.get("/http2").await.status(), 200);
    assert_eq!(gateway.access_line(|line| line["path"] == "/http1").await["protocol"], "HTTP/1.1");
    assert_eq!(gateway.access_line(|line| line["path"] == "/http2").await["protocol"], "HTTP/2");
    let request = upstream.received(2).await;
    assert_eq!(request.header("x-forwarded-proto").as_deref(), Some("https"));
    assert_eq!(request.header("x-forwarded-port"), Some(edge.port().to_string()));
    assert_eq!(request.header("forwarded").as_deref(), Some("for=127.0.0.1;host=\"a.test\";proto=https"));
}

#[tokio::test]
async fn the_name_a_client_asks_for_chooses_the_certificate() {
    let (authority, upstream) = (Authority::new(), Upstream::recording(Speaks::Http1).await);
    let gateway = edge(&authority, &upstream).await;
    let edge = gateway.address("edge");
    for name in ["a.test", "A.TEST", "x.b.test"] {
        let mut client =
            Connection::tls(edge, name, &authority, &[]).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(client.get("/").await.status(), 200, "{name}");
    }
    for name in ["stranger.test", "x.y.b.test"] {
        let refused =
            Connection::tls(edge, name, &authority, &[]).await.err().expect("the first certificate is not for it");
        assert!(refused.to_string().contains("not valid for name"), "{name}: {refused}");
    }
}

#[tokio::test]
async fn who_does_not_speak_tls_gets_nothing() {
    let (authority, upstream) = (Authority::new(), Upstream::recording(Speaks::Http1).await);
    let gateway = edge(&authority, &upstream).await;
    let mut client = Connection::tcp(gateway.address("edge")).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let said = client.rest().await.unwrap_or_default();
    assert!(!said.starts_with(b"HTTP/"), "{said:?}");
    assert_eq!(upstream.requests(), 0);
}

/// What a gateway that trusts `trusted` answers for an upstream with `identity` that must be called `name`.
async fn asked(
    trusted: &Authority,
    name: &str,
    identity: Identity,
    alpn: &'static [&'static str],
) -> (u16, Upstream, Gateway) {
    let upstream = Upstream::recording(Speaks::Tls(identity, alpn)).await;
    let gateway = setup()
        .with_file("ca.pem", trusted.pem())
        .start(&format!(
            "upstreams: {{service: {{endpoints: ['{}'], tls: {{ca: ca.pem, name: {name}}}}}}}\nroutes: [{{id: all, upstream: service}}]\n",
            upstream.url()
        ))
        .await;
    let mut client = gateway.connect().await;
    let status = client.get("/").await.status();
    assert_eq!(client.post("/", "body").await.status(), status);
    (status, upstream, gateway)
}

#[tokio::test]
async fn a_verified_upstream_is_spoken_to_in_what_it_chooses() {
    let authority = Authority::new();
    for (alpn, version) in [(&["h2", "http/1.1"][..], "HTTP/2.0"), (&["http/1.1"], "HTTP/1.1"), (&[], "HTTP/1.1")] {
        let (status, upstream, _gateway) =
            asked(&authority, "service.test", authority.issue(&["service.test"]), alpn).await;
        assert_eq!(status, 200, "{alpn:?}");
        assert_eq!(upstream.received(0).await.start, format!("GET / {version}"));
        assert_eq!(upstream.received(1).await.text(), "body");
        assert_eq!(upstream.connections(), 1, "{alpn:?}");
    }
}

#[tokio::test]
async fn an_upstream_that_cannot_prove_who_it_is_gets_no_request() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    for (why, identity) in [
        ("unknown-authority", stranger.issue(&["service.test"])),
        ("certificate-mismatch", authority.issue(&["other.test"])),
        ("certificate-expired", authority.issue_expired(&["service.test"])),
    ] {
        let (status, upstream, gateway) = asked(&authority, "service.test", identity, &["h2", "http/1.1"]).await;
        assert_eq!((status, upstream.requests()), (502, 0), "{why}");
        let line = gateway.access_line(|_| true).await;
        assert_eq!((&line["fault"], &line["fault_reason"]), (&"upstream-unreachable".into(), &why.into()));
    }
}

#[tokio::test]
async fn an_endpoint_without_settings_is_verified_by_its_address_against_the_platform() {
    let authority = Authority::new();
    let upstream = Upstream::recording(Speaks::Tls(authority.issue(&["127.0.0.1"]), &[])).await;
    let gateway = setup().start(&all_to(upstream.url())).await;
    assert_eq!(gateway.get("/").await.status(), 502, "nobody on this machine has heard of that authority");
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn large_bodies_pass_over_tls_on_both_sides() {
    let authority = Authority::new();
    let edge = authority.issue(&["a.test"]);
    for alpn in [&["h2"][..], &["http/1.1"]] {
        let upstream = Upstream::echoing(Speaks::Tls(authority.issue(&["127.0.0.1"]), alpn)).await;
        let gateway = setup()
            .with_file("ca.pem", authority.pem())
            .with_file("edge.pem", edge.pem())
            .with_file("edge.key", edge.key())
            .start(&format!(
                "listeners: [{{name: edge, address: 127.0.0.1:0, tls: {{certificates: [{{certificate: edge.pem, key: edge.key}}]}}}}]\n\
                 upstreams: {{service: {{endpoints: ['{}'], tls: {{ca: ca.pem}}}}}}\nroutes: [{{id: all, upstream: service}}]\n",
                upstream.url()
            ))
            .await;
        let body: Vec<u8> = (0..4_000_000_u32).map(|at| (at / 251 + at % 251) as u8).collect();
        let mut client = Http2::tls(gateway.address("edge"), "a.test", &authority).await;
        let request = client.request("POST", "/").body(body.clone().into()).unwrap();
        assert!(client.ask(request).await.body == body, "{alpn:?}");
    }
}

#[tokio::test]
async fn a_client_shows_its_certificate_where_it_is_asked_to() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (edge, friend, foe) = (authority.issue(&["a.test"]), authority.issue(&["friend"]), stranger.issue(&["foe"]));
    for (wanted, without) in [("optional", true), ("required", false)] {
        let gateway = setup()
            .with_file("ca.pem", authority.pem())
            .with_file("edge.pem", edge.pem())
            .with_file("edge.key", edge.key())
            .start(&format!(
                "listeners: [{{name: edge, address: 127.0.0.1:0, tls: {{certificates: [{{certificate: edge.pem, key: edge.key}}], client-ca: ca.pem, client-auth: {wanted}}}}}]\n\
                 routes: [{{id: a, filters: [respond: {{body: a}}]}}]\n"
            ))
            .await;
        let edge = gateway.address("edge");
        let mut known = Connection::tls_as(&friend, edge, "a.test", &authority).await.unwrap();
        assert_eq!(known.get("/").await.text(), "a", "{wanted}");
        for (client, served) in [
            (Connection::tls(edge, "a.test", &authority, &[]).await, without),
            (Connection::tls_as(&foe, edge, "a.test", &authority).await, false),
        ] {
            // TLS 1.3 tells a client that it is refused only after the handshake.
            let mut client = client.unwrap();
            let _ = client.try_send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
            assert_eq!(client.try_answer("GET").await.is_ok(), served, "{wanted}");
        }
    }
}

#[tokio::test]
async fn an_upstream_that_asks_for_a_certificate_gets_ours() {
    let authority = Authority::new();
    let ours = authority.issue(&["gateway"]);
    let identity = || authority.issue(&["127.0.0.1"]).asking_clients(&authority);
    for (settings, status) in [("ca: ca.pem, certificate: gw.pem, key: gw.key", 200), ("ca: ca.pem", 502)] {
        let upstream = Upstream::recording(Speaks::Tls(identity(), &["h2", "http/1.1"])).await;
        let gateway = setup()
            .with_file("ca.pem", authority.pem())
            .with_file("gw.pem", ours.pem())
            .with_file("gw.key", ours.key())
            .start(&all_to_service(upstream.url(), &format!("tls: {{{settings}}}")))
            .await;
        assert_eq!(gateway.get("/").await.status(), status, "{settings}");
        let line = gateway.access_line(|_| true).await;
        // The alert may be lost when the connection is reset behind it.
        let reasons: &[_] =
            if status == 200 { &[None] } else { &[Some("tls-handshake"), Some("http2-connection-lost")] };
        assert!(reasons.contains(&line["fault_reason"].as_str()), "{line}");
        assert_eq!(upstream.requests(), usize::from(status == 200));
    }
}
