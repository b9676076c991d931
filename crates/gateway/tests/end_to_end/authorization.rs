//! Who calls and what it may do: what is refused, in the words of each protocol, what the log and the audit log say of it.

use std::fs;

use gwanmun_testkit::{Http2, Issuer, Reply, Speaks, Upstream};
use serde_json::{Value, json};

use crate::failures::assert_reason;
use crate::setup;

/// `/orders` behind a token, a scope and a list; `/open` behind nothing that says who calls.
fn guarded(upstream: &Upstream, issuer: &Issuer) -> String {
    let (name, jwks, to) = (issuer.url(), issuer.endpoint("jwks"), upstream.url());
    format!(
        "identity: {{issuers: {{corp: {{issuer: '{name}', jwks: '{jwks}', audiences: [gateway]}}}}}}\n\
         audit: {{file: audit.jsonl}}\n\
         routes:\n\
         - id: orders\n  predicates: [path: /orders/**]\n  filters:\n  - authenticate: {{any: [{{jwt: corp}}]}}\n  \
         - authorize: {{scopes: [orders.read], acl: 'file:acl.yaml'}}\n  upstream: '{to}'\n\
         - {{id: open, filters: [authorize], upstream: '{to}'}}\n"
    )
}

#[tokio::test]
async fn a_refusal_is_told_in_the_callers_protocol_and_recorded() {
    let (upstream, issuer) = (Upstream::recording(Speaks::Http1).await, Issuer::start().await);
    let acl = "- {who: 'user:u1', path: /orders/**}\n";
    let gateway = setup().with_file("acl.yaml", acl).start(&guarded(&upstream, &issuer)).await;
    let bearer = |claims: Value| format!("Authorization: Bearer {}\r\n", issuer.token(claims));
    let may = bearer(json!({"scope": "orders.read"}));
    let mut client = gateway.connect().await;
    assert_eq!(client.ask("GET", "/orders/7", &may).await.status(), 200);

    let answer = client.ask("GET", "/orders/small", &bearer(json!({"scope": "orders"}))).await;
    assert_eq!((answer.status(), answer.json()["type"].as_str()), (403, Some("urn:gwanmun:fault:forbidden")));
    let challenge = r#"Bearer realm="gwanmun", error="insufficient_scope", scope="orders.read""#;
    assert_eq!(answer.header("www-authenticate").as_deref(), Some(challenge));
    let line = gateway.access_line(|line| line["path"] == "/orders/small").await;
    assert_reason(&gateway, &line, "forbidden", "missing-scope", "a scope").await;

    let answer = client.ask("GET", "/orders/list", &bearer(json!({"sub": "u2", "scope": "orders.read"}))).await;
    assert_eq!((answer.status(), answer.header("www-authenticate")), (403, None));
    assert!(!answer.text().contains("acl"), "why stands in the log only: {}", answer.text());
    let answer = client.ask("HEAD", "/orders/7", &bearer(json!({}))).await;
    assert_eq!((answer.status(), answer.text()), (403, String::new()));
    let answer = client.ask("GET", "/open", "").await;
    assert_eq!(
        (answer.status(), answer.header("www-authenticate").as_deref()),
        (401, Some(r#"Bearer realm="gwanmun""#))
    );

    let mut client = Http2::tcp(gateway.web()).await;
    for (path, status) in [("/orders/7", "7"), ("/open", "16")] {
        let token = format!("Bearer {}", issuer.token(json!({})));
        let request = client.request("POST", path).header("content-type", "application/grpc");
        let answer = client.ask(request.header("authorization", token).body(Reply::from("x")).unwrap()).await;
        assert_eq!((answer.status(), answer.header("grpc-status").as_deref()), (200, Some(status)), "{path}");
    }
    assert_eq!(upstream.requests(), 1);

    let text = fs::read_to_string(gateway.folder().join("audit.jsonl")).unwrap();
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = records
        .iter()
        .filter(|record| record["event"] == "authorize")
        .map(|record| ["actor", "decision", "rule", "fault"].map(|name| record[name].as_str().unwrap_or("-")))
        .collect();
    assert_eq!(
        told,
        [
            ["u1", "allow", "scope orders.read, acl user:u1", "-"],
            ["u1", "deny", "scope orders.read", "forbidden"],
            ["u2", "deny", "acl", "forbidden"],
            ["u1", "deny", "scope orders.read", "forbidden"],
            ["-", "deny", "no-credential", "unauthenticated"],
            ["u1", "deny", "scope orders.read", "forbidden"],
            ["-", "deny", "no-credential", "unauthenticated"],
        ]
    );
}

#[tokio::test]
async fn a_change_of_the_access_list_is_a_reload() {
    let (upstream, issuer) = (Upstream::recording(Speaks::Http1).await, Issuer::start().await);
    let gateway = setup().with_file("acl.yaml", "[]\n").start(&guarded(&upstream, &issuer)).await;
    let bearer = format!("Authorization: Bearer {}\r\n", issuer.token(json!({"scope": "orders.read"})));
    assert_eq!(gateway.connect().await.ask("GET", "/orders/7", &bearer).await.status(), 403);
    fs::write(gateway.folder().join("acl.yaml"), "- {who: 'user:u1'}\n").unwrap();
    gwanmun_testkit::eventually("the new list", async || {
        (gateway.connect().await.ask("GET", "/orders/7", &bearer).await.status() == 200).then_some(())
    })
    .await;
}
