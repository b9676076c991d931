//! The gateway as its users meet it: the real binary between real clients and real services, on ports of their own. One
//! program, since linking is what costs; each file is one subject.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever goes wrong in a test is a failed test"
)]

mod attackers;
mod audited;
mod authentication;
mod authorization;
mod browsers;
mod certificates;
mod chaos;
mod chromium;
mod demo;
mod door;
mod failures;
mod health;
mod http1;
mod http2;
mod http2_floods;
mod http2_heads;
mod http2_upstreams;
mod http2_websocket;
mod large_bodies;
mod lifecycle;
mod logs;
mod metrics;
mod oauth;
mod observability;
mod passport;
mod proxy_protocol;
mod proxying;
mod real_clients;
mod relay_headers;
mod reload;
mod roles;
mod sessions;
mod streaming;
mod tls;
mod traces;
mod under_load;
mod upgrades;

use std::net::SocketAddr;
use std::time::Duration;

use gwanmun_testkit::{Gateway, Setup, eventually};
use tokio::net::TcpStream;

/// A gateway to be started.
fn setup() -> Setup {
    Setup::of(env!("CARGO_BIN_EXE_gwanmun"))
}

/// A gateway with nothing but a configuration.
async fn start(configuration: &str) -> Gateway {
    setup().start(configuration).await
}

/// The configuration of one route, `all`, that sends every request to `url`.
fn all_to(url: &str) -> String {
    format!("routes: [{{id: all, upstream: '{url}'}}]\n")
}

/// The same by way of an upstream `service` with `settings`: `timeouts: {response: 300ms}`.
fn all_to_service(url: &str, settings: &str) -> String {
    format!("upstreams: {{service: {{endpoints: ['{url}'], {settings}}}}}\nroutes: [{{id: all, upstream: service}}]\n")
}

/// Waits until nobody is let in at `address`. Another process may get the port, and let nobody in either.
async fn refuses(address: SocketAddr) {
    eventually("the listener to close", async || {
        let connected = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await;
        (!matches!(connected, Ok(Ok(_)))).then_some(())
    })
    .await;
}
