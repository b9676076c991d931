use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::UNIX_EPOCH;

use gwanmun_client::{CallError, Outbound};
use gwanmun_core::{ManualClock, Tallies};
use gwanmun_jose::{Algorithm, JwkSet, SigningKey, VerifyingKey, base64url, sign};
use serde_json::{Value, json};

use super::*;

const NOW: u64 = 1_700_000_000;
const ALGORITHMS: [Algorithm; 2] = [Algorithm::Es256, Algorithm::EdDsa];

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(UNIX_EPOCH + Duration::from_secs(NOW)))
}

fn settings(name: &str) -> IssuerSettings {
    IssuerSettings {
        name: name.to_owned(),
        issuer: format!("https://{name}.example"),
        audiences: vec!["gateway".to_owned(), "other".to_owned()],
        typ: None,
        leeway: Duration::from_secs(30),
        principal: PrincipalMap::default(),
    }
}

fn key(kid: &str) -> SigningKey {
    SigningKey::generate(Algorithm::Es256).unwrap().with_kid(kid)
}

fn public(keys: &[&SigningKey]) -> Vec<u8> {
    let keys: Vec<Value> = keys.iter().map(|key| key.verifying_key().public_jwk().unwrap()).collect();
    json!({ "keys": keys }).to_string().into_bytes()
}

fn claims(changes: Value) -> Value {
    let mut claims = json!({"iss": "https://corp.example", "sub": "u1", "aud": "gateway", "exp": NOW + 300, "iat": NOW, "roles": ["member"]});
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

fn token(key: &SigningKey, changes: Value) -> String {
    sign(key, Some("JWT"), claims(changes).to_string().as_bytes()).unwrap()
}

/// A token whose header says what it likes.
fn token_with(header: Value, key: &SigningKey, changes: Value) -> String {
    let encode = |value: Value| base64url::encode(value.to_string().as_bytes());
    let input = format!("{}.{}", encode(header), encode(claims(changes)));
    let signature = key.sign(input.as_bytes()).unwrap();
    format!("{input}.{}", base64url::encode(&signature))
}

fn fixed(keys: &[&SigningKey], clock: &Arc<ManualClock>) -> Issuer {
    let set = JwkSet::parse(&public(keys), &ALGORITHMS).unwrap();
    Issuer::new(settings("corp"), Keys::fixed(set), Arc::clone(clock) as _)
}

fn decided(issuer: &Issuer, token: &str) -> Result<Arc<Principal>, Refusal> {
    match issuer.look(&Token::new(token)) {
        Look::Decided(outcome) => outcome,
        Look::Ask => panic!("nothing was decided"),
    }
}

#[test]
fn a_good_token_is_its_subjects() {
    let (clock, key) = (clock(), key("k1"));
    let issuer = fixed(&[&key], &clock);
    for changes in [
        json!({}),
        json!({"aud": ["nobody", "other"]}),
        json!({"nbf": NOW + 29, "iat": NOW + 29}),
        json!({"exp": NOW - 29}),
        json!({"exp": NOW as f64 + 0.5}),
    ] {
        let found =
            decided(&issuer, &token(&key, changes.clone())).unwrap_or_else(|refusal| panic!("{changes}: {refusal}"));
        assert_eq!((&*found.subject, &*found.credential, found.level), ("u1", "jwt:corp", Level::High));
        assert_eq!(found.roles, ["member"]);
    }
}

#[test]
fn every_bad_token_is_refused_for_its_own_reason() {
    let (clock, key, other) = (clock(), key("k1"), key("k2"));
    let issuer = fixed(&[&key], &clock);
    let good = token(&key, json!({}));
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let public_key = key.verifying_key().public_jwk().unwrap().to_string();
    let with_public_key = |algorithm| {
        let secret = SigningKey::from_secret(public_key.as_bytes(), algorithm).unwrap().with_kid("k1");
        token(&secret, json!({}))
    };
    let es = |more: Value| {
        let mut header = json!({"alg": "ES256", "kid": "k1", "typ": "JWT"});
        header.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        header
    };
    let unsigned = |alg: &str| {
        format!("{}.{payload}.", base64url::encode(json!({"alg": alg, "kid": "k1"}).to_string().as_bytes()))
    };
    let raw = |claims: &str| sign(&key, None, claims.as_bytes()).unwrap();
    let nested = format!(r#"{{"sub":"u","exp":{},"a":{}1{}}}"#, NOW + 9, "[".repeat(200), "]".repeat(200));
    let twice =
        format!(r#"{{"iss":"https://corp.example","aud":"gateway","sub":"u1","sub":"admin","exp":{}}}"#, NOW + 9);
    let table = [
        ("expired", token(&key, json!({"exp": NOW - 30})), Reason::TokenExpired),
        ("no exp", token(&key, json!({"exp": null})), Reason::MalformedToken),
        ("exp is text", token(&key, json!({"exp": "never"})), Reason::MalformedToken),
        ("not yet valid", token(&key, json!({"nbf": NOW + 31})), Reason::TokenNotYetValid),
        ("issued in the future", token(&key, json!({"iat": NOW + 31})), Reason::TokenNotYetValid),
        ("another audience", token(&key, json!({"aud": "gateway2"})), Reason::WrongAudience),
        ("other audiences", token(&key, json!({"aud": ["a", "Gateway"]})), Reason::WrongAudience),
        ("no audience", token(&key, json!({"aud": null})), Reason::WrongAudience),
        ("another issuer", token(&key, json!({"iss": "https://corp.example/"})), Reason::WrongIssuer),
        ("no issuer", token(&key, json!({"iss": null})), Reason::WrongIssuer),
        ("no subject", token(&key, json!({"sub": null})), Reason::MalformedToken),
        ("an empty subject", token(&key, json!({"sub": ""})), Reason::MalformedToken),
        ("a subject with a line break", token(&key, json!({"sub": "a\nb"})), Reason::MalformedToken),
        ("another algorithm", token_with(es(json!({"alg": "ES384"})), &key, json!({})), Reason::WrongAlgorithm),
        ("none", unsigned("none"), Reason::WrongAlgorithm),
        ("None", unsigned("None"), Reason::WrongAlgorithm),
        ("no signature", unsigned("ES256"), Reason::BadSignature),
        ("HS256 with the public key", with_public_key(Algorithm::Hs256), Reason::WrongAlgorithm),
        ("HS512 with the public key", with_public_key(Algorithm::Hs512), Reason::WrongAlgorithm),
        ("an unknown kid", token(&other, json!({})), Reason::UnknownKey),
        ("a known kid on another key", token_with(es(json!({})), &other, json!({})), Reason::BadSignature),
        (
            "a key that it brings along",
            token_with(es(json!({"jwk": other.verifying_key().public_jwk()})), &other, json!({})),
            Reason::BadSignature,
        ),
        (
            "a key that it points at",
            token_with(es(json!({"jku": "http://127.0.0.1:1/jwks", "x5u": "http://127.0.0.1:1/c"})), &other, json!({})),
            Reason::BadSignature,
        ),
        ("a kid that is a path", token_with(es(json!({"kid": "../../k1"})), &key, json!({})), Reason::UnknownKey),
        ("crit", token_with(es(json!({"crit": ["exp"]})), &key, json!({})), Reason::UnknownCritical),
        ("b64", token_with(es(json!({"b64": false})), &key, json!({})), Reason::UnknownCritical),
        ("other claims", format!("{header}.{}.{signature}", base64url::encode(b"{}")), Reason::BadSignature),
        ("too large", token(&key, json!({"x": "x".repeat(Token::LONGEST)})), Reason::TokenTooLarge),
        ("deeply nested", raw(&nested), Reason::MalformedToken),
        ("sub twice", raw(&twice), Reason::MalformedToken),
        ("claims are a list", raw("[]"), Reason::MalformedToken),
        ("two parts", format!("{header}.{payload}"), Reason::MalformedToken),
        ("five parts", format!("{good}.a.b"), Reason::MalformedToken),
        ("padding", format!("{header}.{payload}=.{signature}"), Reason::MalformedToken),
        ("opaque", "d0c3f2a1".to_owned(), Reason::MalformedToken),
    ];
    for (what, bad, reason) in table {
        let refusal = decided(&issuer, &bad).expect_err(what);
        assert_eq!(refusal.reason(), reason, "{what}: {refusal}");
        assert!(matches!(refusal, Refusal::Invalid { .. }), "{what}");
        assert!(issuer.recall(&Token::new(&bad)).is_none(), "{what}");
    }
    assert!(decided(&issuer, &good).is_ok());
}

#[test]
fn the_type_is_pinned_where_it_is_said() {
    let (clock, key) = (clock(), key("k1"));
    let set = JwkSet::parse(&public(&[&key]), &ALGORITHMS).unwrap();
    let settings = IssuerSettings { typ: Some("at+jwt".to_owned()), ..settings("corp") };
    let issuer = Issuer::new(settings, Keys::fixed(set), Arc::clone(&clock) as _);
    let with_type = |typ| sign(&key, typ, claims(json!({})).to_string().as_bytes()).unwrap();
    assert!(decided(&issuer, &with_type(Some("application/at+JWT"))).is_ok());
    for typ in [None, Some("JWT"), Some("txntoken+jwt")] {
        assert_eq!(decided(&issuer, &with_type(typ)).unwrap_err().reason(), Reason::WrongTokenType);
    }
}

#[test]
fn a_token_is_verified_once_and_known_until_it_ends() {
    let (clock, key) = (clock(), key("k1"));
    let issuer = fixed(&[&key], &clock);
    let text = token(&key, json!({}));
    let token = Token::new(&text);
    assert!(issuer.recall(&token).is_none());
    let first = decided(&issuer, &text).unwrap();
    assert!(Arc::ptr_eq(&issuer.recall(&token).unwrap(), &first));
    clock.advance(Duration::from_secs(299));
    assert!(issuer.recall(&token).is_some());
    clock.advance(Duration::from_secs(1));
    assert!(issuer.recall(&token).is_none());
    assert!(decided(&issuer, &text).is_ok(), "the leeway begins");
    clock.advance(Duration::from_secs(30));
    assert_eq!(decided(&issuer, &text).unwrap_err().reason(), Reason::TokenExpired);
}

#[test]
fn another_issuer_does_not_know_it() {
    let (clock, key) = (clock(), key("k1"));
    let (one, two) = (fixed(&[&key], &clock), fixed(&[&key], &clock));
    let text = token(&key, json!({}));
    decided(&one, &text).unwrap();
    assert!(two.recall(&Token::new(&text)).is_none());
}

/// A publisher of keys that tests command.
#[derive(Default)]
struct Publisher {
    calls: AtomicUsize,
    answer: Mutex<Option<Vec<u8>>>,
    delay: Mutex<Duration>,
}

impl Publisher {
    fn publish(&self, keys: &[&SigningKey]) {
        *self.answer.lock().unwrap() = Some(public(keys));
    }

    fn answer(&self, bytes: &str) {
        *self.answer.lock().unwrap() = Some(bytes.as_bytes().to_vec());
    }

    fn take(&self, delay: Duration) {
        *self.delay.lock().unwrap() = delay;
    }

    fn go_away(&self) {
        *self.answer.lock().unwrap() = None;
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

struct Publishes(Arc<Publisher>);

impl FetchKeys for Publishes {
    fn fetch(&self) -> Pin<Box<dyn Future<Output = Result<Vec<u8>, CallError>> + Send>> {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        let answer = self.0.answer.lock().unwrap().clone();
        let delay = *self.0.delay.lock().unwrap();
        Box::pin(async move {
            tokio::time::sleep(delay).await;
            answer.ok_or(CallError::Refused)
        })
    }
}

struct World {
    clock: Arc<ManualClock>,
    publisher: Arc<Publisher>,
    tallies: Tallies,
    issuer: Issuer,
}

fn fetched() -> World {
    world(Outbound::new)
}

fn world(outbound: impl FnOnce(Arc<dyn Clock>, Tallies) -> Outbound) -> World {
    let (clock, tallies, publisher) = (clock(), Tallies::default(), Arc::new(Publisher::default()));
    let outbound = outbound(Arc::clone(&clock) as _, tallies.clone());
    let fetch = FetchSettings {
        issuer: "corp".to_owned(),
        algorithms: ALGORITHMS.to_vec(),
        cache: Duration::from_secs(300),
        stale: Duration::from_secs(3600),
        cool_down: Duration::from_secs(30),
        timeout: Duration::from_secs(2),
    };
    let keys = Keys::fetched(fetch, Arc::new(Publishes(Arc::clone(&publisher))), &outbound);
    let issuer = Issuer::new(settings("corp"), keys, Arc::clone(&clock) as _);
    World { clock, publisher, tallies, issuer }
}

impl World {
    /// As a filter asks: what is known, then at once, then by waiting.
    fn ask(&self, text: &str) -> Result<Arc<Principal>, Refusal> {
        let token = Token::new(text);
        if let Some(known) = self.issuer.recall(&token) {
            return Ok(known);
        }
        match self.issuer.look(&token) {
            Look::Decided(outcome) => outcome,
            Look::Ask => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                runtime.block_on(self.issuer.ask(&token))
            }
        }
    }

    fn reason(&self, text: &str) -> Reason {
        self.ask(text).unwrap_err().reason()
    }

    fn refreshes(&self) -> BTreeMap<String, u64> {
        let tally =
            self.tallies.all().into_iter().find(|tally| tally.name() == "gwanmun_jwks_refreshes_total").unwrap();
        tally.counts().into_iter().map(|(mut labels, count)| (labels.pop().unwrap(), count)).collect()
    }
}

#[test]
fn the_first_request_waits_for_the_keys_and_later_ones_do_not() {
    let (world, key) = (fetched(), key("k1"));
    world.publisher.publish(&[&key]);
    let text = token(&key, json!({}));
    assert!(matches!(world.issuer.look(&Token::new(&text)), Look::Ask));
    assert_eq!(world.ask(&text).unwrap().subject, "u1");
    assert!(decided(&world.issuer, &token(&key, json!({"sub": "u2"}))).is_ok());
    assert_eq!((world.publisher.calls(), world.refreshes()), (1, BTreeMap::from([("ok".to_owned(), 1)])));
}

#[test]
fn a_key_that_is_new_is_fetched_and_one_that_nobody_knows_is_not_asked_for_again_and_again() {
    let (world, old, new, never) = (fetched(), key("k1"), key("k2"), key("k3"));
    world.publisher.publish(&[&old]);
    world.ask(&token(&old, json!({}))).unwrap();
    world.clock.advance(Duration::from_secs(30));
    world.publisher.publish(&[&old, &new]);
    assert!(world.ask(&token(&new, json!({}))).is_ok());
    assert_eq!(world.publisher.calls(), 2);
    for number in 0..10 {
        assert_eq!(world.reason(&token(&never, json!({"jti": number}))), Reason::UnknownKey);
    }
    assert_eq!(world.publisher.calls(), 2);
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(world.reason(&token(&never, json!({}))), Reason::UnknownKey);
    assert_eq!(world.publisher.calls(), 3);
}

#[test]
fn a_key_that_was_rotated_away_ends_the_tokens_that_it_verified() {
    let (world, old, new) = (fetched(), key("k1"), key("k2"));
    world.publisher.publish(&[&old, &new]);
    let lasting = json!({"exp": NOW + 1_000_000});
    let (by_old, by_new) = (token(&old, lasting.clone()), token(&new, lasting));
    world.ask(&by_old).unwrap();
    world.ask(&by_new).unwrap();
    world.publisher.publish(&[&new]);
    // Within its last quarter the set is fetched anew behind the scenes.
    world.clock.advance(Duration::from_secs(230));
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while world.ask(&by_old).is_ok() {
        assert!(std::time::Instant::now() < deadline, "{:?}", world.refreshes());
        std::thread::yield_now();
        world.clock.advance(Duration::from_millis(1001));
    }
    assert_eq!(world.reason(&by_old), Reason::UnknownKey);
    assert!(world.ask(&by_new).is_ok());
}

#[test]
fn old_keys_serve_while_the_issuer_is_away_and_not_for_ever() {
    let (world, key) = (fetched(), key("k1"));
    world.publisher.publish(&[&key]);
    let lasting = json!({"exp": NOW + 100_000});
    let text = token(&key, lasting.clone());
    world.ask(&text).unwrap();
    world.publisher.go_away();
    world.clock.advance(Duration::from_secs(301));
    assert!(world.ask(&text).is_ok());
    assert!(world.ask(&token(&key, json!({"sub": "u2", "exp": NOW + 100_000}))).is_ok());
    world.clock.advance(Duration::from_secs(3600));
    let refusal = world.ask(&text).unwrap_err();
    let Refusal::Unavailable { reason, retry_after, .. } = refusal else { panic!("{refusal}") };
    assert_eq!((reason, retry_after), (Reason::KeysUnavailable, Duration::from_secs(1)));
    world.publisher.publish(&[&key]);
    world.clock.advance(Duration::from_secs(2));
    assert!(world.ask(&text).is_ok());
}

#[test]
fn a_slow_issuer_is_waited_for_where_there_are_no_keys_and_not_where_there_are_old_ones() {
    let (world, key) = (fetched(), key("k1"));
    world.publisher.publish(&[&key]);
    world.publisher.take(Duration::from_millis(50));
    let text = token(&key, json!({"exp": NOW + 100_000}));
    assert!(world.ask(&text).is_ok());
    // Longer than a fetch may take: who waited for it would wait for two seconds.
    world.publisher.take(Duration::from_secs(60));
    world.clock.advance(Duration::from_secs(301));
    let begin = std::time::Instant::now();
    assert!(world.ask(&text).is_ok());
    assert!(begin.elapsed() < Duration::from_secs(1));
}

#[test]
fn what_is_no_key_set_counts_as_nothing() {
    let (world, key) = (fetched(), key("k1"));
    for answer in ["", "<html>", "{}", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#] {
        world.publisher.answer(answer);
        assert_eq!(world.reason(&token(&key, json!({}))), Reason::KeysUnavailable, "{answer}");
        world.clock.advance(Duration::from_secs(2));
    }
    world.publisher.publish(&[&key]);
    assert!(world.ask(&token(&key, json!({}))).is_ok());
    assert_eq!(world.refreshes(), BTreeMap::from([("malformed".to_owned(), 5), ("ok".to_owned(), 1)]));
}

#[test]
fn offline_it_is_said_what_stands_in() {
    let world = world(Outbound::offline);
    let refusal = world.ask(&token(&key("k1"), json!({}))).unwrap_err();
    assert!(refusal.detail().contains("--principal"), "{refusal}");
    assert_eq!(world.publisher.calls(), 0);
}

#[test]
fn a_key_without_a_name_is_meant_if_it_is_the_only_one_that_fits() {
    let (clock, key) = (clock(), SigningKey::generate(Algorithm::Es256).unwrap());
    let nameless = |keys: Vec<VerifyingKey>| {
        Issuer::new(settings("corp"), Keys::fixed(JwkSet::of(keys).unwrap()), Arc::clone(&clock) as _)
    };
    let own = key.verifying_key().clone();
    let text = token(&key, json!({}));
    assert!(decided(&nameless(vec![own.clone()]), &text).is_ok());
    let other = SigningKey::generate(Algorithm::Es256).unwrap().verifying_key().clone();
    assert_eq!(decided(&nameless(vec![own, other]), &text).unwrap_err().reason(), Reason::UnknownKey);
}
