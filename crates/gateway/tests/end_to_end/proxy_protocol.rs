//! Behind a balancer that says in a PROXY header who the client is: who is believed, what is served, what is closed.

use std::process::{Child, Command};

use gwanmun_testkit::{Authority, Connection, Gateway, Http2, Message, Script, Speaks, Upstream, eventually};

use crate::{all_to, setup};

const V1: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.9 56324 443\r\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x09\xdc\x04\x01\xbb";
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
const UNKNOWN: &[u8] = b"PROXY UNKNOWN\r\n";
const REFUSED: &str = r#"gwanmun_connections_refused_total{listener="web",reason="proxy-protocol"}"#;
/// What a client says in the hope to be believed.
const FORGED: &[u8] = b"GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n";

/// A gateway with the listener `web` behind a balancer, and `settings` besides.
async fn behind_a_balancer(settings: &str, upstream: &Upstream) -> Gateway {
    let web = "listeners: [{name: web, address: 127.0.0.1:0, proxy-protocol: true}]\n";
    setup().start(&format!("{web}{settings}{}", all_to(upstream.url()))).await
}

/// What the upstream is told about the client behind `header`.
async fn forwarded(header: &[u8], gateway: &Gateway, upstream: &Upstream) -> Option<String> {
    let mut client = gateway.connect().await;
    client.send([header, FORGED].concat()).await;
    assert_eq!(client.answer().await.status(), 200);
    upstream.received(upstream.requests() - 1).await.header("x-forwarded-for")
}

fn text(header: &str) -> Option<String> {
    Some(header.to_owned())
}

async fn refused(gateway: &Gateway, connections: f64) {
    eventually("refused connections to be counted", async || {
        (gateway.metric(REFUSED).await? == connections).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_client_is_whom_the_header_names() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = behind_a_balancer("", &upstream).await;
    let named = |request: Message| {
        assert_eq!(request.header("x-forwarded-for").as_deref(), Some("192.0.2.1"));
        assert_eq!(request.header("x-forwarded-port").as_deref(), Some("443"), "where the client connected to");
    };
    for (header, number) in [(V1, 0), (V2, 2)] {
        let mut client = gateway.connect().await;
        client.send([header, FORGED].concat()).await;
        assert_eq!(client.answer().await.status(), 200);
        named(upstream.received(number).await);
        assert_eq!(client.get("/again").await.status(), 200, "a header is for a connection, not for a request");
        named(upstream.received(number + 1).await);
    }
    let mut client = Http2::tcp_behind(V2, gateway.web()).await;
    assert_eq!(client.get("/http2").await.status(), 200);
    named(upstream.received(4).await);
    let line = gateway.access_line(|line| line["path"] == "/http2").await;
    assert_eq!((&line["client"], &line["protocol"]), (&"192.0.2.1".into(), &"HTTP/2".into()));
}

#[tokio::test]
async fn a_header_stands_before_tls() {
    let (authority, upstream) = (Authority::new(), Upstream::recording(Speaks::Http1).await);
    let edge = authority.issue(&["a.test"]);
    let gateway = setup()
        .with_file("edge.pem", edge.pem())
        .with_file("edge.key", edge.key())
        .start(&format!(
            "listeners: [{{name: web, address: 127.0.0.1:0, proxy-protocol: true, tls: {{certificates: [{{certificate: \
             edge.pem, key: edge.key}}]}}}}]\n{}",
            all_to(upstream.url())
        ))
        .await;
    for (number, header) in [V1, V2].into_iter().enumerate() {
        let mut client =
            Connection::tls_behind(header, gateway.web(), "a.test", &authority, &["http/1.1"]).await.unwrap();
        assert_eq!(client.get("/").await.status(), 200);
        let mut client = Http2::tls_behind(header, gateway.web(), "a.test", &authority).await;
        assert_eq!(client.get("/").await.status(), 200);
        for request in [2 * number, 2 * number + 1] {
            let request = upstream.received(request).await;
            assert_eq!(request.header("x-forwarded-for").as_deref(), Some("192.0.2.1"));
            assert_eq!(request.header("x-forwarded-proto").as_deref(), Some("https"));
        }
    }
    let without = Connection::tls(gateway.web(), "a.test", &authority, &[]).await;
    assert!(without.is_err(), "a handshake is no header");
}

#[tokio::test]
async fn a_header_that_comes_in_pieces_is_put_together() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = behind_a_balancer("", &upstream).await;
    for header in [V1, V2] {
        let mut client = gateway.connect().await;
        for byte in [header, FORGED].concat() {
            client.send([byte]).await;
        }
        assert_eq!(client.answer().await.status(), 200);
    }
}

#[tokio::test]
async fn the_named_address_is_the_one_that_is_looked_at() {
    let web = "listeners: [{name: web, address: 127.0.0.1:0, proxy-protocol: true}]\n";
    let routes = "routes: [{id: a, predicates: [remote-addr: 192.0.2.0/24], filters: [respond: {body: a}]}]\n";
    let gateway = setup().start(&format!("{web}{routes}")).await;
    for (header, status) in [(V2, 200), (LOCAL, 404), (UNKNOWN, 404)] {
        let mut client = gateway.connect().await;
        client.send([header, FORGED].concat()).await;
        assert_eq!(client.answer().await.status(), status, "{header:?}");
    }
}

#[tokio::test]
async fn a_client_is_not_believed_because_its_balancer_is_trusted() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = behind_a_balancer("trusted-proxies: [127.0.0.1, 'unix:']\n", &upstream).await;
    assert_eq!(forwarded(V1, &gateway, &upstream).await, text("192.0.2.1"));
    assert_eq!(forwarded(UNKNOWN, &gateway, &upstream).await, text("unknown"), "nobody is no unix socket either");
    assert_eq!(forwarded(LOCAL, &gateway, &upstream).await, text("6.6.6.6, 127.0.0.1"), "the balancer's own word");
}

#[tokio::test]
async fn a_trusted_proxy_in_front_of_the_balancer_is_believed() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = behind_a_balancer("trusted-proxies: [127.0.0.1, 192.0.2.0/24]\n", &upstream).await;
    assert_eq!(forwarded(V2, &gateway, &upstream).await, text("6.6.6.6, 192.0.2.1"));
    assert_eq!(gateway.access_line(|_| true).await["client"], "6.6.6.6");
}

#[tokio::test]
async fn who_sends_no_header_or_a_wrong_one_is_closed_without_an_answer() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = behind_a_balancer("limits: {header-timeout: 300ms}\n", &upstream).await;
    let wrong: [&[u8]; 5] = [
        FORGED,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.9 56324 443\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x09\xdc\x04\x01\xbb",
        b"PROXY TCP4 192.0.2.1",
    ];
    for bytes in wrong {
        let mut client = gateway.connect().await;
        client.send(bytes).await;
        client.closed().await;
    }
    refused(&gateway, 5.0).await;
    let mut silent = gateway.connect().await;
    silent.closed().await;
    refused(&gateway, 6.0).await;
    let line = gateway.event("proxy-protocol-refused").await;
    assert_eq!((&line["listener"], &line["sender"]), (&"web".into(), &"127.0.0.1".into()));
    assert_eq!(upstream.requests(), 0);

    drop(gateway.connect().await);
    assert_eq!(forwarded(V1, &gateway, &upstream).await, text("192.0.2.1"));
    refused(&gateway, 6.0).await;
}

#[tokio::test]
async fn only_trusted_peers_may_send_a_header() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = behind_a_balancer("trusted-proxies: [10.0.0.5]\n", &upstream).await;
    for header in [V1, V2, LOCAL] {
        let mut client = gateway.connect().await;
        client.send([header, FORGED].concat()).await;
        client.closed().await;
    }
    refused(&gateway, 3.0).await;
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn a_balancer_on_the_same_machine_may_come_over_a_unix_socket() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let setup = setup();
    let door = setup.folder().join("door.sock");
    let gateway = setup
        .start(&format!(
            "listeners: [{{name: web, address: 'unix:{}', proxy-protocol: true}}]\n{}",
            door.display(),
            all_to(upstream.url())
        ))
        .await;
    let mut client = Connection::unix(&door).await;
    client.send([V2, FORGED].concat()).await;
    assert_eq!(client.answer().await.status(), 200);
    assert_eq!(upstream.received(0).await.header("x-forwarded-for"), text("192.0.2.1"));
    let mut client = Connection::unix(&door).await;
    client.send(FORGED).await;
    client.closed().await;
    refused(&gateway, 1.0).await;
}

#[tokio::test]
async fn without_the_setting_a_header_is_a_malformed_request() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = setup().start(&all_to(upstream.url())).await;
    for header in [V1, V2] {
        let mut client = gateway.connect().await;
        client.send([header, FORGED].concat()).await;
        assert_eq!(client.answer().await.status(), 400);
    }
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn curl_says_who_it_is() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = behind_a_balancer("", &upstream).await;
    let url = format!("http://{}/", gateway.web());
    let asked = tokio::task::spawn_blocking(move || {
        Command::new("curl")
            .args(["--silent", "--fail", "--noproxy", "*", "--haproxy-protocol", &url])
            .output()
            .unwrap()
    });
    assert_eq!(asked.await.unwrap().stdout, b"request 0");
    assert_eq!(upstream.received(0).await.header("x-forwarded-for"), text("127.0.0.1"));
}

/// A balancer that ends with the test.
struct Haproxy(Child);

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
#[ignore = "needs haproxy: cargo xtask test --full"]
async fn haproxy_says_who_the_client_is_in_both_versions() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = behind_a_balancer("trusted-proxies: [127.0.0.1]\n", &upstream).await;
    let web = gateway.web();
    let version1 = Script::absent().await;
    let version2 = Script::absent().await;
    let checksum = Script::absent().await;
    let file = gateway.folder().join("haproxy.cfg");
    let configuration = format!(
        "defaults
  mode tcp
  timeout connect 5s
  timeout client 5s
  timeout server 5s
listen version1
  bind {version1}
  server gateway {web} send-proxy check inter 100ms
listen version2
  bind {version2}
  server gateway {web} send-proxy-v2 check inter 100ms
listen checksum
  bind {checksum}
  server gateway {web} send-proxy-v2 proxy-v2-options crc32c,unique-id,authority
  unique-id-format %ci:%cp
"
    );
    std::fs::write(&file, configuration).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "haproxy", "-db", "-q", "-f"]).arg(&file);
    let _haproxy = Haproxy(command.spawn().expect("haproxy is installed"));
    for (number, address) in [version1, version2, checksum].into_iter().enumerate() {
        eventually("haproxy to listen", async || tokio::net::TcpStream::connect(address).await.ok()).await;
        let mut client = Connection::tcp(address).await;
        assert_eq!(client.get("/").await.text(), format!("request {number}"));
        let request = upstream.received(number).await;
        assert_eq!(request.header("x-forwarded-for"), text("127.0.0.1"), "{number}");
        assert_eq!(request.header("x-forwarded-port"), Some(address.port().to_string()), "where the client connected");
    }
    // Its health checks, and our probes, which say nothing.
    assert_eq!(gateway.metric(REFUSED).await, Some(0.0));
}
