//! What claims to come from the provider: ID tokens, logout tokens, answers of another provider, names and messages that
//! would be more than text.

use std::time::Duration;

use gwanmun_testkit::{Forgery, TokenKey};
use serde_json::json;

use super::{A, More, World, assert_recorded, records, session, status, until_status};

#[tokio::test]
async fn no_forged_id_token_logs_anybody_in() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let evil = TokenKey::new("ES256", "k1");
    for (what, forgery) in [
        ("another nonce", Forgery::claims(json!({"nonce": "n"}))),
        ("no nonce", Forgery::claims(json!({"nonce": null}))),
        ("another audience", Forgery::claims(json!({"aud": "other"}))),
        ("no audience", Forgery::claims(json!({"aud": null}))),
        ("two audiences and another party", Forgery::claims(json!({"aud": ["gw", "other"], "azp": "other"}))),
        ("another issuer", Forgery::claims(json!({"iss": "https://evil.test"}))),
        ("no issuer", Forgery::claims(json!({"iss": null}))),
        ("expired", Forgery::claims(json!({"exp": 1_700_000_000}))),
        ("no end", Forgery::claims(json!({"exp": null}))),
        ("no beginning", Forgery::claims(json!({"iat": null}))),
        ("no subject", Forgery::claims(json!({"sub": null}))),
        ("an empty subject", Forgery::claims(json!({"sub": ""}))),
        ("alg none", Forgery::unsigned()),
        ("another key", Forgery::by(evil.clone())),
        ("another key by jwk", Forgery::by(evil.clone()).and_header(json!({"jwk": evil.jwk()}))),
        ("an unknown key", Forgery::by(TokenKey::new("ES256", "k2"))),
        ("HS256 with the client's secret", Forgery::by(TokenKey::shared("HS256", "k1", "gw-secret"))),
        ("an unknown crit", Forgery::header(json!({"crit": ["x"], "x": 1}))),
        (
            "a logout token",
            Forgery::header(json!({"typ": "logout+jwt"})).and_claims(json!({
                "nonce": null, "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
            })),
        ),
    ] {
        world.provider.forge(forgery);
        let browser = world.browser(&gateway);
        let page = browser.open(&format!("{A}/")).await;
        assert!((400..600).contains(&page.status()), "{what}: {page:?}");
        assert_eq!(session(&browser, A), None, "{what}");
        assert_recorded(&gateway, "login", "deny", None);
    }
    gateway.access_line(|line| line["fault_reason"] == "wrong-nonce").await;
    assert_eq!(world.tool.requests(), 0);
    world.provider.forge(Forgery::default());
    assert_eq!(world.browser(&gateway).open(&format!("{A}/")).await.status(), 200);
}

#[tokio::test]
async fn a_refresh_that_tells_of_somebody_else_ends_the_session() {
    let world = World::start().await;
    world.provider.behave(|manners| manners.access = Some(Duration::from_secs(1)));
    let gateway = world.gateway(More::default()).await;
    let browser = world.browser_of("ann", &gateway).await;
    world.provider.forge(Forgery::claims(json!({"sub": "bob"})));
    until_status(&browser, &format!("{A}/"), 401).await;
    assert_eq!(world.provider.refreshes(), 1);
    assert!(world.received().await.iter().all(|request| request.header("x-user").as_deref() == Some("ann")));
}

#[tokio::test]
async fn an_answer_of_another_provider_is_not_taken_for_this_ones() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    for iss in
        [Some("https://evil.test".to_owned()), Some(String::new()), Some(format!("{}/", world.provider.url())), None]
    {
        world.provider.behave(|manners| manners.iss = Some(iss.clone()));
        let browser = world.browser(&gateway);
        let page = browser.open(&format!("{A}/")).await;
        assert!((400..500).contains(&page.status()), "{iss:?}: {page:?}");
        assert_eq!((session(&browser, A), world.provider.calls("token")), (None, 0), "{iss:?}");
        assert_recorded(&gateway, "login", "deny", None);
    }
    gateway.access_line(|line| line["fault_reason"] == "wrong-issuer").await;
    // Nor is a refusal.
    world.provider.behave(|manners| manners.refusal = Some(("access_denied".into(), "no".into())));
    assert!((400..500).contains(&world.browser(&gateway).open(&format!("{A}/")).await.status()));

    // A provider that does not promise to say who it is need not; what it says is compared all the same.
    let quiet = World::start().await;
    quiet.provider.behave(|manners| (manners.promises_iss, manners.iss) = (false, Some(None)));
    let gateway = quiet.gateway(More::default()).await;
    assert_eq!(quiet.browser(&gateway).open(&format!("{A}/")).await.status(), 200);
    quiet.provider.behave(|manners| manners.iss = Some(Some("https://evil.test".into())));
    assert!((400..500).contains(&quiet.browser(&gateway).open(&format!("{A}/")).await.status()));
}

#[tokio::test]
async fn no_forged_logout_token_ends_a_session() {
    let world = World::start().await;
    let gateway = world.gateway(More { session: "cache: 0s", ..More::default() }).await;
    let ann = world.browser_of("ann", &gateway).await;
    let [sid] = world.provider.sids().try_into().unwrap();
    let plain = gateway.address("plain");
    let forged = world.provider.forged_logout_tokens(&json!({"sub": "ann", "sid": sid}));
    for (number, (what, token)) in forged.iter().enumerate() {
        let answer = world.provider.tell(plain, token).await;
        assert_eq!(answer.status(), 400, "{what}: {answer:?}");
        assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"), "{what}");
        assert_eq!(status(&ann, &format!("{A}/")).await, 200, "{what}");
        assert_eq!(records(&gateway, "logout").len(), number + 1, "{what}");
        assert_recorded(&gateway, "logout", "deny", None);
    }
    assert!(world.provider.calls("jwks") <= 2, "keys that nobody has are not asked for again and again");
    // A good one, once.
    world.browser_of("bob", &gateway).await;
    let token = world.provider.logout_token(json!({"sub": "bob"}));
    assert_eq!(world.provider.tell(plain, &token).await.status(), 200);
    assert_eq!(world.provider.tell(plain, &token).await.status(), 400);
    gateway.access_line(|line| line["fault_reason"] == "logout-replayed").await;
    // Nothing but a form with a token in it is read, and only what is sent to be.
    for request in [
        "GET /backchannel-logout?logout_token=x HTTP/1.1\r\nHost: a.test\r\n\r\n".to_owned(),
        "POST /backchannel-logout HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "POST /backchannel-logout HTTP/1.1\r\nHost: a.test\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
            .to_owned(),
        format!(
            "POST /backchannel-logout HTTP/1.1\r\nHost: a.test\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: 200013\r\n\r\nlogout_token={}",
            "x".repeat(200_000)
        ),
    ] {
        let answer = world.raw(&gateway, &request).await;
        assert!((400..500).contains(&answer.status()), "{answer:?}");
    }
    assert_eq!(status(&ann, &format!("{A}/")).await, 200);
}

#[tokio::test]
async fn what_the_provider_says_is_shown_as_text_or_not_at_all() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";
    world.provider.behave(|manners| manners.refusal = Some((evil.into(), evil.into())));
    let page = world.browser(&gateway).open(&format!("{A}/")).await;
    let bare = world.browser(&gateway).visit(&format!("{A}/callback?error=%3Cscript%3E&state=%3Cscript%3E")).await;
    let lines =
        world.browser(&gateway).visit(&format!("{A}/callback?error=a%0D%0ASet-Cookie:%20x=y&state=%0d%0a")).await;
    for page in [page, bare, lines] {
        assert!((400..500).contains(&page.status()), "{page:?}");
        let text = page.answer.text();
        assert!(!text.contains("<script>") && !text.contains("<img"), "{page:?}");
        assert_eq!(page.answer.header("x-content-type-options").as_deref(), Some("nosniff"), "{page:?}");
        assert!(page.answer.header("content-security-policy").unwrap().contains("default-src 'none'"), "{page:?}");
        assert!(!page.answer.header("set-cookie").unwrap_or_default().contains("x=y"), "{page:?}");
    }
    // Each record is one line, whatever it is about.
    assert_eq!(records(&gateway, "login").len(), 3);
}

#[tokio::test]
async fn claims_that_would_be_more_than_one_value_do_not_reach_the_tool() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let groups = json!(["staff", "a,admin", "x\r\nX-Admin: 1", "y\nz", "nul\0", "é", " padded "]);
    world.provider.user("eve", json!({"name": "eve\r\nX-Evil: 1", "groups": groups}));
    let browser = world.browser_of("eve", &gateway).await;
    assert_eq!(browser.open(&format!("{A}/admin/")).await.status(), 403);
    let request = world.tool.received(0).await;
    assert_eq!(request.header("x-user").as_deref(), Some("eve"));
    for name in ["x-admin", "x-evil"] {
        assert_eq!(request.header(name), None, "{request:?}");
    }
    let told = request.header("x-groups").unwrap_or_default();
    assert!(told.split(',').all(|group| group.trim() != "admin"), "{told}");
    // Whoever is called so cannot be told to anybody.
    world.provider.user("mal\r\nX-Evil: 1", json!({}));
    world.provider.log_in_as("mal\r\nX-Evil: 1");
    let page = world.browser(&gateway).open(&format!("{A}/")).await;
    assert!(page.status() >= 400, "{page:?}");
    assert_eq!(world.tool.requests(), 1);
}

#[tokio::test]
async fn what_a_client_says_of_its_user_is_not_what_the_tool_hears() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let browser = world.browser_of("bob", &gateway).await;
    let forged = "X-User: ann\r\nx_user: ann\r\nX-Groups: admin\r\nx_groups: admin\r\nTxn-Token: x\r\n";
    let page = browser.visit_with(&format!("{A}/"), forged).await;
    assert_eq!(page.status(), 200);
    let request = world.received().await.pop().unwrap();
    assert_eq!(request.header("x-user").as_deref(), Some("bob"));
    for name in ["x_user", "x_groups"] {
        assert_eq!(request.header(name), None, "{request:?}");
    }
    assert!(!request.header("x-groups").unwrap_or_default().contains("admin"));
    assert_ne!(request.header("txn-token").as_deref(), Some("x"));
}
