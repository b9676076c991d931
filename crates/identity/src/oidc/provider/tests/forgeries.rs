use gwanmun_testkit::Jws;
use proptest::prelude::*;

use super::*;

/// The left half of the SHA-256 of `access`.
const AT_HASH: &str = "oFYf1knNtrqnhAVfBRuteQ";

async fn reason_of(world: &World, provider: &Provider, id_token: String) -> Option<Reason> {
    world.tokens(json!({ "id_token": id_token }), json!({}));
    redeem(provider).await.err().map(|refusal| {
        assert!(!refusal.detail().contains(char::is_control), "{refusal}");
        refusal.reason()
    })
}

#[tokio::test]
async fn an_id_token_of_the_provider_for_this_login_is_believed() {
    let world = World::start().await;
    let provider = world.provider();
    let now = world.seconds();
    for changes in [
        json!({}),
        json!({"aud": ["gw"]}),
        json!({"aud": ["gw", "api"], "azp": "gw"}),
        json!({ "at_hash": AT_HASH }),
        json!({"exp": now - 25}),
        json!({"iat": now + 25, "nbf": now + 25}),
        json!({"sub": "x".repeat(255), "sid": "s"}),
    ] {
        let token = world.id_token(changes.clone());
        assert_eq!(reason_of(&world, &provider, token).await, None, "{changes}");
    }
    for typ in [json!("JWT"), json!("jwt"), json!("application/jwt"), json!(null)] {
        let token = world.issuer.token_with(json!({ "typ": typ }), json!({"aud": "gw", "nonce": NONCE}));
        assert_eq!(reason_of(&world, &provider, token).await, None, "{typ}");
    }
}

#[tokio::test]
async fn every_bad_id_token_is_refused_for_its_own_reason() {
    let world = World::start().await;
    let provider = world.provider();
    let now = world.seconds();
    let claims = world.issuer.claims(json!({"aud": "gw", "nonce": NONCE}));
    let key = world.issuer.key();
    let of = |changes| world.id_token(changes);
    let typed = |typ: &str| world.issuer.token_with(json!({ "typ": typ }), json!({"aud": "gw", "nonce": NONCE}));
    let twice = |member: &str| {
        let claims = claims.to_string().replacen('{', &format!("{{{member},"), 1);
        key.token_of(json!({"alg": "ES256", "kid": "k1"}).to_string(), claims)
    };
    let public = TokenKey::shared("HS256", "k1", key.public_pem());
    let strict = json!({"alg": "none"});
    let good = of(json!({}));
    for (what, token, wanted) in [
        ("another key of the same name", TokenKey::new("ES256", "k1").token(json!({}), &claims), Reason::BadSignature),
        ("a key that is not published", TokenKey::new("ES256", "k9").token(json!({}), &claims), Reason::UnknownKey),
        ("another algorithm", TokenKey::new("EdDSA", "k1").token(json!({}), &claims), Reason::WrongAlgorithm),
        ("HS256 with the public key", public.token(json!({}), &claims), Reason::WrongAlgorithm),
        (
            "HS256 with the client secret",
            TokenKey::shared("HS256", "k1", "gw-secret").token(json!({}), &claims),
            Reason::WrongAlgorithm,
        ),
        ("none", Jws::unsigned(&strict, &claims).compact(), Reason::WrongAlgorithm),
        ("none beside a signature", key.token(strict.clone(), &claims), Reason::WrongAlgorithm),
        ("crit", key.token(json!({"crit": ["x"], "x": 1}), &claims), Reason::UnknownCritical),
        ("a logout token", typed("logout+jwt"), Reason::WrongTokenType),
        ("an access token", typed("at+jwt"), Reason::WrongTokenType),
        ("another type", typed("secevent+jwt"), Reason::WrongTokenType),
        ("events", of(json!({"events": {}})), Reason::WrongTokenType),
        ("another issuer", of(json!({"iss": "https://evil.example"})), Reason::WrongIssuer),
        ("an issuer with a slash", of(json!({"iss": format!("{}/", world.issuer.url())})), Reason::WrongIssuer),
        ("no issuer", of(json!({"iss": null})), Reason::WrongIssuer),
        ("another audience", of(json!({"aud": "other"})), Reason::WrongAudience),
        ("no audience", of(json!({"aud": null})), Reason::WrongAudience),
        ("no audience at all", of(json!({"aud": []})), Reason::WrongAudience),
        ("several audiences without azp", of(json!({"aud": ["gw", "other"]})), Reason::WrongAudience),
        ("several audiences for another", of(json!({"aud": ["gw", "other"], "azp": "other"})), Reason::WrongAudience),
        ("azp of another", of(json!({"azp": "other"})), Reason::WrongAudience),
        ("azp that is no text", of(json!({"azp": ["gw"]})), Reason::WrongAudience),
        ("another nonce", of(json!({"nonce": "other"})), Reason::WrongNonce),
        ("a nonce that begins the same", of(json!({"nonce": format!("{NONCE}x")})), Reason::WrongNonce),
        ("no nonce", of(json!({"nonce": null})), Reason::WrongNonce),
        ("a nonce that is no text", of(json!({"nonce": [NONCE]})), Reason::WrongNonce),
        ("expired", of(json!({"exp": now - 31})), Reason::TokenExpired),
        ("no exp", of(json!({"exp": null})), Reason::MalformedToken),
        ("exp as text", of(json!({"exp": "9999999999"})), Reason::MalformedToken),
        ("issued in the future", of(json!({"iat": now + 40})), Reason::TokenNotYetValid),
        ("not good yet", of(json!({"nbf": now + 40})), Reason::TokenNotYetValid),
        ("no iat", of(json!({"iat": null})), Reason::MalformedToken),
        ("no sub", of(json!({"sub": null})), Reason::MalformedToken),
        ("an empty sub", of(json!({"sub": ""})), Reason::MalformedToken),
        ("a sub that is a number", of(json!({"sub": 1})), Reason::MalformedToken),
        ("a sub with control characters", of(json!({"sub": "u1\n"})), Reason::MalformedToken),
        ("a sub too long", of(json!({"sub": "x".repeat(256)})), Reason::MalformedToken),
        ("a sid that is no text", of(json!({"sid": 1})), Reason::MalformedToken),
        ("a sid too long", of(json!({"sid": "x".repeat(256)})), Reason::MalformedToken),
        ("sub twice", twice(r#""sub":"admin""#), Reason::MalformedToken),
        ("nonce twice", twice(r#""nonce":"other""#), Reason::MalformedToken),
        ("at_hash of another token", of(json!({"at_hash": "77QmUPtjPfzWtF2AnpK9RQ"})), Reason::BadSignature),
        ("half of at_hash", of(json!({"at_hash": &AT_HASH[..11]})), Reason::BadSignature),
        ("at_hash that is no text", of(json!({"at_hash": [AT_HASH]})), Reason::BadSignature),
        ("no signature", good[..=good.rfind('.').unwrap()].to_owned(), Reason::BadSignature),
        ("an encrypted one", format!("{good}.AAAA.AAAA"), Reason::MalformedToken),
        ("no token", "nonsense".to_owned(), Reason::MalformedToken),
    ] {
        assert_eq!(reason_of(&world, &provider, token).await, Some(wanted), "{what}");
    }
}

#[tokio::test]
async fn what_nobody_takes_for_the_issuers_is_no_id_token_either() {
    let world = World::start().await;
    let provider = world.provider_with(|settings| settings.client_id = "gateway".to_owned());
    let refresh = async |id_token: String| {
        world.tokens(json!({ "id_token": id_token }), json!({}));
        provider.refresh(Secret::new("old".to_owned()), "u1").await
    };
    assert!(refresh(world.issuer.token(json!({}))).await.unwrap().who.is_some());
    let forgeries = world.issuer.forgeries();
    assert!(forgeries.len() > 50);
    for (what, token) in forgeries {
        match refresh(token).await {
            Err(NotRefreshed::Ended(_)) => {}
            // What is no text that could be sent does not even come so far.
            Err(NotRefreshed::Down(refusal)) => assert_eq!(refusal.reason(), Reason::ProviderMalformed, "{what}"),
            Ok(_) => panic!("{what} is believed"),
        }
    }
}

proptest! {
    #[test]
    fn no_answer_makes_it_panic(members in prop::collection::vec((prop::sample::select(vec!["access_token", "token_type", "expires_in", "refresh_token", "id_token", "x"]), json_value()), 0..8)) {
        let mut usual = json!({"access_token": "a", "token_type": "Bearer"});
        for (name, value) in members {
            usual[name] = value;
        }
        let answer = http::Response::new(usual.to_string().into());
        if let Ok(answer) = TokenAnswer::read(&answer) && let Ok(tokens) = Tokens::read(answer, UNIX_EPOCH + SECOND) {
            for token in [Some(tokens.access), tokens.refresh, tokens.id_token].into_iter().flatten() {
                prop_assert!(!token.expose().is_empty() && token.expose().bytes().all(|byte| byte.is_ascii_graphic()));
            }
            prop_assert!(tokens.access_until.is_none_or(|until| until > UNIX_EPOCH + SECOND));
        }
    }

    #[test]
    fn only_claims_that_are_as_expected_make_an_id_token(changes in prop::collection::vec((prop::sample::select(vec!["iss", "sub", "aud", "azp", "exp", "iat", "nbf", "nonce", "at_hash", "sid", "events"]), json_value()), 0..3)) {
        let key = gwanmun_jose::SigningKey::generate(Algorithm::EdDsa).unwrap();
        let keys = gwanmun_jose::JwkSet::of([key.verifying_key().clone()]).unwrap();
        let mut claims = json!({"iss": "https://idp", "sub": "u1", "aud": "gw", "exp": 200, "iat": 100, "nonce": NONCE});
        for (name, value) in changes {
            claims[name] = value;
        }
        let expect = Expect { issuers: vec!["https://idp".to_owned()], audiences: vec!["gw".to_owned()], ..Expect::default() };
        let (tokens, access) = (IdTokens::new(expect.clone(), "gw"), Secret::new("access".to_owned()));
        let text = gwanmun_jose::sign(&key, None, claims.to_string().as_bytes()).unwrap();
        let (token, now) = (Secret::new(text.clone()), UNIX_EPOCH + 150 * SECOND);
        if let Ok(read) = tokens.read(&token, &access, Occasion::Login { nonce: NONCE }, &keys, now) {
            prop_assert_eq!(&claims["nonce"], NONCE);
            prop_assert!(claims["iss"] == "https://idp" && claims["sub"] == *read.subject && claims.get("events").is_none());
            prop_assert!(claims["aud"] == "gw" || claims["aud"][0] == "gw");
            prop_assert!(claims.get("at_hash").is_none() && claims.get("azp").is_none_or(|azp| azp == "gw"));
        }
        let logout = LogoutTokens::new(expect, true).read(&text, &keys, now);
        prop_assert!(logout.is_err(), "nothing of this is a logout token");
    }
}

pub(super) fn json_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        Just(json!(1e300)),
        prop::sample::select(vec!["gw", "https://idp", "u1", NONCE, "Bearer", ""]).prop_map(Value::from),
        ".{0,300}".prop_map(Value::from),
        Just(json!(["gw"])),
        Just(json!(["gw", "other"])),
        Just(json!({"gw": 1})),
    ]
}
