//! A service that runs within its test, on free ports.

use std::sync::Arc;
use std::time::Duration;

use gwanmun_client::{Client, Outbound, Settings};
use gwanmun_core::{SystemClock, Tallies};
use http::{Method, Uri};
use tokio::runtime::Handle;

use super::request::TestRequest;
use crate::config::Configuration;
use crate::lifecycle::Running;
use crate::service::Service;

/// The longest wait for an answer; nothing waits so long when all is well.
const PATIENCE: Duration = Duration::from_secs(20);

/// A service at work.
///
/// ```
/// use gwanmun_chassis::Service;
/// use gwanmun_chassis::axum::{Router, routing::get};
/// use gwanmun_chassis::identity::Principal;
/// use gwanmun_chassis::testing::{Passports, TestService};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let passports = Passports::new();
/// let routes = Router::new().route("/me", get(|who: Principal| async move { who.subject.clone() }));
/// let service = TestService::start(Service::new("orders").routes(routes), &passports.settings()).await;
/// assert_eq!(service.get("/me").send().await.status(), 401);
/// assert_eq!(service.get("/me").passport(&passports.user("ann")).send().await.text(), "ann");
/// service.stop().await;
/// # }
/// ```
#[derive(Debug)]
pub struct TestService<C = ()> {
    running: Running<C>,
    client: Client,
}

impl<C: Configuration> TestService<C> {
    /// Starts `service` with `settings`, the text of an `application.yaml`.
    pub async fn start(service: Service<C>, settings: &str) -> Self {
        let running = service.start(settings).await.unwrap_or_else(|error| panic!("{error}"));
        let outbound = Outbound::on(Handle::current(), Arc::new(SystemClock), Tallies::default());
        let limits = Settings { timeout: PATIENCE, answer_bytes: 16 * 1024 * 1024, ..Settings::default() };
        Self { running, client: Client::new(&outbound, "test", limits) }
    }

    /// A request to the service.
    pub fn request(&self, method: Method, path: &str) -> TestRequest {
        TestRequest::new(self.client.clone(), method, url(self.running.address(), path))
    }

    /// `GET`.
    pub fn get(&self, path: &str) -> TestRequest {
        self.request(Method::GET, path)
    }

    /// `POST`.
    pub fn post(&self, path: &str) -> TestRequest {
        self.request(Method::POST, path)
    }

    /// `PUT`.
    pub fn put(&self, path: &str) -> TestRequest {
        self.request(Method::PUT, path)
    }

    /// `DELETE`.
    pub fn delete(&self, path: &str) -> TestRequest {
        self.request(Method::DELETE, path)
    }

    /// A page of the management port: `/metrics`, `/health`.
    pub fn manage(&self, path: &str) -> TestRequest {
        TestRequest::new(self.client.clone(), Method::GET, url(self.running.management_address(), path))
    }

    /// The service itself.
    pub fn running(&self) -> &Running<C> {
        &self.running
    }

    /// Ends it as a signal would.
    pub async fn stop(self) {
        self.running.stop().await;
    }
}

fn url(address: std::net::SocketAddr, path: &str) -> Uri {
    format!("http://{address}{path}").parse().unwrap_or_else(|error| panic!("{path} is no path: {error}"))
}
