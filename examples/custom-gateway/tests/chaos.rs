//! What a gateway tells everything to breaks, the real things, one after the other, while requests flow: none fails because
//! of it, memory stays as it is, operators see it, and all goes on by itself when it is there again.

#![allow(clippy::unwrap_used, clippy::panic, reason = "whatever goes wrong in a test is a failed test")]

use std::path::Path;
use std::time::Duration;

use gwanmun_testkit::{Load, Receivers, Setup};

const GATEWAY: &str = env!("CARGO_BIN_EXE_panicking-gateway");

/// How much more memory than at first there may be.
const MORE: usize = 48 << 20;

/// How many clients ask without a pause.
const CLIENTS: usize = 4;

/// No request may wait for what is broken; a machine at work is slow by itself.
const SLOWEST: Duration = Duration::from_secs(2);

#[tokio::test]
#[ignore = "slow: installs Bugsink and Rotel"]
async fn receivers_that_break_fail_no_request_and_are_told_again_when_they_are_back() {
    let mut receivers = Receivers::start(Path::new(env!("CARGO_TARGET_TMPDIR"))).await;
    // Answered by the gateway itself: a service within the test would wait while the test works.
    let routes = "routes: [{id: orders, filters: [{panic: {}}, {respond: {body: here}}]}]\n";
    let settings = receivers.settings();
    let gateway = Setup::of(GATEWAY).start(&format!("workers: 2\nhealth: {{every: 100ms}}\n{routes}{settings}")).await;
    let mut load = Load::begin(gateway.web(), CLIENTS, |_, _| ("/".to_owned(), String::new()));
    load.goes_on(1000).await;
    // The names of functions, which the first panic looks up, are not told apart from what grows.
    let first = gateway.connect().await.ask("GET", "/orders/7", "X-Panic: request\r\n").await;
    assert_eq!(first.status(), 500);
    receivers.bugsink.known(1).await;
    let before = gateway.peak_memory();

    let tell = async |signal: &'static str, number: usize| {
        // A panic is a line in the log too. Those that only the log is for are of one kind.
        let (panics, times) = match (signal, number) {
            ("logs", _) => ("request", 500),
            ("exceptions", 4) => ("other", 1),
            ("exceptions", 5) => ("wait", 1),
            ("exceptions", _) => ("response", 1),
            _ => return,
        };
        let mut connection = gateway.connect().await;
        for _ in 0..times {
            let answer = connection.ask("GET", "/orders/7", &format!("X-Panic: {panics}\r\n")).await;
            assert_eq!(answer.status(), 500);
        }
    };
    receivers.break_each(gateway.address("management"), &mut load, tell).await;
    // One that fills the log, and one of each time that the tracker was there, gone and stalled.
    receivers.bugsink.known(4).await;

    load.goes_on(500).await;
    let (answers, slowest) = load.end();
    let more = gateway.peak_memory().saturating_sub(before);
    println!("{answers} answers, the slowest after {slowest:?}; {} kB, then {} kB more", before >> 10, more >> 10);
    assert!(more < MORE, "{more} bytes more than before");
    assert!(slowest < SLOWEST, "{slowest:?}");
    assert_eq!(gateway.page("/health").await.json()["status"], "UP");
    assert_eq!(gateway.stop().await, 0);
}
