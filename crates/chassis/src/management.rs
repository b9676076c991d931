//! The management port of a service: health, metrics, configuration, loggers, exceptions, under the names of Actuator. A
//! small server of its own, so that it answers whatever becomes of the service's listener.

mod loggers;
mod pages;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use axum::body::Body;
use gwanmun_telemetry::health::Health;
use gwanmun_telemetry::metrics::Numbers;
use gwanmun_telemetry::operators::Operators;
use gwanmun_telemetry::pipeline::Telemetry;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::config::Record;
use crate::lifecycle::StartError;
use crate::server;
use crate::settings::ManagementSpec;

/// Until the head of a request is complete.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// Until a connection is asked to end; it has as long again for the answer that it is at. Nobody keeps the port to himself by
/// asking and not reading.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// As many at once are answered.
const CONNECTIONS: usize = 64;

/// What the pages show.
pub(crate) struct Shown {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) record: Arc<ArcSwap<Record>>,
    pub(crate) health: Health,
    pub(crate) telemetry: Telemetry,
    pub(crate) numbers: Numbers,
    pub(crate) since: SystemTime,
    /// Who may change something.
    pub(crate) operators: Operators,
}

/// The management port and the probes port at work.
#[derive(Debug)]
pub(crate) struct Management {
    pub(crate) address: SocketAddr,
    accepting: Vec<AbortHandle>,
}

/// What a port shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shows {
    Everything,
    HealthOnly,
}

impl Management {
    /// Binds the ports and begins to answer.
    pub(crate) async fn start(spec: &ManagementSpec, shown: Shown) -> Result<Self, StartError> {
        let wanted = spec.address.as_ref().map_or("127.0.0.1:9901", |address| address.as_str());
        let shown = Arc::new(shown);
        let mut accepting = Vec::new();
        let mut open = async |key: &str, name: &str, wanted: &str, shows: Shows| {
            let bound = server::bind(wanted).await;
            let (listener, address) =
                bound.map_err(|error| StartError::could_not(format_args!("{key} {wanted} cannot be bound"), error))?;
            tracing::info!(event = "listening", listener = name, address = %address, "listening");
            accepting.push(tokio::spawn(accept(listener, Arc::clone(&shown), shows)).abort_handle());
            Ok::<_, StartError>(address)
        };
        let address = open("management.address", "management", wanted, Shows::Everything).await?;
        if let Some(probes) = &spec.probes {
            open("management.probes", "probes", probes.as_str(), Shows::HealthOnly).await?;
        }
        Ok(Self { address, accepting })
    }

    /// Answers nothing more.
    pub(crate) fn stop(&self) {
        self.accepting.iter().for_each(AbortHandle::abort);
    }
}

impl Drop for Management {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn accept(listener: TcpListener, shown: Arc<Shown>, shows: Shows) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let shown = Arc::clone(&shown);
        tokio::spawn(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let shown = Arc::clone(&shown);
                async move { Ok::<_, Infallible>(answer(&shown, shows, request).await) }
            });
            let mut connection = pin!(
                http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEADER_TIMEOUT)
                    .serve_connection(TokioIo::new(stream), service)
            );
            let mut ended = timeout(CONNECTION_TIMEOUT, connection.as_mut()).await;
            if ended.is_err() {
                connection.as_mut().graceful_shutdown();
                ended = timeout(CONNECTION_TIMEOUT, connection.as_mut()).await;
            }
            if let Ok(Err(error)) = ended {
                tracing::debug!(event = "management-connection-ended", %error, "a management connection ended early");
            }
            drop(permit);
        });
    }
}

async fn answer(shown: &Shown, shows: Shows, request: Request<Incoming>) -> Response<Body> {
    let path = pages::plain(request.uri().path()).to_owned();
    if shows == Shows::Everything && loggers::is_change(&request, &path) {
        return loggers::change(&shown.operators, &path, request).await;
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = json(StatusCode::METHOD_NOT_ALLOWED, r#"{"title":"only GET is answered here"}"#.to_owned());
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    pages::page(shown, shows, &path)
}

fn json(status: StatusCode, body: String) -> Response<Body> {
    let mut response = text("application/json", body);
    *response.status_mut() = status;
    response
}

fn text(kind: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
