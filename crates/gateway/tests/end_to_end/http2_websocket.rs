//! WebSocket over HTTP/2 (RFC 8441): a stream of the client's connection, an HTTP/1.1 upgrade behind.

use std::process::Command;
use std::time::Duration;

use gwanmun_testkit::frames::{Frame, Frames, Outcome, fields, flag, frame, kind};
use gwanmun_testkit::{Connection, Gateway, Script, Speaks, Upstream, eventually, patiently};

use crate::{all_to, start};

/// The extended CONNECT of RFC 8441 section 5.1, with a key that HTTP/2 has no use for.
const CONNECT: [(&str, &str); 8] = [
    (":method", "CONNECT"),
    (":protocol", "websocket"),
    (":scheme", "http"),
    (":path", "/chat?room=1"),
    (":authority", "gateway.test"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-protocol", "chat"),
    ("sec-websocket-key", "forged"),
];

/// RFC 8441 section 3.
const SETTINGS_ENABLE_CONNECT_PROTOCOL: [u8; 6] = [0, 8, 0, 0, 0, 1];

/// Shakes hands as a server does; what it says before its first frame is `early`.
async fn accept(connection: &mut Connection, early: &str) {
    let request = connection.head().await.unwrap();
    assert_eq!(request.start, "GET /chat?room=1 HTTP/1.1");
    for (name, value) in [("upgrade", "websocket"), ("connection", "upgrade"), ("sec-websocket-version", "13")] {
        assert_eq!(request.header(name).as_deref(), Some(value), "{name}");
    }
    let key = request.header("sec-websocket-key").unwrap();
    assert_eq!(key.len(), 24, "{key}");
    let accept = accept_of(&key);
    let head =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: chat";
    connection.send(format!("{head}\r\nSec-WebSocket-Accept: {accept}\r\n\r\n{early}")).await;
}

/// The answer to a key, by a hash that is not the gateway's.
fn accept_of(key: &str) -> String {
    let text =
        format!("printf %s {key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11 | openssl dgst -sha1 -binary | openssl base64");
    let output = Command::new("sh").args(["-c", &text]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Sends back what comes, and at the end how much it was.
async fn echo() -> Script {
    Script::play(|mut connection, _| async move {
        accept(&mut connection, "hello").await;
        let mut total = 0;
        while let Ok(bytes) = connection.exactly(4).await {
            total += bytes.len();
            let _ = connection.try_send(bytes).await;
        }
        let _ = connection.try_send(format!("{total} bytes")).await;
    })
    .await
}

async fn opened(gateway: &Gateway) -> Frames {
    let mut client = Frames::connect(gateway.web()).await;
    let settings = client.next_of(kind::SETTINGS).await.unwrap();
    assert!(settings.payload.chunks(6).any(|setting| setting == SETTINGS_ENABLE_CONNECT_PROTOCOL));
    client.send(frame(kind::HEADERS, flag::END_HEADERS, 1, fields(&CONNECT))).await;
    assert_eq!(client.outcome(1).await, Outcome::Answered(200));
    client
}

/// What comes on the stream next, as text.
async fn said(client: &mut Frames) -> String {
    let frame = client.next_of(kind::DATA).await.unwrap();
    String::from_utf8(frame.payload.to_vec()).unwrap()
}

async fn says(client: &mut Frames, text: &str) {
    client.send(frame(kind::DATA, 0, 1, text)).await;
}

#[tokio::test]
async fn bytes_pass_both_ways_and_one_side_may_end_before_the_other() {
    let upstream = echo().await;
    let gateway = start(&all_to(&upstream.url())).await;
    let mut client = opened(&gateway).await;
    assert_eq!(said(&mut client).await, "hello");
    for text in ["ping", "pong"] {
        says(&mut client, text).await;
        assert_eq!(said(&mut client).await, text);
    }
    assert_eq!(gateway.metric(r#"gwanmun_in_flight{listener="web"}"#).await, Some(1.0));
    client.send(frame(kind::DATA, flag::END_STREAM, 1, "")).await;
    assert_eq!(said(&mut client).await, "8 bytes");
    let Frame { kind, flags, stream, .. } = client.next_of(kind::DATA).await.unwrap();
    assert_eq!((kind, flags & flag::END_STREAM, stream), (kind::DATA, flag::END_STREAM, 1));
    let line = gateway.access_line(|_| true).await;
    assert_eq!(
        (&line["status"], &line["path"], &line["protocol"], &line["fault"]),
        (&200.into(), &"/chat".into(), &"HTTP/2".into(), &serde_json::Value::Null)
    );
    assert_eq!((&line["bytes_in"], &line["bytes_out"]), (&8.into(), &20.into()));
    // The connection goes on.
    client.send(frame(kind::HEADERS, flag::END_HEADERS, 3, fields(&CONNECT))).await;
    assert_eq!(client.outcome(3).await, Outcome::Answered(200));
}

#[tokio::test]
async fn an_answer_that_is_no_upgrade_passes_as_it_is_unless_it_would_be_read_as_one() {
    let answers = [
        ("403 Forbidden\r\n", 403),
        ("426 Upgrade Required\r\n", 426),
        ("302 Found\r\nLocation: /\r\n", 302),
        ("200 OK\r\n", 502),
        ("101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n", 502),
        ("101 Switching Protocols\r\nUpgrade: chat\r\nConnection: upgrade\r\nSec-WebSocket-Accept: x\r\n", 502),
    ];
    for (answer, status) in answers {
        let upstream = Script::saying(format!("HTTP/1.1 {answer}Content-Length: 0\r\n\r\n")).await;
        let gateway = start(&all_to(&upstream.url())).await;
        let mut client = Frames::connect(gateway.web()).await;
        client.send(frame(kind::HEADERS, flag::END_HEADERS, 1, fields(&CONNECT))).await;
        assert_eq!(client.outcome(1).await, Outcome::Answered(status), "{answer}");
        let line = gateway.access_line(|_| true).await;
        assert_eq!(line["status"], status, "{answer}");
        assert_eq!(line["fault"] == "upstream-malformed", status == 502, "{line}");
    }
}

#[tokio::test]
async fn every_other_connect_is_refused() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = start(&all_to(upstream.url())).await;
    let mut other = CONNECT;
    other[1].1 = "connect-udp";
    let plain = [(":method", "CONNECT"), (":authority", "gateway.test:443")];
    for section in [fields(&other), fields(&plain)] {
        let mut client = Frames::connect(gateway.web()).await;
        client.send(frame(kind::HEADERS, flag::END_HEADERS, 1, section)).await;
        assert_eq!(client.outcome(1).await, Outcome::Answered(400));
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a_client_that_goes_away_takes_the_upstreams_connection_with_it() {
    let (end, ended) = tokio::sync::watch::channel(0);
    let upstream = Script::play(move |mut connection, _| {
        let end = end.clone();
        async move {
            accept(&mut connection, "hello").await;
            let _ = connection.rest().await;
            end.send_modify(|ended| *ended += 1);
        }
    })
    .await;
    let gateway = start(&all_to(&upstream.url())).await;
    let mut client = opened(&gateway).await;
    says(&mut client, "ping").await;
    client.send(frame(kind::RST_STREAM, 0, 1, 8_u32.to_be_bytes())).await;
    let mut client = opened(&gateway).await;
    says(&mut client, "ping").await;
    drop(client);
    let both = async || (gateway.access_log().lines().len() == 2).then_some(());
    eventually("the records of both", both).await;
    eventually("the end of both at the upstream", async || (*ended.borrow() == 2).then_some(())).await;
}

#[tokio::test]
async fn a_silent_stream_is_closed_in_the_end() {
    let upstream = echo().await;
    let gateway = start(&format!("limits: {{upgrade-idle-timeout: 200ms}}\n{}", all_to(&upstream.url()))).await;
    let mut client = opened(&gateway).await;
    assert_eq!(said(&mut client).await, "hello");
    let last = patiently("the end of a silent stream", client.next_of(kind::DATA)).await.unwrap();
    assert_eq!((last.flags, last.payload.len()), (flag::END_STREAM, 0));
}

#[tokio::test]
async fn a_stream_lives_on_while_the_gateway_drains() {
    let upstream = echo().await;
    let gateway = start(&format!("limits: {{idle-timeout: 200ms}}\n{}", all_to(&upstream.url()))).await;
    let mut client = opened(&gateway).await;
    assert_eq!(said(&mut client).await, "hello");
    gateway.signal("TERM");
    let goodbye = client.next_of(kind::GOAWAY).await.unwrap();
    assert_eq!(&goodbye.payload[..8], [0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0], "a warning first (RFC 9113 section 6.8)");
    let goodbye = client.next_of(kind::GOAWAY).await.unwrap();
    assert_eq!(&goodbye.payload[..8], [0, 0, 0, 1, 0, 0, 0, 0]);
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        says(&mut client, "ping").await;
        assert_eq!(said(&mut client).await, "ping");
    }
    client.send(frame(kind::DATA, flag::END_STREAM, 1, "")).await;
    assert_eq!(said(&mut client).await, "12 bytes");
    assert_eq!(gateway.ended().await, 0);
}

/// What a browser would do, in Node.
const NODE: &str = r"
const client = require('http2').connect(process.argv[1]);
client.on('remoteSettings', settings => {
  if (!settings.enableConnectProtocol) throw new Error('no extended CONNECT');
  const stream = client.request({
    ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/chat?room=1',
    'sec-websocket-version': '13', 'sec-websocket-protocol': 'chat',
  });
  let all = '';
  stream.on('response', head => { all += head[':status'] + head['sec-websocket-protocol']; stream.write('ping'); });
  stream.on('data', data => { all += data; if (all.endsWith('helloping')) stream.end(); });
  stream.on('end', () => { console.log(all); client.close(); });
});
";

#[tokio::test]
async fn another_client_speaks_it_too() {
    let upstream = echo().await;
    let gateway = start(&all_to(&upstream.url())).await;
    let mut command = Command::new("node");
    command.args(["-e", NODE, &format!("http://{}", gateway.web())]);
    let output = patiently("node", tokio::task::spawn_blocking(move || command.output())).await.unwrap().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "200chathelloping4 bytes", "{complaint}");
}
