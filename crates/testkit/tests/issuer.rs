//! The issuer of the test kit does what other tests take for granted.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever goes wrong in a test is a failed test"
)]

use std::collections::BTreeSet;

use gwanmun_testkit::{Answer, Connection, Issuer, Jws, Message, TokenKey};
use serde_json::json;

const BASIC: &str = "Authorization: Basic Z3c6Z3ctc2VjcmV0\r\n";
const EXCHANGE: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange";
const OF_ACCESS_TOKEN: &str = "subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token";

#[tokio::test]
async fn tokens_are_good_by_the_published_keys_and_old_ones_are_not_after_a_rotation() {
    let issuer = Issuer::start().await;
    let token = issuer.token(json!({"roles": ["ops"], "jti": null}));
    let jws = Jws::verified(&token, &get(&issuer, "/jwks").await.json()).unwrap();
    assert_eq!(jws.claims()["iss"], issuer.url());
    assert_eq!(jws.claims()["roles"], json!(["ops"]));
    assert!(jws.claims().get("jti").is_none());

    issuer.rotate([TokenKey::new("EdDSA", "k2")]);
    let published = get(&issuer, "/jwks").await.json();
    assert!(Jws::verified(&token, &published).is_err());
    assert!(Jws::verified(&issuer.token(json!({})), &published).is_ok());
    assert_eq!(issuer.calls("jwks"), 2);
}

#[tokio::test]
async fn every_forgery_is_another_and_has_a_fault() {
    // Written anew it must be the same: so nothing is said twice.
    let object = |bytes: &[u8]| {
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(bytes).ok()?;
        (serde_json::to_vec(&object).unwrap() == bytes).then_some(json!(object))
    };
    let reader = |issuer: &Issuer, token: &str| {
        let jws = Jws::verified(token, &issuer.jwks()).ok()?;
        let (header, claims) = (object(&jws.header)?, object(&jws.payload)?);
        let plain = header["crit"].is_null() && header["b64"].is_null();
        let timely = claims["exp"].as_u64()? > 1_000_000_000 && claims["nbf"].is_null();
        let fits = claims["iss"] == issuer.url() && claims["aud"] == "gateway";
        (plain && timely && fits && !claims["sub"].as_str()?.is_empty()).then_some(())
    };
    for algorithm in ["ES256", "EdDSA", "RS256"] {
        let issuer = Issuer::with_keys([TokenKey::new(algorithm, "k1")]).await;
        assert!(reader(&issuer, &issuer.token(json!({}))).is_some());
        let forgeries = issuer.forgeries();
        for (what, token) in &forgeries {
            assert!(token.bytes().all(|byte| byte.is_ascii_graphic()), "{what}");
            assert!(reader(&issuer, token).is_none(), "{algorithm} with {what} is good: {:?}", Jws::read(token));
        }
        let (names, tokens): (BTreeSet<_>, BTreeSet<_>) = forgeries.iter().cloned().unzip();
        assert_eq!((names.len(), tokens.len()), (forgeries.len(), forgeries.len()));
    }
}

#[tokio::test]
async fn discovery_names_the_endpoints() {
    let issuer = Issuer::start().await;
    let discovery = get(&issuer, "/.well-known/openid-configuration").await.json();
    assert_eq!(discovery["issuer"], issuer.url());
    for (name, endpoint) in
        [("jwks_uri", "jwks"), ("token_endpoint", "token"), ("introspection_endpoint", "introspect")]
    {
        assert_eq!(discovery[name], issuer.endpoint(endpoint));
    }
}

#[tokio::test]
async fn a_client_gets_a_token_by_either_way_of_proof_and_only_with_its_own_secret() {
    let issuer = Issuer::start().await;
    let basic = post(&issuer, "/token", BASIC, "grant_type=client_credentials&scope=orders.read").await;
    assert_eq!((basic.status(), &basic.json()["token_type"]), (200, &json!("Bearer")));
    let token = basic.json()["access_token"].as_str().unwrap().to_owned();
    let claims = Jws::verified(&token, &issuer.jwks()).unwrap().claims();
    assert_eq!((&claims["sub"], &claims["scope"]), (&json!("gw"), &json!("orders.read")));

    let body = "grant_type=client_credentials&client_id=gw&client_secret=gw-secret";
    assert_eq!(post(&issuer, "/token", "", body).await.json()["scope"], "orders.read orders.write");

    let wrong = post(&issuer, "/token", "", "grant_type=client_credentials&client_id=gw&client_secret=no").await;
    assert_eq!((wrong.status(), &wrong.json()["error"]), (401, &json!("invalid_client")));
    for (form, error) in [
        (body.to_owned(), "invalid_request"),
        ("grant_type=client_credentials&scope=all".to_owned(), "invalid_scope"),
        ("grant_type=client_credentials&scope=a&scope=b".to_owned(), "invalid_request"),
        ("grant_type=password".to_owned(), "unsupported_grant_type"),
        (format!("{EXCHANGE}&subject_token=made-up&{OF_ACCESS_TOKEN}"), "invalid_request"),
    ] {
        let refused = post(&issuer, "/token", BASIC, &form).await;
        assert_eq!((refused.status(), &refused.json()["error"]), (400, &json!(error)), "{form}");
    }
    assert_eq!(issuer.calls("token"), 8);
}

#[tokio::test]
async fn a_token_is_exchanged_for_another_and_for_a_transaction_token() {
    let issuer = Issuer::start().await;
    let subject = issuer.token(json!({"sub": "ann"}));
    let form = format!("{EXCHANGE}&subject_token={subject}&{OF_ACCESS_TOKEN}&audience=inner");
    let answer = post(&issuer, "/token", BASIC, &form).await.json();
    let claims = Jws::verified(answer["access_token"].as_str().unwrap(), &issuer.jwks()).unwrap().claims();
    assert_eq!((&claims["sub"], &claims["aud"], &claims["act"]["sub"]), (&json!("ann"), &json!("inner"), &json!("gw")));

    let context = "request_context=%7B%22req_ip%22%3A%22192.0.2.1%22%7D";
    let kind = "requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Atxn_token";
    let answer = post(&issuer, "/token", BASIC, &format!("{form}&{kind}&{context}")).await.json();
    assert_eq!(answer["token_type"], "N_A");
    let jws = Jws::verified(answer["access_token"].as_str().unwrap(), &issuer.jwks()).unwrap();
    assert_eq!(jws.header()["typ"], "txntoken+jwt");
    assert_eq!((&jws.claims()["sub"], &jws.claims()["rctx"]["req_ip"]), (&json!("ann"), &json!("192.0.2.1")));
}

#[tokio::test]
async fn introspection_tells_active_tokens_from_others() {
    let issuer = Issuer::start().await;
    let introspect = async |token: String| post(&issuer, "/introspect", BASIC, &format!("token={token}")).await.json();
    let signed = issuer.token(json!({"scope": "a b"}));
    assert_eq!(introspect(signed.clone()).await["scope"], "a b");
    let opaque = issuer.opaque(json!({"aud": ["x", "y"]}));
    assert_eq!(introspect(opaque.clone()).await["aud"], json!(["x", "y"]));
    issuer.revoke(&opaque);
    for dead in [opaque, "made-up".to_owned(), issuer.token(json!({"exp": 1}))] {
        assert_eq!(introspect(dead).await, json!({"active": false}));
    }
    assert!(introspect(issuer.opaque(json!({"active": null}))).await.get("active").is_none());
    assert_eq!(post(&issuer, "/introspect", "", "token=x").await.status(), 401);
}

#[tokio::test]
async fn users_are_found_by_their_encoded_id() {
    let issuer = Issuer::start().await;
    issuer.user("a/b c", json!({"marketing": true}));
    assert_eq!(get(&issuer, "/users/a%2Fb%20c").await.json()["marketing"], true);
    assert_eq!(get(&issuer, "/users/a/b").await.status(), 404);
}

#[tokio::test]
async fn answers_are_held_until_they_are_released() {
    let issuer = Issuer::start().await;
    let held = issuer.hold("jwks");
    let mut client = connect(&issuer).await;
    client.send("GET /jwks HTTP/1.1\r\nHost: issuer.test\r\n\r\n").await;
    issuer.called("jwks", 1).await;
    assert_eq!(get(&issuer, "/.well-known/openid-configuration").await.status(), 200);
    issuer.publish(json!({"keys": []}));
    held.release();
    assert_eq!(client.answer().await.json(), json!({"keys": []}));
}

#[tokio::test]
async fn answers_are_spoiled_as_told_once_or_from_now_on() {
    let issuer = Issuer::start().await;
    issuer.answer_once("jwks", Answer::status(500));
    issuer.answer_once("jwks", Answer::usual().with_field("content-type", "text/html"));
    issuer.answer("jwks", Answer::oversized(100_000));
    assert_eq!(get(&issuer, "/jwks").await.status(), 500);
    let html = get(&issuer, "/jwks").await;
    assert_eq!((html.header("content-type").unwrap(), html.json()), ("text/html".to_owned(), issuer.jwks()));
    for _ in 0..2 {
        assert!(get(&issuer, "/jwks").await.body.len() > 100_000);
    }
    issuer.answer("jwks", Answer::garbage());
    assert!(serde_json::from_slice::<serde_json::Value>(&get(&issuer, "/jwks").await.body).is_err());
    for (answer, error) in [
        (Answer::reset(), std::io::ErrorKind::ConnectionReset),
        (Answer::truncated(), std::io::ErrorKind::UnexpectedEof),
    ] {
        issuer.answer("jwks", answer);
        let mut client = connect(&issuer).await;
        client.send("GET /jwks HTTP/1.1\r\nHost: issuer.test\r\n\r\n").await;
        assert_eq!(client.try_answer("GET").await.unwrap_err().kind(), error);
    }
    issuer.answer("jwks", Answer::usual());
    assert_eq!(get(&issuer, "/jwks").await.json(), issuer.jwks());
}

#[tokio::test]
async fn it_goes_down_with_its_connections_and_comes_back_on_the_same_port() {
    let issuer = Issuer::start().await;
    let (mut idle, mut waiting) = (connect(&issuer).await, connect(&issuer).await);
    assert_eq!(idle.get("/jwks").await.status(), 200);
    let _held = issuer.hold("discovery");
    waiting.send("GET /.well-known/openid-configuration HTTP/1.1\r\nHost: issuer.test\r\n\r\n").await;
    issuer.called("discovery", 1).await;
    issuer.down().await;
    for connection in [&mut idle, &mut waiting] {
        assert!(connection.try_answer("GET").await.is_err());
    }
    assert!(tokio::net::TcpStream::connect(issuer.address()).await.is_err());
    issuer.up().await;
    assert_eq!(get(&issuer, "/jwks").await.json(), issuer.jwks());
    assert_eq!(issuer.calls("jwks"), 2);
}

async fn connect(issuer: &Issuer) -> Connection {
    Connection::tcp(issuer.address()).await
}

async fn get(issuer: &Issuer, target: &str) -> Message {
    connect(issuer).await.get(target).await
}

async fn post(issuer: &Issuer, target: &str, fields: &str, form: &str) -> Message {
    let mut connection = connect(issuer).await;
    let kind = "Content-Type: application/x-www-form-urlencoded";
    let length = form.len();
    let head =
        format!("POST {target} HTTP/1.1\r\nHost: issuer.test\r\n{fields}{kind}\r\nContent-Length: {length}\r\n\r\n");
    connection.send(head + form).await;
    connection.answer().await
}
