//! What operators see.

use gwanmun_chassis::Service;
use gwanmun_testkit::{Connection, eventually};

use crate::program::Program;
use crate::scene::{manage, page, started};

#[tokio::test]
async fn pages_are_there_under_the_names_of_actuator_too() {
    let settings = "management: {token: 0123456789abcdef0123}\nserver: {timeout: 7s}";
    let running = started(Service::new("orders").version("1.2.3"), settings).await;
    for (path, words) in [
        ("/", r#""metrics""#),
        ("/info", r#""version":"1.2.3""#),
        ("/env", "server.timeout"),
        ("/configprops", r#""timeout":"7s""#),
        ("/metrics", "http_server_active_requests 0"),
        ("/prometheus", "http_server_active_requests 0"),
        ("/exceptions", r#""exceptions""#),
        ("/health", r#""status":"UP""#),
    ] {
        for path in [path.to_owned(), format!("/actuator{path}")] {
            let shown = page(&running, &path).await;
            assert!(shown.status() == 200 && shown.text().contains(words), "{path}: {}", shown.text());
            assert!(!shown.text().contains("0123456789abcdef"), "{path}: {}", shown.text());
        }
    }
    assert_eq!(page(&running, "/nowhere").await.status(), 404);
    assert_eq!(page(&running, "/actuators").await.status(), 404);
    assert_eq!(manage(&running).await.ask("DELETE", "/env", "").await.status(), 405);
    running.stop().await;
}

#[tokio::test]
async fn a_level_is_changed_by_who_carries_the_token_only() {
    let body = r#"{"configuredLevel":"DEBUG"}"#;
    let post = |token: &str| {
        let authorization = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
        let length = body.len();
        format!(
            "POST /actuator/loggers/orders HTTP/1.1\r\nHost: a\r\n{authorization}Content-Length: {length}\r\n\r\n{body}"
        )
    };
    let program = Program::start("", "management: {token: 0123456789abcdef0123}", &[]);
    let (_, management) = program.ready().await;
    for (token, status) in [("", 401), ("0123456789abcdef0124", 401), ("0123456789abcdef0123", 204)] {
        let mut client = Connection::tcp(management).await;
        client.send(post(token)).await;
        assert_eq!(client.answer().await.status(), status, "{token}");
    }
    let shown = Connection::tcp(management).await.get("/loggers/orders").await.text();
    assert!(shown.contains(r#""configuredLevel":"DEBUG""#), "{shown}");
    let program = Program::start("", "", &[]);
    let (_, management) = program.ready().await;
    let mut client = Connection::tcp(management).await;
    client.send(post("0123456789abcdef0123")).await;
    assert_eq!(client.answer().await.status(), 403, "nobody may where there is no token");
}

#[tokio::test]
async fn a_port_for_probes_shows_health_and_nothing_more() {
    let program = Program::start("", "", &["--management.probes=127.0.0.1:0"]);
    program.ready().await;
    let probes = program.address("probes").await;
    for (path, status) in
        [("/health/readiness", 200), ("/actuator/health/liveness", 200), ("/env", 404), ("/loggers", 404)]
    {
        assert_eq!(crate::program::status(probes, path).await, status, "{path}");
    }
    let health = Connection::tcp(probes).await.get("/health").await.text();
    assert!(!health.contains("components"), "{health}");
}

#[tokio::test]
async fn whoever_telemetry_is_told_is_shown_also_one_that_comes_later() {
    let logs = "telemetry: {logs: {syslog: 'tcp://127.0.0.1:1'}}";
    let program = Program::start("", &format!("health: {{every: 100ms}}\n{logs}\n"), &[]);
    let (_, management) = program.ready().await;
    let shown = async |signal: &str| {
        let page = Connection::tcp(management).await.get("/health/collectors").await.json();
        page["details"][signal]["target"].as_str().map(str::to_owned)
    };
    assert_eq!(eventually("lines", async || shown("logs").await).await, "tcp://127.0.0.1:1");
    assert_eq!(shown("traces").await, None);
    let more = "telemetry: {logs: {syslog: 'tcp://127.0.0.1:1'}, traces: {otlp: 'http://127.0.0.1:2'}}";
    std::fs::write(program.path("application.yaml"), format!("health: {{every: 100ms}}\n{more}\n")).unwrap();
    program.signal("HUP");
    assert!(eventually("spans", async || shown("traces").await).await.contains("127.0.0.1:2"));
}
