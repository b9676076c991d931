//! Clients that mean harm: slow ones, many of them, and ones that flood. Each loses its connection or its place, memory stays
//! within bounds, and everybody else is served meanwhile.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use gwanmun_testkit::{Connection, Gateway, Http2, Reply, Speaks, Upstream, eventually, patiently};
use http::Response;
use tokio::time::{sleep, timeout};

use crate::{all_to, start};

const MIB: usize = 1024 * 1024;
const RESPOND: &str = "routes: [{id: a, filters: [respond: {body: a}]}]\n";

async fn refused(gateway: &Gateway, connections: f64) {
    let series = r#"gwanmun_connections_refused_total{listener="web",reason="connections"}"#;
    eventually("refused connections to be counted", async || {
        (gateway.metric(series).await? == connections).then_some(())
    })
    .await;
}

/// Sends one byte of `bytes` after the other until the other side says or does something.
async fn drip(client: Connection, bytes: impl Iterator<Item = u8>) -> Connection {
    let (mut to, mut from) = client.split();
    let dripping = async {
        for byte in bytes {
            if to.try_send([byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
        std::future::pending::<()>().await;
    };
    let answered = async {
        let answer = from.exactly(12).await.unwrap();
        assert_eq!(&answer[..], b"HTTP/1.1 408");
    };
    tokio::select! {
        () = dripping => unreachable!(),
        () = patiently("an answer to a slow client", answered) => {}
    }
    from
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_gets_no_more_time_than_one_that_does_not_come() {
    let gateway = start(&format!("limits: {{header-timeout: 300ms}}\n{RESPOND}")).await;
    let begin = Instant::now();
    let endless = b"GET / HTTP/1.1\r\nHost: a\r\nX-A: ".iter().copied().chain(std::iter::repeat(b'a'));
    let mut client = drip(gateway.connect().await, endless).await;
    patiently("the end of the connection", client.rest()).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_millis(300), "it had its time");
    let line = gateway.access_line(|line| line["status"] == 408).await;
    assert_eq!(line["fault"], "request-timeout");
}

#[tokio::test]
async fn a_later_head_on_a_connection_has_the_same_time() {
    let gateway = start(&format!("limits: {{header-timeout: 300ms}}\n{RESPOND}")).await;
    let mut client = gateway.connect().await;
    assert_eq!(client.get("/").await.status(), 200);
    let endless = b"GET / HTTP/1.1\r\nHost: a\r\nX-A: ".iter().copied().chain(std::iter::repeat(b'a'));
    let mut client = drip(client, endless).await;
    patiently("the end of the connection", client.rest()).await.unwrap();
}

#[tokio::test]
async fn a_body_that_stops_coming_is_answered_and_the_connection_ends() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = start(&format!("limits: {{body-timeout: 300ms}}\n{}", all_to(upstream.url()))).await;
    for framing in ["Content-Length: 10\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"] {
        let mut client = gateway.connect().await;
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}")).await;
        let answer = client.answer().await;
        assert_eq!((answer.status(), answer.header("connection").as_deref()), (408, Some("close")), "{framing:?}");
        client.closed().await;
    }
    assert_eq!(upstream.requests(), 0, "half a request is none");
}

#[tokio::test]
async fn a_body_that_comes_byte_by_byte_is_answered_and_the_connection_ends() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let limits = "limits: {body-timeout: 500ms, body-rate: 1KiB}\n";
    let gateway = start(&format!("{limits}{}", all_to(upstream.url()))).await;
    for (path, framing, body) in
        [("/length", "Content-Length: 9000", "a"), ("/chunks", "Transfer-Encoding: chunked", "1\r\na\r\n")]
    {
        let begin = Instant::now();
        let mut client = gateway.connect().await;
        client.send(format!("POST {path} HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n")).await;
        let mut client = drip(client, body.bytes().cycle()).await;
        patiently("the end of the connection", client.rest()).await.unwrap();
        assert!(begin.elapsed() >= Duration::from_millis(500), "it had its time");
        let line = gateway.access_line(|line| line["path"] == path).await;
        assert_eq!(line["fault_reason"], "request-too-slow");
    }
    assert_eq!(upstream.requests(), 0, "half a request is none");
}

#[tokio::test]
async fn over_http2_a_body_that_comes_byte_by_byte_is_answered_unless_it_is_of_grpc() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let limits = "limits: {body-timeout: 500ms, body-rate: 1KiB}\n";
    let gateway = start(&format!("{limits}{}", all_to(upstream.url()))).await;
    for (media_type, status) in [("text/plain", 408), ("application/grpc", 200)] {
        let mut client = Http2::tcp(gateway.web()).await;
        let (feed, body) = Reply::fed();
        let begin = Instant::now();
        let dripping = tokio::spawn(async move {
            while begin.elapsed() < Duration::from_secs(2) && feed.data("a").await {
                sleep(Duration::from_millis(20)).await;
            }
        });
        let request = client.request("POST", "/").header("content-type", media_type).body(body).unwrap();
        assert_eq!(client.ask(request).await.status(), status, "{media_type}");
        dripping.await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed_without_a_word() {
    let gateway = start(&format!("limits: {{idle-timeout: 200ms, header-timeout: 200ms}}\n{RESPOND}")).await;
    let mut silent = gateway.connect().await;
    silent.closed().await;
    let mut idle = gateway.connect().await;
    assert_eq!(idle.get("/").await.status(), 200);
    idle.closed().await;
    gateway.access_line(|line| line["status"] == 200).await;
    assert_eq!(gateway.access_log().lines().len(), 1, "nothing was asked on the other one");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_reset_and_not_left_to_the_kernel() {
    let large = Bytes::from(vec![b'x'; 32 * MIB]);
    let upstream = Upstream::answering(Speaks::Http1, move |_| {
        let large = large.clone();
        async move { Response::new(Reply::from(large)) }
    })
    .await;
    let gateway = start(&format!("limits: {{idle-timeout: 200ms}}\n{}", all_to(upstream.url()))).await;
    let mut client = gateway.connect().await;
    client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await;
    gateway.access_line(|line| line["path"] == "/large").await;
    // What the kernel holds is gone too: at most what had crossed over already is still read.
    let ended = patiently("the end of the connection", client.rest()).await;
    assert!(ended.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn connections_beyond_the_limit_are_refused_and_counted_until_places_become_free_again() {
    let gateway = start(&format!("limits: {{connections: 3}}\n{RESPOND}")).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut client = gateway.connect().await;
        assert_eq!(client.get("/").await.status(), 200);
        held.push(client);
    }
    for request in ["", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "", "half", ""] {
        let mut client = gateway.connect().await;
        let _ = client.try_send(request).await;
        let answer = client.answer().await;
        assert_eq!((answer.status(), answer.header("retry-after").as_deref()), (503, Some("1")));
        assert_eq!(answer.header("connection").as_deref(), Some("close"));
        assert_eq!(answer.json()["type"], "urn:gwanmun:fault:overloaded");
        let _ = client.rest().await;
    }
    refused(&gateway, 5.0).await;
    assert_eq!(gateway.event("connections-exceeded").await["limit"], 3);
    for client in &mut held {
        assert_eq!(client.get("/").await.status(), 200, "who is in stays in");
    }
    drop(held);
    eventually("a free place", async || is_served(gateway.web()).await.then_some(())).await;
}

/// Whether a new connection is.
async fn is_served(address: SocketAddr) -> bool {
    let mut client = Connection::tcp(address).await;
    let sent = client.try_send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = timeout(Duration::from_secs(2), client.try_answer("GET")).await;
    sent.is_ok() && answer.is_ok_and(|answer| answer.is_ok_and(|answer| answer.status() == 200))
}

/// Runs slowhttptest with 200 connections, unless `kind` says otherwise, for at most 15 s, and says why it ended.
async fn slowhttptest(kind: &'static [&'static str], address: SocketAddr) -> String {
    let run = tokio::task::spawn_blocking(move || {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "slowhttptest", "-c", "200", "-r", "200", "-l", "15"]).args(kind);
        command.arg("-u").arg(format!("http://{address}/attack"));
        command.output().expect("slowhttptest is installed")
    });
    let output = run.await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let status = text.lines().rev().find_map(|line| line.split_once("Exit status:"));
    let status = status.unwrap_or_else(|| panic!("no end in {text}")).1;
    // Colours.
    let pieces = status.split("\u{1b}[").map(|piece| piece.split_once('m').map_or(piece, |(_, rest)| rest));
    pieces.collect::<String>().trim().to_owned()
}

/// Asks again and again on new connections for so long. Returns how many answers there were.
async fn others_are_served(gateway: &Gateway, time: Duration) -> usize {
    let begin = Instant::now();
    let mut answers = 0;
    while begin.elapsed() < time {
        let answer = gateway.get("/genuine").await;
        assert_eq!(answer.status(), 200);
        answers += 1;
        sleep(Duration::from_millis(10)).await;
    }
    answers
}

/// Whether the kernel holds a connection at this port of ours, with what waits for the other side; those that have ended on
/// both sides do not count.
fn is_connected(address: SocketAddr) -> bool {
    const TIME_WAIT: &str = "06";
    const LISTEN: &str = "0A";
    let ours = format!(":{:04X}", address.port());
    let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
    sockets.lines().skip(1).any(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        words[1].ends_with(&ours) && words[3] != TIME_WAIT && words[3] != LISTEN
    })
}

/// Attacks a gateway with small limits, and checks what must hold under every slow attack. Returns why the attack ended.
async fn withstands(kind: &'static [&'static str], upstream: Upstream) -> String {
    let limits = "limits: {header-timeout: 3s, body-timeout: 1s, idle-timeout: 3s}\n";
    let gateway = start(&format!("{limits}{}", all_to(upstream.url()))).await;
    assert_eq!(gateway.get("/genuine").await.status(), 200);
    let before = gateway.peak_memory();

    let attack = tokio::spawn(slowhttptest(kind, gateway.web()));
    // Longer than any of the limits.
    let answers = others_are_served(&gateway, Duration::from_secs(5)).await;
    // How many depends on how busy the machine is; that every one came has been seen.
    assert!(answers > 2, "{answers} answers to others");
    let growth = gateway.peak_memory() - before;
    assert!(growth < 200 * 256 * 1024, "{growth} bytes for 200 attackers");
    let in_flight = r#"gwanmun_in_flight{listener="web"}"#;
    eventually("nothing to be left of them", async || {
        (gateway.metric(in_flight).await? == 0.0 && !is_connected(gateway.web())).then_some(())
    })
    .await;
    let lasted = !attack.is_finished();
    let ended = attack.await.unwrap();
    assert!(lasted || ended == CUT_OFF, "{ended}: it was not the gateway that ended the attack");
    ended
}

/// Why slowhttptest ends if nobody lets it attack to its end.
const CUT_OFF: &str = "No open connections left";

#[tokio::test]
#[ignore = "takes seconds and slowhttptest: cargo xtask test --full"]
async fn slow_headers_are_withstood() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    assert_eq!(withstands(&["-H", "-i", "1"], upstream).await, CUT_OFF);
}

#[tokio::test]
#[ignore = "takes seconds and slowhttptest: cargo xtask test --full"]
async fn slow_bodies_are_withstood() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    assert_eq!(withstands(&["-B", "-i", "3", "-s", "1000000"], upstream).await, CUT_OFF);
}

#[tokio::test]
#[ignore = "takes seconds and slowhttptest: cargo xtask test --full"]
async fn slow_readers_are_withstood() {
    let large = Bytes::from(vec![b'x'; 8 * MIB]);
    let upstream = Upstream::answering(Speaks::Http1, move |request| {
        let body = if request.uri().path() == "/attack" { large.clone() } else { Bytes::from("genuine") };
        async move { Response::new(Reply::from(body)) }
    })
    .await;
    // A slow reader of slowhttptest does not notice that it has been cut off.
    withstands(&["-X", "-c", "50", "-w", "512", "-y", "1024", "-n", "1", "-z", "32"], upstream).await;
}

#[tokio::test]
#[ignore = "takes seconds and slowhttptest: cargo xtask test --full"]
async fn many_ranges_are_withstood() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    assert_eq!(withstands(&["-R", "-a", "1", "-b", "3000", "-t", "GET"], upstream).await, CUT_OFF);
}

#[tokio::test]
#[ignore = "takes seconds and slowhttptest: cargo xtask test --full"]
async fn slow_clients_beyond_the_limit_of_connections_take_nobodys_place_for_long() {
    let limits = "limits: {connections: 50, header-timeout: 1s}\n";
    let gateway = start(&format!("{limits}{RESPOND}")).await;
    let address = gateway.web();
    let attack = tokio::spawn(async move { slowhttptest(&["-H", "-i", "1"], address).await });
    gateway.event("connections-exceeded").await;
    let series = r#"gwanmun_connections_refused_total{listener="web",reason="connections"}"#;
    assert!(gateway.metric(series).await.unwrap() > 0.0);
    // The places come free when the time for a head is over.
    eventually("a place", async || is_served(address).await.then_some(())).await;
    assert_eq!(attack.await.unwrap(), CUT_OFF);
}
