//! A small service of the demo: it answers with what it was sent, so that one sees what the gateway did.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;

use gwanmun_proxy::{Body, Response};
use http::{HeaderValue, Request, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

/// Starts the service `name` on a free port of this machine.
pub(super) async fn start(name: &'static str) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(move |request| async move { Ok::<_, Infallible>(answer(name, &request)) });
            tokio::task::spawn_local(async move {
                if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
                    tracing::debug!(event = "demo-connection-ended", %error, "a connection of the demo ended early");
                }
            });
        }
    });
    Ok(address)
}

fn answer(name: &str, request: &Request<Incoming>) -> Response {
    let mut headers = Map::new();
    for (field, value) in request.headers() {
        headers.insert(field.to_string(), Value::String(String::from_utf8_lossy(value.as_bytes()).into_owned()));
    }
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let seen = json!({"service": name, "method": request.method().as_str(), "target": target, "headers": headers});
    let mut response = http::Response::new(Body::from(format!("{seen:#}\n")));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
