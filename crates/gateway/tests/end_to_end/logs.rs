//! The application log: how much it tells, what it hides, and where it goes.

use std::collections::HashSet;

use gwanmun_testkit::{Connection, Gateway, Message, Rsyslog, Speaks, Upstream, eventually};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::{all_to, start};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const MANAGEMENT: &str =
    "management: {address: 127.0.0.1:0, probes: 127.0.0.1:0, token: 0123456789abcdef0123456789abcdef}\n";

/// Asks the port called `listener` to change something.
async fn post(gateway: &Gateway, listener: &str, path: &str, authorization: &str, body: &str) -> Message {
    let mut client = Connection::tcp(gateway.address(listener)).await;
    let length = body.len();
    client
        .send(format!("POST {path} HTTP/1.1\r\nHost: a\r\n{authorization}Content-Length: {length}\r\n\r\n{body}"))
        .await;
    client.answer().await
}

async fn level_of(gateway: &Gateway, logger: &str) -> Value {
    gateway.page(&format!("/loggers/{logger}")).await.json()["effectiveLevel"].clone()
}

/// A gateway in front of nobody: every request is a line of the application log.
fn failing(telemetry: &str) -> String {
    format!("{}telemetry: {{logs: {{{telemetry}}}}}\n", all_to("http://127.0.0.1:1"))
}

/// One counted frame of RFC 6587.
async fn frame(stream: &mut TcpStream) -> String {
    let mut length = 0;
    loop {
        match stream.read_u8().await.unwrap() {
            b' ' => break,
            digit => length = length * 10 + usize::from(digit - b'0'),
        }
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message).await.unwrap();
    String::from_utf8(message).unwrap()
}

#[tokio::test]
async fn who_carries_the_token_changes_how_much_is_told_until_the_next_reload() {
    let configuration = format!(
        "{MANAGEMENT}telemetry: {{logs: {{levels: {{gwanmun_proxy: warn}}}}}}\n{}",
        all_to("http://127.0.0.1:1")
    );
    let gateway = start(&configuration).await;
    let page = gateway.page("/loggers").await.json();
    assert_eq!(page["levels"], json!(["OFF", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"]));
    assert_eq!(page["loggers"]["ROOT"], json!({"configuredLevel": "INFO", "effectiveLevel": "INFO"}));
    assert_eq!(page["loggers"]["gwanmun_proxy"], json!({"configuredLevel": "WARN", "effectiveLevel": "WARN"}));

    let authorization = format!("Authorization: Bearer {TOKEN}\r\n");
    let body = r#"{"configuredLevel":"DEBUG"}"#;
    let changed = post(&gateway, "management", "/loggers/gwanmun_proxy", &authorization, body).await;
    assert_eq!((changed.status(), changed.text()), (204, String::new()));
    assert_eq!(level_of(&gateway, "gwanmun_proxy").await, "DEBUG");
    let told = gateway.event("log-level-changed").await;
    assert_eq!((&told["logger"], &told["becomes"]), (&json!("gwanmun_proxy"), &json!("DEBUG")));

    gateway.reconfigure(&format!("{configuration}drain: {{timeout: 1s}}\n")).await;
    assert_eq!(level_of(&gateway, "gwanmun_proxy").await, "WARN");
    assert!(!gateway.page("/config").await.text().contains(TOKEN));
}

#[tokio::test]
async fn nobody_else_changes_anything() {
    let gateway = start(MANAGEMENT).await;
    let body = r#"{"configuredLevel":"TRACE"}"#;
    let good = format!("Authorization: Bearer {TOKEN}\r\n");
    for authorization in ["", "Authorization: Bearer x\r\n", "Authorization: Basic x\r\n", &good.repeat(2)] {
        let answer = post(&gateway, "management", "/loggers/ROOT", authorization, body).await;
        assert_eq!(answer.status(), 401, "{authorization}");
        assert_eq!(answer.header("www-authenticate").as_deref(), Some("Bearer realm=\"management\""));
    }
    let status = async |listener, path, body: &str| post(&gateway, listener, path, &good, body).await.status();
    assert_eq!(status("management", "/loggers/ROOT", &" ".repeat(5000)).await, 413);
    assert_eq!(status("management", "/loggers/ROOT", "nonsense").await, 400);
    assert_eq!(status("management", "/loggers", body).await, 405);
    assert_eq!(status("management", "/config", body).await, 405);
    assert_eq!(status("probes", "/loggers/ROOT", body).await, 405);
    assert_eq!(level_of(&gateway, "ROOT").await, "INFO");
}

#[tokio::test]
async fn without_a_token_levels_are_only_shown() {
    let gateway = start("").await;
    let answer = post(&gateway, "management", "/loggers/ROOT", "Authorization: Bearer \r\n", "{}").await;
    assert_eq!(answer.status(), 403);
    assert_eq!(level_of(&gateway, "ROOT").await, "INFO");
}

#[tokio::test]
async fn lines_go_to_a_file_and_to_a_syslog_receiver_with_their_trace() {
    let receiver = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let syslog = receiver.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.log");
    let gateway = start(&failing(&format!("file: '{}', syslog: 'tcp://{syslog}'", file.display()))).await;
    let (mut stream, _) = receiver.accept().await.unwrap();
    let trace = gateway.get("/").await.json()["trace_id"].as_str().unwrap().to_owned();
    let fault = loop {
        let frame = frame(&mut stream).await;
        if frame.contains(" fault ") {
            break frame;
        }
    };
    let told = gateway.event("fault").await;
    let (header, line) = fault.split_once('\u{feff}').unwrap();
    assert_eq!(serde_json::from_str::<Value>(line).unwrap(), told);
    assert_eq!((&told["trace_id"], told["span_id"].as_str().map(str::len)), (&json!(trace), Some(16)));
    assert!(header.starts_with("<132>1 ") && header.contains(" gwanmun "), "{header}");
    let data = format!(" fault [gwanmun@32473 trace_id=\"{trace}\" span_id={}] ", told["span_id"]);
    assert!(header.ends_with(&data), "{header}");
    let in_file = || std::fs::read_to_string(&file).unwrap();
    eventually("the line in the file", async || in_file().contains(&trace).then_some(())).await;

    // Rotated away, and then the configuration names it no more.
    std::fs::rename(&file, folder.path().join("gateway.log.1")).unwrap();
    let trace = gateway.get("/").await.json()["trace_id"].as_str().unwrap().to_owned();
    eventually("another file", async || std::fs::read_to_string(&file).ok()?.contains(&trace).then_some(())).await;
    gateway.reconfigure(&failing("facility: 1")).await;
    let before = gateway.count("fault");
    gateway.get("/").await;
    eventually("the line", async || (gateway.count("fault") > before).then_some(())).await;
    assert_eq!(in_file().matches("\"event\":\"fault\"").count(), 1);
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_told_at_the_start() {
    let refusal = crate::setup().try_start(&failing("file: /nowhere/at/all.log")).await.err().unwrap();
    assert_eq!(refusal.code, 3);
    assert!(refusal.text.contains("telemetry.logs"), "{}", refusal.text);
}

#[tokio::test]
#[ignore = "slow: needs rsyslogd: cargo xtask test --full"]
async fn rsyslog_understands_every_line_and_costs_no_request_when_it_dies_or_stalls() {
    let mut rsyslog = Rsyslog::start().await;
    let upstream = Upstream::recording(Speaks::Http1).await;
    let configuration = format!(
        "upstreams: {{dead: {{endpoints: ['http://127.0.0.1:1']}}}}\n\
         routes: [{{id: dead, predicates: [path: /dead], upstream: dead}}, {{id: all, upstream: '{}'}}]\n\
         telemetry: {{logs: {{syslog: '{}', facility: 17}}}}\n",
        upstream.url(),
        rsyslog.url()
    );
    let gateway = start(&configuration).await;
    // Every one of these is a line, and a good request in between is answered at once.
    let requests = async |count: usize| {
        let mut client = gateway.connect().await;
        let mut traces = Vec::new();
        for _ in 0..count {
            assert_eq!(client.get("/good").await.status(), 200);
            traces.push(client.get("/dead").await.json()["trace_id"].as_str().unwrap().to_owned());
        }
        traces
    };
    let arrives = async |rsyslog: &Rsyslog, trace: &str| {
        let is_it = |message: &Value| message["structured-data"].as_str().is_some_and(|data| data.contains(trace));
        rsyslog.message(is_it).await
    };

    let trace = requests(1).await.remove(0);
    let message = arrives(&rsyslog, &trace).await;
    let told = gateway.event("fault").await;
    for (property, wanted) in [
        ("protocol-version", json!("1")),
        ("syslogfacility-text", json!("local1")),
        ("syslogseverity-text", json!("warning")),
        ("app-name", json!("gwanmun")),
        ("msgid", json!("fault")),
        ("timereported", told["time"].clone()),
    ] {
        assert_eq!(message[property], wanted, "{property}");
    }
    let data = format!("[gwanmun@32473 trace_id=\"{trace}\" span_id={}]", told["span_id"]);
    assert_eq!(message["structured-data"], data);
    let line = message["msg"].as_str().unwrap().trim_start_matches('\u{feff}');
    assert_eq!(serde_json::from_str::<Value>(line).unwrap(), told);

    // More than the queue holds.
    rsyslog.kill();
    let missed = requests(1200).await;
    gateway.event("log-receiver-away").await;
    rsyslog.restart().await;
    arrives(&rsyslog, &missed[0]).await;
    gateway.event("log-receiver-back").await;

    rsyslog.pause();
    let waiting = requests(200).await;
    rsyslog.resume();
    arrives(&rsyslog, waiting.last().unwrap()).await;
    let received: HashSet<String> =
        rsyslog.messages().iter().map(|message| message["structured-data"].to_string()).collect();
    let is_lost = |trace: &&String| !received.iter().any(|data| data.contains(&***trace));
    let lost = missed.iter().chain(&waiting).filter(is_lost).count();
    let counted = gateway.metric("gwanmun_log_dropped_total").await.unwrap();
    assert!(counted > 0.0, "1200 lines do not fit");
    // What the kernel had taken for a receiver that was killed is nobody's to count.
    assert!(lost as f64 <= counted + 1.0, "{lost} were lost, {counted} counted");
    assert_eq!(gateway.stop().await, 0);
}
