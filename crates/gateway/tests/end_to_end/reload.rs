//! Another configuration while the gateway runs: routes, listeners and certificates that come and go, mistakes that change
//! nothing, and clients that notice nothing of it.

use std::net::SocketAddr;

use gwanmun_testkit::{Authority, Connection, Gateway, Http2, Identity, Reply, Script, Speaks, Upstream, eventually};
use http::Response;
use tokio::sync::{mpsc, oneshot};

use crate::{all_to, all_to_service, refuses, setup, start};

const HANDSHAKE: &str = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n";

/// One route that answers with `body`.
fn saying(body: &str) -> String {
    format!("routes: [{{id: a, filters: [respond: {{body: {body}}}]}}]\n")
}

/// Listeners by name, each on a port of its own.
fn listeners(names: &[&str]) -> String {
    names
        .iter()
        .fold("listeners:\n".to_owned(), |text, name| text + &format!("  - {{name: {name}, address: 127.0.0.1:0}}\n"))
}

/// An upstream that echoes four bytes at a time after an upgrade.
async fn echo() -> Script {
    Script::play(|mut connection, _| async move {
        connection.head().await.unwrap();
        connection.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n").await;
        while let Ok(bytes) = connection.exactly(4).await {
            connection.send(bytes).await;
        }
    })
    .await
}

/// A tunnel through the gateway.
async fn tunnel(address: SocketAddr) -> Connection {
    let mut client = Connection::tcp(address).await;
    client.send(HANDSHAKE).await;
    assert_eq!(client.answer().await.status(), 101);
    client
}

async fn is_echoed(client: &mut Connection, text: &str) {
    client.send(text).await;
    assert_eq!(client.exactly(4).await.unwrap(), text);
}

async fn failures(gateway: &Gateway, count: usize) {
    eventually("the failure", async || (gateway.count("reload-failed") == count).then_some(())).await;
}

#[tokio::test]
async fn a_new_configuration_changes_a_route_under_a_kept_connection() {
    let gateway = start(&saying("old")).await;
    let mut client = gateway.connect().await;
    let mut http2 = Http2::tcp(gateway.web()).await;
    assert_eq!((client.get("/").await.text(), http2.get("/").await.text()), ("old".to_owned(), "old".to_owned()));
    gateway.reconfigure(&saying("new")).await;
    assert_eq!((client.get("/").await.text(), http2.get("/").await.text()), ("new".to_owned(), "new".to_owned()));
    assert_eq!(gateway.metric(r#"gwanmun_config_reloads_total{result="success"}"#).await, Some(1.0));
    assert!(gateway.page("/config").await.text().contains("new"));
}

#[tokio::test]
async fn a_hangup_reads_the_files_again_also_where_nothing_has_changed() {
    let gateway = start(&saying("a")).await;
    gateway.signal("HUP");
    assert_eq!(gateway.event("reloaded").await["cause"], "Signal");
    assert_eq!(gateway.get("/").await.text(), "a");
}

#[tokio::test]
async fn a_request_ends_under_the_configuration_it_began_under() {
    let (sender, mut requests) = mpsc::channel(4);
    let upstream = Upstream::answering(Speaks::Http1, move |_| {
        let sender = sender.clone();
        async move {
            let (answer, may_answer) = oneshot::channel::<()>();
            sender.send(answer).await.unwrap();
            let _ = may_answer.await;
            Response::new(Reply::from("in the end"))
        }
    })
    .await;
    let header = "default-filters: [set-response-header: {name: X-Plan, value: old}]\n";
    let gateway = start(&format!("{header}{}", all_to(upstream.url()))).await;
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = requests.recv().await.unwrap();
    gateway.reconfigure("routes: []\n").await;
    assert_eq!(gateway.get("/").await.status(), 404);
    answer.send(()).unwrap();
    let received = client.answer().await;
    assert_eq!((received.status(), received.header("x-plan").as_deref()), (200, Some("old")));
    assert_eq!(client.get("/").await.status(), 404);
}

#[tokio::test]
async fn a_configuration_with_a_mistake_changes_nothing_and_says_so_once() {
    let gateway = start(&saying("old")).await;
    let mut client = gateway.connect().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (web, taken) = (gateway.web(), taken.local_addr().unwrap());
    let health = async || gateway.page("/health").await.json();
    let configuration = |health: &serde_json::Value| health["components"]["configuration"].clone();
    assert_eq!(configuration(&health().await)["status"], "UP");
    for (number, (mistake, told)) in [
        ("routes: [{id: a, filtres: []}]\n".to_owned(), "filtres".to_owned()),
        ("routes: [\n".to_owned(), "routes: [".to_owned()),
        ("listeners: []\nroutes: []\n".to_owned(), "no listeners".to_owned()),
        // The first can be bound, and is let go of again.
        (
            format!("listeners: [{{address: '127.0.0.1:0'}}, {{name: b, address: '{taken}'}}]\nroutes: []\n"),
            format!("listener b at {taken} cannot be bound"),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        gateway.rewrite(&mistake);
        failures(&gateway, number + 1).await;
        assert!(gateway.log().text().contains(&told), "{}", gateway.log().text());
        // Written again, it is the same.
        gateway.rewrite(&mistake);
        assert_eq!(client.get("/").await.text(), "old");
        assert_eq!(gateway.metric("gwanmun_config_last_reload_successful").await, Some(0.0));
        let health = health().await;
        assert_eq!(
            (health["status"].as_str(), configuration(&health)["status"].as_str()),
            (Some("UP"), Some("UNKNOWN"))
        );
    }
    assert!(health().await.to_string().contains("cannot be bound"));
    assert_eq!(gateway.page("/health/readiness").await.status(), 200);
    assert!(gateway.page("/config").await.text().contains("old"));
    gateway.reconfigure(&saying("new")).await;
    assert_eq!(client.get("/").await.text(), "new");
    assert_eq!(gateway.metric(r#"gwanmun_config_reloads_total{result="failure"}"#).await, Some(4.0));
    assert_eq!(gateway.metric("gwanmun_config_last_reload_successful").await, Some(1.0));
    assert_eq!(configuration(&health().await)["status"], "UP");
    assert_eq!(gateway.web(), web);
}

#[tokio::test]
async fn files_that_the_configuration_names_are_watched_too() {
    let gateway = setup().with_file("greeting", "hello\n").start(&saying("'${file:greeting}'")).await;
    assert_eq!(gateway.get("/").await.text(), "hello");
    std::fs::write(gateway.folder().join("greeting"), "good day\n").unwrap();
    assert_eq!(gateway.event("reloaded").await["cause"], "Files");
    assert_eq!(gateway.get("/").await.text(), "good day");
}

#[tokio::test]
async fn listeners_come_and_go_and_the_others_stay() {
    let routes = saying("a");
    let gateway = start(&format!("{}{routes}", listeners(&["web", "b"]))).await;
    let (web, b) = (gateway.web(), gateway.address("b"));
    let mut client = gateway.connect().await;
    let (mut of_b, mut streams_of_b) = (Connection::tcp(b).await, Http2::tcp(b).await);
    assert_eq!((of_b.get("/").await.status(), streams_of_b.get("/").await.status()), (200, 200));

    gateway.reconfigure(&format!("{}{routes}", listeners(&["c", "web"]))).await;
    let c = gateway.address("c");
    assert_eq!(Connection::tcp(c).await.get("/").await.text(), "a");
    assert_eq!((client.get("/").await.text(), gateway.web()), ("a".to_owned(), web));
    // A request that is on its way already has its answer, and is the last.
    let last = of_b.get("/").await;
    assert_eq!((last.status(), last.header("connection").as_deref()), (200, Some("close")));
    of_b.closed().await;
    refuses(b).await;
    eventually("streams to be turned away", async || {
        let request = streams_of_b.request("GET", "/").body(Reply::empty()).unwrap();
        streams_of_b.try_ask(request).await.is_err().then_some(())
    })
    .await;
    let line = gateway.access_line(|line| line["listener"] == "c").await;
    assert_eq!(line["status"], 200);
    assert_eq!(gateway.metric(r#"gwanmun_in_flight{listener="c"}"#).await, Some(0.0));

    gateway.reconfigure(&format!("{}{routes}", listeners(&["web", "b"]))).await;
    assert_ne!(gateway.address("b"), b);
    assert_eq!(Connection::tcp(gateway.address("b")).await.get("/").await.text(), "a");
    refuses(c).await;
}

#[tokio::test]
async fn a_connection_of_a_removed_listener_that_says_nothing_is_closed() {
    let gateway = start(&format!("{}{}", listeners(&["web", "b"]), saying("a"))).await;
    let (mut idle, mut silent) =
        (Connection::tcp(gateway.address("b")).await, Connection::tcp(gateway.address("b")).await);
    assert_eq!(idle.get("/").await.status(), 200);
    gateway.reconfigure(&format!("{}{}", listeners(&["web"]), saying("a"))).await;
    idle.closed().await;
    silent.closed().await;
    assert_eq!(gateway.count("listener-removed"), 1);
}

#[tokio::test]
async fn tunnels_of_a_removed_listener_go_on() {
    let upstream = echo().await;
    let gateway = start(&format!("{}{}", listeners(&["web", "b"]), all_to(&upstream.url()))).await;
    let b = gateway.address("b");
    let mut client = tunnel(b).await;
    gateway.reconfigure(&format!("{}{}", listeners(&["web"]), all_to(&upstream.url()))).await;
    refuses(b).await;
    is_echoed(&mut client, "more").await;
    gateway.reconfigure(&format!("{}{}", listeners(&["web", "c"]), all_to(&upstream.url()))).await;
    is_echoed(&mut client, "yet ").await;
    assert_eq!(gateway.metric(r#"gwanmun_in_flight{listener="b"}"#).await, Some(1.0), "its number is still its own");
    assert_eq!(gateway.metric(r#"gwanmun_in_flight{listener="c"}"#).await, Some(0.0));
}

#[tokio::test]
async fn a_listener_may_change_what_it_is() {
    let authority = Authority::new();
    let edge = authority.issue(&["edge.test"]);
    let at = |address: SocketAddr, settings: &str| {
        format!("listeners: [{{name: web, address: '{address}'{settings}}}]\n{}", saying("a"))
    };
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gateway =
        setup().with_file("edge.pem", edge.pem()).with_file("edge.key", edge.key()).start(&at(free, "")).await;
    let mut plain = gateway.connect().await;
    assert_eq!(plain.get("/").await.status(), 200);
    gateway.reconfigure(&at(free, ", tls: {certificates: [{certificate: edge.pem, key: edge.key}]}")).await;
    assert_eq!(plain.get("/").await.status(), 200, "what was accepted goes on as it is");
    assert_eq!(Connection::tls(free, "edge.test", &authority, &[]).await.unwrap().get("/").await.status(), 200);
    gateway.reconfigure(&at(free, ", limits: {connections: 3}")).await;
    let mut third = gateway.connect().await;
    assert_eq!(third.get("/").await.status(), 200);
    let refused = r#"gwanmun_connections_refused_total{listener="web",reason="connections"}"#;
    assert_eq!(gateway.metric(refused).await, Some(0.0));
    gateway.reconfigure(&at(free, ", limits: {connections: 2}")).await;
    assert_eq!(gateway.connect().await.answer().await.status(), 503);
    assert_eq!(gateway.metric(refused).await, Some(1.0));
    assert_eq!((plain.get("/").await.status(), third.get("/").await.status()), (200, 200));
    // Another name at the same address is still the same door.
    gateway.reconfigure(&at(free, "").replace("web", "door")).await;
    assert_eq!(plain.get("/").await.status(), 200);
    assert_eq!(Connection::tcp(free).await.get("/").await.status(), 200);
    assert_eq!(gateway.access_line(|line| line["listener"] == "door").await["status"], 200);
    // From one interface to all of them, on the same port.
    let everywhere = SocketAddr::from(([0, 0, 0, 0], free.port()));
    gateway.reconfigure(&at(everywhere, "")).await;
    assert_eq!(Connection::tcp(free).await.get("/").await.status(), 200);
}

#[tokio::test]
async fn a_unix_socket_comes_and_goes() {
    let gateway = start(&format!("{}{}", listeners(&["web"]), saying("a"))).await;
    let path = gateway.folder().join("door.sock");
    let with_door =
        format!("{}  - {{name: door, address: 'unix:{}'}}\n{}", listeners(&["web"]), path.display(), saying("a"));
    for _ in 0..2 {
        gateway.reconfigure(&with_door).await;
        assert_eq!(Connection::unix(&path).await.get("/").await.text(), "a");
        gateway.reconfigure(&format!("{}{}", listeners(&["web"]), saying("a"))).await;
        assert!(!path.exists());
    }
}

/// A gateway at `edge` with a certificate in `edge.pem`.
async fn edge(identity: &Identity) -> Gateway {
    let configuration = "listeners: [{name: edge, address: 127.0.0.1:0, tls: {certificates: [{certificate: edge.pem, key: edge.key}]}}]\n";
    let setup = setup().with_file("edge.pem", identity.pem()).with_file("edge.key", identity.key());
    setup.start(&format!("{configuration}{}", saying("a"))).await
}

fn install(identity: &Identity, gateway: &Gateway) {
    for (name, text) in [("edge.pem", identity.pem()), ("edge.key", identity.key())] {
        let draft = gateway.folder().join("draft");
        std::fs::write(&draft, text).unwrap();
        std::fs::rename(draft, gateway.folder().join(name)).unwrap();
    }
}

#[tokio::test]
async fn new_connections_get_a_new_certificate_and_old_ones_go_on() {
    let authority = Authority::new();
    let gateway = edge(&authority.issue(&["old.test"])).await;
    let edge = gateway.address("edge");
    let mut kept = Connection::tls(edge, "old.test", &authority, &[]).await.unwrap();
    install(&authority.issue(&["new.test"]), &gateway);
    gateway.event("reloaded").await;
    assert_eq!(Connection::tls(edge, "new.test", &authority, &[]).await.unwrap().get("/").await.text(), "a");
    assert!(Connection::tls(edge, "old.test", &authority, &[]).await.is_err());
    assert_eq!(kept.get("/").await.text(), "a");
    // One half of a pair is a mistake, and the other half mends it.
    let next = authority.issue(&["next.test"]);
    std::fs::write(gateway.folder().join("edge.key"), next.key()).unwrap();
    gateway.event("reload-failed").await;
    assert_eq!(Connection::tls(edge, "new.test", &authority, &[]).await.unwrap().get("/").await.text(), "a");
    std::fs::write(gateway.folder().join("edge.pem"), next.pem()).unwrap();
    eventually("the pair", async || Connection::tls(edge, "next.test", &authority, &[]).await.ok()).await;
}

#[tokio::test]
async fn session_tickets_stay_good_unless_other_clients_are_let_in() {
    let authority = Authority::new();
    let gateway = edge(&authority.issue(&["old.test"])).await;
    let port = gateway.address("edge").port();
    let at = |settings: &str| {
        format!(
            "listeners: [{{name: edge, address: '127.0.0.1:0', tls: {{certificates: [{{certificate: edge.pem, key: edge.key}}]{settings}}}}}]\n{}",
            saying("a")
        )
    };
    std::fs::write(gateway.folder().join("ca.pem"), authority.pem()).unwrap();
    assert_eq!(shake(&gateway, port, "-sess_out session.pem").await, "New");
    assert_eq!(shake(&gateway, port, "-sess_in session.pem").await, "Reused");
    install(&authority.issue(&["new.test"]), &gateway);
    gateway.event("reloaded").await;
    assert_eq!(shake(&gateway, port, "-sess_in session.pem").await, "Reused");
    gateway.reconfigure(&at(", client-ca: ca.pem, client-auth: optional")).await;
    assert_eq!(shake(&gateway, port, "-sess_in session.pem").await, "New");
}

/// One request by OpenSSL's client: whether it began a `New` session or `Reused` one.
async fn shake(gateway: &Gateway, port: u16, session: &str) -> String {
    let request = r"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let line = format!(
        "printf '{request}' | openssl s_client -connect 127.0.0.1:{port} -servername a.test -ign_eof {session}"
    );
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &line]).current_dir(gateway.folder());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(printed.contains("HTTP/1.1 200 OK"), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    let kind = |line: &str| Some(line.split_once(", TLSv1.3, Cipher")?.0.to_owned());
    printed.lines().find_map(kind).unwrap_or_else(|| panic!("{printed}"))
}

#[tokio::test]
async fn connections_to_an_upstream_that_stays_the_same_are_kept_and_others_are_closed() {
    let (same, other) = (Upstream::recording(Speaks::Http1).await, Upstream::recording(Speaks::Http1).await);
    let configuration = |settings: &str| {
        format!(
            "workers: 1\nupstreams:\n  same: {{endpoints: '{}'}}\n  other: {{endpoints: '{}'{settings}}}\nroutes:\n  - {{id: s, \
             predicates: [path: /same], upstream: same}}\n  - {{id: o, upstream: other}}\n",
            same.url(),
            other.url()
        )
    };
    let gateway = start(&configuration("")).await;
    let mut client = gateway.connect().await;
    let idle = async |upstream: &str| {
        gateway.metric(&format!(r#"gwanmun_upstream_connections{{upstream="{upstream}",state="idle"}}"#)).await
    };
    for target in ["/same", "/other"] {
        assert_eq!(client.get(target).await.status(), 200);
    }
    assert_eq!((idle("same").await, idle("other").await), (Some(1.0), Some(1.0)));
    // A moved line is no change.
    gateway.reconfigure(&format!("# changed\n{}", configuration(", keep-alive: 61s"))).await;
    eventually("the old connection to be closed", async || (idle("other").await != Some(1.0)).then_some(())).await;
    for target in ["/same", "/other"] {
        assert_eq!(client.get(target).await.status(), 200);
    }
    assert_eq!((same.connections(), other.connections()), (1, 2));
    assert_eq!((idle("same").await, idle("other").await), (Some(1.0), Some(1.0)));
}

#[tokio::test]
async fn what_needs_a_restart_is_named_and_the_rest_is_taken_over() {
    let gateway = start(&format!("workers: 1\n{}", saying("old"))).await;
    let settings = "workers: 2\ntelemetry: {access-log: off, logs: {level: debug}}\ndrain: {delay: 50s}\n";
    gateway.reconfigure(&format!("{settings}{}", saying("new"))).await;
    assert_eq!(gateway.event("restart-needed").await["keys"], "workers, telemetry.access-log");
    assert_eq!(gateway.get("/").await.text(), "new");
    let mut hasty = Connection::tcp(gateway.address("management")).await;
    hasty.send("GET / HT").await;
    drop(hasty);
    gateway.log().line(|line| line["level"] == "debug").await;
    gateway.signal("TERM");
    assert_eq!(gateway.event("draining").await["delay_ms"], 50_000);
    gateway.signal("TERM");
    assert_eq!(gateway.ended().await, 0);
}

#[tokio::test]
async fn no_request_fails_while_configurations_come_and_go() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = start(&all_to_service(upstream.url(), "keep-alive: 1s")).await;
    let mut client = gateway.connect().await;
    for number in 0..10 {
        gateway.rewrite(&all_to_service(upstream.url(), &format!("keep-alive: {}s", number + 2)));
        gateway.signal("HUP");
        for _ in 0..10 {
            assert_eq!(client.get("/").await.status(), 200);
            assert_eq!(gateway.get("/").await.status(), 200);
        }
    }
}
