//! Authorization servers that others have written say what the tests of the gateway take for granted.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever goes wrong in a test is a failed test"
)]

use std::net::SocketAddr;

use gwanmun_testkit::{Connection, Glewlwyd, Jws, Message, OidcProvider};
use serde_json::json;

/// `gw:gw-secret`.
const BASIC: &str = "Authorization: Basic Z3c6Z3ctc2VjcmV0\r\n";
const CLIENT: &str = "grant_type=client_credentials&scope=orders.read";

#[tokio::test]
#[ignore = "full tier: installs oidc-provider from npm"]
async fn the_provider_of_npm_issues_introspects_exchanges_and_rotates() {
    let mut provider = OidcProvider::start().await;
    let discovery = get(&format!("{}/.well-known/openid-configuration", provider.url())).await.json();
    assert_eq!(discovery["issuer"], provider.url());
    assert_eq!(discovery["jwks_uri"], provider.jwks_url());
    assert_eq!(discovery["token_endpoint"], provider.token_endpoint());
    assert_eq!(discovery["introspection_endpoint"], provider.introspection_endpoint());

    let mut tokens: Vec<String> = Vec::new();
    for algorithm in ["ES256", "EdDSA", "RS256"] {
        if algorithm != "ES256" {
            provider.rotate(algorithm).await;
        }
        let jwks = get(&provider.jwks_url()).await.json();
        let token = access_token(&post(&provider.token_endpoint(), BASIC, CLIENT).await);
        let jws = Jws::verified(&token, &jwks).unwrap();
        assert_eq!((&jws.header()["alg"], &jws.header()["typ"]), (&json!(algorithm), &json!("at+jwt")));
        let claims = jws.claims();
        assert_eq!(
            (&claims["iss"], &claims["aud"], &claims["sub"]),
            (&json!(provider.url()), &json!("gateway"), &json!("gw"))
        );
        assert_eq!(claims["scope"], "orders.read");
        for old in &tokens {
            assert!(Jws::verified(old, &jwks).is_err());
        }
        tokens.push(token);
    }

    let form = format!("{CLIENT}&client_id=gw-post&client_secret=gw-secret&resource=urn:opaque");
    let opaque = access_token(&post(&provider.token_endpoint(), "", &form).await);
    let told = post(&provider.introspection_endpoint(), BASIC, &format!("token={opaque}")).await.json();
    assert_eq!((&told["active"], &told["client_id"]), (&json!(true), &json!("gw-post")));
    let unknown = post(&provider.introspection_endpoint(), BASIC, "token=made-up").await.json();
    assert_eq!(unknown, json!({"active": false}));

    let exchange = "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&audience=urn:inner\
        &subject_token_type=urn:ietf:params:oauth:token-type:access_token&subject_token=";
    let jwks = get(&provider.jwks_url()).await.json();
    for (subject, of) in [(tokens.pop().unwrap(), "gw"), (opaque, "gw-post")] {
        let answer = post(&provider.token_endpoint(), BASIC, &format!("{exchange}{subject}")).await;
        let claims = Jws::verified(&access_token(&answer), &jwks).unwrap().claims();
        assert_eq!(
            (&claims["sub"], &claims["aud"], &claims["act"]["sub"]),
            (&json!(of), &json!("urn:inner"), &json!("gw"))
        );
    }
    let old = post(&provider.token_endpoint(), BASIC, &format!("{exchange}{}", tokens[0])).await;
    assert_eq!((old.status(), &old.json()["error"]), (400, &json!("invalid_request")));

    let refused = post(&provider.token_endpoint(), BASIC, "grant_type=client_credentials&scope=orders.admin").await;
    assert_eq!((refused.status(), &refused.json()["error"]), (400, &json!("invalid_scope")));
    let stranger = "Authorization: Basic Z3c6YmFk\r\n";
    assert_eq!(post(&provider.token_endpoint(), stranger, CLIENT).await.status(), 401);
}

#[tokio::test]
#[ignore = "full tier: needs glewlwyd"]
async fn debians_glewlwyd_issues_introspects_revokes_and_rotates() {
    let server = Glewlwyd::start().await;
    let discovery = get(&format!("{}/.well-known/openid-configuration", server.url())).await.json();
    assert_eq!(discovery["issuer"], server.url());
    assert_eq!(discovery["jwks_uri"], server.jwks_url());
    assert_eq!(discovery["token_endpoint"], server.token_endpoint());
    assert_eq!(discovery["introspection_endpoint"], server.introspection_endpoint());

    let mut old = None;
    for algorithm in ["ES256", "EdDSA", "RS256"] {
        if algorithm != "ES256" {
            server.rotate(algorithm).await;
        }
        let jwks = get(&server.jwks_url()).await.json();
        let token = access_token(&post(&server.token_endpoint(), BASIC, CLIENT).await);
        let jws = Jws::verified(&token, &jwks).unwrap();
        assert_eq!((&jws.header()["alg"], &jws.header()["typ"]), (&json!(algorithm), &json!("at+jwt")));
        let claims = jws.claims();
        assert_eq!(claims["iss"], server.url());
        assert_eq!((&claims["aud"], &claims["sub"]), (&json!("orders.read"), &json!("gw")));
        if let Some(old) = old.replace(token) {
            assert!(Jws::verified(&old, &jwks).is_err());
        }
    }

    let form = format!("token={}", old.unwrap());
    let told = post(&server.introspection_endpoint(), BASIC, &form).await.json();
    assert_eq!((&told["active"], &told["scope"]), (&json!(true), &json!("orders.read")));
    assert_eq!((&told["client_id"], told.get("sub")), (&json!("gw"), None));
    assert_eq!(post(&server.revocation_endpoint(), BASIC, &form).await.status(), 200);
    for form in [&form, "token=made-up"] {
        let told = post(&server.introspection_endpoint(), BASIC, form).await.json();
        assert_eq!(told, json!({"active": false}));
    }
    let refused = post(&server.token_endpoint(), BASIC, "grant_type=client_credentials&scope=orders.admin").await;
    assert_eq!((refused.status(), &refused.json()["error"]), (400, &json!("scope_invalid")));
}

fn access_token(answer: &Message) -> String {
    let token = answer.json()["access_token"].as_str().map(str::to_owned);
    token.unwrap_or_else(|| panic!("no token in {answer:?}"))
}

async fn get(url: &str) -> Message {
    ask("GET", url, "", "").await
}

async fn post(url: &str, fields: &str, form: &str) -> Message {
    ask("POST", url, &format!("{fields}Content-Type: application/x-www-form-urlencoded\r\n"), form).await
}

/// Says the real name of the host: real servers make URLs of it.
async fn ask(method: &str, url: &str, fields: &str, body: &str) -> Message {
    let (address, path) = parts(url);
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n{fields}Content-Length: {length}\r\n\r\n");
    let mut connection = Connection::tcp(address).await;
    connection.send(head + body).await;
    connection.answer().await
}

/// The address and the path of a URL.
fn parts(url: &str) -> (SocketAddr, &str) {
    let rest = url.strip_prefix("http://").unwrap();
    let (authority, path) = rest.split_at(rest.find('/').unwrap());
    (authority.parse().unwrap(), path)
}
