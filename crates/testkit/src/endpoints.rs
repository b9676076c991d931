//! A server whose endpoints go by name: tests count its calls, hold its answers back, spoil them, and take the whole server
//! down and up again on the same port.

mod answer;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

pub use answer::Answer;

use crate::body::Reply;
use crate::message::Message;
use crate::patience::patiently;

/// Names of endpoints and their paths. A path that ends in a slash is the beginning of many; of several with one name the
/// first is what [`Endpoints::endpoint`] tells.
pub(crate) type Paths = &'static [(&'static str, &'static str)];

type Usual = Box<dyn Fn(&'static str, &Message) -> Answer + Send + Sync>;

/// A running server on a loopback port; dropped, it ends.
pub struct Endpoints {
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
    paths: Paths,
    usual: Usual,
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

impl Endpoints {
    /// With these paths; `usual`, which is made for the server's URL, says what an endpoint answers to a request.
    pub(crate) async fn start<F: Fn(&'static str, &Message) -> Answer + Send + Sync + 'static>(
        paths: Paths,
        usual: impl FnOnce(String) -> F,
    ) -> Self {
        let reserved = TcpSocket::new_v4().unwrap();
        reserved.set_reuseaddr(true).unwrap();
        reserved.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = reserved.local_addr().unwrap();
        let shared = Shared {
            paths,
            usual: Box::new(usual(format!("http://{address}"))),
            scripted: Mutex::default(),
            received: watch::Sender::default(),
            holds: watch::Sender::default(),
        };
        let endpoints = Self { address, _reserved: reserved, shared: Arc::new(shared), server: Mutex::new(None) };
        endpoints.up().await;
        endpoints
    }

    /// Its identifier, `iss`: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of an endpoint; where it is the beginning of many, it ends in a slash.
    pub fn endpoint(&self, endpoint: &str) -> String {
        let endpoint = self.known(endpoint);
        let path = self.shared.paths.iter().find(|(name, _)| *name == endpoint).map_or("", |(_, path)| path);
        format!("http://{}{path}", self.address)
    }

    /// Answers every call of an endpoint so from now on.
    pub fn answer(&self, endpoint: &str, answer: Answer) {
        self.shared.scripted.lock().unwrap().entry(self.known(endpoint)).or_default().then = Some(answer);
    }

    /// Answers one call of an endpoint so, after others that were told before.
    pub fn answer_once(&self, endpoint: &str, answer: Answer) {
        self.shared.scripted.lock().unwrap().entry(self.known(endpoint)).or_default().next.push_back(answer);
    }

    /// Holds the answers of an endpoint back; calls are received and counted.
    pub fn hold(&self, endpoint: &str) -> Held {
        let endpoint = self.known(endpoint);
        self.shared.holds.send_modify(|holds| *holds.entry(endpoint).or_default() += 1);
        Held { shared: Arc::clone(&self.shared), endpoint }
    }

    /// How many calls of an endpoint have arrived, answered or not.
    pub fn calls(&self, endpoint: &str) -> usize {
        self.requests(endpoint).len()
    }

    /// The calls of an endpoint so far.
    pub fn requests(&self, endpoint: &str) -> Vec<Message> {
        let endpoint = self.known(endpoint);
        let received = self.shared.received.borrow();
        received.iter().filter(|(other, _)| *other == endpoint).map(|(_, message)| message.clone()).collect()
    }

    /// Waits until so many calls of an endpoint have arrived.
    pub async fn called(&self, endpoint: &str, calls: usize) {
        let endpoint = self.known(endpoint);
        let mut received = self.shared.received.subscribe();
        let enough =
            |received: &Vec<(&str, Message)>| received.iter().filter(|(other, _)| *other == endpoint).count() >= calls;
        patiently("calls of an endpoint", received.wait_for(enough)).await.expect("the server lives");
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

    fn known(&self, endpoint: &str) -> &'static str {
        let paths = self.shared.paths;
        let found = paths.iter().find(|(name, _)| *name == endpoint).map(|(name, _)| *name);
        found.unwrap_or_else(|| panic!("there is no endpoint {endpoint}, only {paths:?}"))
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
    let asked = request.uri().path();
    let fits = |path: &str| if path.ends_with('/') { asked.starts_with(path) } else { asked == path };
    let Some((endpoint, _)) = shared.paths.iter().find(|(_, path)| fits(path)) else {
        return Ok(Response::builder().status(404).body(Reply::empty()).unwrap());
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
    let response = answer.response(|| (shared.usual)(endpoint, &message));
    response.ok_or_else(|| {
        // With this a close is a reset.
        let _ = SockRef::from(&socket).set_linger(Some(Duration::ZERO));
        io::ErrorKind::ConnectionReset.into()
    })
}
