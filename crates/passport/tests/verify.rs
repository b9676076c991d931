//! What a mint makes, a verifier reads; anything else it refuses.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests stand outside of them")]

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gwanmun_core::Level;
use gwanmun_jose::{Algorithm, JwkSet, Refusal, SigningKey, sign};
use gwanmun_passport::{
    ALGORITHMS, Cache, Content, Device, Mint, MintSpec, Requester, TYP, User, Verifier, VerifierSpec,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://gw.example.internal";

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn key(algorithm: Algorithm, kid: &str) -> SigningKey {
    SigningKey::generate(algorithm).unwrap().with_kid(kid)
}

fn mint(active: SigningKey, older: &[&SigningKey]) -> Mint {
    Mint::new(MintSpec {
        issuer: ISSUER.to_owned(),
        trust_domain: "example.internal".to_owned(),
        lifetime: Duration::from_secs(60),
        active: active.into(),
        published: older.iter().map(|key| key.verifying_key().clone()).collect(),
    })
    .unwrap()
}

fn verifier_of(jwks: &Value) -> Verifier {
    let spec = VerifierSpec {
        trust_domain: "example.internal".to_owned(),
        issuers: vec![ISSUER.to_owned()],
        leeway: Duration::from_secs(5),
    };
    Verifier::new(spec, JwkSet::parse(jwks.to_string().as_bytes(), &ALGORITHMS).unwrap())
}

fn content() -> Content<'static> {
    Content {
        txn: "t1".into(),
        subject: "u1".into(),
        scopes: vec!["orders.read".to_owned()].into(),
        user: User {
            id: "u1".into(),
            roles: vec!["member".to_owned()].into(),
            level: Level::High,
            source: "jwt:corp".into(),
        },
        device: Some(Device { id: Some("d9".into()), source: "header".into(), ..Device::default() }),
        actor: None,
        requester: Requester { address: Some([203, 0, 113, 7].into()), ..Requester::default() },
    }
}

/// Signs claims that no mint makes.
struct Forger {
    key: SigningKey,
    verifier: Verifier,
}

impl Forger {
    fn new() -> Self {
        let key = key(Algorithm::EdDsa, "a");
        let verifier = verifier_of(&json!({"keys": [key.verifying_key().public_jwk()]}));
        Self { key, verifier }
    }

    fn outcome(&self, typ: Option<&str>, claims: &Value) -> Result<(), Refusal> {
        let token = sign(&self.key, typ, claims.to_string().as_bytes()).unwrap();
        self.verifier.verify(token.as_bytes(), at(NOW)).map(|_| ())
    }
}

/// Claims as an auth server writes them that knows nothing of our sections.
fn foreign() -> Value {
    json!({"iss": ISSUER, "aud": "example.internal", "iat": NOW, "exp": NOW + 60, "txn": "t", "sub": "u1", "scope": "a b",
        "req_wl": "https://app.example"})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = foreign();
    claims[name] = value;
    claims
}

#[test]
fn a_passport_becomes_a_principal() {
    for algorithm in ALGORITHMS {
        let mint = mint(key(algorithm, "a"), &[]);
        let token = mint.mint(&content(), at(NOW)).unwrap();
        let passport = verifier_of(&mint.jwks()).verify(token.as_bytes(), at(NOW + 10)).unwrap();
        assert_eq!(passport.content, content());
        assert_eq!((passport.issuer.as_str(), passport.requesting_workload.as_str()), (ISSUER, ISSUER));
        assert_eq!((passport.issued, passport.expires), (at(NOW), at(NOW + 60)));
        let principal = &passport.principal;
        assert_eq!((principal.subject.as_str(), principal.credential.as_str()), ("u1", "passport"));
        assert_eq!((principal.level, principal.expires), (Level::High, Some(at(NOW + 60))));
        assert!(principal.has_role("member") && principal.has_scope("orders.read"));
        assert_eq!(principal.claims["tctx"]["device"]["id"], "d9");
    }
}

#[test]
fn keys_are_rotated_with_overlap() {
    let (old, new) = (key(Algorithm::EdDsa, "old"), key(Algorithm::Es256, "new"));
    let old_public = old.verifying_key().clone();
    let before = mint(old, &[]);
    let token = before.mint(&content(), at(NOW)).unwrap();
    let published = vec![old_public];
    let (issuer, trust_domain) = (ISSUER.to_owned(), "example.internal".to_owned());
    let lifetime = Duration::from_secs(60);
    let after = Mint::new(MintSpec { issuer, trust_domain, lifetime, active: new.into(), published }).unwrap();
    let verifier = verifier_of(&after.jwks());
    assert!(verifier.verify(token.as_bytes(), at(NOW)).is_ok());
    assert!(verifier.verify(after.mint(&content(), at(NOW)).unwrap().as_bytes(), at(NOW)).is_ok());
    let gone = verifier_of(&json!({"keys": [after.jwks()["keys"][0]]}));
    assert_eq!(gone.verify(token.as_bytes(), at(NOW)), Err(Refusal::UnknownKey));
}

#[test]
fn a_passport_of_another_mint_or_time_is_refused() {
    let ours = mint(key(Algorithm::EdDsa, "a"), &[]);
    let verifier = verifier_of(&ours.jwks());
    let token = ours.mint(&content(), at(NOW)).unwrap();
    let verify = |token: &str, now| verifier.verify(token.as_bytes(), at(now)).map(|_| ());
    assert_eq!(verify(&token, NOW + 64), Ok(()));
    assert_eq!(verify(&token, NOW + 65), Err(Refusal::Expired));
    assert_eq!(verify(&token, NOW - 5), Ok(()));
    assert_eq!(verify(&token, NOW - 6), Err(Refusal::IssuedInFuture));
    let theirs = mint(key(Algorithm::EdDsa, "a"), &[]).mint(&content(), at(NOW)).unwrap();
    assert_eq!(verify(&theirs, NOW), Err(Refusal::BadSignature));
    let theirs = mint(key(Algorithm::Es256, "a"), &[]).mint(&content(), at(NOW)).unwrap();
    assert_eq!(verify(&theirs, NOW), Err(Refusal::WrongAlgorithm));
    let theirs = mint(key(Algorithm::EdDsa, "b"), &[]).mint(&content(), at(NOW)).unwrap();
    assert_eq!(verify(&theirs, NOW), Err(Refusal::UnknownKey));
    assert_eq!(verify(&"a".repeat(9000), NOW), Err(Refusal::TooLarge));
}

#[test]
fn one_user_is_not_spliced_onto_another_device() {
    let mint = mint(key(Algorithm::EdDsa, "a"), &[]);
    let one = mint.mint(&content(), at(NOW)).unwrap();
    let other = mint.mint(&Content { subject: "root".into(), ..content() }, at(NOW)).unwrap();
    let (one, other): (Vec<_>, Vec<_>) = (one.split('.').collect(), other.split('.').collect());
    let spliced = [one[0], other[1], one[2]].join(".");
    assert_eq!(verifier_of(&mint.jwks()).verify(spliced.as_bytes(), at(NOW)), Err(Refusal::BadSignature));
}

#[test]
fn a_token_for_something_else_is_refused() {
    let forger = Forger::new();
    let outcome = |claims: &Value| forger.outcome(Some(TYP), claims);
    assert_eq!(outcome(&foreign()), Ok(()));
    for typ in [None, Some("JWT"), Some("at+jwt"), Some("txn_token")] {
        assert_eq!(forger.outcome(typ, &foreign()), Err(Refusal::WrongType));
    }
    assert_eq!(outcome(&with("aud", json!("other.internal"))), Err(Refusal::WrongAudience));
    assert_eq!(outcome(&with("iss", json!("https://evil.example"))), Err(Refusal::WrongIssuer));
    assert_eq!(outcome(&with("exp", json!(NOW + 601))), Err(Refusal::LivesTooLong));
    for name in ["iat", "txn", "scope", "req_wl"] {
        let mut claims = foreign();
        claims.as_object_mut().unwrap().remove(name);
        assert_eq!(outcome(&claims), Err(Refusal::MissingClaim), "{name}");
    }
    let bad = [
        ("txn", json!(7)),
        ("scope", json!(["a"])),
        ("tctx", json!([1])),
        ("tctx", json!({"user": {"level": "HIGH"}})),
        ("tctx", json!({"user": {"roles": "admin"}})),
        ("rctx", json!({"req_ip": "nowhere"})),
    ];
    for (name, value) in bad {
        assert_eq!(outcome(&with(name, value)), Err(Refusal::BadClaim), "{name}");
    }
}

#[test]
fn a_token_without_our_sections_has_the_lowest_level_and_no_roles() {
    let forger = Forger::new();
    let token = sign(&forger.key, Some(TYP), foreign().to_string().as_bytes()).unwrap();
    let passport = forger.verifier.verify(token.as_bytes(), at(NOW)).unwrap();
    assert_eq!(passport.content.user, User { id: "u1".into(), ..User::default() });
    assert_eq!((passport.principal.level, passport.content.device), (Level::Low, None));
    assert_eq!(passport.principal.scopes, ["a", "b"]);
}

#[test]
fn what_was_verified_is_remembered_until_it_expires() {
    let mint = mint(key(Algorithm::EdDsa, "a"), &[]);
    let (verifier, mut cache) = (verifier_of(&mint.jwks()), Cache::new(10));
    let token = mint.mint(&content(), at(NOW)).unwrap();
    let first = verifier.verify_cached(&mut cache, token.as_bytes(), at(NOW)).unwrap();
    let second = verifier.verify_cached(&mut cache, token.as_bytes(), at(NOW + 64)).unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(verifier.verify_cached(&mut cache, token.as_bytes(), at(NOW + 65)), Err(Refusal::Expired));
    assert_eq!(verifier.verify_cached(&mut cache, token.as_bytes(), at(NOW - 6)), Err(Refusal::IssuedInFuture));
}

#[test]
fn what_another_verifier_accepted_is_forgotten() {
    let mint = mint(key(Algorithm::EdDsa, "a"), &[]);
    let mut cache = Cache::new(10);
    let token = mint.mint(&content(), at(NOW)).unwrap();
    assert!(verifier_of(&mint.jwks()).verify_cached(&mut cache, token.as_bytes(), at(NOW)).is_ok());
    let without_keys = verifier_of(&json!({"keys": []}));
    assert_eq!(without_keys.verify_cached(&mut cache, token.as_bytes(), at(NOW)), Err(Refusal::UnknownKey));
    assert!(cache.is_empty());
}

#[test]
fn a_cache_stays_within_its_bound_and_keeps_what_is_used() {
    let mint = mint(key(Algorithm::EdDsa, "a"), &[]);
    let (verifier, mut cache) = (verifier_of(&mint.jwks()), Cache::new(10));
    let used = mint.mint(&content(), at(NOW)).unwrap();
    let first = verifier.verify_cached(&mut cache, used.as_bytes(), at(NOW)).unwrap();
    for number in 0..100 {
        let token = mint.mint(&Content { txn: number.to_string().into(), ..content() }, at(NOW)).unwrap();
        verifier.verify_cached(&mut cache, token.as_bytes(), at(NOW)).unwrap();
        assert!(cache.len() <= 10, "{}", cache.len());
        let again = verifier.verify_cached(&mut cache, used.as_bytes(), at(NOW)).unwrap();
        assert!(Arc::ptr_eq(&first, &again), "it is gone after {number} others");
    }
    for token in ["a.b.c", "", &used[1..]] {
        let before = cache.len();
        assert!(verifier.verify_cached(&mut cache, token.as_bytes(), at(NOW)).is_err());
        assert_eq!(cache.len(), before, "what is refused is kept");
    }
    let mut none = Cache::new(0);
    assert!(verifier.verify_cached(&mut none, used.as_bytes(), at(NOW)).is_ok());
    assert!(none.is_empty());
}

static PAIR: LazyLock<(Mint, Verifier)> = LazyLock::new(|| {
    let mint = mint(key(Algorithm::EdDsa, "a"), &[]);
    let verifier = verifier_of(&mint.jwks());
    (mint, verifier)
});

/// Text that wants to break out of where it stands.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[\"\\\\,:{}\\x00-\\x1f\u{2028}\u{7f}]{0,10}",
        Just(r#"u","roles":["admin"],"x":""#.to_owned()),
        Just(r#"\","exp":9999999999,"a":"\"#.to_owned()),
        Just("a\r\nTxn-Token: b".to_owned()),
    ]
}

fn any_level() -> impl Strategy<Value = Level> {
    prop_oneof![Just(Level::Low), Just(Level::High), Just(Level::Highest)]
}

fn any_user() -> impl Strategy<Value = User<'static>> {
    (text().prop_filter("an id", |id| !id.is_empty()), vec(text(), 0..4), any_level(), text()).prop_map(
        |(id, roles, level, source)| User { id: id.into(), roles: roles.into(), level, source: source.into() },
    )
}

fn any_device() -> impl Strategy<Value = Device<'static>> {
    (option::of(text()), option::of(text()), option::of(text()), any_level(), text()).prop_map(
        |(id, os, app, level, source)| Device {
            id: id.map(Into::into),
            os: os.map(Into::into),
            app: app.map(Into::into),
            level,
            source: source.into(),
        },
    )
}

fn any_requester() -> impl Strategy<Value = Requester<'static>> {
    (option::of(any::<IpAddr>()), text(), text(), option::of(text())).prop_map(|(address, authn, role, trace_id)| {
        Requester { address, authn: authn.into(), role: role.into(), trace_id: trace_id.map(Into::into) }
    })
}

fn any_content() -> impl Strategy<Value = Content<'static>> {
    let subject = text().prop_filter("a subject", |subject| !subject.is_empty());
    let scopes = vec("[!#-\\[\\]-~]{1,8}", 0..4);
    (text(), subject, scopes, any_user(), option::of(any_device()), option::of(text()), any_requester()).prop_map(
        |(txn, subject, scopes, user, device, actor, requester)| Content {
            txn: txn.into(),
            subject: subject.into(),
            scopes: scopes.into(),
            user,
            device,
            actor: actor.map(Into::into),
            requester,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_minted_is_read_the_same(content in any_content()) {
        let (mint, verifier) = &*PAIR;
        let token = mint.mint(&content, at(NOW)).unwrap();
        prop_assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)));
        let passport = verifier.verify(token.as_bytes(), at(NOW)).unwrap();
        prop_assert_eq!(passport.expires, at(NOW + 60));
        prop_assert_eq!(passport.content, content);
    }

    #[test]
    fn a_scope_never_becomes_two(scopes in vec(prop_oneof![text(), "[a-c \"]{0,5}"], 0..5)) {
        let (mint, verifier) = &*PAIR;
        let token = mint.mint(&Content { scopes: scopes.clone().into(), ..content() }, at(NOW)).unwrap();
        let passport = verifier.verify(token.as_bytes(), at(NOW)).unwrap();
        prop_assert!(passport.content.scopes.iter().all(|scope| scopes.contains(scope)));
    }

    #[test]
    fn a_passport_with_a_bit_flipped_is_refused(bit in any::<prop::sample::Index>()) {
        let (mint, verifier) = &*PAIR;
        let mut token = mint.mint(&content(), at(NOW)).unwrap().into_bytes();
        let bit = bit.index(8 * token.len());
        token[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(verifier.verify(&token, at(NOW)).is_err());
    }
}
