//! An authorization server of our own: it publishes keys, mints tokens, exchanges and introspects them, and tells about
//! users. Tests rotate its keys, count its calls, hold its answers back, spoil them, and take the whole server down and up
//! again on the same port.

mod answer;
mod forgeries;
mod protocol;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

pub use answer::Answer;
use protocol::Protocol;

use crate::body::Reply;
use crate::message::Message;
use crate::patience::patiently;
use crate::token_key::{TokenKey, overlaid};

/// The endpoints by the names that tests call them.
const ENDPOINTS: [&str; 5] = ["discovery", "jwks", "token", "introspect", "user"];

/// A running authorization server on a loopback port; dropped, it ends.
///
/// Endpoints go by name: `discovery`, `jwks`, `token`, `introspect`, `user`. There is a client `gw` with the secret
/// `gw-secret` that may have the scopes `orders.read` and `orders.write`, a user `u1`, and a key `k1` for ES256.
pub struct Issuer {
    address: SocketAddr,
    /// Keeps the port for us while the server is down.
    _reserved: TcpSocket,
    shared: Arc<Shared>,
    server: Mutex<Option<Server>>,
}

/// Answers of an endpoint are held back until this is dropped.
pub struct Held {
    shared: Arc<Shared>,
    endpoint: &'static str,
}

struct Server {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

struct Shared {
    protocol: Mutex<Protocol>,
    scripted: Mutex<BTreeMap<&'static str, Scripted>>,
    received: watch::Sender<Vec<(&'static str, Message)>>,
    holds: watch::Sender<BTreeMap<&'static str, usize>>,
}

/// What an endpoint is told to answer.
#[derive(Default)]
struct Scripted {
    next: VecDeque<Answer>,
    then: Option<Answer>,
}

impl Issuer {
    /// With one key `k1` for ES256.
    pub async fn start() -> Self {
        Self::with_keys([TokenKey::new("ES256", "k1")]).await
    }

    /// With these keys; the first signs.
    pub async fn with_keys(keys: impl Into<Vec<TokenKey>>) -> Self {
        let reserved = TcpSocket::new_v4().unwrap();
        reserved.set_reuseaddr(true).unwrap();
        reserved.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = reserved.local_addr().unwrap();
        let scopes = ["orders.read", "orders.write"].map(str::to_owned).to_vec();
        let protocol = Protocol {
            url: format!("http://{address}"),
            keys: keys.into(),
            published: None,
            clients: BTreeMap::from([("gw".to_owned(), ("gw-secret".to_owned(), scopes))]),
            opaque: BTreeMap::new(),
            revoked: BTreeSet::new(),
            users: BTreeMap::from([("u1".to_owned(), json!({"user": {"id": "u1"}, "roles": ["member"]}))]),
        };
        let shared = Shared {
            protocol: Mutex::new(protocol),
            scripted: Mutex::default(),
            received: watch::Sender::default(),
            holds: watch::Sender::default(),
        };
        let issuer = Self { address, _reserved: reserved, shared: Arc::new(shared), server: Mutex::new(None) };
        issuer.up().await;
        issuer
    }

    /// Its identifier, `iss`: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of an endpoint. That of `user` ends in `/users/`; the user's id follows.
    pub fn endpoint(&self, endpoint: &str) -> String {
        let path = match known(endpoint) {
            "discovery" => ".well-known/openid-configuration",
            "user" => "users/",
            other => other,
        };
        format!("http://{}/{path}", self.address)
    }

    /// A token that is good now, with these claims in place of the usual `iss`, `sub` (`u1`), `aud` (`gateway`), `iat`,
    /// `exp` (in 300 s) and `jti`; null takes one away.
    pub fn token(&self, claims: Value) -> String {
        self.token_with(json!({}), claims)
    }

    /// The same with members of the header in place of `alg`, `kid` and `typ` (`JWT`).
    pub fn token_with(&self, header: Value, claims: Value) -> String {
        let protocol = self.protocol();
        protocol.signed(header, &protocol.claims(claims))
    }

    /// The claims that [`Issuer::token`] signs, for a key of another's.
    pub fn claims(&self, changes: Value) -> Value {
        self.protocol().claims(changes)
    }

    /// Tokens that nobody must take for the issuer's, each with what is wrong with it. They fit a reader that wants this
    /// issuer, the audience `gateway`, the signing key's algorithm (an asymmetric one) and a subject; [`Issuer::token`] is
    /// the good one they are made of. All can stand in a header field.
    pub fn forgeries(&self) -> Vec<(String, String)> {
        forgeries::all(&self.key(), &self.claims(json!({})))
    }

    /// A token that says nothing. It is active for introspection, which tells these claims in place of the usual ones,
    /// `active` among them; null takes one away.
    pub fn opaque(&self, claims: Value) -> String {
        let mut protocol = self.protocol();
        let token = protocol::unique();
        let known = json!({"active": true, "token_type": "Bearer", "client_id": "app", "scope": "orders.read"});
        let known = overlaid(known, protocol.claims(json!({})));
        protocol.opaque.insert(token.clone(), overlaid(known, claims));
        token
    }

    /// Makes a token inactive.
    pub fn revoke(&self, token: &str) {
        self.protocol().revoked.insert(token.to_owned());
    }

    /// The key that signs.
    ///
    /// # Panics
    /// When there is none.
    pub fn key(&self) -> TokenKey {
        self.protocol().keys.first().expect("an issuer with a key").clone()
    }

    /// Publishes these keys from now on; the first signs.
    pub fn rotate(&self, keys: impl Into<Vec<TokenKey>>) {
        let mut protocol = self.protocol();
        (protocol.keys, protocol.published) = (keys.into(), None);
    }

    /// What is published now.
    pub fn jwks(&self) -> Value {
        self.protocol().jwks()
    }

    /// Publishes any JSON as key set, whatever it signs with.
    pub fn publish(&self, jwks: Value) {
        self.protocol().published = Some(jwks);
    }

    /// Knows a client, that may have these scopes.
    pub fn client(&self, id: &str, secret: &str, scopes: &[&str]) {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        self.protocol().clients.insert(id.to_owned(), (secret.to_owned(), scopes));
    }

    /// Knows a user, of whom it tells this.
    pub fn user(&self, id: &str, told: Value) {
        self.protocol().users.insert(id.to_owned(), told);
    }

    /// Answers every call of an endpoint so from now on.
    pub fn answer(&self, endpoint: &str, answer: Answer) {
        self.shared.scripted.lock().unwrap().entry(known(endpoint)).or_default().then = Some(answer);
    }

    /// Answers one call of an endpoint so, after others that were told before.
    pub fn answer_once(&self, endpoint: &str, answer: Answer) {
        self.shared.scripted.lock().unwrap().entry(known(endpoint)).or_default().next.push_back(answer);
    }

    /// Holds the answers of an endpoint back; calls are received and counted.
    pub fn hold(&self, endpoint: &str) -> Held {
        let endpoint = known(endpoint);
        self.shared.holds.send_modify(|holds| *holds.entry(endpoint).or_default() += 1);
        Held { shared: Arc::clone(&self.shared), endpoint }
    }

    /// How many calls of an endpoint have arrived, answered or not.
    pub fn calls(&self, endpoint: &str) -> usize {
        self.requests(endpoint).len()
    }

    /// The calls of an endpoint so far.
    pub fn requests(&self, endpoint: &str) -> Vec<Message> {
        let endpoint = known(endpoint);
        let received = self.shared.received.borrow();
        received.iter().filter(|(other, _)| *other == endpoint).map(|(_, message)| message.clone()).collect()
    }

    /// Waits until so many calls of an endpoint have arrived.
    pub async fn called(&self, endpoint: &str, calls: usize) {
        let endpoint = known(endpoint);
        let mut received = self.shared.received.subscribe();
        let enough =
            |received: &Vec<(&str, Message)>| received.iter().filter(|(other, _)| *other == endpoint).count() >= calls;
        patiently("calls of the issuer", received.wait_for(enough)).await.expect("the issuer lives");
    }

    /// Closes every connection and the port.
    pub async fn down(&self) {
        let server = self.server.lock().unwrap().take();
        if let Some(server) = server {
            let _ = server.stop.send(());
            let _ = server.task.await;
        }
    }

    /// Listens on the same port again, with all it knew.
    pub async fn up(&self) {
        self.down().await;
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.address).unwrap();
        let listener = socket.listen(1024).unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(accept(listener, Arc::clone(&self.shared), stopped));
        *self.server.lock().unwrap() = Some(Server { stop, task });
    }

    fn protocol(&self) -> MutexGuard<'_, Protocol> {
        self.shared.protocol.lock().unwrap()
    }
}

impl Held {
    /// Lets the answers go.
    pub fn release(self) {}
}

impl Drop for Held {
    fn drop(&mut self) {
        let endpoint = self.endpoint;
        self.shared.holds.send_modify(|holds| *holds.entry(endpoint).or_default() -= 1);
    }
}

fn known(endpoint: &str) -> &'static str {
    let found = ENDPOINTS.into_iter().find(|other| *other == endpoint);
    found.unwrap_or_else(|| panic!("the issuer has no endpoint {endpoint}, only {ENDPOINTS:?}"))
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, Arc::clone(&shared)));
                }
            }
            Some(_) = connections.join_next() => {}
            // Told to, or nobody is left to tell.
            _ = &mut stopped => break,
        }
    }
    drop(listener);
    connections.shutdown().await;
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let Ok(socket) = stream.as_fd().try_clone_to_owned() else { return };
    let socket = Arc::new(socket);
    let service = service_fn(move |request| respond(Arc::clone(&shared), Arc::clone(&socket), request));
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn respond(shared: Arc<Shared>, socket: Arc<OwnedFd>, request: Request<Incoming>) -> io::Result<Response<Reply>> {
    let endpoint = match request.uri().path() {
        "/.well-known/openid-configuration" | "/.well-known/oauth-authorization-server" => "discovery",
        "/jwks" => "jwks",
        "/token" => "token",
        "/introspect" => "introspect",
        path if path.starts_with("/users/") => "user",
        _ => return Ok(Response::builder().status(404).body(Reply::empty()).unwrap()),
    };
    let Some(message) = Message::received(request).await else { return Err(io::ErrorKind::UnexpectedEof.into()) };
    shared.received.send_modify(|received| received.push((endpoint, message.clone())));
    let mut holds = shared.holds.subscribe();
    let _ = holds.wait_for(|holds| holds.get(endpoint).is_none_or(|holds| *holds == 0)).await;
    let answer = {
        let mut scripted = shared.scripted.lock().unwrap();
        let scripted = scripted.entry(endpoint).or_default();
        scripted.next.pop_front().or_else(|| scripted.then.clone()).unwrap_or_else(Answer::usual)
    };
    let response = answer.response(|| shared.protocol.lock().unwrap().answer(endpoint, &message));
    response.ok_or_else(|| {
        // With this a close is a reset.
        let _ = SockRef::from(&socket).set_linger(Some(Duration::ZERO));
        io::ErrorKind::ConnectionReset.into()
    })
}
