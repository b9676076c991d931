//! Everything beside the gateway breaks, one after the other, while requests flow: no request fails because of it, memory
//! stays as it is, operators see it, and all goes on by itself when it is there again.

use std::sync::Arc;

use gwanmun_testkit::{
    Detour, Gateway, Issuer, Load, OtlpReceiver, Redis, Rsyslog, Script, Speaks, Upstream, eventually,
};
use serde_json::Value;

use crate::setup;

/// How much more memory than at first there may be.
const MORE: usize = 48 << 20;

/// How many clients ask without a pause.
const CLIENTS: usize = 4;

/// After so many requests a client comes with credentials that no replica has seen, for which the store is asked.
const NEWCOMERS: usize = 50;

/// Requests that flow; whose these are, the issuer knows.
fn load(gateway: &Gateway, issuer: &Arc<Issuer>) -> Load {
    let issuer = Arc::clone(issuer);
    Load::begin(gateway.web(), CLIENTS, move |client, number| {
        let id = format!("client-{client}-{}", number / NEWCOMERS);
        if number % NEWCOMERS == 0 {
            issuer.client(&id, "secret", &["orders.read"]);
        }
        ("/".to_owned(), format!("X-Client-Id: {id}\r\nX-Client-Secret: secret\r\n"))
    })
}

async fn component(gateway: &Gateway, name: &str) -> Value {
    gateway.page(&format!("/health/{name}")).await.json()
}

async fn until(gateway: &Gateway, what: &str, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    eventually(what, async || Some(component(gateway, name).await).filter(|shown| wanted(shown))).await
}

fn number(shown: &Value, detail: &str) -> u64 {
    shown["details"]["traces"][detail].as_u64().unwrap_or_default()
}

// The upstream and the issuer answer on threads of their own, whatever the test waits for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_breaks_beside_the_gateway_fails_no_request_and_comes_back_by_itself() {
    let (mut redis, collector, issuer) =
        (Redis::start().await, OtlpReceiver::http().await, Arc::new(Issuer::start().await));
    let upstream = Upstream::echoing(Speaks::Http1).await;
    let spans = Detour::to(collector.url().trim_start_matches("http://").parse().unwrap()).await;
    let mut syslog = Rsyslog::start().await;
    let tracker = Script::play(|mut connection, _| async move { drop(connection.rest().await) }).await;
    let gateway = setup()
        .start(&format!(
            "workers: 2\n\
             store: {{url: 'redis://{store}', timeout: 100ms}}\n\
             health: {{every: 100ms}}\n\
             telemetry:\n  \
               logs: {{syslog: '{syslog}'}}\n  \
               traces: {{otlp: 'http://{spans}', sample: 1}}\n  \
               exceptions: {{dsn: 'http://0123456789abcdef0123456789abcdef@{tracker}/7'}}\n\
             identity: {{oauth: {{partner: {{issuer: '{issuer}', client-id: gw, client-secret: gw-secret, on-store-error: allow}}}}}}\n\
             routes:\n  \
               - id: all\n    \
                 filters: [authenticate: {{any: [{{api-client: partner}}], scope: [orders.read]}}]\n    \
                 upstream: '{upstream}'\n",
            store = redis.place(),
            spans = spans.address(),
            syslog = syslog.url(),
            tracker = tracker.address(),
            issuer = issuer.url(),
            upstream = upstream.url(),
        ))
        .await;
    let mut load = load(&gateway, &issuer);
    load.goes_on(500).await;
    until(&gateway, "the store to be there", "store", |store| store["status"] == "UP").await;
    until(&gateway, "spans to be taken", "collectors", |shown| number(shown, "sent") > 0).await;
    let before = gateway.peak_memory();

    redis.kill();
    until(&gateway, "a killed store to be seen", "store", |store| store["status"] == "DOWN").await;
    load.goes_on(500).await;
    redis.restart().await;
    until(&gateway, "the store to be back", "store", |store| store["status"] == "UP").await;
    redis.pause();
    until(&gateway, "a stalled store to be seen", "store", |store| store["status"] == "DOWN").await;
    load.goes_on(500).await;
    redis.resume();
    until(&gateway, "the store to go on", "store", |store| store["status"] == "UP").await;

    for stall in [false, true] {
        if stall {
            spans.stall()
        } else {
            spans.close()
        }
        let broken = until(&gateway, "spans to wait", "collectors", |shown| number(shown, "queued") > 100).await;
        load.goes_on(500).await;
        assert_eq!(gateway.page("/health/readiness").await.status(), 200);
        spans.mend();
        let sent = number(&broken, "sent");
        until(&gateway, "spans to be taken again", "collectors", |shown| number(shown, "sent") > sent).await;
    }

    syslog.kill();
    let mut lost = Value::Null;
    // Each change of the store is a line in the log.
    for _ in 0..10 {
        redis.pause();
        until(&gateway, "a change of the store", "store", |store| store["status"] == "DOWN").await;
        redis.resume();
        until(&gateway, "a change of the store", "store", |store| store["status"] == "UP").await;
        lost = component(&gateway, "collectors").await["details"]["logs"].clone();
        if lost["error"].is_string() {
            break;
        }
    }
    assert!(lost["error"].is_string(), "{lost}");
    load.goes_on(500).await;
    syslog.restart().await;
    let sent = lost["sent"].as_u64();
    until(&gateway, "lines to be taken again", "collectors", |shown| shown["details"]["logs"]["sent"].as_u64() > sent)
        .await;

    load.goes_on(500).await;
    load.end();
    let more = gateway.peak_memory().saturating_sub(before);
    assert!(more < MORE, "{more} bytes more than before");
    assert_eq!(gateway.page("/health").await.json()["status"], "UP");
    assert_eq!(gateway.stop().await, 0);
}
