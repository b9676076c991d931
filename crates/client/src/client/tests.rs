//! Calls to real sockets in this process, whose other side each test writes byte by byte.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use gwanmun_core::{Clock, ManualClock, Tallies};
use gwanmun_resilience::BreakerSettings;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio_rustls::TlsAcceptor;

mod greedy;
mod http2;

use super::*;
use crate::fixture::{alone, online};

const FINE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

struct Server {
    listener: TcpListener,
    url: String,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        Self { listener, url }
    }

    async fn accept(&self) -> TcpStream {
        self.listener.accept().await.unwrap().0
    }

    /// Takes one connection and one request, answers and closes.
    async fn once(&self, answer: &str) -> String {
        let mut stream = self.accept().await;
        let request = request(&mut stream).await;
        stream.write_all(answer.as_bytes()).await.unwrap();
        request
    }
}

/// Reads a request without a body, or with one of five bytes.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") && !text.ends_with(b"\r\n\r\nhello") {
        let byte = stream.read_u8().await.expect("a whole request");
        text.push(byte);
    }
    let text = String::from_utf8(text).unwrap();
    if text.contains("content-length: 5\r\n") && !text.ends_with("hello") {
        let mut body = [0; 5];
        stream.read_exact(&mut body).await.unwrap();
    }
    text
}

fn get(url: &str) -> Request<Bytes> {
    Request::get(url).body(Bytes::new()).unwrap()
}

fn post(url: &str) -> Request<Bytes> {
    Request::post(url).body(Bytes::from_static(b"hello")).unwrap()
}

fn client(settings: Settings) -> Client {
    Client::new(&online(), "test", settings)
}

fn counts(client: &Client) -> Vec<(String, u64)> {
    let counts = client.shared.tally.counts();
    counts.into_iter().map(|(labels, count)| (labels[1].clone(), count)).collect()
}

/// What a call comes to when the other side answers so and closes.
fn answered(settings: Settings, answer: &str) -> Result<Response<Bytes>, CallError> {
    let client = client(settings);
    alone(async {
        let server = Server::start().await;
        tokio::join!(client.call(get(&server.url), None), server.once(answer)).0
    })
}

fn brief() -> Settings {
    Settings { timeout: Duration::from_millis(300), ..Settings::default() }
}

#[test]
fn a_call_says_what_it_was_told_and_gets_the_answer() {
    let client = client(Settings::default());
    alone(async {
        let server = Server::start().await;
        let url = format!("{}/path?query", server.url);
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let (answer, request) = tokio::join!(client.call(post(&url), Some(trace)), server.once(FINE));
        assert_eq!(answer.unwrap().body(), "ok");
        let host = server.url.strip_prefix("http://").unwrap();
        assert!(request.starts_with("POST /path?query HTTP/1.1\r\n"), "{request}");
        assert!(request.contains(&format!("host: {host}\r\n")), "{request}");
        assert!(request.contains("content-length: 5\r\n"), "{request}");
        assert!(request.contains("traceparent: 00-0af7651916cd43dd8448eb211c80319c-"), "{request}");
        assert!(!request.contains("b7ad6b7169203331"), "{request}");
    });
    assert_eq!(counts(&client), [("2xx".to_owned(), 1)]);
}

#[test]
fn a_redirect_is_an_answer() {
    let moved = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(answered(Settings::default(), moved).unwrap().status(), 302);
}

#[test]
fn a_slow_head_and_a_slow_body_end_in_time_and_their_connection_is_closed() {
    for begin in ["", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"] {
        let client = client(brief());
        alone(async {
            let server = Server::start().await;
            let slow = async {
                let mut stream = server.accept().await;
                request(&mut stream).await;
                stream.write_all(begin.as_bytes()).await.unwrap();
                stream.read(&mut [0]).await.unwrap_or(0)
            };
            let (answer, left) = tokio::join!(client.call(get(&server.url), None), slow);
            assert_eq!((answer.unwrap_err(), left), (CallError::Timeout(brief().timeout), 0));
        });
        assert_eq!(counts(&client), [("timeout".to_owned(), 1)]);
    }
}

#[test]
fn too_large_an_answer_is_not_read_to_its_end() {
    let settings = || Settings { answer_bytes: 8, ..Settings::default() };
    let fits = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n12345678";
    assert_eq!(answered(settings(), fits).unwrap().body(), "12345678");
    let announced = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n";
    assert_eq!(answered(settings(), announced).unwrap_err(), CallError::TooLarge(8));
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\n4\r\n6789\r\n";
    assert_eq!(answered(settings(), chunked).unwrap_err(), CallError::TooLarge(8));
    let head = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(connect::HEAD_BYTES));
    let client = client(settings());
    alone(async {
        let server = Server::start().await;
        let large = async {
            let mut stream = server.accept().await;
            request(&mut stream).await;
            drop(stream.write_all(head.as_bytes()).await);
        };
        let (answer, ()) = tokio::join!(client.call(get(&server.url), None), large);
        assert_eq!(answer.unwrap_err(), CallError::TooLarge(connect::HEAD_BYTES));
    });
}

#[test]
fn what_is_cut_off_or_not_http_is_malformed() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        "220 mail.example ESMTP\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    ] {
        let error = answered(Settings::default(), answer).unwrap_err();
        assert_eq!(error.name(), "malformed", "{answer}: {error}");
    }
}

#[test]
fn nobody_there_is_refused_and_a_closed_connection_is_unreachable() {
    let client = client(Settings::default());
    alone(async {
        let server = Server::start().await;
        let (answer, _) = tokio::join!(client.call(get(&server.url), None), server.once(""));
        assert_eq!(answer.unwrap_err().name(), "unreachable");
        let reset = async {
            let stream = server.accept().await;
            stream.set_zero_linger().unwrap();
        };
        let (answer, ()) = tokio::join!(client.call(get(&server.url), None), reset);
        assert_eq!(answer.unwrap_err().name(), "unreachable");
        let url = server.url.clone();
        drop(server);
        assert_eq!(client.call(get(&url), None).await.unwrap_err(), CallError::Refused);
    });
    assert_eq!(counts(&client), [("refused".to_owned(), 1), ("unreachable".to_owned(), 2)]);
}

#[test]
fn what_cannot_be_called_is_invalid_and_offline_nothing_is() {
    let invalid = alone(client(Settings::default()).call(get("/path"), None));
    assert_eq!(invalid.unwrap_err().name(), "invalid");
    let outbound = Outbound::offline(Arc::new(ManualClock::at(UNIX_EPOCH)), Tallies::default());
    let client = Client::new(&outbound, "test", Settings::default());
    assert_eq!(alone(client.call(get("http://127.0.0.1:1/"), None)).unwrap_err(), CallError::Offline);
    assert_eq!(counts(&client), [("offline".to_owned(), 1)]);
}

/// Ready when a connection waits for the next call.
async fn kept(client: &Client, url: &str) {
    let to = Destination::of(&url.parse().unwrap()).unwrap();
    while !client.shared.pool.has(&to) {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_connection_is_kept_for_the_next_call() {
    let client = client(Settings::default());
    alone(async {
        let server = Server::start().await;
        let serve = async {
            let mut stream = server.accept().await;
            for _ in 0..3 {
                request(&mut stream).await;
                stream.write_all(FINE.as_bytes()).await.unwrap();
            }
            stream
        };
        let calls = async {
            for _ in 0..3 {
                client.call(post(&server.url), None).await.unwrap();
                kept(&client, &server.url).await;
            }
        };
        tokio::join!(serve, calls);
    });
}

/// The first connection answers one call, and is closed when the second one has come; then there is another.
async fn stale(client: &Client, second: fn(&str) -> Request<Bytes>) -> Result<Response<Bytes>, CallError> {
    let server = Server::start().await;
    let serve = async {
        let mut stream = server.accept().await;
        request(&mut stream).await;
        stream.write_all(FINE.as_bytes()).await.unwrap();
        request(&mut stream).await;
        drop(stream);
        server.once(FINE).await
    };
    let calls = async {
        client.call(get(&server.url), None).await.unwrap();
        kept(client, &server.url).await;
        client.call(second(&server.url), None).await
    };
    tokio::select! {
        answer = calls => answer,
        _ = async { serve.await; std::future::pending::<()>().await } => unreachable!(),
    }
}

#[test]
fn a_kept_connection_that_was_closed_is_replaced_where_nothing_is_done_twice() {
    let client = client(Settings::default());
    assert_eq!(alone(stale(&client, get)).unwrap().status(), 200);
    assert_eq!(alone(stale(&client, post)).unwrap_err().name(), "unreachable");
}

#[test]
fn a_connection_closed_while_it_was_kept_costs_no_call() {
    let client = client(Settings::default());
    alone(async {
        let server = Server::start().await;
        let serve = async {
            let mut stream = server.accept().await;
            request(&mut stream).await;
            stream.write_all(FINE.as_bytes()).await.unwrap();
            stream
        };
        let (first, stream) = tokio::join!(client.call(get(&server.url), None), serve);
        assert_eq!(first.unwrap().status(), 200);
        kept(&client, &server.url).await;
        // The thread is busy with something else while the connection is closed and the next call begins.
        let (free, busy) = std::sync::mpsc::channel::<()>();
        client.outbound.spawn(async move { busy.recv() }).unwrap();
        drop(stream);
        let free = async { free.send(()).unwrap() };
        let (second, (), _) = tokio::join!(client.call(post(&server.url), None), free, server.once(FINE));
        assert_eq!(second.unwrap().status(), 200);
    });
}

#[test]
fn who_gives_up_a_call_does_not_end_it() {
    let client = client(Settings::default());
    alone(async {
        let server = Server::start().await;
        tokio::select! {
            biased;
            _ = client.call(get(&server.url), None) => panic!("nobody answered"),
            () = tokio::task::yield_now() => {}
        }
        server.once(FINE).await;
        while counts(&client) != [("2xx".to_owned(), 1)] {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn calls_wait_for_their_turn_and_too_many_are_refused() {
    let client = client(Settings { concurrent: 1, waiting: 1, ..Settings::default() });
    alone(async {
        let server = Server::start().await;
        let serve = async {
            let mut stream = server.accept().await;
            request(&mut stream).await;
            let third = client.call(get(&server.url), None).await;
            assert_eq!(third.unwrap_err(), CallError::Overloaded);
            stream.write_all(FINE.as_bytes()).await.unwrap();
            drop(stream);
            server.once(FINE).await
        };
        let (one, two) = (client.call(get(&server.url), None), client.call(get(&server.url), None));
        let (one, two, _) = tokio::join!(one, two, serve);
        assert!(one.is_ok() && two.is_ok());
    });
    assert_eq!(client.shared.calls.load(Ordering::Relaxed), 0);
}

#[test]
fn the_breaker_opens_after_failures_and_recovers() {
    let clock = Arc::new(ManualClock::at(UNIX_EPOCH));
    let outbound = Outbound::new(Arc::clone(&clock) as Arc<dyn Clock>, Tallies::default());
    let breaker = BreakerSettings { window: 2, minimum_calls: 2, trials: 1, ..BreakerSettings::default() };
    let client = Client::new(&outbound, "test", Settings { breaker, ..Settings::default() });
    alone(async {
        let server = Server::start().await;
        let broken = "HTTP/1.1 503 Unavailable\r\ncontent-length: 0\r\n\r\n";
        for _ in 0..2 {
            let (answer, _) = tokio::join!(client.call(get(&server.url), None), server.once(broken));
            assert_eq!(answer.unwrap().status(), 503);
        }
        assert_eq!(client.breaker_state(), BreakerState::Open);
        let refused = client.call(get(&server.url), None).await;
        assert_eq!(refused.unwrap_err(), CallError::BreakerOpen(Duration::from_secs(60)));
        clock.advance(Duration::from_secs(60));
        let (answer, _) = tokio::join!(client.call(get(&server.url), None), server.once(FINE));
        assert_eq!(answer.unwrap().status(), 200);
        assert_eq!(client.breaker_state(), BreakerState::Closed);
    });
}

#[test]
fn a_unix_socket_takes_all_connections() {
    let path = std::env::temp_dir().join(format!("gwanmun-client-{}-{:x}.sock", std::process::id(), fastrand::u64(..)));
    let client = client(Settings { socket: Some(path.clone()), ..Settings::default() });
    alone(async {
        let listener = UnixListener::bind(&path).unwrap();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let request = request(&mut stream).await;
            stream.write_all(FINE.as_bytes()).await.unwrap();
            request
        };
        let (answer, request) = tokio::join!(client.call(get("http://auth/x"), None), serve);
        assert_eq!(answer.unwrap().status(), 200);
        assert!(request.contains("host: auth\r\n"), "{request}");
    });
    std::fs::remove_file(&path).unwrap();
}

struct Secure {
    server: Server,
    acceptor: TlsAcceptor,
    authority: String,
}

impl Secure {
    /// Its certificate is for `name`.
    async fn start(name: &str) -> Self {
        Self::start_speaking(name, &[]).await
    }

    /// As `start`, with these protocols to choose from.
    async fn start_speaking(name: &str, protocols: &[Vec<u8>]) -> Self {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let mut config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        config.alpn_protocols = protocols.to_vec();
        let mut server = Server::start().await;
        server.url = server.url.replace("http", "https");
        Self { server, acceptor: TlsAcceptor::from(Arc::new(config)), authority: authority.pem() }
    }

    async fn call(
        &self,
        tls: Tls,
        answer: impl AsyncFn(&mut (dyn Stream + Unpin)),
    ) -> Result<Response<Bytes>, CallError> {
        let client = client(Settings { tls, ..Settings::default() });
        let serve = async {
            let accepted = self.acceptor.accept(self.server.accept().await).await;
            if let Ok(mut stream) = accepted {
                answer(&mut stream).await;
            }
        };
        tokio::join!(client.call(get(&self.server.url), None), serve).0
    }
}

trait Stream: AsyncRead + AsyncWrite {}
impl<T: AsyncRead + AsyncWrite> Stream for T {}

async fn fine(mut stream: &mut (dyn Stream + Unpin)) {
    // A client that does not like the certificate goes.
    if stream.read_u8().await.is_ok() {
        request(&mut stream).await;
        stream.write_all(FINE.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
    }
}

#[test]
fn the_certificate_must_have_the_name_and_be_of_a_known_authority() {
    alone(async {
        let right = Secure::start("127.0.0.1").await;
        let trust = |authority: &str| Tls::with_authorities(authority.as_bytes()).unwrap();
        assert_eq!(right.call(trust(&right.authority), fine).await.unwrap().body(), "ok");
        let wrong = Secure::start("other.example").await;
        assert_eq!(wrong.call(trust(&wrong.authority), fine).await.unwrap_err().name(), "tls");
        assert_eq!(right.call(trust(&wrong.authority), fine).await.unwrap_err().name(), "tls");
        assert_eq!(right.call(Tls::default(), fine).await.unwrap_err().name(), "tls");
    });
}

#[test]
fn an_answer_without_length_that_tls_did_not_end_is_malformed() {
    alone(async {
        let server = Secure::start("127.0.0.1").await;
        let cut = async |mut stream: &mut (dyn Stream + Unpin)| {
            request(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhalf").await.unwrap();
            stream.flush().await.unwrap();
        };
        let outcome = server.call(Tls::with_authorities(server.authority.as_bytes()).unwrap(), cut).await;
        assert_eq!(outcome.unwrap_err().name(), "malformed");
    });
}

#[test]
fn authorities_must_be_there() {
    assert!(Tls::with_authorities(b"").is_err());
    assert!(Tls::with_authorities(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").is_err());
}

#[test]
fn calls_for_a_sampled_trace_are_told_of() {
    struct Notes(std::sync::Mutex<Vec<Called>>);
    impl Watch for Notes {
        fn called(&self, call: Called) {
            self.0.lock().unwrap().push(call);
        }
    }
    let notes = Arc::new(Notes(std::sync::Mutex::default()));
    let client = client(Settings::default());
    client.outbound.watch_by(Arc::clone(&notes) as Arc<dyn Watch>);
    let sampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let not = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    alone(async {
        let server = Server::start().await;
        for trace in [Some(sampled), Some(not), None] {
            let (answer, request) = tokio::join!(client.call(post(&server.url), trace), server.once(FINE));
            assert!(answer.is_ok());
            let notes: Vec<Called> = std::mem::take(&mut *notes.0.lock().unwrap());
            assert_eq!(notes.len(), usize::from(trace == Some(sampled)));
            for Called { parent, own, method, host, port, outcome, .. } in notes {
                assert_eq!((parent.as_str(), method.as_str(), host.as_str()), (sampled, "POST", "127.0.0.1"));
                assert!(request.contains(&format!("traceparent: {own}\r\n")) && own != parent);
                assert!(server.url.ends_with(&port.unwrap().to_string()));
                assert_eq!(outcome, Ok(StatusCode::OK));
            }
        }
    });
}
