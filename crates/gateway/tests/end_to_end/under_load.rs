//! Reloads and a stop under constant load. Clients of every kind do what decent clients do: they ask again and again on
//! connections they keep, open new ones where they are told that one ends, and count everything else as a failure.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use gwanmun_testkit::{Authority, Connection, Gateway, Http2, Reply, Script, Speaks, Upstream, eventually, patiently};
use http::Response;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::setup;

/// What clients have seen, and what they are told.
#[derive(Default)]
struct Load {
    /// From now on a closed door is no failure.
    stopping: AtomicBool,
    /// Tunnels end now.
    over: AtomicBool,
    answers: AtomicUsize,
    failures: Mutex<Vec<String>>,
    /// Where the listener is that comes and goes.
    moving: Mutex<Option<SocketAddr>>,
}

impl Load {
    fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    fn failed(&self, what: impl Into<String>) {
        self.failures.lock().unwrap().push(what.into());
    }

    fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

/// One connection after the other at the address that `place` gives, each used until it is said to end, or `uses` times.
async fn http1(
    load: Arc<Load>,
    name: &'static str,
    uses: usize,
    place: impl Fn() -> SocketAddr,
    tls: Option<Arc<Authority>>,
) {
    loop {
        let address = place();
        let stream = match &tls {
            None => TcpStream::connect(address).await.map(Connection::plain),
            Some(authority) => Connection::tls(address, "edge.test", authority, &[]).await,
        };
        let mut client = match stream {
            Ok(client) => client,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                if load.stopping() {
                    return;
                }
                if place() == address {
                    // The news of where the listener has gone may be late.
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                }
                continue;
            }
            Err(error) => return load.failed(format!("{name}: no connection: {error}")),
        };
        for _ in 0..uses {
            if let Err(error) = client.try_send("GET / HTTP/1.1\r\nHost: gateway.test\r\n\r\n").await {
                return load.failed(format!("{name}: the request is not taken: {error}"));
            }
            let answer = match client.try_answer("GET").await {
                Ok(answer) if answer.status() == 200 => answer,
                Ok(answer) => return load.failed(format!("{name}: {}", answer.start)),
                Err(error) => return load.failed(format!("{name}: no answer: {error}")),
            };
            load.answered();
            if answer.header("connection").is_some_and(|says| says == "close") {
                break;
            }
        }
    }
}

/// Requests on a shared connection; with GOAWAY it is another one's turn.
async fn http2(load: Arc<Load>, address: SocketAddr) {
    loop {
        let Ok(mut client) = Http2::try_tcp(address).await else {
            if !load.stopping() {
                load.failed("http2: no connection");
            }
            return;
        };
        loop {
            let request = client.request("GET", "/").body(Reply::empty()).unwrap();
            match client.try_ask(request).await {
                Ok(answer) if answer.status() == 200 => load.answered(),
                Ok(answer) => return load.failed(format!("http2: {}", answer.start)),
                // Nothing of it was sent.
                Err(error) if load.stopping() && (error.is_canceled() || error.is_closed()) => break,
                Err(error) => return load.failed(format!("http2: {error:?}")),
            }
        }
    }
}

/// Streams in both directions, one message each way at a time, with fields at the end.
async fn grpc(load: Arc<Load>, address: SocketAddr) {
    let mut client = Http2::tcp(address).await;
    loop {
        let (feed, body) = Reply::fed();
        let request = client.request("POST", "/grpc/Echo").header("te", "trailers").body(body).unwrap();
        let mut answer = match client.send(request).await {
            Ok(answer) => answer.into_body(),
            Err(error) if load.stopping() && (error.is_canceled() || error.is_closed()) => return,
            Err(error) => return load.failed(format!("grpc: {error:?}")),
        };
        for number in 0..20 {
            let message = format!("message {number:02}");
            if !feed.data(message.clone()).await {
                return load.failed("grpc: a message is not taken");
            }
            let mut received = Vec::new();
            while received.len() < message.len() {
                match Http2::piece(&mut answer).await {
                    Ok(Some(piece)) => received.extend_from_slice(&piece),
                    end => return load.failed(format!("grpc: cut within a stream: {end:?}")),
                }
            }
            assert_eq!(received, message.as_bytes());
        }
        feed.trailers(&[("grpc-status", "0")]).await;
        match Http2::piece(&mut answer).await {
            Ok(None) => load.answered(),
            end => return load.failed(format!("grpc: not the end of a stream: {end:?}")),
        }
    }
}

/// A tunnel that is used until the load is over.
async fn websocket(load: Arc<Load>, address: SocketAddr) {
    let mut client = Connection::tcp(address).await;
    client.send("GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n").await;
    assert_eq!(client.answer().await.status(), 101);
    while !load.over.load(Ordering::Relaxed) {
        let sent = client.try_send("ping").await;
        let echoed = patiently("an echo", client.exactly(4)).await;
        match (sent, echoed) {
            (Ok(()), Ok(echoed)) if echoed == "ping" => load.answered(),
            (sent, echoed) => return load.failed(format!("websocket: cut: {sent:?} {echoed:?}")),
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
}

/// Services behind the gateway.
struct Services {
    plain: Upstream,
    grpc: Upstream,
    websocket: Script,
}

impl Services {
    async fn start() -> Self {
        let websocket = Script::play(|mut connection, _| async move {
            connection.head().await.unwrap();
            connection
                .send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")
                .await;
            while let Ok(bytes) = connection.exactly(4).await {
                if connection.try_send(bytes).await.is_err() {
                    return;
                }
            }
        });
        let plain = Upstream::answering(Speaks::Http1, |_| async { Response::new(Reply::from("fine")) });
        Self { plain: plain.await, grpc: Upstream::echoing(Speaks::Http2).await, websocket: websocket.await }
    }

    /// The configuration of a round: another listener, other certificates, other routes, and an upstream that changes.
    fn configuration(&self, round: usize) -> String {
        let (plain, grpc, websocket) = (self.plain.url(), self.grpc.url(), self.websocket.url());
        let more: String = (0..round % 7)
            .map(|number| {
                format!("  - {{id: 'r{round}-{number}', predicates: [path: '/r{number}/**'], upstream: plain}}\n")
            })
            .collect();
        format!(
            "listeners:
  - {{name: web, address: 127.0.0.1:0}}
  - {{name: moving-{round}, address: 127.0.0.1:0}}
  - {{name: edge, address: 127.0.0.1:0, tls: {{certificates: [{{certificate: edge-{round}.pem, key: edge-{round}.key}}]}}}}
drain: {{timeout: 12s}}
default-filters: [set-response-header: {{name: X-Round, value: '{round}'}}]
upstreams:
  plain: {{endpoints: '{plain}', keep-alive: {}s}}
  grpc: {{endpoints: '{grpc}'}}
routes:
{more}  - {{id: grpc, predicates: [path: /grpc/**], upstream: grpc}}
  - {{id: ws, predicates: [path: /ws], upstream: '{websocket}'}}
  - {{id: all, upstream: plain}}
",
            60 + round / 2
        )
    }
}

fn install(authority: &Authority, folder: &std::path::Path, round: usize) {
    let identity = authority.issue(&["edge.test"]);
    std::fs::write(folder.join(format!("edge-{round}.pem")), identity.pem()).unwrap();
    std::fs::write(folder.join(format!("edge-{round}.key")), identity.key()).unwrap();
}

/// So many reloads and a stop, with clients at every door.
async fn reloads_and_a_stop(rounds: usize) {
    let (authority, services, load) = (Arc::new(Authority::new()), Services::start().await, Arc::new(Load::default()));
    let setup = setup();
    install(&authority, setup.folder(), 0);
    let gateway = setup.start(&services.configuration(0)).await;
    let moving = |gateway: &Gateway, round: usize| {
        *load.moving.lock().unwrap() = Some(gateway.address(&format!("moving-{round}")));
    };
    moving(&gateway, 0);
    let (web, edge) = (gateway.web(), gateway.address("edge"));
    let mut clients = JoinSet::new();
    for _ in 0..4 {
        clients.spawn(http1(Arc::clone(&load), "http1", usize::MAX, move || web, None));
        clients.spawn(http2(Arc::clone(&load), web));
    }
    clients.spawn(http1(Arc::clone(&load), "http1, briefly", 3, move || web, None));
    for uses in [10, usize::MAX] {
        clients.spawn(http1(Arc::clone(&load), "tls", uses, move || edge, Some(Arc::clone(&authority))));
    }
    for _ in 0..2 {
        let places = Arc::clone(&load);
        let place = move || places.moving.lock().unwrap().unwrap();
        clients.spawn(http1(Arc::clone(&load), "moving", usize::MAX, place, None));
        clients.spawn(grpc(Arc::clone(&load), web));
    }
    let mut tunnels = JoinSet::new();
    for address in [web, web, gateway.address("moving-0")] {
        tunnels.spawn(websocket(Arc::clone(&load), address));
    }
    for round in 1..=rounds {
        install(&authority, gateway.folder(), round);
        gateway.reconfigure(&services.configuration(round)).await;
        moving(&gateway, round);
        let before = load.answers.load(Ordering::Relaxed);
        eventually("load on the new configuration", async || {
            (load.answers.load(Ordering::Relaxed) > before + 100).then_some(())
        })
        .await;
    }
    assert_eq!(*load.failures.lock().unwrap(), Vec::<String>::new(), "during the reloads");
    load.stopping.store(true, Ordering::Relaxed);
    gateway.signal("TERM");
    patiently("clients to end", ended(&mut clients)).await;
    let log = gateway.log().clone();
    assert!(
        !log.lines().iter().any(|line| line["event"] == "stopped"),
        "tunnels hold the end up: {:?}\n{}",
        load.failures.lock().unwrap(),
        log.text()
    );
    load.over.store(true, Ordering::Relaxed);
    patiently("tunnels to end", ended(&mut tunnels)).await;
    assert_eq!(gateway.ended().await, 0);
    assert_eq!(*load.failures.lock().unwrap(), Vec::<String>::new(), "during the stop");
    assert_eq!(log.lines().iter().filter(|line| line["event"] == "reloaded").count(), rounds);
    for event in ["drain-timeout", "reload-failed", "fault"] {
        assert!(!log.lines().iter().any(|line| line["event"] == event), "{}", log.text());
    }
}

async fn ended(tasks: &mut JoinSet<()>) {
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
}

#[tokio::test]
async fn nobody_notices_reloads_and_a_stop() {
    reloads_and_a_stop(5).await;
}

#[tokio::test]
#[ignore = "full tier: takes half a minute"]
async fn nobody_notices_fifty_reloads_and_a_stop() {
    reloads_and_a_stop(50).await;
}
