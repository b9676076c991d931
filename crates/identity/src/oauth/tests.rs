use std::time::{Instant, SystemTime, UNIX_EPOCH};

use gwanmun_client::Outbound;
use gwanmun_core::{ManualClock, Reason, Tallies};
use gwanmun_store::{Bounds, OnStoreError, Store};
use gwanmun_testkit::{Answer, Issuer, eventually, patiently};
use serde_json::json;

use super::*;
use crate::refusal::Refusal;
use crate::token::Token;

const SECOND: Duration = Duration::from_secs(1);

struct World {
    issuer: Issuer,
    clock: Arc<ManualClock>,
    outbound: Outbound,
}

impl World {
    async fn start() -> Self {
        let clock = Arc::new(ManualClock::at(SystemTime::now()));
        let outbound = Outbound::new(Arc::clone(&clock) as _, Tallies::default());
        Self { issuer: Issuer::start().await, clock, outbound }
    }

    fn settings(&self) -> OAuthSettings {
        let endpoint = |name| Some(self.issuer.endpoint(name).parse().unwrap());
        OAuthSettings {
            name: "partner".to_owned(),
            issuer: self.issuer.url(),
            endpoints: Endpoints {
                token: endpoint("token"),
                introspection: endpoint("introspect"),
                metadata: Vec::new(),
            },
            client_id: "gw".to_owned(),
            client_secret: Secret::new("gw-secret".to_owned()),
            audiences: vec!["gateway".to_owned()],
            principal: PrincipalMap::default(),
            cache: 30 * SECOND,
            stale: Duration::ZERO,
            timeout: 2 * SECOND,
            omitted_scope: OmittedScope::Checked,
        }
    }

    fn oauth(&self) -> OAuth {
        self.oauth_with(|_| {}, None)
    }

    fn oauth_with(&self, change: impl FnOnce(&mut OAuthSettings), space: Option<Space>) -> OAuth {
        let mut settings = self.settings();
        change(&mut settings);
        OAuth::new(settings, Tls::default(), space, &self.outbound).unwrap()
    }
}

fn credentials(id: &str, secret: &str) -> ClientCredentials {
    ClientCredentials::new(id, secret).unwrap()
}

async fn client(oauth: &OAuth, id: &str, secret: &str, scope: &str) -> Result<Arc<Principal>, Refusal> {
    patiently("an API client", oauth.ask_client(credentials(id, secret), scope.into())).await
}

async fn reason_of(asked: impl Future<Output = Result<Arc<Principal>, Refusal>>) -> Reason {
    asked.await.unwrap_err().reason()
}

#[tokio::test]
async fn a_token_is_introspected_once_within_its_cache_and_never_past_its_end() {
    let world = World::start().await;
    let oauth = world.oauth();
    let text = world.issuer.opaque(json!({"scope": "orders.read", "roles": ["member"]}));
    let token = Token::new(&text);
    assert!(oauth.recall_token(&token).is_none());
    let principal = oauth.ask_token(&token).await.unwrap();
    assert_eq!((&*principal.subject, &*principal.credential), ("u1", "introspect:partner"));
    assert!(Arc::ptr_eq(&principal, &oauth.recall_token(&token).unwrap()));
    assert_eq!(world.issuer.calls("introspect"), 1);
    world.clock.advance(30 * SECOND);
    assert!(oauth.recall_token(&token).is_none());
    let end = world.clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() + 5;
    let short = world.issuer.opaque(json!({ "exp": end }));
    let short = Token::new(&short);
    oauth.ask_token(&short).await.unwrap();
    assert!(oauth.recall_token(&short).is_some());
    world.clock.advance(6 * SECOND);
    assert!(oauth.recall_token(&short).is_none());
    assert_eq!(reason_of(oauth.ask_token(&short)).await, Reason::TokenExpired);
}

#[tokio::test]
async fn the_server_is_asked_with_our_credentials_and_about_the_token() {
    let world = World::start().await;
    world.issuer.client("g:w", "s e+c", &[]);
    let oauth = world.oauth_with(
        |settings| (settings.client_id, settings.client_secret) = ("g:w".to_owned(), Secret::new("s e+c".to_owned())),
        None,
    );
    let text = world.issuer.opaque(json!({}));
    oauth.ask_token(&Token::new(&text)).await.unwrap();
    let body = String::from_utf8(world.issuer.requests("introspect")[0].body.to_vec()).unwrap();
    assert!(body.starts_with("token=") && body.contains("token_type_hint=access_token"), "{body}");
}

#[tokio::test]
async fn ten_thousand_callers_on_two_workers_make_one_call() {
    let world = World::start().await;
    let oauth = Arc::new(world.oauth_with(|settings| settings.timeout = 20 * SECOND, None));
    let held = [world.issuer.hold("introspect"), world.issuer.hold("token")];
    let text: Arc<str> = world.issuer.opaque(json!({})).into();
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let (oauth, text) = (Arc::clone(&oauth), Arc::clone(&text));
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let mut callers = tokio::task::JoinSet::new();
                    for _ in 0..5_000 {
                        let (oauth, text) = (Arc::clone(&oauth), Arc::clone(&text));
                        callers.spawn(async move {
                            let token = oauth.ask_token(&Token::new(&text)).await.is_ok();
                            token
                                && oauth.ask_client(credentials("gw", "gw-secret"), "orders.read".into()).await.is_ok()
                        });
                    }
                    callers.join_all().await.into_iter().filter(|is_good| *is_good).count()
                })
            })
        })
        .collect();
    world.issuer.called("introspect", 1).await;
    let [introspect, token] = held;
    introspect.release();
    world.issuer.called("token", 1).await;
    token.release();
    let good = tokio::task::spawn_blocking(|| workers.into_iter().map(|worker| worker.join().unwrap()).sum::<usize>());
    assert_eq!(patiently("all callers", good).await.unwrap(), 10_000);
    assert_eq!((world.issuer.calls("introspect"), world.issuer.calls("token")), (1, 1));
}

#[tokio::test]
async fn an_inactive_token_is_refused_and_remembered_shortly() {
    let world = World::start().await;
    let oauth = world.oauth();
    let token = Token::new("guessed");
    for _ in 0..3 {
        assert_eq!(reason_of(oauth.ask_token(&token)).await, Reason::TokenInactive);
    }
    assert_eq!(world.issuer.calls("introspect"), 1);
    world.clock.advance(5 * SECOND);
    assert_eq!(reason_of(oauth.ask_token(&token)).await, Reason::TokenInactive);
    assert_eq!(world.issuer.calls("introspect"), 2);
}

#[tokio::test]
async fn what_cannot_be_used_is_the_servers_failure_and_no_redirect_is_followed() {
    let world = World::start().await;
    for (answer, reason) in [
        (Answer::json(json!({"sub": "u1"})), Reason::OauthMalformed),
        (Answer::json(json!({"active": "true", "sub": "u1", "aud": "gateway"})), Reason::OauthMalformed),
        (Answer::garbage(), Reason::OauthMalformed),
        (Answer::oversized(100_000), Reason::OauthMalformed),
        (Answer::redirect(&world.issuer.endpoint("jwks")), Reason::OauthMalformed),
        (Answer::status(500), Reason::OauthMalformed),
        (Answer::truncated(), Reason::OauthMalformed),
        (Answer::error(401, "invalid_client"), Reason::GatewayRefused),
        (Answer::reset(), Reason::OauthUnavailable),
    ] {
        let said = format!("{answer:?}");
        world.issuer.answer("introspect", answer);
        let oauth = world.oauth();
        let text = world.issuer.opaque(json!({}));
        let refusal = oauth.ask_token(&Token::new(&text)).await.unwrap_err();
        assert_eq!(refusal.reason(), reason, "{said}: {refusal}");
        assert!(matches!(refusal, Refusal::Unavailable { retry_after, .. } if retry_after >= SECOND), "{said}");
    }
    assert_eq!(world.issuer.calls("jwks"), 0);
}

#[tokio::test]
async fn a_slow_server_is_not_waited_for_beyond_the_timeout() {
    let world = World::start().await;
    let oauth = world.oauth_with(|settings| settings.timeout = Duration::from_millis(50), None);
    let _held = world.issuer.hold("introspect");
    let begin = Instant::now();
    assert_eq!(reason_of(oauth.ask_token(&Token::new("any"))).await, Reason::OauthUnavailable);
    assert!(begin.elapsed() < 2 * SECOND);
}

#[tokio::test]
async fn a_known_token_goes_on_within_its_cache_and_beyond_it_only_as_far_as_is_said() {
    let world = World::start().await;
    let (strict, patient) = (world.oauth(), world.oauth_with(|settings| settings.stale = 60 * SECOND, None));
    let text = world.issuer.opaque(json!({}));
    let token = Token::new(&text);
    strict.ask_token(&token).await.unwrap();
    patient.ask_token(&token).await.unwrap();
    world.issuer.down().await;
    world.clock.advance(20 * SECOND);
    assert!(strict.recall_token(&token).is_some());
    world.clock.advance(15 * SECOND);
    assert_eq!(reason_of(strict.ask_token(&token)).await, Reason::OauthUnavailable);
    assert_eq!(patient.ask_token(&token).await.unwrap().subject, "u1");
    world.clock.advance(60 * SECOND);
    assert_eq!(reason_of(patient.ask_token(&token)).await, Reason::OauthUnavailable);
}

#[tokio::test]
async fn a_token_in_use_is_asked_about_again_before_its_cache_ends_and_a_revoked_one_goes() {
    let world = World::start().await;
    let oauth = world.oauth();
    let text = world.issuer.opaque(json!({}));
    let token = Token::new(&text);
    let first = oauth.ask_token(&token).await.unwrap();
    world.clock.advance(25 * SECOND);
    for _ in 0..10 {
        assert!(oauth.recall_token(&token).is_some());
    }
    eventually("the new answer", async || oauth.recall_token(&token).filter(|now| !Arc::ptr_eq(now, &first))).await;
    assert_eq!(world.issuer.calls("introspect"), 2);
    world.clock.advance(24 * SECOND);
    world.issuer.revoke(&text);
    assert!(oauth.recall_token(&token).is_some());
    eventually("the revoked token to be gone", async || oauth.recall_token(&token).is_none().then_some(())).await;
}

#[tokio::test]
async fn an_api_client_gets_a_token_for_exactly_the_scope_and_asks_once() {
    let world = World::start().await;
    let oauth = world.oauth();
    let principal = client(&oauth, "gw", "gw-secret", "orders.read").await.unwrap();
    assert_eq!((&*principal.subject, &*principal.credential), ("gw", "api-client:partner"));
    assert_eq!((principal.level, principal.scopes.join(" ")), (gwanmun_core::Level::Highest, "orders.read".to_owned()));
    assert!(oauth.token_of(&principal).unwrap().to_str().unwrap().starts_with("Bearer ey"));
    assert!(!format!("{principal:?}").contains("ey"));
    let again = oauth.recall_client(&credentials("gw", "gw-secret"), &"orders.read".into()).unwrap();
    assert!(Arc::ptr_eq(&principal, &again));
    assert!(oauth.recall_client(&credentials("gw", "gw-secret"), &"orders.write".into()).is_none());
    assert!(oauth.recall_client(&credentials("gw", "gw-secret2"), &"orders.read".into()).is_none());
    assert_eq!(world.issuer.calls("token"), 1);
    let body = String::from_utf8(world.issuer.requests("token")[0].body.to_vec()).unwrap();
    assert_eq!(body, "grant_type=client_credentials&scope=orders.read");
}

#[tokio::test]
async fn an_unknown_client_and_a_wrong_secret_are_one_and_the_same() {
    let world = World::start().await;
    let oauth = world.oauth();
    let unknown = client(&oauth, "nobody", "gw-secret", "orders.read").await.unwrap_err();
    let calls = world.issuer.calls("token");
    let wrong = client(&oauth, "gw", "guess", "orders.read").await.unwrap_err();
    assert_eq!((unknown.reason(), calls, world.issuer.calls("token")), (Reason::ClientRefused, 1, 2));
    assert_eq!(unknown, wrong);
    for (id, secret) in [("nobody", "gw-secret"), ("gw", "guess")] {
        assert_eq!(client(&oauth, id, secret, "orders.read").await.unwrap_err(), unknown);
    }
    assert_eq!(world.issuer.calls("token"), 2);
    world.issuer.answer("token", Answer::status(403));
    assert_eq!(reason_of(client(&oauth, "gw", "guess2", "orders.read")).await, Reason::ClientRefused);
}

#[tokio::test]
async fn a_scope_that_is_not_given_is_forbidden_and_no_secret_helps() {
    let world = World::start().await;
    let refusal = client(&world.oauth(), "gw", "gw-secret", "admin").await.unwrap_err();
    assert!(matches!(refusal, Refusal::Insufficient { reason: Reason::ScopeRefused, .. }), "{refusal}");
}

#[tokio::test]
async fn a_scope_that_is_left_out_is_looked_for_and_never_assumed() {
    let world = World::start().await;
    let opaque = |scope: serde_json::Value| {
        let token = world.issuer.opaque(json!({ "scope": scope }));
        Answer::json(json!({"access_token": token, "token_type": "bearer", "expires_in": 60}))
    };
    let jwt = |claims| {
        let token = world.issuer.token(claims);
        Answer::json(json!({"access_token": token, "token_type": "bearer", "expires_in": 60}))
    };
    let blind = |settings: &mut OAuthSettings| settings.endpoints.introspection = None;
    let trusting = |settings: &mut OAuthSettings| {
        settings.endpoints.introspection = None;
        settings.omitted_scope = OmittedScope::Granted;
    };
    let read = Ok("orders.read".to_owned());
    for (answer, oauth, wanted) in [
        (jwt(json!({"scope": "orders.read"})), world.oauth(), read.clone()),
        (jwt(json!({})), world.oauth(), Err(Reason::ScopeRefused)),
        (opaque(json!("orders.read")), world.oauth(), read.clone()),
        (opaque(json!(null)), world.oauth(), Ok(String::new())),
        (opaque(json!("orders.read")), world.oauth_with(blind, None), Err(Reason::ScopeRefused)),
        (opaque(json!("other")), world.oauth_with(trusting, None), read),
    ] {
        let said = format!("{answer:?}");
        world.issuer.answer("token", answer);
        let outcome = client(&oauth, "gw", "gw-secret", "orders.read").await;
        let outcome = outcome.map(|principal| principal.scopes.join(" ")).map_err(|refusal| refusal.reason());
        assert_eq!(outcome, wanted, "{said}");
    }
}

#[tokio::test]
async fn a_token_is_renewed_ahead_of_its_end_while_the_client_goes_on() {
    let world = World::start().await;
    let oauth = world.oauth();
    let first = client(&oauth, "gw", "gw-secret", "orders.read").await.unwrap();
    world.clock.advance(250 * SECOND);
    let (gw, scope) = (credentials("gw", "gw-secret"), "orders.read".into());
    assert!(Arc::ptr_eq(&first, &oauth.recall_client(&gw, &scope).unwrap()));
    eventually("another token", async || oauth.recall_client(&gw, &scope).filter(|now| !Arc::ptr_eq(now, &first)))
        .await;
    assert_eq!(world.issuer.calls("token"), 2);
}

#[tokio::test]
async fn a_client_that_is_not_known_any_more_is_refused_when_its_token_is_due() {
    let world = World::start().await;
    let oauth = world.oauth();
    client(&oauth, "gw", "gw-secret", "orders.read").await.unwrap();
    world.issuer.client("gw", "rotated", &["orders.read"]);
    world.clock.advance(250 * SECOND);
    let (gw, scope) = (credentials("gw", "gw-secret"), "orders.read".into());
    eventually("the old secret to be gone", async || oauth.recall_client(&gw, &scope).is_none().then_some(())).await;
    assert_eq!(reason_of(client(&oauth, "gw", "gw-secret", "orders.read")).await, Reason::ClientRefused);
    client(&oauth, "gw", "rotated", "orders.read").await.unwrap();
}

#[tokio::test]
async fn a_flood_of_guesses_puts_nobody_out_and_locks_nobody_out() {
    let world = World::start().await;
    let oauth = Arc::new(world.oauth_with(|settings| settings.timeout = 20 * SECOND, None));
    client(&oauth, "gw", "gw-secret", "orders.read").await.unwrap();
    let (gw, scope): (_, Arc<str>) = (credentials("gw", "gw-secret"), "orders.read".into());
    let held = world.issuer.hold("token");
    let mut guesses = tokio::task::JoinSet::new();
    for guess in 0..6_000 {
        let oauth = Arc::clone(&oauth);
        guesses
            .spawn(async move { oauth.ask_client(credentials("gw", &format!("{guess}")), "orders.read".into()).await });
    }
    // What is more than may wait is refused at once, so that nobody's memory grows.
    let mut refused = 0;
    while refused < 5_000 {
        let outcome = patiently("a guess", guesses.join_next()).await.unwrap().unwrap();
        assert!(matches!(outcome, Err(Refusal::Unavailable { .. })));
        refused += 1;
    }
    assert!(oauth.recall_client(&gw, &scope).is_some());
    // Its token ends in the middle of the flood: it is asked for on another lane.
    world.clock.advance(293 * SECOND);
    assert!(oauth.recall_client(&gw, &scope).is_none());
    let before = world.issuer.calls("token");
    let asked = tokio::spawn({
        let oauth = Arc::clone(&oauth);
        async move { oauth.ask_client(gw, scope).await }
    });
    world.issuer.called("token", before + 1).await;
    held.release();
    asked.await.unwrap().unwrap();
    while let Some(outcome) = guesses.join_next().await {
        assert!(outcome.unwrap().is_err());
    }
}

#[tokio::test]
async fn endpoints_come_from_the_issuers_metadata_once() {
    let world = World::start().await;
    let oauth = world.oauth_with(
        |settings| {
            let metadata = Endpoints::metadata_of(&settings.issuer).unwrap();
            settings.endpoints = Endpoints { token: None, introspection: None, metadata };
        },
        None,
    );
    let text = world.issuer.opaque(json!({}));
    oauth.ask_token(&Token::new(&text)).await.unwrap();
    client(&oauth, "gw", "gw-secret", "orders.read").await.unwrap();
    assert_eq!(world.issuer.calls("discovery"), 1);
}

#[tokio::test]
async fn the_gateways_own_token_and_exchanged_ones_are_asked_for_once() {
    let world = World::start().await;
    let oauth = world.oauth();
    let own = oauth.ask_own_token().await.unwrap();
    assert!(Arc::ptr_eq(&own, &oauth.recall_own_token().unwrap()));
    let target = Target { audience: "orders".to_owned(), scope: "orders.read".to_owned() };
    let text = world.issuer.token(json!({}));
    let token = Token::new(&text);
    let exchanged = oauth.ask_exchange(&token, &target).await.unwrap();
    assert!(Arc::ptr_eq(&exchanged, &oauth.recall_exchange(&token, &target).unwrap()));
    assert_eq!(world.issuer.calls("token"), 2);
    let other = Target { audience: "other".to_owned(), ..target.clone() };
    assert!(oauth.recall_exchange(&token, &other).is_none());
    let jws = gwanmun_testkit::Jws::verified(
        exchanged.to_str().unwrap().strip_prefix("Bearer ").unwrap(),
        &world.issuer.jwks(),
    );
    assert_eq!(jws.unwrap().claims()["aud"], "orders");
    let refusal = oauth.ask_exchange(&Token::new("bad"), &target).await.unwrap_err();
    assert_eq!(refusal.reason(), Reason::TokenInactive);
    world.issuer.answer("token", Answer::error(401, "invalid_client"));
    let refusal = world.oauth().ask_own_token().await.unwrap_err();
    assert_eq!(refusal.reason(), Reason::GatewayRefused);
}

#[tokio::test]
async fn replicas_share_tokens_by_way_of_the_store_and_the_store_knows_none() {
    let world = World::start().await;
    let store = Store::memory(Bounds::default(), Arc::clone(&world.clock) as _, &Tallies::default());
    let space = || Some(store.space("oauth", OnStoreError::Deny));
    let (one, two) = (world.oauth_with(|_| {}, space()), world.oauth_with(|_| {}, space()));
    let first = client(&one, "gw", "gw-secret", "orders.read").await.unwrap();
    let second = client(&two, "gw", "gw-secret", "orders.read").await.unwrap();
    // The store knows times to the millisecond.
    let ends =
        [&first, &second].map(|principal| principal.expires.unwrap().duration_since(UNIX_EPOCH).unwrap().as_millis());
    assert_eq!(ends[0], ends[1]);
    assert_eq!(*first, Principal { expires: first.expires, ..(*second).clone() });
    assert_eq!(world.issuer.calls("token"), 1);
    assert_eq!(reason_of(client(&two, "gw", "guess", "orders.read")).await, Reason::ClientRefused);
    client(&two, "gw", "gw-secret", "orders.write").await.unwrap();
    assert_eq!(world.issuer.calls("token"), 3);
    world.clock.advance(293 * SECOND);
    client(&two, "gw", "gw-secret", "orders.read").await.unwrap();
    assert_eq!(world.issuer.calls("token"), 4);
}

#[tokio::test]
async fn offline_nobody_is_asked() {
    let world = World::start().await;
    let outbound = Outbound::offline(Arc::clone(&world.clock) as _, Tallies::default());
    let oauth = OAuth::new(world.settings(), Tls::default(), None, &outbound).unwrap();
    let refusal = oauth.ask_token(&Token::new("any")).await.unwrap_err();
    assert!(refusal.detail().contains("--principal"), "{refusal}");
}

#[tokio::test]
async fn what_is_known_costs_little() {
    let world = World::start().await;
    let oauth = world.oauth();
    let text = world.issuer.token(json!({}));
    oauth.ask_token(&Token::new(&text)).await.unwrap();
    client(&oauth, "gw", "gw-secret", "orders.read").await.unwrap();
    let (gw, scope) = (credentials("gw", "gw-secret"), "orders.read".into());
    let best = |work: &dyn Fn() -> bool| {
        let round = || {
            let begin = Instant::now();
            assert!((0..100).all(|_| work()));
            begin.elapsed() / 100
        };
        (0..50).map(|_| round()).min().unwrap()
    };
    let token = best(&|| oauth.recall_token(&Token::new(&text)).is_some());
    let client = best(&|| oauth.recall_client(&gw, &scope).is_some());
    println!("a known token {token:?}, a known client {client:?}");
    assert!(token < Duration::from_micros(30) && client < Duration::from_micros(60), "{token:?} {client:?}");
}
