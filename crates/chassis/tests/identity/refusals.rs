//! Who is not believed: the answer, the record, the number.

use gwanmun_chassis::axum::Router;
use gwanmun_chassis::axum::routing::get;
use gwanmun_chassis::identity::{Caller, Passport, Principal};
use gwanmun_chassis::testing::{Passports, TestAnswer, TestService};
use gwanmun_chassis::{App, Service};
use serde_json::{Value, json};

use crate::ledger::Ledger;

fn routes() -> Router<App> {
    Router::new()
        .route("/orders/{id}", get(|passport: Passport| async move { passport.content.txn.to_string() }))
        .route("/me", get(|who: Principal| async move { who.subject.clone() }))
}

fn public_routes() -> Router<App> {
    Router::new()
        .route(
            "/menu",
            get(|who: Option<Principal>| async move { who.map_or("guest".to_owned(), |who| who.subject.clone()) }),
        )
        .route("/mine", get(|who: Principal| async move { who.subject.clone() }))
        .route("/caller", get(|caller: Caller| async move { format!("{:?}", caller.passport().is_some()) }))
}

async fn started(settings: &str) -> TestService {
    TestService::start(Service::new("orders").routes(routes()).public_routes(public_routes()), settings).await
}

/// It is refused as everybody is who is not believed, and told nothing about why.
fn is_refused(answer: &TestAnswer, why: &str) {
    assert_eq!(answer.status(), 401, "{why}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{why}");
    assert_eq!(answer.header("www-authenticate"), Some(r#"Txn-Token realm="gwanmun""#), "{why}");
    let problem: Value = answer.json();
    assert_eq!(problem["type"], "urn:gwanmun:fault:unauthenticated", "{why}");
    assert_eq!(problem["status"], 401, "{why}");
    assert_eq!(problem["trace_id"].as_str().unwrap().len(), 32, "{why}");
    assert!(problem.get("detail").is_none(), "{why}");
}

#[tokio::test]
async fn every_passport_that_is_not_good_is_refused_and_recorded() {
    let (passports, strangers, ledger) = (Passports::new(), Passports::new(), Ledger::new());
    let others = Passports::of("https://other.test", "test.internal");
    let service = started(&format!("{}{}", passports.settings(), ledger.settings())).await;
    let good = passports.user("ann").token();
    let (head, rest) = good.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    let none = "eyJhbGciOiJub25lIiwidHlwIjoidHhudG9rZW4rand0In0";
    let forged = [
        (String::new(), "malformed-token"),
        ("x".to_owned(), "malformed-token"),
        (format!("{good} "), ""),
        (format!("{good}\t{good}"), "malformed-token"),
        (format!("{good}, {good}"), "malformed-token"),
        (format!("{good},{good}"), "malformed-token"),
        (format!("Bearer {good}"), "malformed-token"),
        (format!("{head}.{payload}."), "bad-signature"),
        (format!("{none}.{payload}."), "malformed-token"),
        (format!("{none}.{payload}.{signature}"), "wrong-algorithm"),
        (strangers.user("ann").token(), "bad-signature"),
        (others.user("ann").token(), "bad-signature"),
        (passports.user("ann").issuer("https://other.test").token(), "wrong-issuer"),
        (passports.user("ann").expired().token(), "token-expired"),
        (
            passports.user("ann").at(std::time::SystemTime::now() + std::time::Duration::from_secs(60)).token(),
            "token-not-yet-valid",
        ),
        (passports.user("ann").trust_domain("elsewhere.internal").token(), "wrong-audience"),
        ("a".repeat(9 * 1024), "token-too-large"),
    ];
    for (token, reason) in forged {
        let answer = service.get("/orders/7?secret=1").header("txn-token", &token).send().await;
        if reason.is_empty() {
            // Blanks around a field's value are no part of it.
            assert_eq!(answer.status(), 200);
            continue;
        }
        is_refused(&answer, &token);
        let record = ledger.last("authenticate");
        let told = json!([record["decision"], record["fault"], record["action"], record["route"]]);
        assert_eq!(told, json!(["deny", "unauthenticated", "GET", "/orders/{id}"]), "{token}");
        let rule = record["rule"].as_str().unwrap();
        let is_close =
            rule == reason || (reason == "malformed-token" && ["unknown-key", "wrong-algorithm"].contains(&rule));
        assert!(is_close, "{token}: {rule}");
        assert!(record["resource"].as_str().unwrap().ends_with("/orders/7"), "{record}");
        assert_eq!(record["trace_id"], answer.json::<Value>()["trace_id"]);
        assert!(record.get("actor").is_none(), "nobody is believed to be anybody: {record}");
    }
    service.stop().await;
    assert!(ledger.about("authenticate").iter().all(|record| record["decision"] == "deny"), "grants are not recorded");
}

#[tokio::test]
async fn a_passport_comes_exactly_once() {
    let (passports, ledger) = (Passports::new(), Ledger::new());
    let service = started(&format!("{}{}", passports.settings(), ledger.settings())).await;
    let (ann, bob) = (passports.user("ann").token(), passports.user("bob").token());
    is_refused(&service.get("/me").send().await, "none");
    assert_eq!(ledger.last("authenticate")["rule"], "no-credential");
    for second in [&ann, &bob, "", "x"] {
        let twice = service.get("/me").header("txn-token", &ann).header("Txn-Token", second).send().await;
        is_refused(&twice, "two");
        assert_eq!(ledger.last("authenticate")["rule"], "two-credentials");
    }
    assert_eq!(service.get("/me").header("txn-token", &ann).send().await.text(), "ann");
    service.stop().await;
}

#[tokio::test]
async fn on_a_public_route_nobody_is_needed_but_who_comes_is_proven() {
    let passports = Passports::new();
    let service = started(&passports.settings()).await;
    assert_eq!(service.get("/menu").send().await.text(), "guest");
    assert_eq!(service.get("/caller").send().await.text(), "false");
    assert_eq!(service.get("/menu").passport(&passports.user("ann")).send().await.text(), "ann");
    is_refused(&service.get("/menu").passport(&passports.user("ann").expired()).send().await, "expired");
    is_refused(&service.get("/mine").send().await, "a handler wants somebody");
    service.stop().await;
}

#[tokio::test]
async fn who_is_not_believed_does_not_learn_which_routes_there_are() {
    let passports = Passports::new();
    let service = TestService::start(Service::new("orders").routes(routes()), &passports.settings()).await;
    is_refused(&service.get("/nowhere").send().await, "no route");
    assert_eq!(service.get("/nowhere").passport(&passports.user("ann")).send().await.status(), 404);
    service.stop().await;
}

#[tokio::test]
async fn without_a_section_nobody_is_believed() {
    let service = started("").await;
    is_refused(&service.get("/me").passport(&Passports::new().user("ann")).send().await, "no section");
    assert_eq!(service.get("/menu").send().await.text(), "guest");
    service.stop().await;
}
