use std::net::IpAddr;
use std::time::UNIX_EPOCH;

use gwanmun_core::{Clock, Level, ManualClock};
use gwanmun_jose::{JwkSet, Refusal};
use gwanmun_passport::{ALGORITHMS, LONGEST, Passport as Verified, Verifier, VerifierSpec};
use gwanmun_proxy::{Lasting, Network};
use http::{HeaderValue, Method};
use serde_json::json;

use super::*;
use crate::fixture::{Fixture, exchange_with, pass, sections, values};
use crate::section::passport::PassportSectionSpec;

const NOW: u64 = 1_800_000_000;

/// A filter with its clock and its keys.
struct World {
    clock: Arc<ManualClock>,
    filter: Box<dyn Filter>,
    verifier: Verifier,
}

impl World {
    fn new(members: &str) -> Self {
        Self::of(&format!("passport: {{trust-domain: example.internal, issuer: 'https://gw'{members}}}\n"))
    }

    fn of(text: &str) -> Self {
        let clock = Arc::new(ManualClock::at(UNIX_EPOCH + Duration::from_secs(NOW)));
        let shared: Arc<dyn Clock> = Arc::clone(&clock) as _;
        let (sections, said) = sections::<PassportSectionSpec>(text, &shared, &Lasting::new(Network::Offline));
        let sections = sections.unwrap_or_else(|| panic!("{said:?}"));
        let office = sections.of::<PassportOffice>().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let jwks = runtime.block_on(office.published_keys()).jwks;
        let spec = VerifierSpec {
            trust_domain: "example.internal".to_owned(),
            issuers: vec!["https://gw".to_owned()],
            leeway: Duration::ZERO,
        };
        let filter = Fixture::new().with_sections(sections).filter::<PassportSpec>("{}").unwrap();
        let verifier = Verifier::new(spec, JwkSet::parse(jwks.as_bytes(), &ALGORITHMS).unwrap());
        Self { clock, filter, verifier }
    }

    /// The Passport that the upstream gets.
    fn token(&self, exchange: &mut Exchange) -> String {
        pass(&*self.filter, exchange).unwrap();
        let values = values(&exchange.request.headers, "txn-token");
        let [token] = values.as_slice() else { panic!("{values:?}") };
        (*token).to_owned()
    }

    fn verify(&self, token: &str) -> Result<Verified, Refusal> {
        self.verifier.verify(token.as_bytes(), self.clock.wall())
    }

    fn passport(&self, exchange: &mut Exchange) -> Verified {
        self.verify(&self.token(exchange)).unwrap()
    }
}

fn principal() -> Principal {
    Principal {
        roles: vec!["member".to_owned()],
        scopes: vec!["orders.read".to_owned(), "profile".to_owned()],
        claims: json!({"act": {"sub": "support"}}).as_object().unwrap().clone(),
        ..Principal::new("u1", "jwt:corp", Level::High)
    }
}

/// A request of `principal` with these fields.
fn request(principal: Principal, fields: &[(&str, &str)]) -> Exchange {
    let mut exchange = exchange_with(Method::GET, "/", fields);
    exchange.level = principal.level;
    exchange.principal = Some(Arc::new(principal));
    exchange
}

#[test]
fn the_passport_says_what_the_gateway_is_for() {
    let world = World::of("role: quiet\npassport: {trust-domain: example.internal, issuer: 'https://gw'}\n");
    assert_eq!(world.passport(&mut request(principal(), &[])).content.requester.role, "quiet");
}

#[test]
fn the_passport_says_who_calls_from_where_and_with_what() {
    let world = World::new(", device: {id: X-Device-Id, os: X-Device-Os, app: X-App-Version}");
    let fields = [("x-device-id", "d9"), ("x-app-version", "7.2.0"), ("txn-token", "a.b.c"), ("txn-token", "d")];
    let mut exchange = request(principal(), &fields);
    let passport = world.passport(&mut exchange);
    let content = &passport.content;
    assert_eq!((&*content.subject, &*content.user.id, &*content.user.source), ("u1", "u1", "jwt:corp"));
    assert_eq!((content.user.level, &*content.user.roles), (Level::High, &["member".to_owned()][..]));
    assert_eq!(content.scopes.join(" "), "orders.read profile");
    let device = content.device.as_ref().unwrap();
    assert_eq!((device.id.as_deref(), device.os.as_deref(), device.app.as_deref()), (Some("d9"), None, Some("7.2.0")));
    assert_eq!((device.level, &*device.source), (Level::Low, "header"));
    assert_eq!(content.actor.as_deref(), Some("support"));
    let requester = &content.requester;
    assert_eq!(requester.address, Some("203.0.113.7".parse::<IpAddr>().unwrap()));
    assert_eq!((&*requester.authn, &*requester.role), ("urn:gwanmun:authn:jwt", "none"));
    assert_eq!(requester.trace_id.as_deref(), Some(&*exchange.record.trace.trace_id_hex()));
    assert_eq!((&*passport.issuer, &*passport.requesting_workload), ("https://gw", "https://gw"));
    assert_eq!(passport.expires.duration_since(passport.issued).unwrap(), Duration::from_secs(60));
    assert_eq!(values(&exchange.request.headers, "x-device-id"), ["d9"], "they stay as they are");
}

#[test]
fn without_a_principal_there_is_no_passport_and_nobody_elses_either() {
    let world = World::new("");
    let mut exchange = exchange_with(Method::GET, "/", &[("txn-token", "a.b.c"), ("x-a", "1")]);
    pass(&*world.filter, &mut exchange).unwrap();
    assert_eq!(exchange.request.headers.keys().collect::<Vec<_>>(), ["x-a"]);
}

#[test]
fn the_header_does_not_print_itself() {
    let mut exchange = request(principal(), &[]);
    World::new("").token(&mut exchange);
    assert!(exchange.request.headers["txn-token"].is_sensitive());
}

#[test]
fn the_level_is_that_of_the_request() {
    let mut exchange = request(principal(), &[]);
    exchange.level = Level::Low;
    assert_eq!(World::new("").passport(&mut exchange).content.user.level, Level::Low);
}

#[test]
fn every_request_has_its_own_transaction_and_no_passport_outlives_its_credential() {
    let world = World::new("");
    let one = world.passport(&mut request(principal(), &[]));
    assert_ne!(one.content.txn, world.passport(&mut request(principal(), &[])).content.txn);
    let expires = Some(UNIX_EPOCH + Duration::from_secs(NOW + 20));
    let short = world.passport(&mut request(Principal { expires, ..principal() }, &[]));
    assert_eq!(short.expires, UNIX_EPOCH + Duration::from_secs(NOW + 20));
}

#[test]
fn hostile_names_stay_data() {
    let world = World::new("");
    for subject in ["\",\"aud\":\"x", "a\r\nTxn-Token: b", "\u{0}\u{202e}", "ü😀\\", &"x".repeat(1_000)] {
        let roles = vec![subject.to_owned()];
        let passport =
            world.passport(&mut request(Principal { roles, ..Principal::new(subject, "jwt:corp", Level::High) }, &[]));
        assert_eq!((&*passport.content.subject, &*passport.content.user.roles), (subject, &[subject.to_owned()][..]));
    }
}

#[test]
fn what_fits_no_header_ends_the_request() {
    let world = World::new("");
    let roles = vec!["r".repeat(LONGEST)];
    let fault = pass(&*world.filter, &mut request(Principal { roles, ..principal() }, &[])).unwrap_err();
    assert_eq!(fault.code(), Code::Internal);
}

#[test]
fn a_passport_is_used_again_for_the_same_and_for_nobody_else() {
    let world = World::new(", reuse: 10s, device: {id: X-Device-Id}");
    let first = world.token(&mut request(principal(), &[("x-device-id", "d9")]));
    assert_eq!(world.token(&mut request(principal(), &[("x-device-id", "d9")])), first, "equal, not the same");
    let other = |change: &dyn Fn(&mut Principal, &mut Exchange), device: &str| {
        let mut exchange = request(principal(), &[("x-device-id", device)]);
        let mut principal = principal();
        change(&mut principal, &mut exchange);
        exchange.principal = Some(Arc::new(principal));
        assert_ne!(world.token(&mut exchange), first);
    };
    other(&|_, _| {}, "d8");
    other(&|principal, _| principal.subject = "u2".to_owned(), "d9");
    other(&|principal, _| principal.roles.push("admin".to_owned()), "d9");
    other(&|principal, _| principal.scopes.clear(), "d9");
    other(&|principal, _| principal.credential = "jwt:other".to_owned(), "d9");
    other(&|principal, _| drop(principal.claims.remove("act")), "d9");
    other(&|principal, _| principal.expires = Some(UNIX_EPOCH + Duration::from_secs(NOW + 500)), "d9");
    other(&|_, exchange| exchange.level = Level::Low, "d9");
    other(&|_, exchange| exchange.client = None, "d9");
    other(&|_, exchange| exchange.client = Some("203.0.113.8".parse().unwrap()), "d9");
}

#[test]
fn a_passport_is_used_again_until_it_is_old_or_about_to_end() {
    let world = World::new(", reuse: 10s");
    let token = || world.token(&mut request(principal(), &[]));
    let first = token();
    world.clock.advance(Duration::from_millis(9_999));
    assert_eq!(token(), first);
    world.clock.advance(Duration::from_millis(1));
    assert_ne!(token(), first);
    let expires = Some(world.clock.wall() + Duration::from_secs(3));
    let short = || world.token(&mut request(Principal { expires, ..principal() }, &[]));
    let second = short();
    world.clock.advance(Duration::from_secs(2));
    assert_eq!(short(), second);
    world.clock.advance(Duration::from_millis(1));
    assert_ne!(short(), second);
}

#[test]
fn another_configuration_forgets_the_passports_of_the_one_before() {
    let (one, other) = (World::new(", reuse: 10s"), World::new(", reuse: 10s"));
    let first = one.token(&mut request(principal(), &[]));
    assert!(other.verify(&other.token(&mut request(principal(), &[]))).is_ok());
    assert_ne!(one.token(&mut request(principal(), &[])), first);
}

#[test]
fn where_nobody_may_be_asked_the_source_decides_what_happens() {
    let source = |rest: &str| {
        World::new(&format!(", source: {{user: {{url: 'http://127.0.0.1:1/u/{{principal.subject}}'}}{rest}}}"))
    };
    let wait = |world: &World, exchange: &mut Exchange| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let Ok(Step::Wait(waits)) = world.filter.request(exchange) else { panic!("it does not wait") };
        runtime.block_on(waits).map(|_| ())
    };
    let fault = wait(&source(""), &mut request(principal(), &[])).unwrap_err();
    assert_eq!((fault.code(), fault.retry_after()), (Code::IdentityUnavailable, Some(RETRY_AFTER)));
    let (world, mut exchange) = (source(", on-error: principal-only"), request(principal(), &[]));
    wait(&world, &mut exchange).unwrap();
    let token = exchange.request.headers["txn-token"].to_str().unwrap();
    assert_eq!(world.verify(token).unwrap().content.subject, "u1");
    let fault = pass(&*source("").filter, &mut request(Principal { subject: "..".to_owned(), ..principal() }, &[]));
    assert_eq!(fault.unwrap_err().code(), Code::Forbidden, "no URL can be made about it");
}

#[test]
fn a_token_of_the_auth_server_needs_a_token_of_the_caller() {
    let world = World::new(
        ", source: {exchange: {endpoint: 'http://127.0.0.1:1/t', client-id: a, client-secret: b, jwks: 'http://127.0.0.1:1/j'}}",
    );
    let mut exchange = request(principal(), &[]);
    assert_eq!(pass(&*world.filter, &mut exchange).unwrap_err().code(), Code::Forbidden);
    exchange.consumed.push((http::header::AUTHORIZATION, HeaderValue::from_static("Bearer t")));
    assert!(matches!(world.filter.request(&mut exchange), Ok(Step::Wait(_))));
}

/// Prints what the filter costs: `cargo test -p gwanmun-filters -- --ignored --nocapture passport_cost`.
#[test]
#[ignore = "measures"]
fn passport_cost() {
    const TIMES: u32 = 100;
    for members in ["", ", reuse: 10s"] {
        let world = World::new(members);
        let mut exchange = request(principal(), &[]);
        let mut hundred = || {
            let start = std::time::Instant::now();
            (0..TIMES).for_each(|_| pass(&*world.filter, &mut exchange).unwrap());
            start.elapsed() / TIMES
        };
        let each = (0..50).map(|_| hundred()).min().unwrap_or_default();
        println!("passport{members}: {each:?}");
    }
}
