//! The management port: health for the platform, metrics for Prometheus, and what an operator wants to look at. Only the
//! levels of loggers can be changed, by who carries the token.

mod health;
mod loggers;
mod pages;

use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use gwanmun_filters::section::passport::{PassportOffice, PublishedKeys};
use gwanmun_proxy::{Body, Plan, Response};
use gwanmun_telemetry::health::{Audience, Health};
use gwanmun_telemetry::metrics::Metrics;
use gwanmun_telemetry::operators::Operators;
use gwanmun_telemetry::pipeline::Telemetry;
use http::{HeaderValue, Method, Request, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

pub(crate) use health::{COMPONENTS, GatewayHealth};

use crate::load::Configuration;

/// Until the head of a request is complete.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// The management port and the probes port.
pub(crate) struct Management {
    listener: RefCell<Option<TcpListener>>,
    probes: RefCell<Option<TcpListener>>,
    state: Rc<State>,
}

/// What is shown.
pub(crate) struct State {
    metrics: Metrics,
    health: Health,
    telemetry: Telemetry,
    /// The configuration as JSON, secrets masked.
    configuration: RefCell<String>,
    plan: RefCell<Option<PlanInForce>>,
    operators: RefCell<Operators>,
}

/// Gives the plan that requests follow now.
type PlanInForce = Box<dyn Fn() -> Arc<Plan>>;

/// What failed, and why.
pub(crate) struct BindError(pub(crate) String, pub(crate) io::Error);

/// What a port shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shows {
    Everything,
    HealthOnly,
}

impl Management {
    /// Binds the ports.
    pub(crate) async fn bind(
        configuration: &Configuration,
        metrics: Metrics,
        health: Health,
        telemetry: Telemetry,
    ) -> Result<Self, BindError> {
        let spec = &configuration.spec.management;
        let listener = TcpListener::bind(spec.address.as_str()).await.map_err(|error| {
            BindError(format!("management.address {} cannot be bound", spec.address.as_str()), error)
        })?;
        let probes = match &spec.probes {
            Some(address) => Some(TcpListener::bind(address.as_str()).await.map_err(|error| {
                BindError(format!("management.probes {} cannot be bound", address.as_str()), error)
            })?),
            None => None,
        };
        let state = State {
            metrics,
            health,
            telemetry,
            configuration: RefCell::new(pages::configuration(&configuration.document)),
            plan: RefCell::new(None),
            operators: RefCell::new(operators(configuration)),
        };
        Ok(Self { listener: RefCell::new(Some(listener)), probes: RefCell::new(probes), state: Rc::new(state) })
    }

    /// Begins to serve, in tasks of the runtime this is called on. `plan` gives the plan in force.
    pub(crate) fn serve(&self, plan: impl Fn() -> Arc<Plan> + 'static) {
        *self.state.plan.borrow_mut() = Some(Box::new(plan));
        for (name, listener, shows) in
            [("management", self.listener.take(), Shows::Everything), ("probes", self.probes.take(), Shows::HealthOnly)]
        {
            let Some(listener) = listener else { continue };
            if let Ok(address) = listener.local_addr() {
                tracing::info!(event = "listening", listener = name, address = %address, "listening");
            }
            tokio::task::spawn_local(accept(listener, Rc::clone(&self.state), shows));
        }
    }

    /// Another configuration is in force.
    pub(crate) fn taken_over(&self, configuration: &Configuration) {
        *self.state.configuration.borrow_mut() = pages::configuration(&configuration.document);
        *self.state.operators.borrow_mut() = operators(configuration);
    }
}

async fn accept(listener: TcpListener, state: Rc<State>, shows: Shows) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let state = Rc::clone(&state);
        tokio::task::spawn_local(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let state = Rc::clone(&state);
                async move { Ok::<_, Infallible>(answer(&state, shows, request).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!(event = "management-connection-ended", %error, "a management connection ended early");
            }
        });
    }
}

/// Who may change something.
fn operators(configuration: &Configuration) -> Operators {
    Operators::new(configuration.spec.management.token.as_ref().map(|token| token.as_str()))
}

async fn answer(state: &State, shows: Shows, request: Request<Incoming>) -> Response {
    if shows == Shows::Everything && loggers::is_change(&request) {
        return loggers::change(state, request).await;
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = json(StatusCode::METHOD_NOT_ALLOWED, r#"{"title":"only GET is answered here"}"#.to_owned());
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let path = request.uri().path();
    let audience = if shows == Shows::Everything { Audience::Operators } else { Audience::Platform };
    if let Some((status, body)) = state.health.page(path, audience) {
        return json(StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE), body);
    }
    if shows == Shows::HealthOnly {
        return not_found();
    }
    if let Some((status, body)) = state.telemetry.exceptions().answer(path) {
        return json(status, body);
    }
    let plan = state.plan.borrow().as_ref().map(|plan| plan());
    match (path, plan) {
        ("/metrics", _) => text(gwanmun_telemetry::metrics::CONTENT_TYPE, state.metrics.render()),
        ("/info", plan) => json(StatusCode::OK, pages::info(plan.as_deref())),
        ("/config", _) => json(StatusCode::OK, state.configuration.borrow().clone()),
        ("/routes", Some(plan)) => json(StatusCode::OK, pages::routes(&plan)),
        ("/upstreams", Some(plan)) => json(StatusCode::OK, pages::upstreams(&plan)),
        ("/jwks.json", Some(plan)) => match plan.sections.of::<PassportOffice>() {
            Ok(office) => keys(office.published_keys().await),
            Err(_) => not_found(),
        },
        (loggers, _) if loggers.starts_with("/loggers") => loggers::page("GET", loggers, b""),
        ("/", _) => json(StatusCode::OK, pages::index()),
        _ => not_found(),
    }
}

/// A JWK set (RFC 7517 section 8.5.2).
fn keys(published: PublishedKeys) -> Response {
    let mut response = text("application/jwk-set+json", published.jwks);
    let age = match published.max_age.as_secs() {
        0 => "no-cache".to_owned(),
        seconds => format!("public, max-age={seconds}"),
    };
    let age = HeaderValue::try_from(age).unwrap_or(HeaderValue::from_static("no-cache"));
    response.headers_mut().insert(header::CACHE_CONTROL, age);
    response
}

fn not_found() -> Response {
    json(StatusCode::NOT_FOUND, r#"{"title":"nothing is shown here; / lists what is"}"#.to_owned())
}

fn json(status: StatusCode, body: String) -> Response {
    let mut response = text("application/json", body);
    *response.status_mut() = status;
    response
}

fn text(content_type: &'static str, body: String) -> Response {
    let mut response = http::Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
