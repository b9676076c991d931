use super::*;

async fn world() -> (World, Provider) {
    let world = World::start().await;
    let provider = world.provider_with(|settings| settings.userinfo = true);
    (world, provider)
}

#[tokio::test]
async fn userinfo_adds_to_what_the_id_token_says_and_replaces_nothing() {
    let (world, provider) = world().await;
    world.tokens(json!({}), json!({"tenant": "signed"}));
    world.issuer.user("me", json!({"sub": "u1", "roles": ["ops"], "tenant": "told", "sid": "s9", "exp": 1}));
    let who = redeem(&provider).await.unwrap().who;
    assert_eq!((who.principal.roles, who.sid), (vec!["ops".to_owned()], None));
    assert_eq!(who.principal.claims["tenant"], "signed");
    assert!(who.principal.claims["exp"].as_u64() > Some(1));
    let request = world.issuer.requests("user").pop().unwrap();
    assert_eq!(request.header("authorization").as_deref(), Some("Bearer access"));
    assert_eq!((request.method(), request.target()), ("GET", "/users/me"));
}

#[tokio::test]
async fn another_users_userinfo_is_not_used() {
    let (world, provider) = world().await;
    for told in [json!({"sub": "u2", "roles": ["admin"]}), json!({"roles": ["admin"]}), json!({"sub": ["u1"]})] {
        world.issuer.user("me", told);
        assert_eq!(reason(&provider).await, Reason::MalformedToken);
    }
}

#[tokio::test]
async fn userinfo_that_cannot_be_used_is_the_providers_failure() {
    let (world, provider) = world().await;
    let json = |body: &str| Answer::json(serde_json::from_str(body).unwrap());
    for (answer, why) in [
        (json(r#"{"sub":"u1"}"#).with_field("content-type", "application/jwt"), "userinfo_signed_response_alg"),
        (json(r#"{"sub":"u1"}"#).with_field("content-type", "text/html"), "application/json"),
        (Answer::garbage(), "UserInfo"),
        (Answer::oversized(70_000), "too many bytes"),
        (Answer::oversized(300_000), "bytes"),
        (Answer::error(401, "invalid_token"), "401"),
        (Answer::redirect("https://evil.example"), "302"),
    ] {
        world.issuer.answer("user", answer);
        let refusal = redeem(&provider).await.err().unwrap();
        assert_eq!(refusal.reason(), Reason::ProviderMalformed, "{refusal}");
        assert!(refusal.detail().contains(why), "{refusal}");
    }
    world.issuer.answer("user", json(r#"{"sub":"u1"}"#).with_field("content-type", "application/json; charset=UTF-8"));
    assert!(redeem(&provider).await.is_ok());
    world.metadata(json!({"userinfo_endpoint": null}));
    let refusal = redeem(&world.provider_with(|settings| settings.userinfo = true)).await.err().unwrap();
    assert!(refusal.detail().contains("no userinfo_endpoint"), "{refusal}");
}
