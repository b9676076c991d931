//! HTTP/2, with a server of hyper's on the other side.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::HeaderMap;
use http_body::{Body, Frame};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::*;

const SECONDS: u64 = 5;

/// What an answer's body consists of.
#[derive(Clone, Default)]
struct Piecewise {
    pieces: Vec<Bytes>,
    is_endless: bool,
    trailers: Option<HeaderMap>,
}

impl Body for Piecewise {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.is_endless {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 1024])))));
        }
        let piece = self.pieces.pop().map(Frame::data);
        Poll::Ready(piece.or_else(|| self.trailers.take().map(Frame::trailers)).map(Ok))
    }
}

fn two(settings: Settings) -> Client {
    client(Settings { protocol: Protocol::Http2, timeout: Duration::from_secs(SECONDS), ..settings })
}

/// Answers everything on every connection with `body`; gives what was asked, and on which connection, to `see`.
async fn serve(
    server: &Server,
    body: Piecewise,
    see: impl Fn(&Request<Incoming>, usize) + Clone + Send + Sync + 'static,
) {
    for number in 0.. {
        let stream = server.accept().await;
        let (body, see) = (body.clone(), see.clone());
        let service = service_fn(move |request| {
            see(&request, number);
            let answer = Response::new(body.clone());
            async move { Ok::<_, Infallible>(answer) }
        });
        let connection = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move { drop(connection.await) });
    }
}

async fn served<T>(server: &Server, body: Piecewise, calls: impl Future<Output = T>) -> T {
    tokio::select! {
        answer = calls => answer,
        () = serve(server, body, |_, _| {}) => unreachable!(),
    }
}

#[test]
fn an_answer_comes_with_its_trailers() {
    let client = two(Settings::default());
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    alone(async {
        let server = Server::start().await;
        let trailers: HeaderMap =
            [(http::HeaderName::from_static("grpc-status"), "0".parse().unwrap())].into_iter().collect();
        let body =
            Piecewise { pieces: vec!["b".into(), "a".into()], trailers: Some(trailers.clone()), ..Default::default() };
        let see = move |request: &Request<Incoming>, connection| {
            let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
            let line = (request.version(), request.uri().to_string(), header("te"), header("content-length"));
            sink.lock().unwrap().push((line, header("host"), connection));
        };
        let url = format!("{}/path?query", server.url);
        let calls = async {
            for _ in 0..2 {
                let answer = client.call(post(&url), None).await.unwrap();
                assert_eq!(answer.body(), "ab");
                assert_eq!(answer.extensions().get(), Some(&Trailers(trailers.clone())));
                kept(&client, &server.url).await;
            }
        };
        tokio::select! {
            () = calls => {}
            () = serve(&server, body, see) => unreachable!(),
        }
        let line = (http::Version::HTTP_2, url, Some("trailers".to_owned()), Some("5".to_owned()));
        assert_eq!(*seen.lock().unwrap(), vec![(line, None, 0); 2]);
    });
}

#[test]
fn an_endless_answer_is_not_read_to_its_end() {
    let client = two(Settings { answer_bytes: 10_000, ..Settings::default() });
    alone(async {
        let server = Server::start().await;
        let endless = Piecewise { is_endless: true, ..Default::default() };
        let outcome = served(&server, endless, client.call(post(&server.url), None)).await;
        assert_eq!(outcome.unwrap_err(), CallError::TooLarge(10_000));
        assert!(!client.shared.pool.has(&Destination::of(&server.url.parse().unwrap()).unwrap()));
    });
}

#[test]
fn who_speaks_something_else_is_no_server() {
    for words in ["HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n", "SSH-2.0-OpenSSH_10.0\r\n"] {
        let client = two(Settings::default());
        alone(async {
            let server = Server::start().await;
            let speak = async {
                let mut stream = server.accept().await;
                stream.write_all(words.as_bytes()).await.unwrap();
                drop(stream.read(&mut [0; 100]).await);
            };
            let (outcome, ()) = tokio::join!(client.call(post(&server.url), None), speak);
            assert_eq!(outcome.unwrap_err().name(), "unreachable");
        });
    }
}

#[test]
fn who_says_nothing_is_waited_for_as_long_as_may_be() {
    let client = client(Settings { protocol: Protocol::Http2, ..brief() });
    alone(async {
        let server = Server::start().await;
        let (outcome, _stream) = tokio::join!(client.call(post(&server.url), None), server.accept());
        assert_eq!(outcome.unwrap_err(), CallError::Timeout(brief().timeout));
    });
}

#[test]
fn over_tls_nothing_else_is_offered() {
    alone(async {
        for (spoken, wanted) in
            [(&[b"h2".to_vec()][..], Ok(())), (&[], Err("tls")), (&[b"http/1.1".to_vec()], Err("tls"))]
        {
            let secure = Secure::start_speaking("127.0.0.1", spoken).await;
            let tls = Tls::with_authorities(secure.authority.as_bytes()).unwrap();
            let client = two(Settings { tls, ..Settings::default() });
            let serve = async {
                if let Ok(stream) = secure.acceptor.accept(secure.server.accept().await).await {
                    let answer = async |_| Ok::<_, Infallible>(Response::new(Piecewise::default()));
                    let service = service_fn(answer);
                    let builder = http2::Builder::new(TokioExecutor::new());
                    drop(builder.serve_connection(TokioIo::new(stream), service).await);
                }
                std::future::pending::<()>().await;
            };
            let outcome = tokio::select! {
                outcome = client.call(post(&secure.server.url), None) => outcome,
                () = serve => unreachable!(),
            };
            assert_eq!(outcome.map(drop).map_err(|error| error.name()), wanted, "{spoken:?}");
        }
    });
}
