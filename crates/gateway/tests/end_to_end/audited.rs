//! The audit log of a gateway at work: every decision has its record before it takes effect, and no end takes one away.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gwanmun_testkit::{Gateway, Issuer, Speaks, Upstream, patiently};
use serde_json::{Value, json};

use crate::{setup, start};

fn guarded(upstream: &Upstream, issuer: &Issuer) -> String {
    let (name, jwks) = (issuer.url(), issuer.endpoint("jwks"));
    format!(
        "audit: {{file: audit.jsonl, sign-every: 50}}\n\
         identity: {{issuers: {{corp: {{issuer: '{name}', jwks: '{jwks}', audiences: [gateway]}}}}}}\n\
         routes: [{{id: orders, filters: [authenticate: {{any: [{{jwt: corp}}]}}], upstream: '{}'}}]\n",
        upstream.url()
    )
}

async fn ask(gateway: &Gateway, target: &str, fields: &str) -> u16 {
    gateway.connect().await.ask("GET", target, fields).await.status()
}

/// The records so far, without heads.
fn records(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("audit.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["event"] != "head").collect()
}

fn verify(folder: &Path) -> Output {
    let file = folder.join("audit.jsonl");
    Command::new(env!("CARGO_BIN_EXE_gwanmun")).args(["audit", "verify"]).arg(file).output().unwrap()
}

#[tokio::test]
async fn who_is_let_in_and_who_is_not_is_recorded_before_it_is_answered() {
    let (upstream, issuer) = (Upstream::recording(Speaks::Http1).await, Issuer::start().await);
    let gateway = start(&guarded(&upstream, &issuer)).await;
    let token = issuer.token(json!({}));
    assert_eq!(ask(&gateway, "/orders/7?secret=1", &format!("Authorization: Bearer {token}\r\n")).await, 200);
    let [allowed] = records(gateway.folder()).try_into().unwrap();
    for (member, value) in [
        ("event", json!("authenticate")),
        ("decision", json!("allow")),
        ("actor", json!("u1")),
        ("credential", json!("jwt:corp")),
        ("client", json!("127.0.0.1")),
        ("action", json!("GET")),
        ("resource", json!("gateway.test/orders/7")),
        ("route", json!("orders")),
    ] {
        assert_eq!(allowed[member], value, "{member} of {allowed}");
    }
    let line = gateway.access_line(|_| true).await;
    assert_eq!(allowed["trace_id"], line["trace_id"]);

    for fields in [
        String::new(),
        format!("Authorization: Bearer {token}\r\nAuthorization: Bearer {token}\r\n"),
        format!("Authorization: Bearer {token}, Bearer {token}\r\n"),
        "Authorization: Basic dXNlcjpwYXNz\r\n".to_owned(),
    ] {
        let before = records(gateway.folder()).len();
        assert_eq!(ask(&gateway, "/orders/8", &fields).await, 401, "{fields}");
        let after = records(gateway.folder());
        assert_eq!(after.len(), before + 1);
        let denied = after.last().unwrap();
        let told = (&denied["event"], &denied["decision"], &denied["fault"], &denied["actor"]);
        assert_eq!(told, (&json!("authenticate"), &json!("deny"), &json!("unauthenticated"), &Value::Null));
        assert!(denied["rule"].is_string(), "{denied}");
    }
    assert_eq!(upstream.requests(), 1);
    let verified = verify(gateway.folder());
    assert!(verified.status.success(), "{verified:?}");
}

#[tokio::test]
async fn every_forged_token_is_refused_alike_and_recorded() {
    let (upstream, issuer) = (Upstream::recording(Speaks::Http1).await, Issuer::start().await);
    let gateway = start(&guarded(&upstream, &issuer)).await;
    let mut client = gateway.connect().await;
    let forgeries = issuer.forgeries();
    assert!(forgeries.len() > 50);
    for (number, (what, token)) in forgeries.iter().enumerate() {
        let answer = client.ask("GET", "/", &format!("Authorization: Bearer {token}\r\n")).await;
        assert_eq!(answer.status(), 401, "{what}");
        assert_eq!(answer.json()["type"], "urn:gwanmun:fault:unauthenticated", "{what}");
        let records = records(gateway.folder());
        assert_eq!(records.len(), number + 1, "{what}");
        assert_eq!((&records[number]["decision"], &records[number]["credential"]), (&json!("deny"), &Value::Null));
    }
    assert_eq!((upstream.requests(), issuer.calls("user")), (0, 0));
    assert!(verify(gateway.folder()).status.success());
}

#[tokio::test]
async fn a_changed_log_is_found() {
    let (upstream, issuer) = (Upstream::recording(Speaks::Http1).await, Issuer::start().await);
    let gateway = start(&guarded(&upstream, &issuer)).await;
    for _ in 0..3 {
        assert_eq!(ask(&gateway, "/orders/7", "").await, 401);
    }
    let file = gateway.folder().join("audit.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    let line = text.lines().position(|line| line.contains("\"deny\"")).unwrap() + 1;
    std::fs::write(&file, text.replacen("\"deny\"", "\"allow\"", 1)).unwrap();
    let verified = verify(gateway.folder());
    let told = String::from_utf8_lossy(&verified.stderr).into_owned() + &String::from_utf8_lossy(&verified.stdout);
    assert_eq!(verified.status.code(), Some(1));
    assert!(told.contains(&format!("audit.jsonl:{line}:")), "{told}");
}

#[tokio::test]
async fn whoever_was_answered_is_in_the_log_also_when_the_gateway_is_killed() {
    let (upstream, issuer) = (Upstream::recording(Speaks::Http1).await, Issuer::start().await);
    let gateway = start(&guarded(&upstream, &issuer)).await;
    let folder = gateway.folder().to_owned();
    let (answered, token) = (Arc::new(AtomicUsize::new(0)), issuer.token(json!({})));
    let request = format!("GET /orders/7 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n");
    let mut clients = Vec::new();
    for _ in 0..16 {
        let (address, answered, request) = (gateway.web(), Arc::clone(&answered), request.clone());
        clients.push(tokio::spawn(async move {
            use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
            let Ok(mut stream) = tokio::net::TcpStream::connect(address).await else { return };
            let mut buffer = [0; 4096];
            while stream.write_all(request.as_bytes()).await.is_ok() {
                match stream.read(&mut buffer).await {
                    Ok(length) if buffer[..length].starts_with(b"HTTP/1.1 200") => {
                        answered.fetch_add(1, Ordering::SeqCst)
                    }
                    _ => return,
                };
            }
        }));
    }
    patiently("some answers", async {
        while answered.load(Ordering::SeqCst) < 500 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let copy = tempfile::TempDir::new().unwrap();
    gateway.signal("KILL");
    for client in clients {
        patiently("the end of a client", client).await.unwrap();
    }
    let answered = answered.load(Ordering::SeqCst);
    std::fs::copy(folder.join("audit.jsonl"), copy.path().join("audit.jsonl")).unwrap();
    drop(gateway);
    let recorded = records(copy.path()).len();
    assert!(recorded >= answered, "{recorded} records of {answered} answers");
    assert!(verify(copy.path()).status.success());
    // The next process goes on where this one was cut off.
    let next = setup();
    std::fs::copy(copy.path().join("audit.jsonl"), next.folder().join("audit.jsonl")).unwrap();
    let gateway = next.start(&guarded(&upstream, &issuer)).await;
    assert_eq!(ask(&gateway, "/", "").await, 401);
    assert_eq!(records(gateway.folder()).len(), recorded + 1);
    assert!(verify(gateway.folder()).status.success());
}

#[tokio::test]
async fn a_configuration_may_come_back_to_a_log_that_it_left() {
    let (upstream, issuer) = (Upstream::recording(Speaks::Http1).await, Issuer::start().await);
    let here = guarded(&upstream, &issuer);
    let there = here.replace("audit.jsonl", "other.jsonl");
    let gateway = start(&here).await;
    let lines = |file: &str| std::fs::read_to_string(gateway.folder().join(file)).unwrap_or_default().lines().count();
    for (configuration, file) in [(&there, "other.jsonl"), (&here, "audit.jsonl"), (&there, "other.jsonl")] {
        gateway.reconfigure(configuration).await;
        let before = lines(file);
        assert_eq!(ask(&gateway, "/", "").await, 401);
        assert_eq!(lines(file), before + 1, "{file}");
    }
    // One that is not taken, because of something else, leaves nothing behind either.
    let mistaken = here.replace("audit.jsonl", "third.jsonl").replace("jwt: corp", "jwt: crop");
    gateway.rewrite(&mistaken);
    gateway.event("reload-failed").await;
    let quiet = format!("{here}# again\n");
    gateway.reconfigure(&quiet).await;
    let before = lines("audit.jsonl");
    assert_eq!(ask(&gateway, "/", "").await, 401);
    assert_eq!(lines("audit.jsonl"), before + 1);
}
