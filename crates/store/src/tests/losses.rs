//! One server that is killed, stopped, started again, or does not let us in.

use gwanmun_core::Secret;
use gwanmun_testkit::{Authority, Redis};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::TlsSettings;

/// What an operation may take beyond the limit on a busy machine.
const SLACK: Duration = Duration::from_millis(400);

const LIMIT: Duration = Duration::from_millis(500);

#[tokio::test]
async fn a_server_that_is_killed_and_started_again_is_found_again() {
    let mut server = Redis::start().await;
    let space = redis(&format!("redis://{}", server.place())).space("s", OnStoreError::Deny);
    space.put("k", text("x"), MINUTE).await.unwrap();
    server.kill();
    let (outcome, took) = timed(space.get("k")).await;
    assert_eq!(outcome, Err("unreachable"));
    assert!(took < LIMIT, "{took:?}");
    server.restart().await;
    let took = recovered(&space).await;
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(space.get("k").await.unwrap(), None, "it started empty");
}

#[tokio::test]
async fn a_server_that_was_started_again_meanwhile_costs_nobody_an_error() {
    let mut server = Redis::start().await;
    let space = redis(&format!("redis://{}", server.place())).space("s", OnStoreError::Deny);
    space.put("k", text("x"), MINUTE).await.unwrap();
    assert!(server.command(&["CLIENT", "KILL", "TYPE", "normal"]).parse::<u32>().unwrap() > 0);
    assert_eq!(space.get("k").await.unwrap(), Some(text("x")));
    server.kill();
    server.restart().await;
    recovered(&space).await;
}

#[tokio::test]
async fn a_server_that_stands_still_costs_the_limit_and_then_nothing() {
    let server = Redis::start().await;
    let space = redis(&format!("redis://{}", server.place())).space("s", OnStoreError::Deny);
    space.put("k", text("x"), MINUTE).await.unwrap();
    server.pause();
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            tokio::spawn({
                let space = space.clone();
                async move { timed(space.get("k")).await }
            })
        })
        .collect();
    for task in waiting {
        let (outcome, took) = task.await.unwrap();
        assert_eq!(outcome, Err("timeout"));
        assert!(took >= LIMIT && took < LIMIT + SLACK, "{took:?}");
    }
    for _ in 0..10 {
        let (outcome, took) = timed(space.get("k")).await;
        assert!(matches!(outcome, Err("unreachable" | "timeout")), "{outcome:?}");
        assert!(took < LIMIT / 2, "known to be down, yet it took {took:?}");
    }
    server.resume();
    let took = recovered(&space).await;
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(space.get("k").await.unwrap(), Some(text("x")));
}

#[tokio::test]
async fn no_more_than_a_number_of_operations_wait() {
    let server = Redis::start().await;
    let store = redis_with(&format!("redis://{}", server.place()), |settings| settings.waiting = 2);
    let space = store.space("s", OnStoreError::Deny);
    space.put("k", text("x"), MINUTE).await.unwrap();
    server.pause();
    let waiting = async {
        let get = async || timed(space.get("k")).await.0;
        assert_eq!(tokio::join!(get(), get()), (Err("timeout"), Err("timeout")));
    };
    let another = async {
        tokio::time::sleep(LIMIT / 5).await;
        let (outcome, took) = timed(space.get("k")).await;
        assert_eq!(outcome, Err("overloaded"));
        assert!(took < LIMIT / 2, "{took:?}");
    };
    tokio::join!(waiting, another);
}

#[tokio::test]
async fn who_goes_away_disturbs_nobody() {
    let server = Redis::start().await;
    let space = redis(&format!("redis://{}", server.place())).space("s", OnStoreError::Deny);
    for number in 0..200 {
        let key = format!("k{number}");
        space.put(&key, text(&key), MINUTE).await.unwrap();
        // Asked and forgotten, in different states.
        let _ = tokio::time::timeout(Duration::from_micros(number * 5), space.get("k0")).await;
        assert_eq!(space.get(&key).await.unwrap(), Some(text(&key)));
    }
}

#[test]
fn another_runtime_than_that_of_the_connections_may_ask() {
    let (handles, handle) = std::sync::mpsc::channel();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let outbound = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Redis::start().await;
            let space = redis(&format!("redis://{}", server.place())).space("s", OnStoreError::Deny);
            handles.send(space).unwrap();
            let _ = ended.await;
        });
    });
    let space = handle.recv().unwrap();
    // This one has neither I/O nor time.
    let worker = tokio::runtime::Builder::new_current_thread().build().unwrap();
    worker.block_on(space.put("k", text("x"), MINUTE)).unwrap();
    drop(end);
    outbound.join().unwrap();
    assert_eq!(worker.block_on(space.get("k")).unwrap_err().name(), "unreachable");
}

#[tokio::test]
async fn memory_stands_in_while_redis_is_lost() {
    let mut server = Redis::start().await;
    let settings = Settings::at(Address::parse(&format!("redis://{}", server.place())).unwrap());
    let tallies = Tallies::default();
    let store = Store::open(settings, &Handle::current(), Arc::new(SystemClock), &tallies).unwrap();
    let space = store.space("s", OnStoreError::Local);
    space.put("k", text("shared"), MINUTE).await.unwrap();
    server.kill();
    assert_eq!(space.get("k").await.unwrap(), None, "memory knows nothing of it");
    assert!(space.put_if_absent("k", text("local"), MINUTE).await.unwrap());
    assert!(!space.put_if_absent("k", text("again"), MINUTE).await.unwrap());
    assert_eq!(space.get("k").await.unwrap(), Some(text("local")));
    assert_eq!(space.itself().get("k").await.unwrap_err().name(), "unreachable");
    server.restart().await;
    recovered(&store.space("s", OnStoreError::Deny)).await;
    assert_eq!(space.get("k").await.unwrap(), None, "Redis is asked again");
    server.kill();
    assert_eq!(space.get("k").await.unwrap(), None, "what was kept the last time has been forgotten");
    let counts = tallies.tally("gwanmun_store_operations_total", "", &[]).counts();
    let count = |operation: &str, outcome: &str| {
        let found = counts.iter().find(|(labels, _)| labels == &[operation, outcome]);
        found.map_or(0, |(_, count)| *count)
    };
    assert_eq!(count("get", "local"), 3);
    assert_eq!(count("put-if-absent", "local"), 2);
    assert_eq!(count("get", "ok"), 1);
}

#[tokio::test]
async fn who_is_not_let_in_is_told_so() {
    let server = Redis::start_with(&["--requirepass", "hunter2"]).await;
    for (credentials, wanted) in [("", Err("refused")), (":wrong@", Err("refused")), (":hunter2@", Ok(()))] {
        let space = redis(&format!("redis://{credentials}{}", server.place())).space("s", OnStoreError::Deny);
        assert_eq!(timed(space.put("k", text("x"), MINUTE)).await.0, wanted, "{credentials}");
    }
    server.command(&["-a", "hunter2", "ACL", "SETUSER", "reader", "on", ">p@ss", "~*", "+get", "+ping"]);
    let space = redis(&format!("redis://reader:p%40ss@{}", server.place())).space("s", OnStoreError::Deny);
    assert_eq!(space.get("k").await.unwrap(), Some(text("x")));
    assert_eq!(timed(space.put("k", text("y"), MINUTE)).await.0, Err("refused"));
}

#[tokio::test]
async fn a_full_server_fails() {
    let server = Redis::start_with(&["--maxmemory", "1"]).await;
    let space = redis(&format!("redis://{}", server.place())).space("s", OnStoreError::Deny);
    assert_eq!(timed(space.put("k", text("x"), MINUTE)).await.0, Err("failed"));
}

#[tokio::test]
async fn a_server_that_has_become_a_replica_fails_until_it_is_none() {
    let server = Redis::start().await;
    let space = redis(&format!("redis://{}", server.place())).space("s", OnStoreError::Deny);
    space.put("k", text("x"), MINUTE).await.unwrap();
    server.command(&["REPLICAOF", "127.0.0.1", "1"]);
    let (outcome, took) = timed(space.put("k", text("y"), MINUTE)).await;
    assert_eq!(outcome, Err("failed"));
    assert!(took < LIMIT, "another connection says so too: {took:?}");
    server.command(&["REPLICAOF", "NO", "ONE"]);
    recovered(&space).await;
    assert_eq!(space.get("k").await.unwrap(), Some(text("x")));
}

#[tokio::test]
async fn a_server_that_hangs_up_on_every_command_costs_callers_no_time() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let space = redis(&format!("redis://{}", listener.local_addr().unwrap())).space("s", OnStoreError::Deny);
    tokio::spawn(async move {
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut command = [0; 64];
            assert!(connection.read(&mut command).await.unwrap() > 0);
            connection.write_all(b"+PONG\r\n").await.unwrap();
            let _ = connection.read(&mut command).await;
        }
    });
    for _ in 0..50 {
        let (outcome, took) = timed(space.get("k")).await;
        assert!(outcome.is_err());
        assert!(took < LIMIT / 2, "{took:?}");
    }
}

#[tokio::test]
async fn databases_are_apart() {
    let server = Redis::start().await;
    let space = |database| redis(&format!("redis://{}/{database}", server.place())).space("s", OnStoreError::Deny);
    space(3).put("k", text("x"), MINUTE).await.unwrap();
    assert_eq!(space(0).get("k").await.unwrap(), None);
    assert_eq!(server.command(&["-n", "3", "GET", "gwanmun:s:k"]), "x", "this is how keys look");
}

#[tokio::test]
async fn a_silent_server_at_the_start_is_no_hang() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let space = redis(&format!("redis://{}", silent.local_addr().unwrap())).space("s", OnStoreError::Deny);
    let (outcome, took) = timed(space.get("k")).await;
    assert_eq!(outcome, Err("timeout"));
    assert!(took < LIMIT + SLACK, "{took:?}");
}

#[tokio::test]
async fn tls_needs_a_server_that_is_trusted_and_shows_who_we_are() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let server = Redis::start_tls(&authority).await;
    let identity = |authority: &Authority| {
        let identity = authority.issue(&["gateway"]);
        Some((identity.pem().into_bytes(), Secret::new(identity.key().into_bytes())))
    };
    let trusting = |authority: &Authority| Some(authority.pem().into_bytes());
    let cases = [
        (TlsSettings { authorities: trusting(&authority), identity: identity(&authority) }, Ok(())),
        (TlsSettings { authorities: trusting(&stranger), identity: identity(&authority) }, Err("unreachable")),
        (TlsSettings { authorities: trusting(&authority), identity: identity(&stranger) }, Err("unreachable")),
        (TlsSettings { authorities: trusting(&authority), identity: None }, Err("unreachable")),
    ];
    for (number, (tls, wanted)) in cases.into_iter().enumerate() {
        let url = format!("rediss://localhost:{}", server.port());
        let space = redis_with(&url, |settings| settings.tls = tls).space("s", OnStoreError::Deny);
        assert_eq!(timed(space.put("k", text("x"), MINUTE)).await.0, wanted, "case {number}");
    }
    let unusable = TlsSettings { authorities: Some(b"no PEM".to_vec()), identity: None };
    assert!(unusable.connector().is_err());
}
