use serde_json::{Value, json};

use super::*;
use crate::base64url;
use crate::browser::{Browser, Page};
use crate::jws::Jws;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// Of the verifier (RFC 7636, appendix B).
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn login_page(provider: &OpenIdProvider, origin: &str) -> String {
    format!(
        "{}?response_type=code&client_id=gw&redirect_uri={}&scope=openid&state=state-of-sixteen&nonce=nonce-of-sixteen\
         &code_challenge={CHALLENGE}&code_challenge_method=S256",
        provider.endpoint("authorize"),
        encoded(&format!("{origin}/callback")),
    )
}

async fn post(provider: &OpenIdProvider, form: &str) -> Message {
    let basic = base64url::encode_plain(b"gw:gw-secret");
    let head = format!(
        "POST /token HTTP/1.1\r\nHost: provider.test\r\nAuthorization: Basic {basic}\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n",
        form.len()
    );
    let mut connection = Connection::tcp(provider.address()).await;
    connection.send(head + form).await;
    connection.answer().await
}

async fn redeem(provider: &OpenIdProvider, page: &Page, verifier: &str) -> Message {
    let (code, redirect) = (page.parameter("code").unwrap(), "https%3A%2F%2Fa.test%2Fcallback");
    let form = format!("grant_type=authorization_code&code={code}&redirect_uri={redirect}&code_verifier={verifier}");
    post(provider, &form).await
}

async fn refresh(provider: &OpenIdProvider, tokens: &Value) -> Message {
    let token = tokens["refresh_token"].as_str().unwrap();
    post(provider, &format!("grant_type=refresh_token&refresh_token={token}")).await
}

#[tokio::test]
async fn one_login_gives_a_code_for_each_origin_and_tokens_once_for_each_code() {
    let (provider, browser) = (OpenIdProvider::start(&["https://a.test", "https://b.test"]).await, Browser::new());
    let page = browser.visit(&login_page(&provider, "https://a.test")).await;
    assert!(page.location().unwrap().starts_with("https://a.test/callback?state=state-of-sixteen&iss="), "{page:?}");
    let tokens = redeem(&provider, &page, VERIFIER).await.json();
    let id_token =
        Jws::verified(tokens["id_token"].as_str().unwrap(), &json!({"keys": [provider.protocol().key.jwk()]}));
    let claims = id_token.unwrap().claims();
    assert_eq!((&claims["sub"], &claims["nonce"]), (&json!("ann"), &json!("nonce-of-sixteen")));
    assert_eq!(redeem(&provider, &page, VERIFIER).await.json()["error"], "invalid_grant");
    // The code was stolen; so its refresh token is none any more.
    assert_eq!(refresh(&provider, &tokens).await.status(), 400);

    let page = browser.visit(&login_page(&provider, "https://b.test")).await;
    assert!(page.location().unwrap().starts_with("https://b.test/callback?"));
    assert_eq!((provider.logins(), provider.replays()), (1, 1));
}

#[tokio::test]
async fn a_verifier_that_is_not_the_challenges_and_strange_origins_are_refused() {
    let (provider, browser) = (OpenIdProvider::start(&["https://a.test"]).await, Browser::new());
    let page = browser.visit(&login_page(&provider, "https://a.test")).await;
    assert_eq!(redeem(&provider, &page, &VERIFIER.replace('d', "e")).await.json()["error"], "invalid_grant");
    let page = browser.visit(&login_page(&provider, "https://evil.test")).await;
    assert_eq!((page.status(), page.location()), (400, None));
}

#[tokio::test]
async fn a_refresh_token_is_good_once_and_the_second_time_ends_all() {
    let (provider, browser) = (OpenIdProvider::start(&["https://a.test"]).await, Browser::new());
    let page = browser.visit(&login_page(&provider, "https://a.test")).await;
    let first = redeem(&provider, &page, VERIFIER).await.json();
    let second = refresh(&provider, &first).await.json();
    assert_eq!(refresh(&provider, &first).await.status(), 400);
    assert_eq!(refresh(&provider, &second).await.status(), 400);
    assert_eq!((provider.refreshes(), provider.replays()), (3, 1));
}
