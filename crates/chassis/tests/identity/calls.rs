//! Calls to other services: what goes along and what never does, what is repeated and what ends them.

use std::time::Duration;

use gwanmun_chassis::axum::Router;
use gwanmun_chassis::axum::extract::{Query, State};
use gwanmun_chassis::axum::http::{HeaderName, HeaderValue};
use gwanmun_chassis::axum::routing::get;
use gwanmun_chassis::outgoing::{Answer, CallFailed, HttpClient, Why, segment};
use gwanmun_chassis::testing::{Passports, TestService};
use gwanmun_chassis::{App, Problem, Service};
use gwanmun_testkit::Authority;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::stand_in::{Reply, StandIn};

#[derive(Deserialize)]
struct Ask {
    client: String,
}

#[derive(Deserialize)]
struct Dish {
    price: u64,
}

async fn price(State(app): State<App>, Query(ask): Query<Ask>) -> Result<String, Problem> {
    let dish: Dish = app.client(&ask.client)?.get("/dishes/7?size=l").query("for", "a&b").send().await?.json()?;
    Ok(dish.price.to_string())
}

fn service() -> Service {
    let routes = Router::new().route("/price", get(price));
    Service::new("orders").routes(routes.clone()).public_routes(Router::new().route("/open", get(price)))
}

/// A client of a service that nobody calls.
async fn client(settings: &str) -> (TestService, HttpClient) {
    let service = TestService::start(service(), &format!("clients:\n  menu: {{{settings}}}\n")).await;
    let client = service.running().app().client("menu").unwrap();
    (service, client)
}

fn why(outcome: Result<Answer, CallFailed>) -> Why {
    outcome.unwrap_err().why
}

#[tokio::test]
async fn passport_trace_and_deadline_go_along_and_nothing_else() {
    let (passports, menu, others) = (Passports::new(), StandIn::start().await, StandIn::start().await);
    let settings = format!(
        "{}clients:\n  menu: {{url: {}, passport: pass}}\n  weather: {{url: {}}}\n",
        passports.settings(),
        menu.url(),
        others.url()
    );
    let service = TestService::start(service(), &settings).await;
    let token = passports.user("ann").token();
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let ask = |client: &str| {
        service
            .get(&format!("/price?client={client}"))
            .header("txn-token", &token)
            .header("traceparent", &format!("00-{trace}-b7ad6b7169203331-01"))
            .header("x-gwanmun-deadline", "1500")
            .header("authorization", "Bearer secret")
            .header("cookie", "session=secret")
            .header("x-forwarded-for", "203.0.113.7")
            .header("x-secret", "secret")
    };
    assert_eq!(ask("menu").send().await.text(), "7");
    let seen = menu.last();
    assert_eq!(seen.uri, "/dishes/7?size=l&for=a%26b");
    let field = |name: &str| seen.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(field("txn-token").as_deref(), Some(&*token));
    let told = field("traceparent").unwrap();
    assert!(told.starts_with(&format!("00-{trace}-")) && !told.contains("b7ad6b7169203331"), "{told}");
    let left: u64 = field("x-gwanmun-deadline").unwrap().parse().unwrap();
    assert!((1..=1500).contains(&left), "{left}");
    let mut names: Vec<_> = seen.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "host", "traceparent", "txn-token", "x-gwanmun-deadline"]);

    assert_eq!(ask("weather").send().await.text(), "7");
    let seen = others.last();
    assert!(!seen.headers.contains_key("txn-token"), "a Passport stays within the trust domain");
    assert!(!format!("{:?}", seen.headers).contains("secret"));

    assert_eq!(service.get("/open?client=menu").send().await.text(), "7");
    assert!(!menu.last().headers.contains_key("txn-token"), "nobody called");
    let unknown = ask("nobody").send().await;
    assert_eq!(
        (unknown.status().as_u16(), &unknown.json::<Value>()["type"]),
        (500, &json!("urn:gwanmun:fault:internal"))
    );
    service.stop().await;
}

#[tokio::test]
async fn a_call_cannot_say_what_is_not_its_own() {
    let menu = StandIn::start().await;
    let (service, client) = client(&format!("url: {}", menu.url())).await;
    for name in ["txn-token", "traceparent", "host", "x-gwanmun-deadline", "x-b3-traceid", "content-length"] {
        let call = client.get("/a").header(HeaderName::from_static(name), HeaderValue::from_static("1"));
        assert!(matches!(why(call.send().await), Why::Invalid(_)), "{name}");
    }
    for path in ["a", "@evil.example/", "/../a", "/a b"] {
        assert!(matches!(why(client.get(path).send().await), Why::Invalid(_)), "{path}");
    }
    assert!(menu.seen().is_empty());
    let answer = client.get(format!("/a/{}", segment("../b?c"))).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), menu.last().uri.to_string()), (200, "/a/..%2Fb%3Fc".to_owned()));
    let answer = client.post("/a").json(&json!({"b": 1})).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(
        (menu.last().headers["content-type"].as_bytes(), &*menu.last().body),
        (&b"application/json"[..], &br#"{"b":1}"#[..])
    );
    service.stop().await;
}

#[tokio::test]
async fn what_can_be_repeated_is_repeated_and_nothing_else() {
    let menu = StandIn::start().await;
    let (service, client) =
        client(&format!("url: {}, retries: 2, retry-budget: {{per-second: 100}}", menu.url())).await;
    menu.reply(503).reply(502);
    let answer = client.get("/a").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.attempts(), menu.seen().len()), (200, 3, 3));
    menu.reply(504).reply(503).reply(503);
    let answer = client.put("/a").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.attempts()), (503, 3), "then it is what was answered last");
    for (call, status) in
        [(client.post("/a"), 503), (client.get("/a"), 500), (client.get("/a"), 429), (client.get("/a"), 302)]
    {
        menu.reply(status);
        let before = menu.seen().len();
        let answer = call.send().await.unwrap();
        assert_eq!((answer.status().as_u16(), menu.seen().len() - before), (status, 1));
    }
    menu.reply(503);
    assert_eq!(client.post("/a").repeatable().send().await.unwrap().attempts(), 2);
    service.stop().await;
}

#[tokio::test]
async fn retries_have_a_budget() {
    let menu = StandIn::start().await;
    let (service, client) =
        client(&format!("url: {}, retries: 5, breaker: {{minimum-calls: 1000, window: 1000}}, retry-budget: {{percent: 20, per-second: 0}}", menu.url())).await;
    for _ in 0..200 {
        menu.reply(503);
    }
    for _ in 0..50 {
        assert_eq!(client.get("/a").send().await.unwrap().status(), 503);
    }
    assert_eq!(menu.seen().len(), 60, "fifty calls and a fifth of that");
    service.stop().await;
}

#[tokio::test]
async fn who_says_when_to_come_back_is_heard() {
    let menu = StandIn::start().await;
    let (service, client) = client(&format!("url: {}, timeout: 900ms", menu.url())).await;
    menu.reply_with(Reply { status: 503, headers: vec![("retry-after", "1")], body: "", after: Duration::ZERO });
    let answer = client.get("/a").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.attempts()), (503, 1), "there is no time for it");
    service.stop().await;
}

#[tokio::test]
async fn a_breaker_leaves_alone_who_fails() {
    let menu = StandIn::start().await;
    let settings = format!("url: {}, retries: 0, breaker: {{window: 4, minimum-calls: 4, open: 1h}}", menu.url());
    let (service, client) = client(&settings).await;
    for _ in 0..4 {
        menu.reply(500);
        assert_eq!(client.get("/a").send().await.unwrap().status(), 500);
    }
    let failed = client.get("/a").send().await.unwrap_err();
    assert!(failed.to_string().starts_with("the call of 'menu', GET /a, came to nothing in 1 attempts"), "{failed}");
    assert_eq!(menu.seen().len(), 4);
    service.stop().await;
}

#[tokio::test]
async fn no_call_takes_longer_than_its_caller_has() {
    let (passports, menu) = (Passports::new(), StandIn::start().await);
    let settings =
        format!("{}clients: {{menu: {{url: {}, timeout: 60s, retries: 0}}}}\n", passports.settings(), menu.url());
    let service = TestService::start(service(), &settings).await;
    menu.reply_with(Reply { status: 200, headers: Vec::new(), body: "{}", after: Duration::from_secs(60) });
    let begun = std::time::Instant::now();
    let ask = service.get("/price?client=menu").passport(&passports.user("ann")).header("x-gwanmun-deadline", "200");
    assert_eq!(ask.send().await.status(), 504);
    assert!(begun.elapsed() < Duration::from_secs(10));
    service.stop().await;
}

#[tokio::test]
async fn what_went_wrong_becomes_the_answer_that_fits() {
    let (passports, menu) = (Passports::new(), StandIn::start().await);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = format!(
        "{}clients:\n  menu: {{url: {}, retries: 0, attempt-timeout: 100ms, body-bytes: 1KiB}}\n  dead: {{url: \"http://{nobody}\", retries: 0}}\n",
        passports.settings(),
        menu.url()
    );
    let service = TestService::start(service(), &settings).await;
    let ask = async |client: &str| {
        let path = format!("/price?client={client}");
        let answer = service.get(&path).passport(&passports.user("ann")).send().await;
        (answer.status().as_u16(), answer.header("retry-after").map(str::to_owned))
    };
    assert_eq!(ask("dead").await, (502, None));
    let large: &'static str = "x".repeat(2048).leak();
    let reply = |status, headers, body, millis| Reply { status, headers, body, after: Duration::from_millis(millis) };
    for (answer, expected) in [
        (reply(200, vec![], r#"{"price":8}"#, 0), (200, None)),
        (reply(200, vec![], r#"{"price":"secret"}"#, 0), (502, None)),
        (reply(200, vec![], large, 0), (502, None)),
        (reply(404, vec![], "{}", 0), (502, None)),
        (reply(302, vec![("location", "http://127.0.0.1:1/")], "", 0), (502, None)),
        (reply(503, vec![("retry-after", "7")], "", 0), (503, Some("7".to_owned()))),
        (reply(504, vec![], "", 0), (504, None)),
        (reply(200, vec![], "{}", 60_000), (504, None)),
    ] {
        menu.reply_with(answer);
        assert_eq!(ask("menu").await, expected);
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_are_made_at_once() {
    let menu = StandIn::start().await;
    let (service, client) = client(&format!("url: {}, timeout: 10s", menu.url())).await;
    for _ in 0..50 {
        menu.reply_with(Reply { status: 200, headers: Vec::new(), body: "{}", after: Duration::from_millis(200) });
    }
    let begun = std::time::Instant::now();
    let calls: Vec<_> = (0..50).map(|_| tokio::spawn(client.get("/a").send())).collect();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().status(), 200);
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "one after the other they would take ten seconds");
    service.stop().await;
}

#[tokio::test]
async fn files_of_tls_are_named_by_their_paths() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, Authority::new().pem()).unwrap();
    for name in [path.display().to_string(), format!("file:{}", path.display())] {
        let (service, _) = client(&format!("url: 'https://127.0.0.1:1', tls: {{ca: '{name}'}}")).await;
        service.stop().await;
    }
    for name in ["", "file:", "/nowhere/ca.pem"] {
        let settings = format!("clients: {{menu: {{url: 'https://127.0.0.1:1', tls: {{ca: '{name}'}}}}}}");
        assert_eq!(self::service().start(&settings).await.unwrap_err().exit_code(), 1, "{name}");
    }
}
