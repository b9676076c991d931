//! From the start of a process to its end.

use gwanmun_chassis::axum::Router;
use gwanmun_chassis::axum::routing::get;
use gwanmun_chassis::{App, Service};
use gwanmun_testkit::{Connection, eventually};

use crate::program::{Program, status, until_closed};

#[tokio::test]
async fn it_is_alive_but_not_ready_until_its_hooks_are_done() {
    let mut program = Program::start("waits", "", &[]);
    let management = program.address("management").await;
    assert_eq!(status(management, "/health/liveness").await, 200);
    assert_eq!(status(management, "/health/readiness").await, 503);
    assert_eq!(status(management, "/health/startup").await, 503);
    assert!(!program.log.text().contains(r#""listener":"server""#), "nobody listens yet");
    program.open_gate();
    let (address, _) = program.ready().await;
    assert_eq!(status(management, "/health/readiness").await, 200);
    assert_eq!(Connection::tcp(address).await.get("/").await.text(), "here");
    program.signal("TERM");
    assert_eq!(program.ended().await, 0);
}

#[tokio::test]
async fn a_signal_while_it_starts_ends_it() {
    let mut program = Program::start("waits", "", &[]);
    program.address("management").await;
    program.signal("TERM");
    assert_eq!(program.ended().await, 0);
}

#[tokio::test]
async fn a_hangup_while_it_starts_does_not_end_it() {
    let mut program = Program::start("waits", "", &[]);
    program.address("management").await;
    program.signal("HUP");
    program.open_gate();
    program.ready().await;
    program.signal("TERM");
    assert_eq!(program.ended().await, 0);
}

#[tokio::test]
async fn what_is_in_flight_is_answered_before_it_ends() {
    for signal in ["TERM", "INT"] {
        let mut program = Program::start("", "", &[]);
        let (address, management) = program.ready().await;
        let mut busy = Connection::tcp(address).await;
        busy.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel").await;
        let mut idle = Connection::tcp(address).await;
        assert_eq!(idle.get("/").await.status(), 200);
        program.signal(signal);
        program.event("draining").await;
        until_closed(address).await;
        idle.closed().await;
        assert_eq!(status(management, "/health/readiness").await, 503);
        assert_eq!(status(management, "/health/liveness").await, 200);
        busy.send("lo").await;
        assert_eq!(busy.answer().await.text(), "hello");
        assert_eq!(program.ended().await, 0);
        program.event("stopped").await;
        let output = program.output.text();
        let (second, first) = (output.find("begun second").unwrap(), output.find("begun first").unwrap());
        assert!(second < first, "hooks at the end run in reverse:\n{output}");
        assert!(output.contains(r#""path":"/echo""#), "the last line of the access log:\n{output}");
    }
}

#[tokio::test]
async fn requests_are_welcome_during_the_delay_while_readiness_says_no() {
    let program = Program::start("", "drain: {delay: 1h}", &[]);
    let (address, management) = program.ready().await;
    program.signal("TERM");
    program.event("draining").await;
    assert_eq!(status(management, "/health/readiness").await, 503);
    assert_eq!(status(address, "/").await, 200);
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    for settings in ["drain: {delay: 1h}", "drain: {timeout: 1h}"] {
        let mut program = Program::start("", settings, &[]);
        let (address, _) = program.ready().await;
        let mut hangs = Connection::tcp(address).await;
        hangs.send("GET /hangs HTTP/1.1\r\nHost: a\r\n\r\n").await;
        program.signal("TERM");
        program.event("draining").await;
        program.signal("TERM");
        assert_eq!(program.ended().await, 0);
    }
}

#[tokio::test]
async fn what_takes_longer_than_the_time_to_drain_is_cut_off_and_told() {
    let mut program = Program::start("", "drain: {timeout: 50ms}", &[]);
    let (address, management) = program.ready().await;
    let mut hangs = Connection::tcp(address).await;
    hangs.send("GET /hangs HTTP/1.1\r\nHost: a\r\n\r\n").await;
    eventually("the request", async || {
        let numbers = Connection::tcp(management).await.get("/metrics").await.text();
        numbers.contains("http_server_active_requests 1\n").then_some(())
    })
    .await;
    program.signal("TERM");
    program.event("drain-timeout").await;
    hangs.closed().await;
    assert_eq!(program.ended().await, 0);
}

#[tokio::test]
async fn what_does_not_start_says_why_and_has_its_exit_code() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = taken.local_addr().unwrap();
    let (server, management) = (format!("--server.address={taken}"), format!("--management.address={taken}"));
    for (manner, arguments, code, words) in [
        ("fails", &[][..], 3, "error: on_start hook 1 of 1: the table is missing"),
        ("panics", &[], 3, "on_start hook 1 of 1: it panicked: a hook's mistake"),
        ("", &[&*server], 3, "cannot be bound"),
        ("", &[&*management], 3, "cannot be bound"),
        ("", &["--server.address=here"], 1, "found 'here', wanted host:port"),
        ("", &["--server.timeout=0s", "--server.connections=0"], 1, "wanted at least 1"),
        ("", &["--server.body-bites=1KiB"], 1, "did you mean 'body-bytes'?"),
        ("", &["--telemetry.traces.sample=2"], 1, "wanted a share from 0 to 1"),
        ("", &["--server.tls.certificate=a.pem", "--server.tls.key=b.pem"], 1, "a.pem"),
        ("", &["--chekc"], 2, "did you mean '--check'?"),
    ] {
        let mut program = Program::start(manner, "", arguments);
        assert_eq!(program.ended().await, code, "{arguments:?} {}", program.log.text());
        program.log.ended().await;
        assert!(program.log.text().contains(words), "{words} in\n{}", program.log.text());
    }
}

#[tokio::test]
async fn it_can_be_asked_for_help_and_whether_its_configuration_is_good() {
    let mut program = Program::start("", "", &["--help"]);
    assert_eq!(program.ended().await, 0);
    program.output.ended().await;
    assert!(program.output.text().contains("Usage: orders"));
    for (settings, code) in [("server: {timeout: 1s}", 0), ("server: {timeout: 0s}", 1)] {
        assert_eq!(Program::start("", settings, &["--check"]).ended().await, code, "{settings}");
    }
}

#[tokio::test]
async fn another_configuration_is_taken_over_while_it_runs() {
    let mut program = Program::start("", "telemetry: {traces: {sample: 0.25}}", &[]);
    let (_, management) = program.ready().await;
    std::fs::write(program.path("application.yaml"), "telemetry: {traces: {sample: 0.5}}").unwrap();
    program.event("reloaded").await;
    let page = Connection::tcp(management).await.get("/actuator/configprops").await.text();
    assert!(page.contains(r#""sample":"0.5""#), "{page}");
    program.signal("TERM");
    assert_eq!(program.ended().await, 0);
}

#[tokio::test]
async fn what_is_put_together_in_the_wrong_order_does_not_start() {
    #[derive(serde::Deserialize)]
    struct Orders {}
    fn routes<C: Send + Sync + 'static>() -> Router<App<C>> {
        Router::new().route("/", get(async || "here"))
    }
    let lost = Service::new("orders").routes(routes()).config::<Orders>();
    let error = lost.start("orders: {}").await.unwrap_err();
    assert_eq!(error.exit_code(), 3);
    assert!(error.to_string().contains("`config` comes after routes"), "{error}");
    Service::new("orders").config::<Orders>().routes(routes()).start("orders: {}").await.unwrap().stop().await;
}

#[tokio::test]
async fn lines_go_to_a_file_too() {
    let program = Program::start("", "telemetry: {logs: {file: ./orders.log}}", &[]);
    program.ready().await;
    let ready = || std::fs::read_to_string(program.path("orders.log")).ok().filter(|text| text.contains("\"ready\""));
    eventually("the line in the file", async || ready()).await;
}
