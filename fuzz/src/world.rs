//! A gateway in this very thread: client, door and upstream are tasks of one runtime whose clock runs only while nobody
//! has anything to do. So a play is the same every time, and ten seconds of waiting take none.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use gwanmun_config::{Diagnostics, Environment, MergeRules, Style, decode, load_texts};
use gwanmun_filters::Registry;
use gwanmun_proxy::fuzzing::Door;
use gwanmun_proxy::{Context, GatewaySpec, Lasting, Network, Plan, compile};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

/// Within this time (of the play) every connection has ended: above the sum of the limits below.
const LATEST: Duration = Duration::from_secs(600);
/// Long enough for everybody to do everything that can be done now.
const MOMENT: Duration = Duration::from_millis(1);
/// More than this no answer is.
const MOST_READ: usize = 8 << 20;

/// The gateway under test: everything goes to one upstream, but for what a filter answers.
const CONFIGURATION: &str = r#"
listeners: [{address: "unix:/nowhere/gateway.sock"}]
limits: {header-timeout: 10s, body-timeout: 30s, idle-timeout: 75s, upgrade-idle-timeout: 60s, header-bytes: 16KiB, header-count: 50, uri-bytes: 2KiB}
internal-headers: [X-Consent-*]
upstreams:
  service: {endpoints: ["unix:SOCKET"], timeouts: {connect: 1s, response: 30s, idle: 60s}}
routes:
  - id: answered
    predicates: [{path: "/answered/{name}"}]
    filters: [{set-response-header: {name: X-Name, value: "{name}"}}, {respond: {status: 200, body: "{name}"}}]
  - id: all
    upstream: service
"#;

/// What a client does.
pub(crate) struct Client<'a> {
    /// What it writes, each piece when the one before has had its effect.
    pub(crate) pieces: Vec<&'a [u8]>,
    /// Whether it closes its side afterwards, or waits for the gateway to end it.
    pub(crate) closes: bool,
}

/// What an upstream does with one connection.
pub(crate) trait Service {
    /// The number of the connection, all bytes that came on it so far, how many of them are new, and where to write.
    /// `None` ends the connection.
    fn hear(&self, connection: usize, heard: &[u8], new: usize) -> Option<Vec<Vec<u8>>>;
}

/// What was to be seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// What each client got.
    pub(crate) clients: Vec<Vec<u8>>,
    /// What the upstream got, by connection.
    pub(crate) upstream: Vec<Vec<u8>>,
}

/// Clients come one after the other, each when the one before has gone.
pub(crate) fn play(clients: Vec<Client<'_>>, service: impl Service + 'static) -> Seen {
    thread_local! {
        static STAGE: Stage = Stage::build();
    }
    STAGE.with(|stage| {
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(true).build_local(LocalOptions::default()).unwrap();
        let listener = stage.listener.try_clone().unwrap();
        runtime.block_on(perform(Arc::clone(&stage.plan), listener, clients, service))
    })
}

/// What all plays of a thread have in common: the plan, and the socket that its upstream listens on.
struct Stage {
    plan: Arc<Plan>,
    socket: PathBuf,
    listener: std::os::unix::net::UnixListener,
}

impl Stage {
    fn build() -> Self {
        let thread = format!("{:?}", std::thread::current().id()).replace(|c: char| !c.is_ascii_digit(), "");
        // The path of a socket has to be short.
        let socket = std::env::temp_dir().join(format!("gf-{}-{thread}.sock", std::process::id()));
        let _ = std::fs::remove_file(&socket);
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (plan, told) = compiled(&CONFIGURATION.replace("SOCKET", &socket.display().to_string()));
        let plan = Arc::new(plan.unwrap_or_else(|| panic!("the configuration is wrong: {told}")));
        Self { plan, socket, listener }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// The plan of a configuration, or what `check` would say.
pub(crate) fn compiled(text: &str) -> (Option<Plan>, String) {
    thread_local! {
        static REGISTRY: Registry = Registry::standard();
    }
    const MERGE: MergeRules =
        MergeRules { append: &[("routes", Some("id")), ("listeners", Some("name")), ("tests", None)] };
    REGISTRY.with(|registry| {
        let texts = [("gw.yaml".to_owned(), text.to_owned())];
        let environment = Environment::from_pairs::<String, String>([]);
        let mut loaded = load_texts(&texts, &environment, &MERGE);
        let diagnostics: &mut Diagnostics = &mut loaded.diagnostics;
        let spec: GatewaySpec = decode(&loaded.document, diagnostics).unwrap_or_default();
        let lasting = Lasting::new(Network::Offline);
        let context = Context::new(registry.catalog(), &loaded.sources, &lasting);
        let plan = compile(&spec, &context, diagnostics);
        let plan = plan.filter(|_| !diagnostics.has_errors());
        diagnostics.sort();
        (plan, diagnostics.render(&loaded.sources, Style::Plain))
    })
}

async fn perform(
    plan: Arc<Plan>,
    listener: std::os::unix::net::UnixListener,
    clients: Vec<Client<'_>>,
    service: impl Service + 'static,
) -> Seen {
    let heard = Rc::new(RefCell::new(Vec::new()));
    let listener = UnixListener::from_std(listener).unwrap();
    let accepting = spawn_local(accept(listener, Rc::new(service), Rc::clone(&heard)));
    let door = Rc::new(Door::new(plan).unwrap());
    let mut seen = Seen::default();
    for client in clients {
        seen.clients.push(visit(&door, client).await);
    }
    timeout(LATEST, async {
        let mut pause = MOMENT;
        while !door.is_quiet() {
            sleep(pause).await;
            pause *= 2;
        }
    })
    .await
    .expect("an exchange outlives its connection");
    sleep(MOMENT).await;
    accepting.abort();
    seen.upstream = heard.take();
    seen
}

/// What one client gets.
async fn visit(door: &Rc<Door>, client: Client<'_>) -> Vec<u8> {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let served = spawn_local({
        let door = Rc::clone(door);
        async move { door.serve(theirs).await }
    });
    let (mut input, mut output) = ours.into_split();
    let reading = spawn_local(async move {
        let mut read = Vec::new();
        // A reset is as good as a close.
        while input.read_buf(&mut read).await.is_ok_and(|count| count > 0) {
            assert!(read.len() < MOST_READ, "the gateway sends without end");
        }
        read
    });
    for piece in client.pieces {
        // The gateway may have closed already.
        if output.write_all(piece).await.is_err() {
            break;
        }
        sleep(MOMENT).await;
    }
    if client.closes {
        let _ = output.shutdown().await;
    }
    let end = timeout(LATEST, served).await.expect("the gateway neither answers nor closes");
    end.expect("a connection's task does not panic");
    let read = timeout(LATEST, reading).await.expect("the gateway keeps a dead connection open");
    read.expect("reading goes well")
}

async fn accept(listener: UnixListener, service: Rc<impl Service + 'static>, heard: Rc<RefCell<Vec<Vec<u8>>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let connection = heard.borrow().len();
        heard.borrow_mut().push(Vec::new());
        spawn_local(converse(stream, connection, Rc::clone(&service), Rc::clone(&heard)));
    }
}

async fn converse(
    mut stream: UnixStream,
    connection: usize,
    service: Rc<impl Service>,
    heard: Rc<RefCell<Vec<Vec<u8>>>>,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let Ok(count @ 1..) = stream.read(&mut buffer).await else { return };
        let said = {
            let mut all = heard.borrow_mut();
            all[connection].extend_from_slice(&buffer[..count]);
            service.hear(connection, &all[connection], count)
        };
        let Some(said) = said else { return };
        for piece in said {
            if piece.is_empty() {
                // The end of what it has to say.
                return;
            }
            if stream.write_all(&piece).await.is_err() {
                return;
            }
            sleep(MOMENT).await;
        }
    }
}
