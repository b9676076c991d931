//! Who calls: tokens of an issuer that rotates its keys, comes and goes; API keys; what services behind get of it.

use gwanmun_testkit::{Answer, Gateway, Issuer, Jws, Message, Speaks, TokenKey, Upstream, eventually};
use serde_json::{Value, json};

use crate::{setup, start};

/// A gateway in front of `upstream` that takes the tokens of `issuer`; `more` stands beside its keys.
fn guarded(upstream: &Upstream, issuer: &Issuer, more: &str) -> String {
    let (name, jwks) = (issuer.url(), issuer.endpoint("jwks"));
    format!(
        "identity: {{issuers: {{corp: {{issuer: '{name}', jwks: '{jwks}', audiences: [gateway]{more}}}}}}}\n\
         routes: [{{id: all, filters: [authenticate: {{any: [{{jwt: corp}}]}}], upstream: '{}'}}]\n",
        upstream.url()
    )
}

async fn ask(gateway: &Gateway, token: &str) -> Message {
    ask_for(gateway, "/", token).await
}

async fn ask_for(gateway: &Gateway, target: &str, token: &str) -> Message {
    gateway.connect().await.ask("GET", target, &format!("Authorization: Bearer {token}\r\n")).await
}

async fn world(more: &str) -> (Upstream, Issuer, Gateway) {
    let (upstream, issuer) = (Upstream::recording(Speaks::Http1).await, Issuer::start().await);
    let gateway = start(&guarded(&upstream, &issuer, more)).await;
    (upstream, issuer, gateway)
}

#[tokio::test]
async fn a_token_opens_the_route_and_ends_there() {
    let (upstream, issuer, gateway) = world("").await;
    assert_eq!(gateway.get("/").await.status(), 401);
    for _ in 0..3 {
        assert_eq!(ask(&gateway, &issuer.token(json!({}))).await.status(), 200);
    }
    for number in 0..3 {
        assert_eq!(upstream.received(number).await.header("authorization"), None);
    }
    let line = gateway.access_line(|line| line["status"] == 200).await;
    assert_eq!(line["principal"], "u1");
    assert_eq!((upstream.requests(), issuer.calls("jwks")), (3, 1));
    assert_eq!(gateway.metric(r#"gwanmun_jwks_refreshes_total{issuer="corp",result="ok"}"#).await, Some(1.0));
}

#[tokio::test]
async fn no_bad_token_gets_through_and_the_answer_never_says_why() {
    let (upstream, issuer, gateway) = world(", leeway: 0").await;
    let other = TokenKey::new("ES256", "k2");
    let public = issuer.key().public_pem();
    let good = issuer.token(json!({}));
    let claims = || issuer.claims(json!({}));
    let now = claims()["iat"].as_u64().unwrap();
    let bad = [
        (issuer.token(json!({"exp": now - 10})), "token-expired"),
        (issuer.token(json!({"nbf": now + 600})), "token-not-yet-valid"),
        (issuer.token(json!({"aud": "other"})), "wrong-audience"),
        (issuer.token(json!({"iss": "https://other.example"})), "wrong-issuer"),
        (issuer.token(json!({"sub": null})), "malformed-token"),
        (Jws::unsigned(&json!({"alg": "none", "kid": "k1"}), &claims()).compact(), "wrong-algorithm"),
        (TokenKey::shared("HS256", "k1", public).token(json!({}), &claims()), "wrong-algorithm"),
        (other.token(json!({}), &claims()), "unknown-key"),
        (other.token(json!({"kid": "k1"}), &claims()), "bad-signature"),
        (other.token(json!({"kid": "k1", "jwk": other.jwk()}), &claims()), "bad-signature"),
        (
            other
                .token(json!({"kid": "k1", "jku": issuer.endpoint("user"), "x5u": issuer.endpoint("user")}), &claims()),
            "bad-signature",
        ),
        (issuer.token(json!({"x": "x".repeat(17_000)})), "token-too-large"),
        (good[..good.len() - 1].to_owned(), "malformed-token"),
        ("opaque".to_owned(), "malformed-token"),
        ("a b".to_owned(), "malformed-credential"),
        (String::new(), "malformed-credential"),
    ];
    assert_eq!(ask(&gateway, &good).await.status(), 200);
    let mut answers = Vec::new();
    for (token, reason) in &bad {
        let target = format!("/{}", answers.len());
        let answer = ask_for(&gateway, &target, token).await;
        let line = gateway.access_line(|line| line["path"] == *target).await;
        assert_eq!((answer.status(), line["fault_reason"].as_str()), (401, Some(*reason)), "{line}");
        let mut document = answer.json();
        document["trace_id"] = Value::Null;
        answers.push((document, answer.header("www-authenticate")));
    }
    let expected = json!({
        "type": "urn:gwanmun:fault:unauthenticated",
        "title": "a credential is needed that can be believed",
        "status": 401,
        "trace_id": null,
    });
    let challenge = r#"Bearer realm="gwanmun", error="invalid_token""#.to_owned();
    assert!(answers.iter().all(|answer| *answer == (expected.clone(), Some(challenge.clone()))), "{answers:?}");
    assert_eq!((upstream.requests(), issuer.calls("user")), (1, 0));
}

#[tokio::test]
async fn two_authorization_fields_are_401_where_somebody_reads_them() {
    let (upstream, issuer, gateway) = world("").await;
    let good = issuer.token(json!({}));
    for second in [good.as_str(), "other"] {
        let fields = format!("Authorization: Bearer {good}\r\nAuthorization: Bearer {second}\r\n");
        assert_eq!(gateway.connect().await.ask("GET", "/", &fields).await.status(), 401);
    }
    let line = gateway.access_line(|_| true).await;
    assert_eq!((&line["fault_reason"], upstream.requests()), (&json!("two-credentials"), 0));
}

#[tokio::test]
async fn a_key_that_is_rotated_in_is_found_and_one_that_is_rotated_away_is_forgotten() {
    let (_upstream, issuer, gateway) = world(", cache: 400ms, cool-down: 10ms").await;
    let by_old = issuer.token(json!({}));
    assert_eq!(ask(&gateway, &by_old).await.status(), 200);
    issuer.rotate([TokenKey::new("ES256", "k2")]);
    let by_new = issuer.token(json!({}));
    eventually("the new key", async || (ask(&gateway, &by_new).await.status() == 200).then_some(())).await;
    eventually("the end of the old key", async || (ask(&gateway, &by_old).await.status() == 401).then_some(())).await;
    assert_eq!(ask(&gateway, &by_new).await.status(), 200);
}

#[tokio::test]
async fn while_the_issuer_is_away_its_old_keys_serve() {
    let (_upstream, issuer, gateway) = world(", cache: 100ms, cool-down: 50ms, timeout: 200ms").await;
    let token = issuer.token(json!({}));
    assert_eq!(ask(&gateway, &token).await.status(), 200);
    issuer.down().await;
    let refused = r#"gwanmun_jwks_refreshes_total{issuer="corp",result="refused"}"#;
    eventually("failed refreshes", async || {
        assert_eq!(ask(&gateway, &issuer.token(json!({}))).await.status(), 200);
        (gateway.metric(refused).await >= Some(3.0)).then_some(())
    })
    .await;
    let told = async || (gateway.count("jwks-fetch-failed") >= 3).then_some(());
    eventually("their lines in the log", told).await;
    issuer.up().await;
    issuer.answer("jwks", Answer::garbage());
    assert_eq!(ask(&gateway, &token).await.status(), 200);
}

#[tokio::test]
async fn where_old_keys_may_not_serve_nobody_is_let_in_on_faith() {
    let (upstream, issuer, gateway) = world(", cache: 100ms, stale: 0, cool-down: 10ms, timeout: 200ms").await;
    let token = issuer.token(json!({}));
    assert_eq!(ask(&gateway, &token).await.status(), 200);
    issuer.down().await;
    let answer = eventually("the end of the keys", async || {
        let answer = ask(&gateway, &token).await;
        (answer.status() != 200).then_some(answer)
    })
    .await;
    assert_eq!((answer.status(), answer.header("retry-after").as_deref()), (503, Some("1")));
    assert_eq!(answer.json()["type"], "urn:gwanmun:fault:identity-unavailable");
    let line = gateway.access_line(|line| line["status"] == 503).await;
    assert_eq!(line["fault_reason"], "keys-unavailable");
    assert_eq!(gateway.get("/").await.status(), 401, "who brings nothing is told so all the same");
    issuer.up().await;
    eventually("the keys", async || (ask(&gateway, &token).await.status() == 200).then_some(())).await;
    assert!(upstream.requests() >= 2);
}

#[tokio::test]
async fn many_first_requests_wait_for_one_fetch() {
    let (_upstream, issuer, gateway) = world("").await;
    let held = issuer.hold("jwks");
    let mut clients = Vec::new();
    for number in 0..20 {
        let mut client = gateway.connect().await;
        let token = issuer.token(json!({"jti": number}));
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n")).await;
        clients.push(client);
    }
    issuer.called("jwks", 1).await;
    held.release();
    for mut client in clients {
        assert_eq!(client.answer().await.status(), 200);
    }
    assert_eq!(issuer.calls("jwks"), 1);
}

#[tokio::test]
async fn keys_are_discovered_where_the_issuer_says_and_nowhere_else() {
    let (upstream, issuer) = (Upstream::recording(Speaks::Http1).await, Issuer::start().await);
    let keys = format!("jwks: '{}'", issuer.endpoint("jwks"));
    let configuration = guarded(&upstream, &issuer, ", cool-down: 1s").replace(&keys, "discovery: true");
    let gateway = start(&configuration).await;
    issuer.answer_once(
        "discovery",
        Answer::json(json!({"issuer": "https://evil.example", "jwks_uri": issuer.endpoint("jwks")})),
    );
    let token = issuer.token(json!({}));
    assert_eq!(ask(&gateway, &token).await.status(), 503);
    assert_eq!(issuer.calls("jwks"), 0);
    eventually("the keys", async || (ask(&gateway, &token).await.status() == 200).then_some(())).await;
    assert_eq!(issuer.calls("jwks"), 1);
}

#[tokio::test]
async fn a_reload_does_not_forget_the_keys() {
    let (_upstream, issuer, gateway) = world("").await;
    let upstream = Upstream::recording(Speaks::Http1).await;
    let token = issuer.token(json!({}));
    assert_eq!(ask(&gateway, &token).await.status(), 200);
    gateway.reconfigure(&guarded(&upstream, &issuer, "")).await;
    issuer.down().await;
    assert_eq!(ask(&gateway, &issuer.token(json!({}))).await.status(), 200);
    assert_eq!((upstream.requests(), issuer.calls("jwks")), (1, 1));
}

#[tokio::test]
async fn an_api_key_is_looked_for_in_its_header_and_a_new_file_of_keys_takes_effect() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let key = |id: &str, hash: &str| format!("- {{id: {id}, hash: 'sha256:{hash}'}}\n");
    // `printf %s one | sha256sum`, and of `two`.
    let one = key("p1", "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed");
    let two = key("p2", "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3");
    let configuration = format!(
        "routes: [{{id: all, filters: [authenticate: {{any: [{{api-key: {{keys: 'file:keys.yaml'}}}}]}}], upstream: '{}'}}]\n",
        upstream.url()
    );
    let gateway = setup().with_file("keys.yaml", &one).start(&configuration).await;
    let status =
        async |key: &str| gateway.connect().await.ask("GET", "/", &format!("X-Api-Key: {key}\r\n")).await.status();
    assert_eq!((status("one").await, status("two").await, status("").await), (200, 401, 401));
    assert_eq!(upstream.received(0).await.header("x-api-key"), None);
    let mut client = gateway.connect().await;
    client
        .send(
            "POST / HTTP/1.1\r\nHost: a\r\nX-Api-Key: one\r\nTransfer-Encoding: chunked\r\n\r\n\
             1\r\na\r\n0\r\nX-Api-Key: one\r\nX_Api_Key: one\r\nX-Other: 1\r\n\r\n",
        )
        .await;
    assert_eq!(client.answer().await.status(), 200);
    let behind = upstream.received(1).await;
    let trailer = |name: &str| behind.trailer(name);
    assert_eq!((trailer("x-api-key"), trailer("x_api_key"), trailer("x-other").as_deref()), (None, None, Some("1")));
    std::fs::write(gateway.folder().join("keys.yaml"), two).unwrap();
    eventually("the new keys", async || (status("two").await == 200).then_some(())).await;
    assert_eq!(status("one").await, 401);
}

#[tokio::test]
async fn keys_in_a_file_are_read_again_when_it_changes() {
    let (upstream, issuer) = (Upstream::recording(Speaks::Http1).await, Issuer::start().await);
    let url = format!("jwks: '{}'", issuer.endpoint("jwks"));
    let configuration = guarded(&upstream, &issuer, "").replace(&url, "jwks: 'file:jwks.json'");
    let gateway = setup().with_file("jwks.json", issuer.jwks().to_string()).start(&configuration).await;
    let by_old = issuer.token(json!({}));
    assert_eq!(ask(&gateway, &by_old).await.status(), 200);
    issuer.rotate([TokenKey::new("EdDSA", "k2")]);
    let by_new = issuer.token(json!({}));
    assert_eq!(ask(&gateway, &by_new).await.status(), 401);
    std::fs::write(gateway.folder().join("jwks.json"), issuer.jwks().to_string()).unwrap();
    eventually("the new keys", async || (ask(&gateway, &by_new).await.status() == 200).then_some(())).await;
    assert_eq!(ask(&gateway, &by_old).await.status(), 401);
    assert_eq!(issuer.calls("jwks"), 0);
}

#[tokio::test]
async fn keys_that_cannot_be_used_are_told_once_and_the_others_serve() {
    let (_upstream, issuer, gateway) = world(", cache: 20ms, cool-down: 1ms").await;
    let mut keys = issuer.jwks();
    let list = keys["keys"].as_array_mut().unwrap();
    list.insert(0, json!({"kty": "EC", "kid": "odd", "crv": "secp256k1", "x": "AA", "y": "AA"}));
    list.insert(0, json!({"kty": "EC", "kid": "enc", "use": "enc", "crv": "P-256", "x": "AA", "y": "AA"}));
    issuer.publish(keys);
    eventually("several fetches", async || {
        assert_eq!(ask(&gateway, &issuer.token(json!({}))).await.status(), 200);
        (issuer.calls("jwks") >= 4).then_some(())
    })
    .await;
    let told = gateway.event("jwks-key-unusable").await;
    assert_eq!((&told["issuer"], &told["kid"], &told["place"]), (&json!("corp"), &json!("odd"), &json!(1)), "{told}");
    assert_eq!(gateway.count("jwks-key-unusable"), 1);
}
