//! An OAuth server beside the gateway: tokens that are introspected, clients with a secret, tokens for services behind; what
//! happens when the server or the store goes away.

use std::time::{Duration, Instant};

use gwanmun_testkit::{
    Answer, Connection, Gateway, Glewlwyd, Issuer, Jws, Message, OidcProvider, Redis, Speaks, Upstream, eventually,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{setup, start};

/// A gateway in front of `upstream` that asks a server at `issuer`; `more` stands beside its keys, `filters` in the route.
fn asking(upstream: &Upstream, issuer: &str, more: &str, filters: &str) -> String {
    let url = upstream.url();
    format!(
        "workers: 2\n\
         identity: {{oauth: {{partner: {{issuer: '{issuer}', client-id: gw, client-secret: gw-secret{more}}}}}}}\n\
         routes: [{{id: all, filters: [{filters}], upstream: '{url}'}}]\n",
    )
}

const INTROSPECT: &str = "authenticate: {any: [{introspect: partner}]}";
const CLIENT: &str = "authenticate: {any: [{api-client: partner}], scope: [orders.read]}";

async fn world(more: &str, filters: &str) -> (Upstream, Issuer, Gateway) {
    let (upstream, issuer) = (Upstream::recording(Speaks::Http1).await, Issuer::start().await);
    let gateway = start(&asking(&upstream, &issuer.url(), more, filters)).await;
    (upstream, issuer, gateway)
}

async fn with_token(gateway: &Gateway, token: &str) -> Message {
    gateway.connect().await.ask("GET", "/", &format!("Authorization: Bearer {token}\r\n")).await
}

async fn with_secret(gateway: &Gateway, target: &str, id: &str, secret: &str) -> Message {
    let fields = format!("X-Client-Id: {id}\r\nX-Client-Secret: {secret}\r\n");
    gateway.connect().await.ask("GET", target, &fields).await
}

/// Status, challenge and document, without what differs from request to request.
fn told(answer: &Message) -> (u16, Option<String>, Value) {
    let mut document = answer.json();
    document["trace_id"] = Value::Null;
    (answer.status(), answer.header("www-authenticate"), document)
}

#[tokio::test]
async fn an_introspected_token_opens_the_route_and_ends_there() {
    let (upstream, issuer, gateway) = world(", audiences: [gateway]", INTROSPECT).await;
    let token = issuer.opaque(json!({}));
    for _ in 0..3 {
        assert_eq!(with_token(&gateway, &token).await.status(), 200);
    }
    assert_eq!((issuer.calls("introspect"), issuer.calls("discovery")), (1, 1));
    assert_eq!(upstream.received(0).await.header("authorization"), None);
    assert_eq!(gateway.access_line(|line| line["status"] == 200).await["principal"], "u1");
    let other = issuer.opaque(json!({"aud": "other"}));
    let guessed = told(&with_token(&gateway, "guessed").await);
    assert_eq!(guessed, told(&with_token(&gateway, &other).await));
    assert_eq!(guessed.1.as_deref(), Some(r#"Bearer realm="gwanmun", error="invalid_token""#));
    for reason in ["token-inactive", "wrong-audience"] {
        gateway.access_line(|line| line["fault_reason"] == reason).await;
    }
}

#[tokio::test]
async fn an_answer_without_a_plain_yes_is_a_503_and_a_known_token_goes_on() {
    let (_upstream, issuer, gateway) = world("", INTROSPECT).await;
    let known = issuer.opaque(json!({}));
    assert_eq!(with_token(&gateway, &known).await.status(), 200);
    for (place, answer) in [
        Answer::json(json!({"sub": "u1"})),
        Answer::json(json!({"active": "true", "sub": "u1"})),
        Answer::garbage(),
        Answer::oversized(200_000),
        Answer::redirect(&issuer.endpoint("user")),
    ]
    .into_iter()
    .enumerate()
    {
        issuer.answer_once("introspect", answer);
        let refused = with_token(&gateway, &format!("t{place}")).await;
        assert_eq!(refused.status(), 503);
        assert_eq!(refused.json()["type"], "urn:gwanmun:fault:identity-unavailable");
        assert!(refused.header("retry-after").is_some());
    }
    issuer.down().await;
    assert_eq!(with_token(&gateway, &known).await.status(), 200);
    assert_eq!(with_token(&gateway, "new").await.status(), 503);
    issuer.up().await;
    eventually("a no", async || (with_token(&gateway, "newer").await.status() == 401).then_some(())).await;
    assert_eq!(issuer.calls("user"), 0);
}

#[tokio::test]
async fn many_first_requests_of_one_token_make_one_call() {
    let (_upstream, issuer, gateway) = world(", timeout: 20s", INTROSPECT).await;
    let held = issuer.hold("introspect");
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n", issuer.opaque(json!({})));
    let mut clients = Vec::new();
    for _ in 0..400 {
        let mut client = gateway.connect().await;
        client.send(&request).await;
        clients.push(client);
    }
    issuer.called("introspect", 1).await;
    held.release();
    let mut answers = JoinSet::new();
    for mut client in clients {
        answers.spawn(async move { client.answer().await.status() });
    }
    assert!(answers.join_all().await.into_iter().all(|status| status == 200));
    assert_eq!(issuer.calls("introspect"), 1);
}

#[tokio::test]
async fn a_client_brings_its_secret_in_one_of_two_ways_and_never_sees_a_token() {
    let (upstream, issuer, gateway) = world("", CLIENT).await;
    let basic = "Authorization: Basic Z3c6Z3ctc2VjcmV0\r\n";
    assert_eq!(gateway.connect().await.ask("GET", "/", basic).await.status(), 200);
    let answer = with_secret(&gateway, "/", "gw", "gw-secret").await;
    assert_eq!((answer.status(), issuer.calls("token")), (200, 1));
    assert_eq!(answer.header("authorization"), None);
    for number in 0..2 {
        let received = upstream.received(number).await;
        for name in ["authorization", "x-client-id", "x-client-secret"] {
            assert_eq!(received.header(name), None);
        }
    }
    let nothing = gateway.get("/").await;
    assert_eq!(nothing.header("www-authenticate").as_deref(), Some(r#"Basic realm="gwanmun", charset="UTF-8""#));
    for fields in [
        format!("{basic}X-Client-Id: gw\r\nX-Client-Secret: gw-secret\r\n"),
        format!("{basic}X-Client-Secret: gw-secret\r\n"),
        "X-Client-Id: gw\r\n".to_owned(),
        "X-Client-Secret: gw-secret\r\n".to_owned(),
        "X-Client-Id: gw\r\nX-Client-Id: gw\r\nX-Client-Secret: gw-secret\r\n".to_owned(),
        "Authorization: Basic Z3c6Z3ctc2VjcmV0=\r\n".to_owned(),
        "Authorization: Basic\r\n".to_owned(),
    ] {
        assert_eq!(gateway.connect().await.ask("GET", "/", &fields).await.status(), 401, "{fields}");
    }
    assert_eq!((upstream.requests(), issuer.calls("token")), (2, 1));
    assert_eq!(gateway.access_line(|line| line["status"] == 200).await["principal"], "gw");
}

#[tokio::test]
async fn a_wrong_secret_and_an_unknown_client_cannot_be_told_apart() {
    let (_upstream, issuer, gateway) = world("", CLIENT).await;
    let (wrong, unknown) =
        (with_secret(&gateway, "/", "gw", "guess").await, with_secret(&gateway, "/", "nobody", "guess").await);
    assert_eq!(told(&wrong), told(&unknown));
    assert_eq!((wrong.status(), issuer.calls("token")), (401, 2));
    let names = |answer: &Message| {
        ["content-type", "cache-control", "connection", "retry-after"].map(|name| answer.header(name))
    };
    assert_eq!(names(&wrong), names(&unknown));
    // Both cost one call the first time and none the second.
    for id in ["gw", "nobody"] {
        assert_eq!(with_secret(&gateway, "/", id, "guess").await.status(), 401);
    }
    assert_eq!(issuer.calls("token"), 2);
    let log = gateway.log().text() + &gateway.access_log().text();
    assert!(!log.contains("guess") && !log.contains("gw-secret"), "{log}");
}

#[tokio::test]
async fn a_scope_that_is_not_given_is_403_and_a_server_that_is_down_503() {
    let filters = "authenticate: {any: [{api-client: partner}], scope: [admin]}";
    let (_upstream, issuer, gateway) = world("", filters).await;
    assert_eq!(with_secret(&gateway, "/", "gw", "gw-secret").await.status(), 403);
    gateway.access_line(|line| line["fault_reason"] == "scope-refused").await;
    issuer.answer("token", Answer::status(403));
    assert_eq!(with_secret(&gateway, "/", "gw", "guess").await.status(), 401);
    issuer.down().await;
    let refused = with_secret(&gateway, "/", "gw", "another").await;
    assert_eq!((refused.status(), refused.header("retry-after").is_some()), (503, true));
}

#[tokio::test]
async fn a_good_client_is_served_in_the_middle_of_a_flood_of_guesses() {
    let (_upstream, issuer, gateway) = world("", CLIENT).await;
    assert_eq!(with_secret(&gateway, "/", "gw", "gw-secret").await.status(), 200);
    let held = issuer.hold("token");
    let mut flood = Vec::new();
    for guess in 0..300 {
        let mut client = gateway.connect().await;
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Client-Id: gw\r\nX-Client-Secret: {guess}\r\n\r\n");
        client.send(request).await;
        flood.push(client);
    }
    issuer.called("token", 30).await;
    let begin = Instant::now();
    assert_eq!(with_secret(&gateway, "/", "gw", "gw-secret").await.status(), 200);
    assert!(begin.elapsed() < Duration::from_secs(1));
    held.release();
    for mut client in flood {
        assert!([401, 503].contains(&client.answer().await.status()));
    }
    assert_eq!(with_secret(&gateway, "/", "gw", "gw-secret").await.status(), 200);
}

#[tokio::test]
async fn services_behind_get_the_token_that_is_relayed_and_no_other() {
    let (upstream, issuer, gateway) = world("", &format!("{CLIENT}, token-relay: partner")).await;
    assert_eq!(with_secret(&gateway, "/", "gw", "gw-secret").await.status(), 200);
    let relayed = upstream.received(0).await.header("authorization").unwrap();
    let claims = Jws::verified(relayed.strip_prefix("Bearer ").unwrap(), &issuer.jwks()).unwrap().claims();
    assert_eq!((claims["sub"].as_str(), claims["scope"].as_str()), (Some("gw"), Some("orders.read")));
    assert_eq!(issuer.calls("token"), 1);

    let (upstream, issuer, gateway) = world("", &format!("{INTROSPECT}, token-relay")).await;
    let token = issuer.opaque(json!({}));
    with_token(&gateway, &token).await;
    assert_eq!(upstream.received(0).await.header("authorization"), Some(format!("Bearer {token}")));

    let (upstream, issuer, gateway) = world("", &format!("{INTROSPECT}, token-relay: partner")).await;
    with_token(&gateway, &issuer.opaque(json!({}))).await;
    let relayed = upstream.received(0).await.header("authorization").unwrap();
    let claims = Jws::verified(relayed.strip_prefix("Bearer ").unwrap(), &issuer.jwks()).unwrap().claims();
    assert_eq!(claims["sub"], "gw");
}

#[tokio::test]
async fn a_token_is_exchanged_once_for_the_service_behind() {
    let filters = format!("{INTROSPECT}, token-exchange: {{oauth: partner, audience: orders, scope: orders.read}}");
    let (upstream, issuer, gateway) = world("", &filters).await;
    let token = issuer.token(json!({}));
    for number in 0..2 {
        assert_eq!(with_token(&gateway, &token).await.status(), 200);
        let given = upstream.received(number).await.header("authorization").unwrap();
        let claims = Jws::verified(given.strip_prefix("Bearer ").unwrap(), &issuer.jwks()).unwrap().claims();
        assert_eq!((claims["sub"].as_str(), claims["aud"].as_str()), (Some("u1"), Some("orders")));
    }
    assert_eq!(issuer.calls("token"), 1);
}

#[tokio::test]
async fn beside_an_issuer_introspection_is_for_the_tokens_of_others() {
    let (upstream, issuer) = (Upstream::recording(Speaks::Http1).await, Issuer::start().await);
    let filters =
        "authenticate: {any: [{jwt: corp}, {introspect: partner}, {api-client: partner}], scope: [orders.read]}";
    let corp =
        format!("corp: {{issuer: '{}', jwks: '{}', audiences: [gateway]}}", issuer.url(), issuer.endpoint("jwks"));
    let configuration = asking(&upstream, &issuer.url(), "", filters);
    let gateway = start(&configuration.replace("identity: {", &format!("identity: {{issuers: {{{corp}}}, "))).await;
    assert_eq!(with_token(&gateway, &issuer.token(json!({"scope": "orders.read"}))).await.status(), 200);
    assert_eq!(issuer.calls("introspect"), 0);
    assert_eq!(
        with_token(&gateway, &issuer.token(json!({"scope": "orders.read", "aud": "other"}))).await.status(),
        401
    );
    assert_eq!(issuer.calls("introspect"), 0);
    assert_eq!(with_token(&gateway, &issuer.opaque(json!({}))).await.status(), 200);
    assert_eq!(issuer.calls("introspect"), 1);
    assert_eq!(with_secret(&gateway, "/", "gw", "gw-secret").await.status(), 200);
    let challenge = gateway.get("/").await.header("www-authenticate");
    assert_eq!(challenge.as_deref(), Some(r#"Bearer realm="gwanmun", Basic realm="gwanmun", charset="UTF-8""#));
    for number in 0..3 {
        assert_eq!(upstream.received(number).await.header("authorization"), None);
    }
}

#[tokio::test]
async fn what_is_known_outlives_a_reload() {
    let (upstream, issuer, gateway) = world("", INTROSPECT).await;
    let token = issuer.opaque(json!({}));
    assert_eq!(with_token(&gateway, &token).await.status(), 200);
    let changed =
        asking(&upstream, &issuer.url(), "", &format!("{INTROSPECT}, add-response-header: {{name: x, value: y}}"));
    gateway.reconfigure(&changed).await;
    eventually("the new configuration", async || with_token(&gateway, &token).await.header("x")).await;
    assert_eq!(issuer.calls("introspect"), 1);
}

/// Replicas with a store at `redis`, `policy` for when it is lost.
async fn replica(upstream: &Upstream, issuer: &Issuer, redis: &Redis, policy: &str) -> Gateway {
    let more = format!(", on-store-error: {policy}");
    let store = format!("store: {{url: 'redis://{}', timeout: 200ms}}\n", redis.place());
    let configuration = store + &asking(upstream, &issuer.url(), &more, CLIENT);
    setup().start(&configuration).await
}

#[tokio::test]
async fn replicas_share_tokens_and_a_lost_store_does_what_is_said() {
    let (upstream, issuer, mut redis) =
        (Upstream::recording(Speaks::Http1).await, Issuer::start().await, Redis::start().await);
    let one = replica(&upstream, &issuer, &redis, "local").await;
    eventually("a stored token", async || {
        assert_eq!(with_secret(&one, "/", "gw", "gw-secret").await.status(), 200);
        (redis.command(&["DBSIZE"]).trim() == "1").then_some(())
    })
    .await;
    let calls = issuer.calls("token");
    let key = redis.command(&["KEYS", "*"]);
    let stored = redis.command(&["GET", key.trim()]);
    assert!(!stored.is_empty() && !stored.contains("orders.read") && !stored.contains("token"), "{stored}");
    let (allow, deny) =
        (replica(&upstream, &issuer, &redis, "allow").await, replica(&upstream, &issuer, &redis, "deny").await);
    for gateway in [&allow, &deny] {
        assert_eq!(with_secret(gateway, "/", "gw", "gw-secret").await.status(), 200);
    }
    assert_eq!(issuer.calls("token"), calls);
    issuer.client("late", "late-secret", &["orders.read"]);
    issuer.client("early", "early-secret", &["orders.read"]);
    redis.pause();
    for (gateway, status) in [(&one, 200), (&allow, 200), (&deny, 503)] {
        let begin = Instant::now();
        assert_eq!(with_secret(gateway, "/", "early", "early-secret").await.status(), status);
        assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
        assert_eq!(with_secret(gateway, "/", "gw", "gw-secret").await.status(), 200);
    }
    redis.resume();
    redis.kill();
    for (gateway, status) in [(&one, 200), (&allow, 200), (&deny, 503)] {
        let answer = with_secret(gateway, "/", "late", "late-secret").await;
        assert_eq!(answer.status(), status);
        if status == 503 {
            assert_eq!(answer.json()["type"], "urn:gwanmun:fault:store-unavailable");
        }
        assert_eq!(with_secret(gateway, "/", "gw", "gw-secret").await.status(), 200);
    }
    redis.restart().await;
    eventually("the store to be back", async || {
        (with_secret(&deny, "/", "late", "late-secret").await.status() == 200).then_some(())
    })
    .await;
}

#[tokio::test]
#[ignore = "installs an OpenID provider from npm: cargo xtask test --full"]
async fn with_npms_oidc_provider() {
    let (upstream, mut provider) = (Upstream::recording(Speaks::Http1).await, OidcProvider::start().await);
    let gateway = start(&asking(&upstream, provider.url(), "", CLIENT)).await;
    let first = with_secret(&gateway, "/", "gw", "gw-secret").await;
    assert_eq!(first.status(), 200, "{}", gateway.log().text());
    assert_eq!(
        told(&with_secret(&gateway, "/", "gw", "guess").await),
        told(&with_secret(&gateway, "/", "nobody", "guess").await)
    );
    // It grants a token without the scope, and says nothing of it.
    for scope in ["orders.admin", "unheard.of"] {
        let filters = CLIENT.replace("orders.read", scope);
        let gateway = start(&asking(&upstream, provider.url(), "", &filters)).await;
        assert_eq!(with_secret(&gateway, "/", "gw", "gw-secret").await.status(), 403, "{scope}");
    }
    // It introspects opaque tokens, and refuses to say anything of JWTs.
    let relaying = start(&asking(&upstream, provider.url(), "", &format!("{CLIENT}, token-relay: partner"))).await;
    let number = upstream.requests();
    with_secret(&relaying, "/", "gw", "gw-secret").await;
    let jwt = upstream.received(number).await.header("authorization").unwrap();
    let introspecting = start(&asking(&upstream, provider.url(), ", cache: 1s", INTROSPECT)).await;
    assert_eq!(with_token(&introspecting, jwt.strip_prefix("Bearer ").unwrap()).await.status(), 401);
    introspecting.access_line(|line| line["fault_reason"] == "wrong-token-type").await;
    assert_eq!(with_token(&introspecting, "guessed").await.status(), 401);
    let opaque = issued(&provider, "&resource=urn:opaque").await;
    assert_eq!(with_token(&introspecting, &opaque).await.status(), 200);
    assert_eq!(introspecting.access_line(|line| line["status"] == 200).await["principal"], "gw");
    // What it has forgotten is forgotten here a moment later.
    provider.rotate("ES256").await;
    eventually("the end of the token", async || {
        (with_token(&introspecting, &opaque).await.status() == 401).then_some(())
    })
    .await;
    assert_eq!(
        with_secret(&start(&asking(&upstream, provider.url(), "", CLIENT)).await, "/", "gw", "gw-secret")
            .await
            .status(),
        200
    );
}

/// A token that the provider issues to `gw` when it is asked with `more`.
async fn issued(provider: &OidcProvider, more: &str) -> String {
    let address = provider.url().strip_prefix("http://").unwrap();
    let body = format!("grant_type=client_credentials&scope=orders.read{more}");
    let mut connection = Connection::tcp(address.parse().unwrap()).await;
    let head = format!(
        "POST /token HTTP/1.1\r\nHost: {address}\r\nAuthorization: Basic Z3c6Z3ctc2VjcmV0\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n",
        body.len()
    );
    connection.send(head + &body).await;
    connection.answer().await.json()["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
#[ignore = "needs glewlwyd: cargo xtask test --full"]
async fn with_glewlwyd() {
    let (upstream, server) = (Upstream::recording(Speaks::Http1).await, Glewlwyd::start().await);
    let more = format!(
        ", token-endpoint: '{}', introspection-endpoint: '{}'",
        server.token_endpoint(),
        server.introspection_endpoint()
    );
    let gateway = start(&asking(&upstream, &server.url(), &more, &format!("{CLIENT}, token-relay: partner"))).await;
    let first = with_secret(&gateway, "/", "gw", "gw-secret").await;
    assert_eq!(first.status(), 200, "{}", gateway.log().text());
    let token = upstream.received(0).await.header("authorization").unwrap().strip_prefix("Bearer ").unwrap().to_owned();
    assert_eq!(
        told(&with_secret(&gateway, "/", "gw", "guess").await),
        told(&with_secret(&gateway, "/", "nobody", "guess").await)
    );
    let introspecting = start(&asking(&upstream, &server.url(), &more, INTROSPECT)).await;
    assert_eq!(with_token(&introspecting, &token).await.status(), 200, "{}", introspecting.log().text());
    assert_eq!(introspecting.access_line(|line| line["status"] == 200).await["principal"], "gw");
    assert_eq!(with_token(&introspecting, "guessed").await.status(), 401);
}
