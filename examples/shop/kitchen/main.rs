//! The kitchen: what has to be cooked. Only services with a certificate of the shop reach it.

mod handlers;

use std::process::ExitCode;

use gwanmun_chassis::Service;
use gwanmun_chassis::axum::routing::get;
use gwanmun_chassis::axum::{Extension, Router};

fn main() -> ExitCode {
    let routes = Router::new().route("/tickets", get(handlers::list).post(handlers::add));
    Service::new("kitchen")
        .version(env!("CARGO_PKG_VERSION"))
        .routes(routes.layer(Extension(handlers::Tickets::default())))
        .run()
}
