//! Who may do what: guards in code, rules of operators, resources, and what business code records.

use gwanmun_chassis::axum::Router;
use gwanmun_chassis::axum::extract::Path;
use gwanmun_chassis::axum::http::Method;
use gwanmun_chassis::axum::routing::{delete, get, post};
use gwanmun_chassis::identity::{
    Audit, AuditDecision, Caller, Level, Principal, RequireLevel, RequireRole, RequireScope,
};
use gwanmun_chassis::testing::{Passports, TestAnswer, TestService};
use gwanmun_chassis::{App, Problem, Service};
use serde_json::{Value, json};

use crate::ledger::Ledger;

async fn cancel(caller: Caller, Path(id): Path<String>) -> Result<&'static str, Problem> {
    let order = format!("order/{id}");
    caller.may("cancel", &order).await?;
    caller.audit().record("order.cancelled").resource(order).await?;
    Ok("cancelled")
}

async fn look(caller: Caller, who: Principal, Path(owner): Path<String>) -> Result<&'static str, Problem> {
    if who.subject != owner {
        return Err(caller.refuse("not the owner", "look", &format!("basket/{owner}")).await);
    }
    Ok("yours")
}

async fn refund(audit: Audit) -> Result<&'static str, Problem> {
    audit.record("order.refunded").resource("order/7").decision(AuditDecision::Deny).rule("too late").await?;
    Ok("recorded")
}

fn routes() -> Router<App> {
    let staff = Router::new()
        .route("/reports", get(|| async { "all" }))
        .route_layer(RequireRole::any(["ops", "support"]))
        .route_layer(RequireScope::all(["reports.read"]))
        .route_layer(RequireLevel::at_least(Level::High));
    Router::new()
        .route("/orders/{id}", get(|| async { "seven" }))
        .route("/orders/{id}", delete(|| async { "gone" }))
        .route("/orders/{id}/cancel", post(cancel))
        .route("/baskets/{owner}", get(look))
        .route("/refunds", post(refund))
        .route("/files/{*path}", get(|Path(path): Path<String>| async move { path }))
        .merge(staff)
}

struct Scene {
    passports: Passports,
    ledger: Ledger,
    service: TestService,
}

impl Scene {
    async fn new(settings: &str) -> Self {
        let (passports, ledger) = (Passports::new(), Ledger::new());
        let settings = format!("{}{}{settings}", passports.settings(), ledger.settings());
        let public = Router::new().route("/menu", get(|| async { "soup" }));
        let service =
            TestService::start(Service::new("orders").routes(routes()).public_routes(public), &settings).await;
        Self { passports, ledger, service }
    }

    /// It is refused by this rule, which stands in the log and not in the answer.
    fn is_refused(&self, answer: &TestAnswer, rule: &str) {
        assert_eq!(answer.status(), 403, "{rule}");
        let problem: Value = answer.json();
        assert_eq!(problem["type"], "urn:gwanmun:fault:forbidden", "{rule}");
        assert!(!answer.text().contains(rule), "{rule}");
        let record = self.ledger.last("authorize");
        let told = json!([record["decision"], record["fault"], record["rule"], record["trace_id"]]);
        assert_eq!(told, json!(["deny", "forbidden", rule, problem["trace_id"]]));
    }
}

#[tokio::test]
async fn guards_refuse_who_lacks_a_role_a_scope_or_a_level() {
    let scene = Scene::new("").await;
    let ann = || scene.passports.user("ann").roles(["support"]).scopes(["reports.read"]);
    assert_eq!(scene.service.get("/reports").passport(&ann()).send().await.text(), "all");
    let lacking = [
        (ann().roles(["Support"]), "role ops|support"),
        (ann().roles(Vec::<String>::new()), "role ops|support"),
        (ann().scopes(["reports"]), "scope reports.read"),
        (ann().level(Level::Low), "level low"),
    ];
    for (passport, rule) in lacking {
        let answer = scene.service.get("/reports").passport(&passport).send().await;
        scene.is_refused(&answer, if rule == "level low" { "level high" } else { rule });
    }
    assert_eq!(scene.ledger.last("authorize")["actor"], "ann");
    assert_eq!(scene.ledger.last("authorize")["credential"], "passport");
    assert_eq!(scene.service.get("/reports").send().await.status(), 401);
    scene.service.stop().await;
}

#[tokio::test]
async fn a_rule_about_a_path_holds_however_the_path_is_written() {
    let rules = "authorization: {routes: [{path: /files/secret/**, methods: [GET], authorize: {roles: [ops]}}]}";
    let scene = Scene::new(rules).await;
    let (ann, ops) = (scene.passports.user("ann"), scene.passports.user("olaf").roles(["ops"]));
    for path in [
        "/files/secret/x",
        "/files/secret%2Fx",
        "/files//secret/x",
        "/files/./secret/x",
        "/files/a/../secret/x",
        "/files/a%2F..%2fsecret/x",
        "/files/%2e/%73ecret/x",
        "/files/a%5C..%5Csecret%5Cx",
    ] {
        let answer = scene.service.get(path).passport(&ann).send().await;
        scene.is_refused(&answer, "role ops");
        assert_eq!(scene.service.get(path).passport(&ops).send().await.status(), 200, "{path}");
    }
    let head = |path| scene.service.request(Method::HEAD, path).passport(&ann).send();
    assert_eq!(head("/files/secret/x").await.status(), 403, "it is answered by the handler for GET");
    assert_eq!(head("/files/other/x").await.status(), 200);
    assert_eq!(scene.service.get("/files/secrets/x").passport(&ann).send().await.text(), "secrets/x");
    scene.service.stop().await;
}

#[tokio::test]
async fn a_path_that_is_listed_only_when_it_is_read_otherwise_is_unlisted() {
    let rules = "authorization: {unlisted: deny, routes: [{path: /files/open/**, authorize: {}}]}";
    let scene = Scene::new(rules).await;
    let ann = scene.passports.user("ann");
    assert_eq!(scene.service.get("/files/open/x").passport(&ann).send().await.status(), 200);
    for path in ["/files/secret/../open/x", "/files/open%2Fx", "/files//open/x"] {
        let answer = scene.service.get(path).passport(&ann).send().await;
        scene.is_refused(&answer, "unlisted");
    }
    scene.service.stop().await;
}

const RULES: &str = r#"
authorization:
  routes:
    - path: /orders/{id}
      methods: [DELETE]
      authorize: {roles: [ops], rule: "request.path != '/orders/1'"}
    - path: /orders/9
      authorize: {acl: [{who: "user:ann", path: /orders/*, methods: [GET]}]}
    - path: /menu
      authorize: {scopes: [menu.read]}
"#;

#[tokio::test]
async fn an_operator_says_who_may_what_and_a_refusal_wins() {
    let scene = Scene::new(RULES).await;
    let (ann, ops) = (scene.passports.user("ann"), scene.passports.user("olaf").roles(["ops"]));
    assert_eq!(scene.service.get("/orders/7").passport(&ann).send().await.text(), "seven");
    let answer = scene.service.delete("/orders/7").passport(&ann).send().await;
    scene.is_refused(&answer, "role ops");
    assert_eq!(scene.service.delete("/orders/7").passport(&ops).send().await.text(), "gone");
    for path in ["/orders/1", "/orders/1?x=2"] {
        let answer = scene.service.delete(path).passport(&ops).send().await;
        scene.is_refused(&answer, "rule request.path != '/orders/1'");
    }
    assert_eq!(scene.service.get("/orders/9").passport(&ann).send().await.text(), "seven");
    for path in ["/orders/9", "/orders/%39"] {
        let answer = scene.service.get(path).passport(&ops).send().await;
        scene.is_refused(&answer, "acl");
    }
    let answer = scene.service.get("/menu").passport(&ann).send().await;
    scene.is_refused(&answer, "scope menu.read");
    let challenge = r#"Txn-Token realm="gwanmun", error="insufficient_scope", scope="menu.read""#;
    assert_eq!(answer.header("www-authenticate"), Some(challenge));
    assert_eq!(scene.service.get("/menu").send().await.status(), 401, "a rule needs somebody, on public routes too");
    scene.service.stop().await;
}

#[tokio::test]
async fn where_only_listed_routes_are_open_the_others_are_not() {
    let settings = "authorization: {unlisted: deny, routes: [{path: '/orders/{id}', methods: [GET], authorize: {}}]}\n";
    let scene = Scene::new(settings).await;
    let ann = scene.passports.user("ann");
    assert_eq!(scene.service.get("/orders/7").passport(&ann).send().await.status(), 200);
    let answer = scene.service.delete("/orders/7").passport(&ann).send().await;
    scene.is_refused(&answer, "unlisted");
    assert_eq!(scene.service.get("/menu").send().await.text(), "soup", "public routes stay public");
    scene.service.stop().await;
}

#[tokio::test]
async fn resources_are_closed_until_a_rule_opens_them() {
    let scene = Scene::new("").await;
    let ann = scene.passports.user("ann").roles(["support"]);
    let answer = scene.service.post("/orders/7/cancel").passport(&ann).send().await;
    scene.is_refused(&answer, "resources");
    scene.service.stop().await;

    let rules = r#"
authorization:
  audit: all
  resources:
    - resource: order/{id}
      actions: [cancel]
      authorize: {roles: [support]}
    - resource: order/1
      authorize: {acl: [{who: "user:olaf", methods: [CANCEL]}]}
"#;
    let scene = Scene::new(rules).await;
    let ann = scene.passports.user("ann").roles(["support"]);
    assert_eq!(scene.service.post("/orders/7/cancel").passport(&ann).send().await.text(), "cancelled");
    let record = scene.ledger.last("authorize");
    let told = json!([record["action"], record["resource"], record["decision"], record["rule"], record["actor"]]);
    assert_eq!(
        told,
        json!(["cancel", "order/7", "allow", "role support", "ann"]),
        "a grant is recorded where that is asked for"
    );
    let record = scene.ledger.last("business");
    let told = json!([record["action"], record["resource"], record["decision"], record["actor"], record["route"]]);
    assert_eq!(told, json!(["order.cancelled", "order/7", "allow", "ann", "/orders/{id}/cancel"]));
    assert_eq!(record["trace_id"].as_str().unwrap().len(), 32);

    let answer = scene.service.post("/orders/1/cancel").passport(&ann).send().await;
    scene.is_refused(&answer, "acl");
    let bob = scene.passports.user("bob");
    let answer = scene.service.post("/orders/7/cancel").passport(&bob).send().await;
    scene.is_refused(&answer, "role support");
    for hostile in ["%2e%2e", "a%0ab", "%2e"] {
        let answer = scene.service.post(&format!("/orders/{hostile}/cancel")).passport(&ann).send().await;
        assert!(answer.status() == 403 || answer.status() == 404, "{hostile}");
    }
    assert_eq!(scene.ledger.about("business").len(), 1, "what was refused was not done");
    scene.service.stop().await;
}

#[tokio::test]
async fn business_code_refuses_and_records_in_its_own_words() {
    let scene = Scene::new("").await;
    let ann = scene.passports.user("ann");
    assert_eq!(scene.service.get("/baskets/ann").passport(&ann).send().await.text(), "yours");
    let answer = scene.service.get("/baskets/bob").passport(&ann).send().await;
    scene.is_refused(&answer, "not the owner");
    assert_eq!(scene.ledger.last("authorize")["resource"], "basket/bob");
    assert_eq!(scene.service.post("/refunds").passport(&ann).send().await.status(), 200);
    let record = scene.ledger.last("business");
    let told = json!([record["action"], record["decision"], record["rule"], record["actor"]]);
    assert_eq!(told, json!(["order.refunded", "deny", "too late", "ann"]));
    scene.service.running().app().audit().record("night.swept").actor("sweeper").await.unwrap();
    let record = scene.ledger.last("business");
    assert_eq!(json!([record["action"], record["actor"]]), json!(["night.swept", "sweeper"]));
    scene.service.stop().await;

    let lines = scene.ledger.file();
    let checked = gwanmun_audit::verify(&[lines], &[], |_| {});
    assert!(checked.is_ok(), "{checked:?}");
}

#[tokio::test]
async fn every_mistake_in_the_rules_is_told_at_once() {
    let wrong = r#"
passport: {issuer: [], jwks: "http://gateway.example/jwks.json", trust-domain: "", cache: 0s}
authorization:
  routes:
    - path: /a/**/b
      methods: [get]
      authorize: {rule: "request.nothing == 1"}
    - path: /b
      authorize: {roles: [], acl: [{who: ann}]}
  resources:
    - resource: ""
      authorize: {acl: file:nowhere.yaml}
audit: {file: audit.jsonl, sign-every: 0}
clients:
  menu: {url: "ftp://menu", retries: 99, timeout: 0s, retry-budget: {percent: 101}, tls: {key: file:x.pem}}
"#;
    let refused = Service::<()>::new("orders").start(wrong).await.unwrap_err().to_string();
    for word in [
        "http://gateway.example/jwks.json",
        "found an empty trust domain",
        "'cache'",
        "'**' before the end",
        "found 'get'",
        "of the rule",
        "line 1 of the access list",
        "found nothing",
        "nowhere.yaml",
        "from 1",
        "wanted http or https",
        "found 99",
        "'timeout'",
        "found 101",
        "'certificate' and 'key'",
    ] {
        assert!(refused.contains(word), "{word} is not in:\n{refused}");
    }
}
