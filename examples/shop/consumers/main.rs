//! Consumers: who people are, and where they want their food.

mod handlers;

use std::collections::BTreeMap;
use std::process::ExitCode;

use gwanmun_chassis::axum::Router;
use gwanmun_chassis::axum::routing::get;
use gwanmun_chassis::{App, Service};
use serde::Deserialize;

/// The section `consumers` of `application.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ConsumersConfig {
    /// Where people live, by their names.
    addresses: BTreeMap<String, String>,
}

pub(crate) type Consumers = App<ConsumersConfig>;

fn main() -> ExitCode {
    Service::new("consumers")
        .version(env!("CARGO_PKG_VERSION"))
        .config::<ConsumersConfig>()
        .reloadable(["addresses"])
        .routes(Router::new().route("/consumers/{name}", get(handlers::one)))
        .run()
}
