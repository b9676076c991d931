//! What a service stands on breaks, one after the other, while requests flow: none fails because of it, memory stays as it
//! is, operators see it, and all goes on by itself when it is there again.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use gwanmun_testkit::{Connection, Load, Postgres, Receivers, eventually, peak_memory};

use crate::program::{Program, status};

/// How much more memory than at first there may be.
const MORE: usize = 48 << 20;

/// How many clients ask without a pause.
const CLIENTS: usize = 4;

/// No request may wait for what is broken; a machine at work is slow by itself.
const SLOWEST: Duration = Duration::from_secs(2);

/// How often it is looked whether the database answers, and how long it may take.
const LOOKS: [Duration; 2] = [Duration::from_millis(500), Duration::from_millis(500)];

/// How long a look and a page may take on a machine at work.
const SLACK: Duration = Duration::from_secs(1);

/// What a handler may miss: each is an exception of its own.
const WORDS: [&str; 7] = ["salt", "rice", "soup", "tofu", "eggs", "milk", "kimchi"];

#[tokio::test]
#[ignore = "slow: installs Bugsink and Rotel, a real PostgreSQL"]
async fn what_breaks_beside_a_service_fails_no_request_and_comes_back_by_itself() {
    let mut database = Postgres::start().await;
    let mut receivers = Receivers::start(Path::new(env!("CARGO_TARGET_TMPDIR"))).await;
    let [every, timeout] = LOOKS.map(|look| look.as_millis());
    let settings = format!(
        "health: {{every: 100ms}}\n\
         database: {{url: '{}', password: '{}', check-every: {every}ms, check-timeout: {timeout}ms}}\n{}",
        database.url(),
        database.password(),
        receivers.settings()
    );
    let mut program = Program::start("", &settings, &[]);
    let (address, management) = program.ready().await;
    let mut load = Load::begin(address, CLIENTS, |_, _| ("/".to_owned(), String::new()));
    load.goes_on(1000).await;
    // The names of functions, which the first panic looks up, are not told apart from what grows.
    assert_eq!(status(address, "/panics/water").await, 500);
    receivers.bugsink.known(1).await;
    let before = peak_memory(program.id());

    for fate in ["killed", "stalled"] {
        assert_eq!(readiness(management, 200).await, 200);
        if fate == "killed" {
            database.kill()
        } else {
            database.pause()
        }
        let begin = Instant::now();
        readiness(management, 503).await;
        let took = begin.elapsed();
        println!("the database {fate}: not ready after {took:?}");
        assert!(took < LOOKS[0] + LOOKS[1] + SLACK, "{took:?}");
        load.goes_on(500).await;
        assert_eq!(status(management, "/health/liveness").await, 200);
        assert_eq!(status(management, "/health/readiness").await, 503);
        if fate == "killed" {
            database.restart().await
        } else {
            database.resume()
        }
        let begin = Instant::now();
        readiness(management, 200).await;
        println!("the database is back: ready after {:?}", begin.elapsed());
        assert_eq!(status(management, "/health/liveness").await, 200);
    }

    let tell = async |signal: &'static str, number: usize| {
        let mut connection = Connection::tcp(address).await;
        match signal {
            "logs" => {
                for _ in 0..200 {
                    assert_eq!(connection.get("/told/4000").await.status(), 200);
                }
            }
            "exceptions" => {
                assert_eq!(connection.get(&format!("/panics/{}", WORDS[number])).await.status(), 500);
            }
            _ => {}
        }
    };
    receivers.break_each(management, &mut load, tell).await;
    // The first, and one of each time that the tracker was there, gone and stalled.
    receivers.bugsink.known(4).await;

    load.goes_on(500).await;
    let (answers, slowest) = load.end();
    let more = peak_memory(program.id()).saturating_sub(before);
    println!("{answers} answers, the slowest after {slowest:?}; {} kB, then {} kB more", before >> 10, more >> 10);
    assert!(more < MORE, "{more} bytes more than before");
    assert!(slowest < SLOWEST, "{slowest:?}");
    assert_eq!(status(management, "/health").await, 200);
    program.signal("TERM");
    assert_eq!(program.ended().await, 0);
}

/// Waits until readiness says this.
async fn readiness(management: SocketAddr, wanted: u16) -> u16 {
    let what = format!("a readiness of {wanted}");
    eventually(&what, async || Some(status(management, "/health/readiness").await).filter(|seen| *seen == wanted)).await
}
