use std::collections::BTreeMap;
use std::fs;
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use gwanmun_client::{CallError, Outbound};
use gwanmun_core::{Clock, Code, ManualClock, Tallies};
use gwanmun_identity::{FetchKeys, FetchSettings, Identity, Issuer, IssuerSettings, Keys, PrincipalMap};
use gwanmun_jose::{Algorithm, JwkSet, SigningKey, sign};
use gwanmun_proxy::{Connection, Lasting, Network, Scheme};
use http::{HeaderValue, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::fixture::{Fixture, exchange_with, pass, sections, values};
use crate::passport::PassportSpec;
use crate::section::passport::PassportSectionSpec;

const NOW: u64 = 1_700_000_000;

struct World {
    clock: Arc<ManualClock>,
    issuers: BTreeMap<String, Arc<Issuer>>,
    keys: BTreeMap<&'static str, SigningKey>,
    folder: TempDir,
}

impl World {
    /// With the issuers `corp` and `shop`, whose keys are at hand.
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(UNIX_EPOCH + Duration::from_secs(NOW)));
        let folder = tempfile::tempdir().unwrap();
        let mut world = Self { clock, issuers: BTreeMap::new(), keys: BTreeMap::new(), folder };
        for name in ["corp", "shop"] {
            let key = SigningKey::generate(Algorithm::Es256).unwrap().with_kid("k1");
            let keys = Keys::fixed(JwkSet::of([key.verifying_key().clone()]).unwrap());
            world.add(name, keys);
            world.keys.insert(name, key);
        }
        world
    }

    fn add(&mut self, name: &str, keys: Keys) {
        let settings = IssuerSettings {
            name: name.to_owned(),
            issuer: format!("https://{name}.example"),
            audiences: vec!["gateway".to_owned()],
            typ: None,
            leeway: Duration::ZERO,
            principal: PrincipalMap::default(),
        };
        let issuer = Issuer::new(settings, keys, Arc::clone(&self.clock) as _);
        self.issuers.insert(name.to_owned(), Arc::new(issuer));
    }

    fn fixture(&self) -> Fixture {
        Fixture::new().with_clock(Arc::clone(&self.clock) as _).with_section(Identity::new(self.issuers.clone()))
    }

    fn filter(&self, arguments: &str) -> Box<dyn Filter> {
        self.fixture().filter::<AuthenticateSpec>(&self.located(arguments)).unwrap()
    }

    fn refusal(&self, arguments: &str) -> String {
        self.fixture().filter::<AuthenticateSpec>(&self.located(arguments)).err().expect("the arguments were accepted")
    }

    /// `file:` is in the world's folder.
    fn located(&self, arguments: &str) -> String {
        arguments.replace("file:", &format!("file:{}/", self.folder.path().display()))
    }

    fn with_file(self, name: &str, text: &str) -> Self {
        fs::write(self.folder.path().join(name), text).unwrap();
        self
    }

    fn token(&self, issuer: &str, changes: Value) -> String {
        let mut claims =
            json!({"iss": format!("https://{issuer}.example"), "sub": "ann", "aud": "gateway", "exp": NOW + 300});
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        sign(&self.keys[issuer], Some("JWT"), claims.to_string().as_bytes()).unwrap()
    }

    fn bearer(&self, issuer: &str) -> String {
        format!("Bearer {}", self.token(issuer, json!({})))
    }
}

fn request(fields: &[(&str, &str)]) -> Exchange {
    exchange_with(Method::GET, "/", fields)
}

fn over_tls(mut exchange: Exchange) -> Exchange {
    let peer = "192.0.2.1:40000".parse().unwrap();
    exchange.connection = Rc::new(Connection::new(Some(peer), Arc::from("main"), 0, Scheme::Https, 443));
    exchange
}

fn subject(exchange: &Exchange) -> Option<(&str, &str)> {
    exchange.principal.as_ref().map(|principal| (&*principal.subject, &*principal.credential))
}

fn fault(filter: &dyn Filter, exchange: &mut Exchange) -> Fault {
    match filter.request(exchange) {
        Err(fault) => fault,
        Ok(_) => panic!("the request was let in, or waits"),
    }
}

fn refused(filter: &dyn Filter, fields: &[(&str, &str)]) -> (u16, Reason, String) {
    let fault = fault(filter, &mut request(fields));
    (fault.code().status().as_u16(), fault.reason().unwrap(), fault.challenge().unwrap_or_default().to_owned())
}

const BEARER: &str = r#"Bearer realm="gwanmun""#;
const BAD_TOKEN: &str = r#"Bearer realm="gwanmun", error="invalid_token""#;

#[test]
fn a_good_token_is_a_principal_and_goes_no_further() {
    let world = World::new();
    let filter = world.filter("{any: [{jwt: corp}]}");
    let bearer = world.bearer("corp");
    for _ in 0..2 {
        let mut exchange = over_tls(request(&[("authorization", &bearer), ("x-other", "1")]));
        pass(&*filter, &mut exchange).unwrap();
        assert_eq!((subject(&exchange), exchange.level), (Some(("ann", "jwt:corp")), Level::High));
        assert_eq!(exchange.request.headers.keys().collect::<Vec<_>>(), ["x-other"]);
        assert_eq!(exchange.consumed, [(http::header::AUTHORIZATION, bearer.parse().unwrap())]);
    }
}

#[test]
fn over_a_channel_that_others_read_nothing_is_proven_well() {
    let world = World::new();
    let filter = world.filter("{any: [{jwt: corp}]}");
    let mut exchange = request(&[("authorization", &world.bearer("corp"))]);
    pass(&*filter, &mut exchange).unwrap();
    assert_eq!((exchange.level, exchange.principal.unwrap().level), (Level::Low, Level::High));
}

#[test]
fn a_client_on_this_machine_is_one_whose_connection_begins_there_too() {
    let world = World::new();
    let filter = world.filter("{any: [{jwt: corp}]}");
    for (peer, client, level) in [
        ("127.0.0.1:40000", "127.0.0.1", Level::High),
        ("[::1]:40000", "::ffff:127.0.0.2", Level::High),
        ("127.0.0.1:40000", "192.0.2.7", Level::Low),
        ("192.0.2.1:40000", "127.0.0.1", Level::Low),
    ] {
        let mut exchange = request(&[("authorization", &world.bearer("corp"))]);
        let connection = Connection::new(Some(peer.parse().unwrap()), Arc::from("main"), 0, Scheme::Http, 80);
        exchange.connection = Rc::new(connection);
        (exchange.client, exchange.trusted) = (Some(client.parse().unwrap()), true);
        pass(&*filter, &mut exchange).unwrap();
        assert_eq!(exchange.level, level, "{client} by {peer}");
    }
}

#[test]
fn what_is_no_good_is_401_and_the_answer_does_not_say_why() {
    let world = World::new();
    let filter = world.filter("{any: [{jwt: corp}]}");
    let bearer = |issuer: &str, changes: Value| format!("Bearer {}", world.token(issuer, changes));
    for (value, reason) in [
        (bearer("corp", json!({"exp": NOW})), Reason::TokenExpired),
        (bearer("corp", json!({"nbf": NOW + 1})), Reason::TokenNotYetValid),
        (bearer("corp", json!({"aud": "other"})), Reason::WrongAudience),
        (bearer("corp", json!({"iss": "https://shop.example"})), Reason::WrongIssuer),
        (bearer("shop", json!({})), Reason::BadSignature),
        ("Bearer opaque".to_owned(), Reason::MalformedToken),
        ("Bearer".to_owned(), Reason::MalformedCredential),
        ("Bearer a b".to_owned(), Reason::MalformedCredential),
        ("Bearer a,b".to_owned(), Reason::MalformedCredential),
        (String::new(), Reason::MalformedCredential),
    ] {
        assert_eq!(refused(&*filter, &[("authorization", &value)]), (401, reason, BAD_TOKEN.to_owned()), "{value}");
    }
    let good = world.bearer("corp");
    let twice = [("authorization", &*good), ("authorization", &*good)];
    assert_eq!(refused(&*filter, &twice), (401, Reason::TwoCredentials, BAD_TOKEN.to_owned()));
}

#[test]
fn where_nothing_is_sent_the_answer_names_what_would_do() {
    let world = World::new().with_file("keys.yaml", "");
    let filter = world.filter("{any: [{jwt: corp}, {jwt: shop}, {api-key: {keys: file:keys.yaml}}]}");
    let challenge = format!(r#"{BEARER}, ApiKey realm="gwanmun", header="x-api-key""#);
    assert_eq!(refused(&*filter, &[]), (401, Reason::NoCredential, challenge.clone()));
    assert_eq!(refused(&*filter, &[("authorization", "Basic YTpi")]), (401, Reason::NoCredential, challenge.clone()));
    let (_, reason, about_token) = refused(&*filter, &[("authorization", "Bearer x")]);
    assert_eq!((reason, about_token), (Reason::MalformedToken, challenge.replace(BEARER, BAD_TOKEN)));
}

#[test]
fn who_may_be_anonymous_may_not_bring_a_bad_credential() {
    let world = World::new();
    let filter = world.filter("{any: [{jwt: corp}], anonymous: true, scope: [a]}");
    for fields in [&[][..], &[("authorization", "Basic YTpi")], &[("x-api-key", "k")]] {
        let mut exchange = request(fields);
        pass(&*filter, &mut exchange).unwrap();
        assert_eq!((subject(&exchange), exchange.level, exchange.consumed.len()), (None, Level::Low, 0));
        assert_eq!(exchange.request.headers.len(), fields.len(), "nothing is taken that is not ours");
    }
    for value in ["Bearer opaque", "Bearer", "Bearer a.b.c"] {
        assert_eq!(refused(&*filter, &[("authorization", value)]).0, 401, "{value}");
    }
}

#[test]
fn of_several_issuers_the_tokens_own_is_asked() {
    let world = World::new();
    let filter = world.filter("{any: [{jwt: corp}, {jwt: shop}]}");
    for _ in 0..2 {
        for name in ["shop", "corp"] {
            let mut exchange = request(&[("authorization", &world.bearer(name))]);
            pass(&*filter, &mut exchange).unwrap();
            assert_eq!(subject(&exchange).unwrap().1, format!("jwt:{name}"));
            assert!(exchange.request.headers.is_empty());
            assert_eq!(exchange.consumed.len(), 1);
        }
    }
    let lie =
        |by: &str, says: &str| format!("Bearer {}", world.token(by, json!({"iss": format!("https://{says}.example")})));
    assert_eq!(refused(&*filter, &[("authorization", &lie("corp", "shop"))]).1, Reason::BadSignature);
    assert_eq!(refused(&*filter, &[("authorization", &lie("corp", "evil"))]).1, Reason::WrongIssuer);
    assert_eq!(refused(&*filter, &[("authorization", "Bearer opaque")]).1, Reason::MalformedToken);
}

/// `printf %s abc | sha256sum`, and the same of `old` and `b`.
const KEYS: &str = "
- {id: p1, hash: 'sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad', roles: [partner], scopes: [a], claims: {tenant: 7}}
- {id: p2, hash: 'sha256:3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d', expires: 2023-11-14T00:00:00Z}
";

#[test]
fn an_api_key_is_who_has_it() {
    let world = World::new().with_file("keys.yaml", KEYS);
    let filter = world.filter("{any: [{api-key: {header: X-Key, keys: file:keys.yaml}}]}");
    let mut exchange = over_tls(request(&[("x-key", "abc"), ("authorization", "Bearer a, b")]));
    pass(&*filter, &mut exchange).unwrap();
    assert_eq!((subject(&exchange), exchange.level), (Some(("p1", "api-key")), Level::Highest));
    let principal = exchange.principal.unwrap();
    assert!(principal.has_role("partner") && principal.has_scope("a"));
    assert_eq!(principal.claims["tenant"], 7);
    assert_eq!(exchange.request.headers.keys().collect::<Vec<_>>(), ["authorization"]);
    assert_eq!(exchange.consumed, [("x-key".parse().unwrap(), "abc".parse().unwrap())]);
    for (fields, reason) in [
        (&[("x-key", "abd")][..], Reason::UnknownApiKey),
        (&[("x-key", "")], Reason::UnknownApiKey),
        (&[("x-key", "b")], Reason::ApiKeyExpired),
        (&[("x-key", "abc"), ("x-key", "abc")], Reason::TwoCredentials),
        (&[("x-api-key", "abc")], Reason::NoCredential),
    ] {
        let (status, found, challenge) = refused(&*filter, fields);
        assert_eq!((status, found, &*challenge), (401, reason, r#"ApiKey realm="gwanmun", header="x-key""#));
    }
}

#[test]
fn the_first_that_something_is_sent_for_decides_and_the_rest_is_dropped() {
    let world = World::new().with_file("keys.yaml", KEYS);
    let filter = world.filter("{any: [{api-key: {keys: file:keys.yaml}}, {jwt: corp}]}");
    let good = world.bearer("corp");
    assert_eq!(refused(&*filter, &[("x-api-key", "bad"), ("authorization", &good)]).1, Reason::UnknownApiKey);
    let mut exchange = request(&[("x-api-key", "abc"), ("authorization", "bearer opaque")]);
    pass(&*filter, &mut exchange).unwrap();
    assert_eq!(subject(&exchange), Some(("p1", "api-key")));
    assert!(exchange.request.headers.is_empty(), "what nobody has looked at is not passed on");
    assert_eq!(exchange.consumed, [("x-api-key".parse().unwrap(), "abc".parse().unwrap())]);
    let mut exchange = request(&[("authorization", &good)]);
    pass(&*filter, &mut exchange).unwrap();
    assert_eq!(subject(&exchange), Some(("ann", "jwt:corp")));
}

#[test]
fn what_the_credential_was_not_given_for_is_403() {
    let world = World::new();
    let filter = world.filter("{any: [{jwt: corp}], scope: [a, b]}");
    let with = |scope: &str| format!("Bearer {}", world.token("corp", json!({"scope": scope})));
    pass(&*filter, &mut request(&[("authorization", &with("b c a"))])).unwrap();
    for scope in ["a", "", "ab", "a,b"] {
        let mut exchange = request(&[("authorization", &with(scope))]);
        let fault = fault(&*filter, &mut exchange);
        assert_eq!((fault.code(), fault.reason()), (Code::Forbidden, Some(Reason::MissingScope)), "{scope}");
        let challenge = r#"Bearer realm="gwanmun", error="insufficient_scope", scope="a b""#;
        assert_eq!(fault.challenge(), Some(challenge));
        assert!(exchange.principal.is_some(), "the log tells whose it is");
    }
}

#[test]
fn whom_the_door_has_found_need_not_be_found_again_if_the_list_takes_the_credential() {
    let world = World::new().with_file("keys.yaml", KEYS).with_file("others.yaml", KEYS);
    let door = world.filter("{any: [{jwt: corp}, {api-key: {keys: file:keys.yaml}}], anonymous: true}");
    let after = |fields: &[(&str, &str)]| {
        let mut exchange = over_tls(request(fields));
        pass(&*door, &mut exchange).unwrap();
        exchange
    };
    let bearer = world.bearer("corp");
    let mut exchange = after(&[("authorization", &bearer)]);
    pass(&*world.filter("{any: [{jwt: shop}, {jwt: corp}]}"), &mut exchange).unwrap();
    assert_eq!((subject(&exchange), exchange.level), (Some(("ann", "jwt:corp")), Level::High));
    assert_eq!(exchange.consumed.len(), 1);

    let mut exchange = after(&[("authorization", &bearer)]);
    assert_eq!(fault(&*world.filter("{any: [{jwt: shop}]}"), &mut exchange).reason(), Some(Reason::NoCredential));

    let mut exchange = after(&[("authorization", &bearer)]);
    pass(&*world.filter("{any: [{jwt: shop}], anonymous: true}"), &mut exchange).unwrap();
    assert_eq!((subject(&exchange), exchange.level), (None, Level::Low));

    let mut exchange = after(&[("x-api-key", "abc")]);
    let others = world.filter("{any: [{api-key: {keys: file:others.yaml}}]}");
    assert_eq!(fault(&*others, &mut exchange).reason(), Some(Reason::NoCredential), "keys of another file");
}

#[test]
fn whom_the_door_knows_by_a_file_of_keys_every_route_with_that_file_knows() {
    let world = World::new().with_file("keys.yaml", KEYS);
    let fixture = world.fixture();
    let filter = |arguments: &str| fixture.filter::<AuthenticateSpec>(&world.located(arguments)).unwrap();
    let door = filter("{any: [{api-key: {keys: file:keys.yaml}}], anonymous: true}");
    let route = filter("{any: [{jwt: corp}, {api-key: {keys: file:keys.yaml}}], scope: [a]}");
    let mut exchange = over_tls(request(&[("x-api-key", "abc"), ("authorization", "Bearer\ttabbed")]));
    pass(&*door, &mut exchange).unwrap();
    pass(&*route, &mut exchange).unwrap();
    assert_eq!((subject(&exchange), exchange.level), (Some(("p1", "api-key")), Level::Highest));
    assert!(exchange.request.headers.is_empty(), "{:?}", exchange.request.headers);
}

#[test]
fn nothing_that_services_take_for_the_credential_passes() {
    let world = World::new().with_file("keys.yaml", KEYS);
    for arguments in
        ["{any: [{api-key: {keys: file:keys.yaml}}]}", "{any: [{api-key: {keys: file:keys.yaml}}], anonymous: true}"]
    {
        let filter = world.filter(arguments);
        let mut exchange =
            request(&[("x-api-key", "abc"), ("x_api_key", "abc"), ("x-api_key", "b"), ("x-api-key2", "c")]);
        pass(&*filter, &mut exchange).unwrap();
        assert_eq!(exchange.request.headers.keys().collect::<Vec<_>>(), ["x-api-key2"]);
    }
    let anonymous = world.filter("{any: [{api-key: {keys: file:keys.yaml}}], anonymous: true}");
    let mut exchange = request(&[("x_api_key", "abc")]);
    pass(&*anonymous, &mut exchange).unwrap();
    assert!(exchange.principal.is_none() && exchange.request.headers.is_empty());
}

#[test]
fn who_is_assumed_to_call_brings_nothing_and_needs_the_scope_all_the_same() {
    let world = World::new();
    let filter = world.filter("{any: [{jwt: corp}], scope: [a]}");
    let assumed = |scopes: &[&str]| {
        let mut exchange = request(&[("authorization", "Bearer of nobody")]);
        let scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
        exchange.assumed = Some(Arc::new(Principal { scopes, ..Principal::new("eve", "assumed", Level::Highest) }));
        exchange
    };
    let mut exchange = assumed(&["a"]);
    pass(&*filter, &mut exchange).unwrap();
    assert_eq!((subject(&exchange), exchange.level), (Some(("eve", "assumed")), Level::Highest));
    assert!(exchange.request.headers.is_empty());
    assert_eq!(fault(&*filter, &mut assumed(&[])).code(), Code::Forbidden);
}

#[test]
fn a_passport_of_a_gateway_in_front_is_checked_as_the_section_says() {
    let world = World::new();
    assert!(world.refusal("{any: [{passport: {}}]}").contains("needs 'passport'"));
    let clock: Arc<dyn Clock> = Arc::clone(&world.clock) as _;
    let text = "passport: {trust-domain: a, issuer: b}\n";
    let (sections, said) = sections::<PassportSectionSpec>(text, &clock, &Lasting::new(Network::Offline));
    let fixture = Fixture::new().with_clock(clock).with_sections(sections.unwrap_or_else(|| panic!("{said:?}")));
    let mut exchange = request(&[]);
    exchange.principal = Some(Arc::new(Principal::new("ann", "jwt:corp", Level::High)));
    exchange.level = Level::High;
    pass(&*fixture.filter::<PassportSpec>("{}").unwrap(), &mut exchange).unwrap();
    let good = exchange.request.headers["txn-token"].clone();
    let bad = HeaderValue::try_from(format!("{}A", good.to_str().unwrap())).unwrap();

    let filter = fixture.filter::<AuthenticateSpec>("{any: [{passport: {}}]}").unwrap();
    let with = |passport: Option<&HeaderValue>| {
        let mut exchange = over_tls(request(&[]));
        exchange.passport = passport.cloned();
        exchange
    };
    let mut exchange = with(Some(&good));
    pass(&*filter, &mut exchange).unwrap();
    assert_eq!((subject(&exchange), exchange.level), (Some(("ann", "passport")), Level::High));
    assert_eq!(fault(&*filter, &mut with(Some(&bad))).code(), Code::Unauthenticated);
    assert_eq!(fault(&*filter, &mut with(None)).challenge(), Some(r#"Txn-Token realm="gwanmun""#));
}

struct Nowhere;

impl FetchKeys for Nowhere {
    fn fetch(&self) -> Pin<Box<dyn Future<Output = Result<Vec<u8>, CallError>> + Send>> {
        panic!("nobody is spoken to")
    }
}

#[test]
fn where_keys_cannot_be_fetched_the_request_waits_and_fails_as_unavailable() {
    let mut world = World::new();
    let clock: Arc<dyn Clock> = Arc::clone(&world.clock) as _;
    let outbound = Outbound::offline(clock, Tallies::default());
    let fetch = FetchSettings {
        issuer: "far".to_owned(),
        algorithms: vec![Algorithm::Es256],
        cache: Duration::from_secs(300),
        stale: Duration::from_secs(300),
        cool_down: Duration::from_secs(30),
        timeout: Duration::from_secs(2),
    };
    world.add("far", Keys::fetched(fetch, Arc::new(Nowhere), &outbound));
    let filter = world.filter("{any: [{jwt: far}]}");
    let mut exchange = request(&[("authorization", &world.bearer("corp"))]);
    let Ok(Step::Wait(waits)) = filter.request(&mut exchange) else { panic!("it does not wait") };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let fault = runtime.block_on(waits).unwrap_err();
    assert_eq!((fault.code(), fault.reason()), (Code::IdentityUnavailable, Some(Reason::KeysUnavailable)));
    assert_eq!((fault.retry_after(), fault.challenge()), (Some(Duration::from_secs(1)), None));
    assert!(fault.detail().contains("request.principal"), "{fault}");
    assert_eq!(values(&exchange.request.headers, "authorization").len(), 1);
}

#[test]
fn bad_arguments_are_refused() {
    let world = World::new().with_file("keys.yaml", KEYS);
    for (arguments, wanted) in [
        ("{any: []}", "at least one"),
        ("{}", "any"),
        ("{any: [{jwt: crop}]}", "did you mean 'corp'?"),
        ("{any: [{jwt: [corp]}]}", "found a list"),
        ("{any: [{session: staff}]}", "there is no provider 'staff'"),
        ("{any: [{client-cert: people}]}", "there is no 'people' under identity.certificates"),
        ("{any: [jwt]}", "jwt"),
        ("{any: [{jwt: corp}, {jwt: corp}]}", "never be asked"),
        ("{any: [{api-key: {keys: file:keys.yaml}}, {api-key: {keys: file:keys.yaml}}]}", "never be asked"),
        ("{any: [{jwt: corp}], scope: ['a b']}", "without spaces"),
        ("{any: [{jwt: corp}], scope: ['']}", "without spaces"),
        ("{any: [{jwt: corp}], scopes: [a]}", "did you mean 'scope'?"),
        ("{any: [{api-key: {keys: keys.yaml}}]}", "file:PATH"),
        ("{any: [{api-key: {keys: file:none.yaml}}]}", "cannot read"),
        ("{any: [{api-key: {header: Authorization, keys: file:keys.yaml}}]}", "a header of its own"),
        ("{any: [{api-key: {header: 'a b', keys: file:keys.yaml}}]}", "name of a header"),
        ("{any: [{api-key: {query: k, keys: file:keys.yaml}}]}", "query"),
    ] {
        let refusal = world.refusal(arguments);
        assert!(refusal.contains(wanted), "{arguments}: {refusal}");
    }
    assert!(
        Fixture::new().filter::<AuthenticateSpec>("{any: [{jwt: corp}]}").err().unwrap().contains("needs 'identity'")
    );
}

#[test]
fn mistakes_in_a_file_of_keys_are_told_with_their_place_and_without_the_key() {
    for (text, wanted) in [
        ("- {id: a, hash: secret-key}", "keys.yaml:1:17: this is no hash"),
        ("- {id: a, hash: 'sha256:ba78'}", "sha256sum"),
        ("- {id: a, key: secret-key}", "key"),
        ("- {id: a}", "hash"),
        ("- {hash: 'sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'}", "id"),
        ("a: 1", "expected a list"),
        (
            "- {id: a, hash: 'sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'}\n- {id: b, hash: 'sha256:BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'}",
            "keys.yaml:2:17: 'b' and 'a' have the same key",
        ),
        (
            "- {id: a, expires: soon, hash: 'sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'}",
            "a time like",
        ),
        (
            "- {id: '', hash: 'sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'}",
            "wanted a name",
        ),
    ] {
        let refusal = World::new().with_file("keys.yaml", text).refusal("{any: [{api-key: {keys: file:keys.yaml}}]}");
        assert!(refusal.contains(wanted), "{text}: {refusal}");
        assert!(!refusal.contains("secret-key"), "{refusal}");
    }
}

#[test]
fn what_proved_somebody_else_before_is_not_passed_on() {
    let world = World::new();
    let mut exchange = over_tls(request(&[("authorization", &world.bearer("corp"))]));
    pass(&*world.filter("{any: [{jwt: corp}]}"), &mut exchange).unwrap();
    assert_eq!(exchange.consumed.len(), 1);
    pass(&*world.filter("{any: [{jwt: shop}], anonymous: true}"), &mut exchange).unwrap();
    assert_eq!((subject(&exchange), exchange.consumed.len()), (None, 0));
}
