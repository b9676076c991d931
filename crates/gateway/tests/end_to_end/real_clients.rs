//! Clients and servers of other makes, which have their own idea of the standards. What has to be installed first is for
//! the full tier.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use gwanmun_testkit::{Authority, Gateway, Log, Reply, Script, Speaks, Upstream, patiently, python_with};
use http::Response;
use tokio::sync::mpsc;

use crate::{all_to, setup, start};

/// Runs a command to its end, while this test's own services go on.
async fn run(mut command: Command) -> Output {
    let line = format!("{command:?}");
    let output = patiently(&line, tokio::task::spawn_blocking(move || command.output())).await.unwrap();
    output.unwrap_or_else(|error| panic!("{line}: {error}"))
}

/// What curl prints, which must end well.
async fn curl(arguments: &[&str]) -> String {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--fail", "--max-time", "10", "--noproxy", "*"]).args(arguments);
    let output = run(command).await;
    let (printed, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "curl {arguments:?}: {complaint}");
    printed.into_owned()
}

/// A gateway with a certificate for `localhost`, a cleartext listener and a TLS one.
async fn both_doors(authority: &Authority, url: &str) -> Gateway {
    let edge = authority.issue(&["localhost"]);
    setup()
        .with_file("ca.pem", authority.pem())
        .with_file("edge.pem", edge.pem())
        .with_file("edge.key", edge.key())
        .start(&format!(
            "listeners:\n  - {{name: web, address: 127.0.0.1:0}}\n  - {{name: edge, address: 127.0.0.1:0, tls: {{certificates: [{{certificate: edge.pem, key: edge.key}}]}}}}\n{}",
            all_to(url)
        ))
        .await
}

#[tokio::test]
async fn curl_speaks_every_version_of_http() {
    let (authority, upstream) = (Authority::new(), Upstream::echoing(Speaks::Http1).await);
    let gateway = both_doors(&authority, upstream.url()).await;
    let ca = gateway.folder().join("ca.pem");
    let (web, edge) =
        (format!("http://{}/", gateway.web()), format!("https://localhost:{}/", gateway.address("edge").port()));
    let tls = ["--cacert", ca.to_str().unwrap(), "--ipv4", &edge];
    let told = ["--data", "body", "--write-out", " over %{http_version}"];
    for (version, options) in [
        ("1.1", vec!["--http1.1", &web]),
        ("2", vec!["--http2-prior-knowledge", &web]),
        ("1.1", [&["--http1.1"], &tls[..]].concat()),
        ("2", [&["--http2"], &tls[..]].concat()),
    ] {
        let printed = curl(&[&told[..], &options].concat()).await;
        assert_eq!(printed, format!("body over {version}"), "{options:?}");
    }
    // An upgrade to HTTP/2 on cleartext is offered and not taken.
    assert_eq!(curl(&[&told[..], &["--http2", &web]].concat()).await, "body over 1.1");
    assert_eq!(curl(&["--http1.0", "--data", "body", &web]).await, "body");
}

#[tokio::test]
async fn curl_uploads_a_large_file_and_gets_it_back() {
    let upstream = Upstream::echoing(Speaks::Http1).await;
    let gateway = start(&all_to(upstream.url())).await;
    let (sent, received) = (gateway.folder().join("sent"), gateway.folder().join("received"));
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|at| (at / 251 + at % 251) as u8).collect();
    std::fs::write(&sent, &bytes).unwrap();
    let (data, web) = (format!("@{}", sent.display()), format!("http://{}/", gateway.web()));
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        curl(&[version, "--data-binary", &data, "--output", received.to_str().unwrap(), &web]).await;
        assert!(std::fs::read(&received).unwrap() == bytes, "{version}");
        curl(&[
            version,
            "--header",
            "Transfer-Encoding: chunked",
            "--upload-file",
            sent.to_str().unwrap(),
            "--output",
            received.to_str().unwrap(),
            &web,
        ])
        .await;
        assert!(std::fs::read(&received).unwrap() == bytes, "{version}, in chunks");
    }
}

#[tokio::test]
async fn curl_sees_events_as_they_are_sent() {
    let (feeds, mut fed) = mpsc::channel(1);
    let upstream = Upstream::answering(Speaks::Http1, move |_| {
        let feeds = feeds.clone();
        async move {
            let (feed, body) = Reply::fed();
            feeds.send(feed).await.unwrap();
            Response::builder().header("content-type", "text/event-stream").body(body).unwrap()
        }
    })
    .await;
    let gateway = start(&all_to(upstream.url())).await;
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let mut command = Command::new("curl");
        command
            .args(["--silent", "--no-buffer", "--max-time", "10", "--noproxy", "*", version])
            .arg(format!("http://{}/", gateway.web()));
        let mut running = Running::start(command);
        let feed = fed.recv().await.unwrap();
        for event in ["data: first", "data: second"] {
            feed.data(format!("{event}\n\n")).await;
            running.printed.line(|line| line == event).await;
        }
        drop(feed);
        assert!(running.ended().await, "{version}");
    }
}

#[tokio::test]
async fn h2load_sees_no_request_fail() {
    let authority = Authority::new();
    let upstream = Upstream::answering(Speaks::Http1, |_| async { Response::new(Reply::from("hello")) }).await;
    let gateway = both_doors(&authority, upstream.url()).await;
    let (web, edge) = (format!("http://{}/", gateway.web()), format!("https://{}/", gateway.address("edge")));
    for arguments in [&["--h1", &web][..], &["-m", "10", &web], &["-m", "10", &edge]] {
        let mut command = Command::new("h2load");
        command.args(["-n", "2000", "-c", "20"]).args(arguments);
        let output = run(command).await;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(printed.contains("2000 succeeded, 0 failed, 0 errored, 0 timeout"), "{arguments:?}: {printed}");
        assert!(printed.contains("2000 2xx, 0 3xx, 0 4xx, 0 5xx"), "{arguments:?}: {printed}");
    }
    // At most one per request that was under way at the same time: 20, 200, 200.
    assert!(upstream.connections() <= 420, "connections are used again: {}", upstream.connections());
    let series = r#"gwanmun_requests_total{route="all",upstream="URL",status="200"}"#.replace("URL", upstream.url());
    assert_eq!(gateway.metric(&series).await, Some(6000.0));
}

#[tokio::test]
#[ignore = "full tier: installs websockets from PyPI"]
async fn a_websocket_client_talks_to_a_websocket_server() {
    let (authority, python) = (Authority::new(), python(&["websockets==17.4"]).await);
    let server = Running::start(script(&python, "websocket_server.py", &[]));
    let gateway = both_doors(&authority, &format!("http://127.0.0.1:{}", server.port().await)).await;
    let ca = gateway.folder().join("ca.pem");
    for url in
        [format!("ws://{}/chat", gateway.web()), format!("wss://localhost:{}/chat", gateway.address("edge").port())]
    {
        succeeds(script(&python, "websocket_client.py", &[&url, ca.to_str().unwrap()])).await;
        let listener = if url.starts_with("wss") { "edge" } else { "web" };
        let line = gateway.access_line(|line| line["listener"] == listener).await;
        assert_eq!((&line["status"], &line["path"]), (&101.into(), &"/chat".into()));
    }
}

#[tokio::test]
#[ignore = "full tier: installs grpcio from PyPI"]
async fn a_grpc_client_talks_to_a_grpc_server() {
    let (authority, python) = (Authority::new(), python(&["grpcio==1.85.1"]).await);
    let server = Running::start(script(&python, "grpc_server.py", &[]));
    let gateway = both_doors(&authority, &format!("h2c://127.0.0.1:{}", server.port().await)).await;
    let ca = gateway.folder().join("ca.pem");
    for target in [gateway.web().to_string(), format!("localhost:{}", gateway.address("edge").port())] {
        let tls = if target.starts_with("localhost") { ca.to_str().unwrap() } else { "" };
        succeeds(script(&python, "grpc_client.py", &["talks", &target, tls])).await;
    }
    let nowhere = start(&all_to(&format!("h2c://{}", Script::absent().await))).await;
    succeeds(script(&python, "grpc_client.py", &["is_told_that_nobody_is_there", &nowhere.web().to_string(), ""]))
        .await;
}

#[tokio::test]
#[ignore = "full tier: installs grpcio from PyPI"]
async fn a_grpc_client_notices_no_reload() {
    let (authority, python) = (Authority::new(), python(&["grpcio==1.85.1"]).await);
    let server = Running::start(script(&python, "grpc_server.py", &[]));
    let url = format!("h2c://127.0.0.1:{}", server.port().await);
    let (edge, listeners) = (authority.issue(&["localhost"]), |certificate: &str| {
        format!(
            "listeners:\n  - {{name: web, address: 127.0.0.1:0}}\n  - {{name: edge, address: 127.0.0.1:0, tls: {{certificates: \
             [{{certificate: {certificate}.pem, key: edge.key}}]}}}}\n"
        )
    });
    let configuration = |certificate: &str, round: &str| {
        let filter = format!("default-filters: [set-response-header: {{name: X-Round, value: '{round}'}}]\n");
        format!("{}{filter}{}", listeners(certificate), all_to(&url))
    };
    let gateway = setup()
        .with_file("ca.pem", authority.pem())
        .with_file("one.pem", edge.pem())
        .with_file("two.pem", edge.pem())
        .with_file("edge.key", edge.key())
        .start(&configuration("one", "first"))
        .await;
    let ca = gateway.folder().join("ca.pem");
    let doors = [
        (gateway.web().to_string(), String::new()),
        (format!("localhost:{}", gateway.address("edge").port()), ca.display().to_string()),
    ];
    let clients = doors.map(|(target, ca)| {
        let client = script(&python, "grpc_client.py", &["notices_nothing_but_the_last_round", &target, &ca]);
        tokio::spawn(succeeds(client))
    });
    gateway.access_line(|line| line["listener"] == "web").await;
    gateway.access_line(|line| line["listener"] == "edge").await;
    for round in 0..10 {
        let certificate = if round % 2 == 0 { "two" } else { "one" };
        gateway.reconfigure(&configuration(certificate, &round.to_string())).await;
    }
    gateway.reconfigure(&configuration("one", "last")).await;
    for client in clients {
        client.await.unwrap();
    }
}

/// A Python with `packages`, kept beside what cargo builds.
async fn python(packages: &'static [&'static str]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    tokio::task::spawn_blocking(move || python_with(packages, &folder)).await.unwrap()
}

fn script(python: &Path, name: &str, arguments: &[&str]) -> Command {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/end_to_end/python").join(name);
    let mut command = Command::new(python);
    command.arg(path).args(arguments).env_remove("http_proxy").env_remove("https_proxy");
    command
}

async fn succeeds(command: Command) {
    let line = format!("{command:?}");
    let output = run(command).await;
    assert!(output.status.success(), "{line}:\n{}", String::from_utf8_lossy(&output.stderr));
}

/// A program that runs beside the test; dropped, it is killed.
struct Running {
    child: Child,
    printed: Log,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let printed = Log::of(child.stdout.take().unwrap());
        Self { child, printed }
    }

    /// The port it says it listens on.
    async fn port(&self) -> u64 {
        self.printed.line(|line| line["port"].is_u64()).await["port"].as_u64().unwrap()
    }

    /// Whether it ended well.
    async fn ended(&mut self) -> bool {
        patiently("the end of a program", self.printed.ended()).await;
        self.child.wait().unwrap().success()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
