//! docs/chassis.md

use std::process::ExitCode;

use gwanmun_chassis::Service;
use gwanmun_chassis::axum::Router;
use gwanmun_chassis::axum::routing::get;
use gwanmun_chassis::identity::Principal;

fn main() -> ExitCode {
    let routes =
        Router::new().route("/hello", get(async |principal: Principal| format!("hello {}", principal.subject)));
    Service::new("hello").version(env!("CARGO_PKG_VERSION")).routes(routes).run()
}
