use super::*;

async fn refresh(provider: &Provider) -> Result<Refreshed, NotRefreshed> {
    patiently("a refresh", provider.refresh(Secret::new("old".to_owned()), "u1")).await
}

fn ended(outcome: Result<Refreshed, NotRefreshed>) -> String {
    match outcome {
        Err(NotRefreshed::Ended(why)) => why.to_string(),
        other => panic!("{other:?}"),
    }
}

fn down(outcome: Result<Refreshed, NotRefreshed>) -> Reason {
    match outcome {
        Err(NotRefreshed::Down(refusal @ Refusal::Unavailable { .. })) => refusal.reason(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn new_tokens_take_the_place_of_the_old_ones() {
    let world = World::start().await;
    world.tokens(json!({"refresh_token": "new"}), json!({"nonce": null, "roles": ["admin"], "sid": "s2"}));
    let provider = world.provider();
    let Refreshed { tokens, who } = refresh(&provider).await.unwrap();
    assert_eq!(world.form(), "grant_type=refresh_token&refresh_token=old");
    assert_eq!((tokens.access.expose().as_str(), tokens.refresh.unwrap().expose().as_str()), ("access", "new"));
    let who = who.unwrap();
    assert_eq!(
        (&*who.subject, who.sid.as_deref(), &*who.principal.roles),
        ("u1", Some("s2"), &["admin".to_owned()][..])
    );
    // Some providers repeat the nonce: it was compared at the login.
    world.tokens(json!({"refresh_token": null}), json!({"nonce": "of the login"}));
    let tokens = refresh(&provider).await.unwrap().tokens;
    assert_eq!(tokens.refresh.unwrap().expose(), "old");
}

#[tokio::test]
async fn without_an_id_token_the_user_is_who_it_was() {
    let world = World::start().await;
    world.tokens(json!({"id_token": null}), json!({}));
    let Refreshed { tokens, who } = refresh(&world.provider_with(|settings| settings.userinfo = true)).await.unwrap();
    assert!(tokens.id_token.is_none() && who.is_none());
    assert_eq!(world.issuer.calls("user"), 0);
}

#[tokio::test]
async fn a_refresh_token_that_is_not_taken_ends_the_session() {
    let world = World::start().await;
    world.issuer.answer("token", Answer::error(400, "invalid_grant"));
    assert!(ended(refresh(&world.provider()).await).contains("refresh token"));
}

#[tokio::test]
async fn a_provider_that_fails_ends_nothing() {
    let world = World::start().await;
    for (answer, reason) in [
        (Answer::error(401, "invalid_client"), Reason::GatewayRefused),
        (Answer::error(400, "invalid_request"), Reason::ProviderMalformed),
        (Answer::error(400, "invalid_scope"), Reason::ProviderMalformed),
        (Answer::error(429, "slow_down"), Reason::ProviderMalformed),
        (Answer::error(500, "invalid_grant"), Reason::ProviderMalformed),
        (Answer::garbage(), Reason::ProviderMalformed),
        (Answer::reset(), Reason::ProviderUnavailable),
    ] {
        let said = format!("{answer:?}");
        world.issuer.answer("token", answer);
        assert_eq!(down(refresh(&world.provider()).await), reason, "{said}");
    }
    world.issuer.down().await;
    assert_eq!(down(refresh(&world.provider()).await), Reason::ProviderUnavailable);
}

#[tokio::test]
async fn tokens_of_another_user_end_the_session() {
    let world = World::start().await;
    let provider = world.provider();
    for (claims, why) in [
        (json!({"sub": "u2"}), "another user"),
        (json!({"aud": "other"}), "wrong-audience"),
        (json!({"iss": "https://evil.example"}), "wrong-issuer"),
        (json!({"azp": "other"}), "azp"),
        (json!({"at_hash": "77QmUPtjPfzWtF2AnpK9RQ"}), "at_hash"),
        (json!({"exp": 1}), "expired"),
    ] {
        world.tokens(json!({}), claims);
        let found = ended(refresh(&provider).await);
        assert!(found.contains(why), "{found}");
    }
    let provider = world.provider_with(|settings| settings.userinfo = true);
    world.tokens(json!({}), json!({}));
    world.issuer.user("me", json!({"sub": "u2"}));
    assert!(ended(refresh(&provider).await).contains("UserInfo"));
}

#[tokio::test]
async fn new_tokens_are_not_lost_where_nobody_can_say_more_of_the_user() {
    let world = World::start().await;
    world.tokens(json!({"refresh_token": "new"}), json!({}));
    for endpoint in ["jwks", "user"] {
        world.issuer.answer(endpoint, Answer::status(503));
        let provider = world.provider_with(|settings| settings.userinfo = true);
        let Refreshed { tokens, who } = refresh(&provider).await.unwrap();
        assert_eq!((tokens.refresh.unwrap().expose().as_str(), who.is_none()), ("new", true), "{endpoint}");
        assert!(tokens.id_token.is_none(), "what was not verified is not kept");
        world.issuer.answer(endpoint, Answer::usual());
    }
}

#[tokio::test]
async fn who_else_is_slow_does_not_cost_the_new_tokens() {
    let world = World::start().await;
    world.tokens(json!({"refresh_token": "new"}), json!({}));
    let provider = world.provider();
    let _held = world.issuer.hold("jwks");
    let begin = Instant::now();
    let Refreshed { tokens, who } = refresh(&provider).await.unwrap();
    assert_eq!((tokens.refresh.unwrap().expose().as_str(), who.is_none()), ("new", true));
    assert!(begin.elapsed() < 2 * SECOND, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_flood_of_codes_does_not_stand_in_the_way_of_a_refresh() {
    let world = World::start().await;
    let provider = Arc::new(world.provider_with(|settings| settings.timeout = 20 * SECOND));
    refresh(&provider).await.unwrap();
    let held = world.issuer.hold("token");
    let mut codes = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let provider = Arc::clone(&provider);
        codes.spawn(async move { provider.redeem("guessed", &login(), REDIRECT).await.is_ok() });
    }
    // As many as are made at a time, and the first refresh.
    world.issuer.called("token", 65).await;
    let asked = tokio::spawn(provider.refresh(Secret::new("old".to_owned()), "u1"));
    world.issuer.called("token", 66).await;
    assert!(world.form().starts_with("grant_type=refresh_token"), "{}", world.form());
    held.release();
    assert!(asked.await.unwrap().is_ok());
}
