//! Keys that change, and key servers that do not do what they should.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gwanmun_chassis::Service;
use gwanmun_chassis::axum::Router;
use gwanmun_chassis::axum::routing::get;
use gwanmun_chassis::identity::Principal;
use gwanmun_chassis::testing::{Passports, TestService};
use serde_json::Value;

async fn started(settings: &str) -> TestService {
    let routes = Router::new().route("/me", get(|who: Principal| async move { who.subject.clone() }));
    TestService::start(Service::new("orders").routes(routes), settings).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_rotate_under_load_and_no_request_is_refused() {
    let passports = Passports::new();
    let service = started(&format!("{}  cool-down: 20ms\n", passports.settings())).await;
    let has_ended = AtomicBool::new(false);
    let caller = async |name: &str| {
        let mut answered = 0;
        while !has_ended.load(Ordering::Relaxed) {
            let answer = service.get("/me").passport(&passports.user(name)).send().await;
            assert_eq!((answer.status().as_u16(), answer.text()), (200, name), "after {answered}");
            answered += 1;
        }
        answered
    };
    let rotation = async {
        for _ in 0..5 {
            // A key is published for longer than `cool-down` before anything is signed with it.
            passports.publish_next();
            tokio::time::sleep(Duration::from_millis(40)).await;
            let before = passports.fetches();
            passports.rotate();
            while passports.fetches() == before {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        has_ended.store(true, Ordering::Relaxed);
    };
    let (ann, bob, eve, ()) = tokio::join!(caller("ann"), caller("bob"), caller("eve"), rotation);
    assert!(ann > 0 && bob > 0 && eve > 0);
    service.stop().await;
}

#[tokio::test]
async fn keys_are_fetched_once_for_all_and_before_the_first_request() {
    let passports = Passports::new();
    let service = started(&passports.settings()).await;
    assert_eq!(passports.fetches(), 1);
    for _ in 0..20 {
        assert_eq!(service.get("/me").passport(&passports.user("ann")).send().await.status(), 200);
    }
    assert_eq!(passports.fetches(), 1);
    service.stop().await;
}

#[tokio::test]
async fn a_key_that_is_thrown_away_proves_nothing_any_more() {
    let passports = Passports::new();
    let service = started(&format!("{}  cool-down: 1ms\n", passports.settings())).await;
    let old = passports.user("ann").token();
    assert_eq!(service.get("/me").header("txn-token", &old).send().await.status(), 200);
    passports.rotate();
    passports.forget_old_keys();
    // Newer keys are looked for as soon as `cool-down` is over.
    while service.get("/me").passport(&passports.user("ann")).send().await.status() != 200 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(service.get("/me").header("txn-token", &old).send().await.status(), 401, "also where it is remembered");
    service.stop().await;
}

#[tokio::test]
async fn gateways_are_told_apart_by_their_keys() {
    let (first, second) = (Passports::new(), Passports::of("https://other.test", "test.internal"));
    let forged = Passports::of("https://other.test", "test.internal");
    let more = format!("  more: [{{issuer: https://other.test, jwks: \"{}\"}}]\n", second.url());
    let service = started(&format!("{}{more}", first.settings())).await;
    assert_eq!(service.get("/me").passport(&first.user("ann")).send().await.text(), "ann");
    assert_eq!(service.get("/me").passport(&second.user("bob")).send().await.text(), "bob");
    assert_eq!(service.get("/me").passport(&forged.user("eve")).send().await.status(), 401);
    let unknown = Passports::of("https://third.test", "test.internal");
    assert_eq!(service.get("/me").passport(&unknown.user("eve")).send().await.status(), 401);
    service.stop().await;
}

#[tokio::test]
async fn keys_in_a_file_need_no_network() {
    let passports = Passports::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    std::fs::write(&file, passports.jwks()).unwrap();
    let settings = format!(
        "passport: {{issuer: https://gateway.test, jwks: \"file:{}\", trust-domain: test.internal}}\n",
        file.display()
    );
    let service = started(&settings).await;
    assert_eq!(service.get("/me").passport(&passports.user("ann")).send().await.text(), "ann");
    assert_eq!(passports.fetches(), 0);
    service.stop().await;
}

/// A server that sends these bytes to everybody, or nothing and never closes.
fn lying(answer: Option<&'static str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            if let Some(answer) = answer {
                let _ = stream.write_all(answer.as_bytes());
            } else {
                kept.push(stream);
            }
        }
    });
    format!("http://{address}/jwks.json")
}

#[tokio::test]
async fn without_keys_it_is_not_the_callers_fault() {
    let passports = Passports::new();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endless = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999999999\r\n\r\n{\"keys\":[";
    let empty = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{\"keys\":[]}";
    let moved = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    let failing = "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n";
    let garbage = "what?\r\n\r\n";
    let servers = [
        ("dead", format!("http://{nobody}/jwks.json")),
        ("slow", lying(None)),
        ("endless", lying(Some(endless))),
        ("empty", lying(Some(empty))),
        ("moved", lying(Some(moved))),
        ("failing", lying(Some(failing))),
        ("garbage", lying(Some(garbage))),
    ];
    for (name, url) in servers {
        let settings = format!(
            "passport: {{issuer: https://gateway.test, jwks: \"{url}\", trust-domain: test.internal, timeout: 300ms}}\n"
        );
        let service = started(&settings).await;
        let answer = service.get("/me").passport(&passports.user("ann")).send().await;
        assert_eq!(answer.status(), 503, "{name}");
        assert_eq!(answer.json::<Value>()["type"], "urn:gwanmun:fault:identity-unavailable", "{name}");
        assert_eq!(answer.header("retry-after"), Some("1"), "{name}");
        assert_eq!(answer.header("www-authenticate"), None, "{name}");
        service.stop().await;
    }
}
