//! A real Redis: one server, a master with its replica and sentinels, a cluster. What a test breaks, it breaks here.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::certificates::Authority;
use crate::log::Log;
use crate::patience::{eventually, patiently};

/// What a server says when it serves, and what a sentinel says.
const READY: [&str; 2] = ["Ready to accept connections", "+monitor master"];

/// How often another port is tried.
const TRIES: usize = 20;

/// A server on a port of its own. Dropped, it is killed.
pub struct Redis {
    process: Option<Process>,
    options: Vec<String>,
    port: u16,
    folder: TempDir,
}

/// A master, a replica and three sentinels, which watch the service `mymaster`.
pub struct RedisSentinels {
    /// The master at first.
    pub master: Redis,
    /// Its replica, which replaces it.
    pub replica: Redis,
    /// Those who watch.
    pub sentinels: Vec<Redis>,
}

/// Three masters that share the slots.
pub struct RedisCluster {
    /// The nodes.
    pub nodes: Vec<Redis>,
}

impl Redis {
    /// A server that lets everybody in.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// A server with `options` as on its command line, like `--requirepass secret`.
    pub async fn start_with(options: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        Self::start_in(folder, |port| {
            let plain = ["--port", &port.to_string()].map(str::to_owned);
            plain.into_iter().chain(options.iter().map(|&option| option.to_owned())).collect()
        })
        .await
    }

    /// A server that speaks TLS only, as `localhost` and `127.0.0.1`, and asks for a certificate of `authority` too.
    pub async fn start_tls(authority: &Authority) -> Self {
        let folder = TempDir::new().unwrap();
        let identity = authority.issue(&["localhost", "127.0.0.1"]);
        let file = |name: &str, text: String| {
            fs::write(folder.path().join(name), text).unwrap();
            folder.path().join(name).to_str().unwrap().to_owned()
        };
        let files = [
            ["--tls-ca-cert-file".to_owned(), file("ca.pem", authority.pem())],
            ["--tls-cert-file".to_owned(), file("server.pem", identity.pem())],
            ["--tls-key-file".to_owned(), file("server.key", identity.key())],
        ];
        Self::start_in(folder, |port| {
            let ports = ["--port", "0", "--tls-port", &port.to_string()].map(str::to_owned);
            ports.into_iter().chain(files.concat()).collect()
        })
        .await
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `127.0.0.1` and its port.
    pub fn place(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Ends it as SIGKILL does.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again, empty, where it was.
    pub async fn restart(&mut self) {
        self.kill();
        self.process = Some(Self::run(&self.options, self.folder.path()).await.expect("its port is its own"));
    }

    /// Stops it from running, and leaves its connections as they are.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets it run on.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// What it answers to a command, by `redis-cli`.
    pub fn command(&self, words: &[&str]) -> String {
        let mut command = Command::new("timeout");
        command.args(["5", "redis-cli", "-p", &self.port.to_string()]).args(words);
        let output = command.stdin(Stdio::null()).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Waits until what it answers to a command contains all of `wanted`.
    pub async fn until(&self, words: &[&str], wanted: &[&str]) {
        let what = format!("{wanted:?} in what Redis answers to {words:?}");
        eventually(&what, async || {
            let answer = self.command(words);
            wanted.iter().all(|wanted| answer.contains(wanted)).then_some(())
        })
        .await;
    }

    fn signal(&self, name: &str) {
        let process = self.process.as_ref().expect("it runs").0.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &process]).status().unwrap().success());
    }

    async fn start_in(folder: TempDir, options: impl Fn(u16) -> Vec<String>) -> Self {
        for _ in 0..TRIES {
            let port = free_port();
            let mut options = options(port);
            options.extend(["--bind", "127.0.0.1", "--save", "", "--repl-diskless-sync-delay", "0"].map(str::to_owned));
            if let Some(process) = Self::run(&options, folder.path()).await {
                return Self { process: Some(process), options, port, folder };
            }
        }
        panic!("redis-server did not start on {TRIES} ports");
    }

    async fn start_sentinel(master: u16) -> Self {
        let folder = TempDir::new().unwrap();
        for _ in 0..TRIES {
            let port = free_port();
            let file = folder.path().join("sentinel.conf");
            let text = format!(
                "port {port}\nbind 127.0.0.1\nsentinel monitor mymaster 127.0.0.1 {master} 2\n\
                 sentinel down-after-milliseconds mymaster 500\nsentinel failover-timeout mymaster 2000\n"
            );
            // Sentinels write into it.
            fs::write(&file, text).unwrap();
            let options = vec![file.to_str().unwrap().to_owned(), "--sentinel".to_owned()];
            if let Some(process) = Self::run(&options, folder.path()).await {
                return Self { process: Some(process), options, port, folder };
            }
        }
        panic!("redis-server did not start as a sentinel on {TRIES} ports");
    }

    /// `None` when it ends at once: its port is somebody's.
    async fn run(options: &[String], folder: &Path) -> Option<Process> {
        // Bound to the life of the test, however that ends.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "redis-server"]).args(options).current_dir(folder);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let log = Log::of(child.stdout.take().unwrap());
        let process = Process(child);
        let ready =
            |line: &serde_json::Value| line.as_str().is_some_and(|line| READY.iter().any(|word| line.contains(word)));
        patiently("redis-server to be ready", log.line_before_end(ready)).await.map(|_| process)
    }
}

impl RedisSentinels {
    /// Starts them and waits until they know one another.
    pub async fn start() -> Self {
        let master = Redis::start().await;
        let replica = Redis::start_with(&["--replicaof", "127.0.0.1", &master.port.to_string()]).await;
        master.until(&["INFO", "replication"], &["state=online"]).await;
        let mut sentinels = Vec::new();
        for _ in 0..3 {
            sentinels.push(Redis::start_sentinel(master.port).await);
        }
        for sentinel in &sentinels {
            // They would look for replicas every ten seconds.
            sentinel.command(&["SENTINEL", "DEBUG", "INFO-PERIOD", "300", "PUBLISH-PERIOD", "300"]);
        }
        for sentinel in &sentinels {
            sentinel.until(&["INFO", "sentinel"], &["status=ok", "slaves=1", "sentinels=3"]).await;
        }
        Self { master, replica, sentinels }
    }

    /// `redis-sentinel://` and so on.
    pub fn url(&self) -> String {
        format!("redis-sentinel://{}/mymaster/0", places(&self.sentinels))
    }
}

impl RedisCluster {
    /// Starts three masters and waits until they are a cluster.
    pub async fn start() -> Self {
        Self::start_with_replicas(0).await
    }

    /// Starts three masters with `replicas` each and waits until they are a cluster.
    pub async fn start_with_replicas(replicas: usize) -> Self {
        let options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"];
        let mut nodes = Vec::new();
        for _ in 0..3 * (1 + replicas) {
            nodes.push(Redis::start_with(&options).await);
        }
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]).args(nodes.iter().map(Redis::place));
        create.args(["--cluster-replicas", &replicas.to_string(), "--cluster-yes"]);
        let output = create.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let known = format!("cluster_known_nodes:{}", nodes.len());
        for node in &nodes {
            node.until(&["CLUSTER", "INFO"], &["cluster_state:ok", &known]).await;
            if node.command(&["ROLE"]).starts_with("slave") {
                node.until(&["ROLE"], &["connected"]).await;
            }
        }
        Self { nodes }
    }

    /// `redis-cluster://` with all nodes.
    pub fn url(&self) -> String {
        format!("redis-cluster://{}", places(&self.nodes))
    }

    /// The number of the node that has a slot.
    pub fn owner(&self, slot: u16) -> usize {
        let owns = |node: &Redis| {
            let nodes = node.command(&["CLUSTER", "NODES"]);
            let mine = nodes.lines().find(|line| line.contains("myself")).unwrap_or_default();
            let mut ranges = mine.split_ascii_whitespace().skip(8).filter(|range| !range.starts_with('['));
            ranges.any(|range| {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                (first.parse().unwrap()..=last.parse().unwrap()).contains(&slot)
            })
        };
        self.nodes.iter().position(owns).expect("every slot has an owner")
    }
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn places(servers: &[Redis]) -> String {
    servers.iter().map(Redis::place).collect::<Vec<_>>().join(",")
}

/// A port that is free together with the one a cluster's node takes 10 000 above it. Both lie below those that outgoing
/// connections get, so that a server that is down still has its port.
fn free_port() -> u16 {
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let random = || 12_000 + u16::try_from(RandomState::new().hash_one(0) % 10_000).unwrap();
    std::iter::repeat_with(random).find(|&port| free(port) && free(port + 10_000)).unwrap()
}
