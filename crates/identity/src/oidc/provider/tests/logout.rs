use proptest::prelude::*;

use super::*;

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

fn logout_token(world: &World, changes: Value) -> String {
    typed(world, "logout+jwt", changes)
}

fn typed(world: &World, typ: &str, changes: Value) -> String {
    let usual = json!({"aud": "gw", "events": {(EVENT): {}}, "jti": "j1", "sid": "s1", "exp": world.seconds() + 120});
    world.issuer.token_with(json!({ "typ": typ }), joined(usual, changes))
}

async fn outcome(provider: &Provider, token: &str) -> Result<Logout, Reason> {
    patiently("a logout", provider.logout(token)).await.map_err(|refusal| {
        assert!(!refusal.detail().contains(char::is_control), "{refusal}");
        refusal.reason()
    })
}

#[tokio::test]
async fn a_logout_token_names_a_user_or_a_session_or_both() {
    let world = World::start().await;
    let provider = world.provider();
    let logout = outcome(&provider, &logout_token(&world, json!({}))).await.unwrap();
    assert_eq!((&*logout.id, logout.subject.as_deref(), logout.sid.as_deref()), ("j1", Some("u1"), Some("s1")));
    // Until nobody takes it any more, with the leeway.
    assert!(logout.remembered > 150 * SECOND && logout.remembered <= 152 * SECOND, "{:?}", logout.remembered);
    let logout = outcome(&provider, &logout_token(&world, json!({"sub": null}))).await.unwrap();
    assert_eq!((logout.subject, logout.sid.as_deref()), (None, Some("s1")));
    let logout = outcome(&provider, &logout_token(&world, json!({"sid": null}))).await.unwrap();
    assert_eq!((logout.subject.as_deref(), logout.sid), (Some("u1"), None));
    for typ in ["JWT", "Logout+JWT", "application/logout+jwt"] {
        assert!(outcome(&provider, &typed(&world, typ, json!({}))).await.is_ok(), "{typ}");
    }
    let events = json!({"events": {(EVENT): {"x": 1}, "https://other.example/event": {}}});
    assert!(outcome(&provider, &logout_token(&world, events)).await.is_ok());
}

#[tokio::test]
async fn a_logout_token_without_exp_is_good_for_two_minutes_where_such_are_taken() {
    let world = World::start().await;
    let provider = world.provider_with(|settings| settings.logout_without_exp = true);
    let now = world.seconds();
    let of = |ago| logout_token(&world, json!({"exp": null, "iat": now - ago}));
    for (ago, seconds) in [(0, 151), (100, 51), (140, 31)] {
        let remembered = outcome(&provider, &of(ago)).await.unwrap().remembered;
        assert!(remembered + SECOND >= seconds * SECOND && remembered <= (seconds + 1) * SECOND, "{remembered:?}");
    }
    for changes in [json!({"exp": null, "iat": now - 152}), json!({"exp": null, "iat": null})] {
        assert!(outcome(&provider, &logout_token(&world, changes.clone())).await.is_err(), "{changes}");
    }
}

#[tokio::test]
async fn every_bad_logout_token_is_refused_for_its_own_reason() {
    let world = World::start().await;
    let provider = world.provider();
    let now = world.seconds();
    let of = |changes| logout_token(&world, changes);
    let claims = world.issuer.claims(json!({"aud": "gw", "events": {(EVENT): {}}, "jti": "j1", "sid": "s1"}));
    for (what, token, wanted) in [
        ("another key", TokenKey::new("ES256", "k1").token(json!({}), &claims), Reason::BadSignature),
        ("a key that is not published", TokenKey::new("ES256", "k9").token(json!({}), &claims), Reason::UnknownKey),
        ("none", world.issuer.key().token(json!({"alg": "none"}), &claims), Reason::WrongAlgorithm),
        ("HS256", TokenKey::shared("HS256", "k1", "gw-secret").token(json!({}), &claims), Reason::WrongAlgorithm),
        ("another issuer", of(json!({"iss": "https://evil.example"})), Reason::WrongIssuer),
        ("another audience", of(json!({"aud": "other"})), Reason::WrongAudience),
        ("no audience", of(json!({"aud": null})), Reason::WrongAudience),
        ("expired", of(json!({"exp": now - 31})), Reason::TokenExpired),
        ("no exp", of(json!({"exp": null})), Reason::MalformedToken),
        ("exp as text", of(json!({"exp": "9999999999"})), Reason::MalformedToken),
        ("a life of days", of(json!({"exp": now + 100_000})), Reason::MalformedToken),
        ("no iat", of(json!({"iat": null})), Reason::MalformedToken),
        ("issued in the future", of(json!({"iat": now + 40})), Reason::TokenNotYetValid),
        ("no jti", of(json!({"jti": null})), Reason::MalformedToken),
        ("an empty jti", of(json!({"jti": ""})), Reason::MalformedToken),
        ("a jti that is a number", of(json!({"jti": 1})), Reason::MalformedToken),
        ("a jti too long", of(json!({"jti": "x".repeat(256)})), Reason::MalformedToken),
        ("neither sub nor sid", of(json!({"sub": null, "sid": null})), Reason::MalformedToken),
        ("an empty sub", of(json!({"sub": ""})), Reason::MalformedToken),
        ("a sid that is no text", of(json!({"sid": ["s1"]})), Reason::MalformedToken),
        ("a sub with control characters", of(json!({"sub": "u\u{0}"})), Reason::MalformedToken),
        ("no events", of(json!({"events": null})), Reason::WrongTokenType),
        ("another event", of(json!({"events": {"https://other.example": {}}})), Reason::WrongTokenType),
        ("events that are a list", of(json!({"events": [EVENT]})), Reason::WrongTokenType),
        ("an event that is no object", of(json!({"events": {(EVENT): true}})), Reason::WrongTokenType),
        ("a nonce", of(json!({"nonce": NONCE})), Reason::WrongTokenType),
        ("an access token", typed(&world, "at+jwt", json!({})), Reason::WrongTokenType),
        ("another type", typed(&world, "secevent+jwt", json!({})), Reason::WrongTokenType),
        ("too long", of(json!({"x": "x".repeat(17_000)})), Reason::TokenTooLarge),
        ("no token", "nonsense".to_owned(), Reason::MalformedToken),
        ("nothing", String::new(), Reason::MalformedToken),
    ] {
        assert_eq!(outcome(&provider, &token).await, Err(wanted), "{what}");
    }
    assert_eq!(world.issuer.calls("jwks"), 1, "the keys are young");
}

#[tokio::test]
async fn neither_kind_of_token_is_taken_for_the_other() {
    let world = World::start().await;
    let provider = world.provider();
    let id_token = world.id_token(json!({"sid": "s1"}));
    assert_eq!(outcome(&provider, &id_token).await, Err(Reason::WrongTokenType));
    for typ in ["logout+jwt", "JWT"] {
        world.tokens(json!({"id_token": typed(&world, typ, json!({}))}), json!({}));
        assert_eq!(reason(&provider).await, Reason::WrongTokenType, "{typ}");
        let refreshed = provider.refresh(Secret::new("old".to_owned()), "u1").await;
        assert!(matches!(refreshed, Err(NotRefreshed::Ended(_))), "{typ}");
    }
}

#[tokio::test]
async fn a_logout_waits_for_keys_and_is_refused_without() {
    let world = World::start().await;
    let provider = world.provider();
    world.issuer.down().await;
    let token = logout_token(&world, json!({}));
    assert_eq!(outcome(&provider, &token).await, Err(Reason::KeysUnavailable));
    world.issuer.up().await;
    world.clock.advance(2 * SECOND);
    assert!(outcome(&provider, &token).await.is_ok());
}

#[tokio::test]
async fn the_logout_page_is_the_providers_if_it_has_one() {
    let world = World::start().await;
    let url = world.issuer.url();
    let back = "https://tool.example/bye";
    let asked = "client_id=gw&post_logout_redirect_uri=https%3A%2F%2Ftool.example%2Fbye";
    let provider = world.provider();
    let page = async |token: String| provider.logout_page(Some(&Secret::new(token)), back).await.unwrap();
    assert_eq!(page("a.b.c".to_owned()).await, format!("{url}/end?id_token_hint=a.b.c&{asked}"));
    assert_eq!(page("x".repeat(5_000)).await, format!("{url}/end?{asked}"), "that would be too long for a URL");
    assert_eq!(provider.logout_page(None, back).await.unwrap(), format!("{url}/end?{asked}"));
    world.metadata(json!({"end_session_endpoint": null}));
    assert_eq!(world.provider().logout_page(None, back).await, None);
    world.issuer.down().await;
    assert_eq!(world.provider().logout_page(None, back).await, None);
}

proptest! {
    #[test]
    fn only_claims_that_are_as_expected_make_a_logout_token(changes in prop::collection::vec((prop::sample::select(vec!["iss", "sub", "aud", "exp", "iat", "jti", "sid", "events", "nonce"]), forgeries::json_value()), 0..3)) {
        let key = gwanmun_jose::SigningKey::generate(Algorithm::EdDsa).unwrap();
        let keys = gwanmun_jose::JwkSet::of([key.verifying_key().clone()]).unwrap();
        let mut claims = json!({"iss": "https://idp", "sub": "u1", "aud": "gw", "exp": 200, "iat": 100, "jti": "j1", "events": {(EVENT): {}}});
        for (name, value) in changes {
            claims[name] = value;
        }
        let expect = Expect { issuers: vec!["https://idp".to_owned()], audiences: vec!["gw".to_owned()], ..Expect::default() };
        let text = gwanmun_jose::sign(&key, None, claims.to_string().as_bytes()).unwrap();
        let now = UNIX_EPOCH + 150 * SECOND;
        if let Ok(read) = LogoutTokens::new(expect.clone(), true).read(&text, &keys, now) {
            prop_assert!(claims["iss"] == "https://idp" && claims["jti"] == *read.id && claims["events"][EVENT].is_object());
            prop_assert!(read.subject.is_some() || read.sid.is_some());
            prop_assert!(claims.get("nonce").is_none() && read.remembered <= 86_402 * SECOND && !read.remembered.is_zero());
        }
        let (token, access) = (Secret::new(text), Secret::new("access".to_owned()));
        let id_token = IdTokens::new(expect, "gw").read(&token, &access, Occasion::Refresh { subject: "u1" }, &keys, now);
        prop_assert!(id_token.is_err(), "nothing of this is an ID token");
    }
}
