//! Headers from another service: asked once for all who wait, used past their time while it is down, and never a client's.

use gwanmun_testkit::{Answer, Gateway, Http2, Issuer, Message, Reply, Speaks, Upstream, eventually};
use serde_json::json;

use crate::start;

/// A gateway that asks `issuer` about its own users; `more` stands beside the filter's URL and headers.
fn asking(issuer: &Issuer, answer: &str, more: &str) -> String {
    let (name, jwks, users) = (issuer.url(), issuer.endpoint("jwks"), issuer.endpoint("user"));
    format!(
        "workers: 2\n\
         identity: {{issuers: {{corp: {{issuer: '{name}', jwks: '{jwks}', audiences: [gateway]}}}}}}\n\
         routes:\n  - id: all\n    filters:\n      - authenticate: {{any: [{{jwt: corp}}]}}\n      \
         - relay-header: {{url: '{users}{{principal.subject}}', headers: {{X-Plan: /plan, X-Age: /age}}{more}}}\n    {answer}\n"
    )
}

async fn world(more: &str) -> (Upstream, Issuer, Gateway) {
    let (upstream, issuer) = (Upstream::recording(Speaks::Http1).await, Issuer::start().await);
    issuer.user("u1", json!({"plan": "gold", "age": 7}));
    let gateway = start(&asking(&issuer, &format!("upstream: '{}'", upstream.url()), more)).await;
    (upstream, issuer, gateway)
}

async fn ask(gateway: &Gateway, token: &str) -> Message {
    let fields = format!("Authorization: Bearer {token}\r\nX-Plan: forged\r\nX-Age: 99\r\n");
    gateway.connect().await.ask("GET", "/", &fields).await
}

/// What the upstream got in a request: the plan, and the age.
async fn relayed(upstream: &Upstream, request: usize) -> (Option<String>, Option<String>) {
    let request = upstream.received(request).await;
    (request.header("x-plan"), request.header("x-age"))
}

fn told(plan: &str, age: &str) -> (Option<String>, Option<String>) {
    (Some(plan.to_owned()), Some(age.to_owned()))
}

#[tokio::test]
async fn what_is_told_about_the_caller_takes_the_place_of_what_it_says() {
    let (upstream, issuer, gateway) = world("").await;
    let token = issuer.token(json!({}));
    for request in 0..3 {
        assert_eq!(ask(&gateway, &token).await.status(), 200);
        assert_eq!(relayed(&upstream, request).await, told("gold", "7"));
    }
    assert_eq!(issuer.calls("user"), 1);
    let [call] = issuer.requests("user").try_into().unwrap();
    assert!(call.header("traceparent").is_some() && call.header("authorization").is_none(), "{call:?}");
    // Nobody knows this one, and that is remembered too.
    let token = issuer.token(json!({"sub": "../u1?x=/"}));
    for request in 3..5 {
        assert_eq!(ask(&gateway, &token).await.status(), 200);
        assert_eq!(relayed(&upstream, request).await, (None, None));
    }
    assert_eq!(issuer.calls("user"), 2);
    assert_eq!(issuer.requests("user")[1].target(), "/users/..%2Fu1%3Fx%3D%2F");
}

#[tokio::test]
async fn while_the_source_is_down_an_old_answer_is_used_and_counted() {
    let (upstream, issuer, gateway) = world(", ttl: 50ms, stale: 1h, timeout: 300ms").await;
    let token = issuer.token(json!({}));
    assert_eq!(ask(&gateway, &token).await.status(), 200);
    issuer.answer("user", Answer::reset());
    let stale = format!(r#"gwanmun_client_lookups_total{{lookup="{}",outcome="stale"}}"#, issuer.url());
    eventually("a stale answer", async || {
        assert_eq!(ask(&gateway, &token).await.status(), 200);
        gateway.metric(&stale).await.filter(|count| *count >= 1.0)
    })
    .await;
    for request in 0..upstream.requests() {
        assert_eq!(relayed(&upstream, request).await, told("gold", "7"));
    }
    issuer.user("u1", json!({"plan": "silver"}));
    issuer.answer("user", Answer::usual());
    let fresh = (Some("silver".to_owned()), None);
    eventually("the new answer", async || {
        assert_eq!(ask(&gateway, &token).await.status(), 200);
        (relayed(&upstream, upstream.requests() - 1).await == fresh).then_some(())
    })
    .await;
}

#[tokio::test]
async fn where_nothing_is_known_a_request_passes_without_unless_it_is_required() {
    for (answer, what) in [
        (Answer::status(500), "an error"),
        (Answer::garbage(), "no JSON"),
        (Answer::oversized(2 << 20), "too much"),
        (Answer::redirect("http://127.0.0.1:1/"), "a redirect"),
        (Answer::truncated(), "half an answer"),
        (Answer::json(json!({"plan": "a\r\nX-Admin: 1", "age": [1]})), "nothing usable"),
    ] {
        let (upstream, issuer, gateway) = world("").await;
        issuer.answer("user", answer.clone());
        assert_eq!(ask(&gateway, &issuer.token(json!({}))).await.status(), 200, "{what}");
        assert_eq!(relayed(&upstream, 0).await, (None, None), "{what}");
        assert_eq!(upstream.received(0).await.header("x-admin"), None);
        let (upstream, issuer, gateway) = world(", required: true").await;
        issuer.answer("user", answer);
        let refused = ask(&gateway, &issuer.token(json!({}))).await;
        assert_eq!((refused.status(), upstream.requests()), (503, 0), "{what}");
        assert_eq!(refused.json()["type"], "urn:gwanmun:fault:identity-unavailable");
        assert!(refused.header("retry-after").is_some());
    }
}

#[tokio::test]
async fn nobody_waits_longer_than_the_time_limit() {
    let (upstream, issuer, gateway) = world(", timeout: 100ms").await;
    let held = issuer.hold("user");
    let begin = std::time::Instant::now();
    assert_eq!(ask(&gateway, &issuer.token(json!({}))).await.status(), 200);
    assert_eq!(relayed(&upstream, 0).await, (None, None));
    let waited = begin.elapsed();
    assert!(waited.as_millis() >= 100 && waited.as_secs() < 5, "{waited:?}");
    held.release();
}

#[tokio::test]
#[ignore = "takes seconds: cargo xtask test --full"]
async fn ten_thousand_who_come_at_once_cause_one_call() {
    for credential in ["jwt: corp", "introspect: partner"] {
        ten_thousand_with(credential).await;
    }
}

async fn ten_thousand_with(credential: &str) {
    const CONNECTIONS: usize = 100;
    const STREAMS: usize = 100;
    let issuer = Issuer::start().await;
    issuer.user("u1", json!({"plan": "gold"}));
    let server = format!(
        "oauth: {{partner: {{introspection-endpoint: '{}', client-id: gw, client-secret: gw-secret, timeout: 30s}}}}",
        issuer.endpoint("introspect")
    );
    let configuration = asking(&issuer, "  - respond: {body: ok}", ", timeout: 30s")
        .replace("identity: {issuers", &format!("identity: {{{server}, issuers"))
        .replace("{jwt: corp}", &format!("{{{credential}}}"));
    let gateway = start(&configuration).await;
    let (token, asked_first) = match credential {
        "jwt: corp" => (issuer.token(json!({})), "jwks"),
        _ => (issuer.opaque(json!({})), "introspect"),
    };
    let (who, users) = (issuer.hold(asked_first), issuer.hold("user"));
    let mut asked = Vec::new();
    for _ in 0..CONNECTIONS {
        let client = Http2::tcp(gateway.web()).await;
        for _ in 0..STREAMS {
            let (mut client, token) = (client.clone(), token.clone());
            asked.push(tokio::spawn(async move {
                let request = client.request("GET", "/").header("authorization", format!("Bearer {token}"));
                client.ask(request.body(Reply::empty()).unwrap()).await.status()
            }));
        }
    }
    let in_flight = r#"gwanmun_in_flight{listener="web"}"#;
    let all = (CONNECTIONS * STREAMS) as f64;
    eventually("all requests", async || gateway.metric(in_flight).await.filter(|count| *count == all)).await;
    assert_eq!((issuer.calls(asked_first), issuer.calls("user")), (1, 0));
    who.release();
    issuer.called("user", 1).await;
    users.release();
    for answer in asked {
        assert_eq!(answer.await.unwrap(), 200);
    }
    assert_eq!((issuer.calls(asked_first), issuer.calls("user")), (1, 1));
}
