//! From starting to stopping: what keeps it from starting, and an end that cuts nobody off.

use std::time::Duration;

use gwanmun_testkit::{Http2, Reply, Script, Speaks, Upstream};
use http::Response;
use tokio::sync::mpsc;

use crate::{all_to, refuses, setup, start};

/// Answers when it is told to; the receiver gets each request's permit to answer.
async fn slow(speaks: Speaks) -> (Upstream, mpsc::Receiver<tokio::sync::oneshot::Sender<()>>) {
    let (sender, receiver) = mpsc::channel(4);
    let upstream = Upstream::answering(speaks, move |_| {
        let sender = sender.clone();
        async move {
            let (answer, may_answer) = tokio::sync::oneshot::channel();
            sender.send(answer).await.unwrap();
            let _ = may_answer.await;
            Response::new(Reply::from("in the end"))
        }
    })
    .await;
    (upstream, receiver)
}

#[tokio::test]
async fn a_running_request_is_finished_before_the_end() {
    let (upstream, mut requests) = slow(Speaks::Http1).await;
    let gateway = start(&all_to(upstream.url())).await;
    let (mut client, mut idle) = (gateway.connect().await, gateway.connect().await);
    idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    requests.recv().await.unwrap().send(()).unwrap();
    assert_eq!(idle.answer().await.status(), 200);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = requests.recv().await.unwrap();

    gateway.signal("TERM");
    refuses(gateway.web()).await;
    idle.closed().await;
    answer.send(()).unwrap();
    let received = client.answer().await;
    assert_eq!((received.status(), received.text().as_str()), (200, "in the end"));
    assert_eq!(received.header("connection").as_deref(), Some("close"));
    client.closed().await;
    // The gateway would wait a little for that.
    drop(client);
    let (log, access_log) = (gateway.log().clone(), gateway.access_log().clone());
    assert_eq!(gateway.ended().await, 0);
    assert_eq!(access_log.lines().len(), 2, "the log is complete at the end");
    assert!(log.lines().iter().any(|line| line["event"] == "stopped"));
}

#[tokio::test]
async fn running_streams_are_finished_before_the_end() {
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let (upstream, mut requests) = slow(speaks).await;
        let gateway = start(&all_to(upstream.url())).await;
        let client = Http2::tcp(gateway.web()).await;
        let mut asking = client.clone();
        let asked = tokio::spawn(async move { asking.get("/").await });
        let answer = requests.recv().await.unwrap();
        gateway.signal("TERM");
        refuses(gateway.web()).await;
        answer.send(()).unwrap();
        assert_eq!(asked.await.unwrap().text(), "in the end");
        assert_eq!(gateway.ended().await, 0);
    }
}

#[tokio::test]
async fn an_upgraded_connection_lives_on_while_the_gateway_drains() {
    let upstream = Script::play(|mut connection, _| async move {
        connection.head().await.unwrap();
        connection.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n").await;
        while let Ok(bytes) = connection.exactly(4).await {
            connection.send(bytes).await;
        }
    })
    .await;
    let gateway = start(&all_to(&upstream.url())).await;
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n").await;
    assert_eq!(client.answer().await.status(), 101);
    gateway.signal("TERM");
    refuses(gateway.web()).await;
    client.send("more").await;
    assert_eq!(client.exactly(4).await.unwrap(), "more");
    client.finish().await;
    client.closed().await;
    let access_log = gateway.access_log().clone();
    assert_eq!(gateway.ended().await, 0);
    assert_eq!(access_log.lines()[0]["bytes_out"], 4);
}

#[tokio::test]
async fn what_takes_longer_than_the_drain_is_cut() {
    let (upstream, mut requests) = slow(Speaks::Http1).await;
    let gateway = start(&format!("drain: {{timeout: 200ms}}\n{}", all_to(upstream.url()))).await;
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let _answer = requests.recv().await.unwrap();
    gateway.signal("TERM");
    client.closed().await;
    let (log, access_log) = (gateway.log().clone(), gateway.access_log().clone());
    assert_eq!(gateway.ended().await, 0);
    assert!(log.lines().iter().any(|line| line["event"] == "drain-timeout"), "{}", log.text());
    assert!(!log.lines().iter().any(|line| line["level"] == "error"), "{}", log.text());
    assert_eq!(access_log.lines().len(), 1, "what was cut is recorded too");
}

#[tokio::test]
async fn before_the_drain_the_platform_has_time_to_notice() {
    let gateway = start("drain: {delay: 60s}\nroutes: [{id: a, filters: [respond: {body: a}]}]\n").await;
    assert_eq!(gateway.page("/health/readiness").await.status(), 200);
    gateway.signal("TERM");
    gateway.event("draining").await;
    let readiness = gateway.page("/health/readiness").await;
    assert_eq!((readiness.status(), readiness.json()["status"].as_str()), (503, Some("OUT_OF_SERVICE")));
    assert_eq!(gateway.page("/health/liveness").await.status(), 200);
    assert_eq!(gateway.get("/").await.text(), "a", "requests are still served");
    gateway.signal("TERM");
    assert_eq!(gateway.ended().await, 0, "a second signal is impatience");
}

#[tokio::test]
async fn a_second_signal_cuts_what_still_runs() {
    for (settings, waits) in [("drain: {delay: 60s, timeout: 60s}", "delay"), ("drain: {timeout: 60s}", "drain")] {
        let (upstream, mut requests) = slow(Speaks::Http1).await;
        let gateway = start(&format!("{settings}\n{}", all_to(upstream.url()))).await;
        let mut client = gateway.connect().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let _answer = requests.recv().await.unwrap();
        gateway.signal("TERM");
        gateway.event("draining").await;
        if waits == "drain" {
            refuses(gateway.web()).await;
        }
        gateway.signal("TERM");
        client.closed().await;
        assert_eq!(gateway.ended().await, 0, "{waits}");
    }
}

#[tokio::test]
async fn an_interrupt_is_as_good_as_a_termination() {
    let gateway = start("routes: [{id: a, filters: [respond: {body: a}]}]\n").await;
    gateway.signal("INT");
    assert_eq!(gateway.ended().await, 0);
}

#[tokio::test]
async fn a_taken_port_is_no_mistake_of_the_configuration() {
    let gateway = start("routes: []\n").await;
    let (web, management) = (gateway.web(), gateway.address("management"));
    for (configuration, told) in [
        (format!("listeners: [{{address: '{web}'}}]\n"), format!("{web} cannot be bound")),
        (format!("listeners: [{{name: w, address: '{web}'}}]\n"), format!("listener w at {web} cannot be bound")),
        (format!("management: {{address: '{management}'}}\n"), format!("{management} cannot be bound")),
        (
            "listeners: [{address: 'unix:/no/such/folder/door.sock'}]\n".to_owned(),
            "unix:/no/such/folder/door.sock cannot be bound".to_owned(),
        ),
        (
            "telemetry: {access-log: /no/such/folder/access.log}\n".to_owned(),
            "the access log '/no/such/folder/access.log' cannot be opened".to_owned(),
        ),
    ] {
        let refusal = setup().try_start(&configuration).await.err().expect("it cannot start");
        assert_eq!(refusal.code, 3, "{}", refusal.text);
        assert!(refusal.text.contains(&told), "{}", refusal.text);
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_at_fault_itself() {
    for (configuration, told) in [
        ("routes: [{id: a, filters: [respond: {body: '${file:absent}'}]}]\n", "absent"),
        (
            "listeners: [{address: 127.0.0.1:0, tls: {certificates: [{certificate: absent.pem, key: absent.key}]}}]\n",
            "absent.pem",
        ),
        ("listeners: []\n", "no listeners"),
        ("rotues: []\n", "routes"),
    ] {
        let refusal = setup().try_start(configuration).await.err().expect("it cannot start");
        assert_eq!(refusal.code, 1, "{}", refusal.text);
        assert!(refusal.text.contains(told), "{}", refusal.text);
    }
    let output =
        std::process::Command::new(env!("CARGO_BIN_EXE_gwanmun")).args(["run", "/no/such/file.yaml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/no/such/file.yaml"));
}

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let gateway = start("limits: {header-timeout: 200ms}\nroutes: [{id: a, filters: [respond: {body: a}]}]\n").await;
    for beginning in ["", "PRI * HT", "GET / HTTP/1.1\r\nHo"] {
        let mut client = gateway.connect().await;
        client.send(beginning).await;
        let said = tokio::time::timeout(Duration::from_secs(10), client.rest())
            .await
            .expect("it is closed")
            .unwrap_or_default();
        assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 408 "), "{beginning:?}: {said:?}");
    }
}

#[tokio::test]
async fn as_many_files_are_opened_as_the_system_allows_and_too_few_are_told() {
    const ROUTES: &str = "routes: [{id: a, filters: [respond: {body: a}]}]\n";
    let gateway = setup().with_open_files(64, 1000).start(&format!("limits: {{connections: 450}}\n{ROUTES}")).await;
    assert_eq!(gateway.event("ready").await["open_files"], 1000);
    assert!(!gateway.log().text().contains("open-files-short"));
    gateway.reconfigure(&format!("limits: {{connections: 451}}\n{ROUTES}")).await;
    let told = gateway.event("open-files-short").await;
    assert_eq!((&told["limit"], &told["wanted"]), (&1000.into(), &1002.into()));
}
