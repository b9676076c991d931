//! docs/chassis/configuration.md

use std::process::ExitCode;

use gwanmun_chassis::axum::Router;
use gwanmun_chassis::{App, Service};
use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct OrdersConfig {
    max_items: u32,
}

fn run(routes: Router<App<OrdersConfig>>) -> ExitCode {
    Service::new("orders").config::<OrdersConfig>().reloadable(["max-items"]).routes(routes).run()
}
