//! Upgrades: after `101` both sides speak as they like, and everything that is no `101` is an answer like any other.

use gwanmun_testkit::{Connection, Script, patiently};

use crate::{all_to, start};

/// The handshake of RFC 6455 section 1.3.
const HANDSHAKE: &str = "GET /chat HTTP/1.1\r\nHost: gateway.test\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
/// A client's masked `Hello` (RFC 6455 section 5.7), and the server's.
const MASKED: &[u8] = &[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
const PLAIN: &[u8] = &[0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];

/// A WebSocket server that answers every `Hello` with one.
async fn server() -> Script {
    Script::play(|mut connection, _| async move {
        let request = connection.head().await.unwrap();
        assert_eq!(request.header("upgrade").as_deref(), Some("websocket"));
        assert_eq!(request.header("connection").as_deref(), Some("upgrade"));
        assert_eq!(request.header("sec-websocket-key").as_deref(), Some("dGhlIHNhbXBsZSBub25jZQ=="));
        connection.send(ACCEPTED).await;
        while connection.exactly(MASKED.len()).await.is_ok_and(|frame| frame == MASKED) {
            connection.send(PLAIN).await;
        }
    })
    .await
}

async fn shaken(client: &mut Connection) {
    let answer = client.answer().await;
    assert_eq!(answer.status(), 101);
    assert_eq!(answer.header("upgrade").as_deref(), Some("websocket"));
    assert!(answer.header("connection").unwrap().eq_ignore_ascii_case("upgrade"));
    assert_eq!(answer.header("sec-websocket-accept").as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
}

#[tokio::test]
async fn frames_pass_in_both_directions_after_the_handshake() {
    let upstream = server().await;
    let gateway = start(&all_to(&upstream.url())).await;
    let mut client = gateway.connect().await;
    client.send(HANDSHAKE).await;
    shaken(&mut client).await;
    for _ in 0..3 {
        client.send(MASKED).await;
        assert_eq!(patiently("a frame", client.exactly(PLAIN.len())).await.unwrap(), PLAIN);
    }
    client.send("ends it....").await;
    client.closed().await;
    drop(client);
    let line = gateway.access_line(|_| true).await;
    assert_eq!(
        (&line["status"], &line["path"], &line["fault"]),
        (&101.into(), &"/chat".into(), &serde_json::Value::Null)
    );
    assert_eq!((&line["bytes_in"], &line["bytes_out"]), (&(4 * MASKED.len()).into(), &(3 * PLAIN.len()).into()));
}

#[tokio::test]
async fn bytes_right_behind_the_handshake_arrive_after_it() {
    let upstream = Script::play(|mut connection, _| async move {
        connection.head().await.unwrap();
        connection.send([ACCEPTED.as_bytes(), PLAIN].concat()).await;
        assert_eq!(connection.exactly(MASKED.len()).await.unwrap(), MASKED);
        connection.send(PLAIN).await;
    })
    .await;
    let gateway = start(&all_to(&upstream.url())).await;
    let mut client = gateway.connect().await;
    client.send([HANDSHAKE.as_bytes(), MASKED].concat()).await;
    shaken(&mut client).await;
    assert_eq!(patiently("the server's own frame", client.exactly(PLAIN.len())).await.unwrap(), PLAIN);
    assert_eq!(patiently("its answer", client.exactly(PLAIN.len())).await.unwrap(), PLAIN);
    client.closed().await;
}

#[tokio::test]
async fn bytes_behind_a_handshake_that_is_turned_down_never_reach_the_upstream() {
    let upstream = Script::play(|mut connection, _| async move {
        connection.head().await.unwrap();
        connection.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await;
        let more = connection.rest().await.unwrap_or_default();
        assert!(!more.windows(3).any(|bytes| bytes == &MASKED[..3]), "{more:?}");
    })
    .await;
    let gateway = start(&all_to(&upstream.url())).await;
    let mut client = gateway.connect().await;
    client.send([HANDSHAKE.as_bytes(), MASKED].concat()).await;
    let answer = client.answer().await;
    assert_eq!((answer.status(), answer.text().as_str()), (403, "no"));
    let rest = patiently("the end", client.rest()).await.unwrap_or_default();
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 400 "), "{rest:?}");
}

#[tokio::test]
async fn an_answer_that_is_no_upgrade_passes_as_it_is_and_the_connection_goes_on() {
    let upstream = Script::play(|mut connection, _| async move {
        while let Ok(request) = connection.request().await {
            let status = if request.header("upgrade").is_some() { "426 Upgrade Required" } else { "200 OK" };
            connection.send(format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok")).await;
        }
    })
    .await;
    let gateway = start(&all_to(&upstream.url())).await;
    let mut client = gateway.connect().await;
    client.send(HANDSHAKE).await;
    assert_eq!(client.answer().await.status(), 426);
    assert_eq!(client.get("/").await.status(), 200);
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn an_upgrade_nobody_asked_for_is_a_malformed_answer() {
    let upstream = Script::saying(ACCEPTED).await;
    let gateway = start(&all_to(&upstream.url())).await;
    for fields in ["", "Upgrade: websocket\r\n", "Upgrade: h2c\r\nConnection: upgrade, http2-settings\r\n"] {
        let answer = gateway.connect().await.ask("GET", "/", fields).await;
        assert_eq!(
            (answer.status(), &answer.json()["type"]),
            (502, &"urn:gwanmun:fault:upstream-malformed".into()),
            "{fields}"
        );
    }
}

#[tokio::test]
async fn one_side_may_end_before_the_other() {
    let upstream = Script::play(|mut connection, _| async move {
        connection.head().await.unwrap();
        connection.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: count\r\nConnection: upgrade\r\n\r\n").await;
        let all = connection.rest().await.unwrap();
        connection.send(format!("{} bytes", all.len())).await;
    })
    .await;
    let gateway = start(&all_to(&upstream.url())).await;
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: count\r\nConnection: upgrade\r\n\r\n").await;
    assert_eq!(client.answer().await.status(), 101);
    client.send("hello").await;
    client.finish().await;
    assert_eq!(patiently("the count", client.rest()).await.unwrap(), "5 bytes");
}

#[tokio::test]
async fn a_silent_upgraded_connection_is_closed_in_the_end() {
    let upstream = server().await;
    let gateway = start(&format!("limits: {{upgrade-idle-timeout: 200ms}}\n{}", all_to(&upstream.url()))).await;
    let mut client = gateway.connect().await;
    client.send(HANDSHAKE).await;
    shaken(&mut client).await;
    client.closed().await;
    gateway.access_line(|line| line["status"] == 101).await;
}

#[tokio::test]
async fn a_tunnel_counts_as_a_connection() {
    let upstream = server().await;
    let gateway = start(&format!("limits: {{connections: 1}}\n{}", all_to(&upstream.url()))).await;
    let mut client = gateway.connect().await;
    client.send(HANDSHAKE).await;
    shaken(&mut client).await;
    client.send(MASKED).await;
    assert_eq!(patiently("a frame", client.exactly(PLAIN.len())).await.unwrap(), PLAIN);
    let mut second = gateway.connect().await;
    assert_eq!(second.answer().await.status(), 503, "there is no place");
}
