//! Orders: takes them, keeps them, tells the kitchen. What is not about orders comes from the chassis.

mod book;
mod description;
mod handlers;

use std::process::ExitCode;

use gwanmun_chassis::axum::Router;
use gwanmun_chassis::axum::routing::{get, post};
use gwanmun_chassis::identity::RequireScope;
use gwanmun_chassis::{App, Service};
use serde::Deserialize;

/// The section `orders` of `application.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct OrdersConfig {
    /// The most of one dish in one order.
    max_quantity: u32,
}

impl Default for OrdersConfig {
    fn default() -> Self {
        Self { max_quantity: 10 }
    }
}

pub(crate) type Orders = App<OrdersConfig>;

fn main() -> ExitCode {
    service().run()
}

fn service() -> Service<OrdersConfig> {
    let read = Router::new()
        .route("/orders", get(handlers::list))
        .route("/orders/average", get(handlers::average))
        .route("/orders/{id}", get(handlers::one))
        .route_layer(RequireScope::any(["orders.read"]));
    let write = Router::new()
        .route("/orders", post(handlers::place))
        .route("/orders/{id}/cancellation", post(handlers::cancel))
        .route_layer(RequireScope::any(["orders.write"]));
    Service::new("orders")
        .version(env!("CARGO_PKG_VERSION"))
        .config::<OrdersConfig>()
        .reloadable(["max-quantity"])
        .migrations(book::MIGRATIONS)
        .routes(read.merge(write))
        .public_routes(Router::new().route("/openapi.json", get(description::page)))
}

#[cfg(test)]
mod tests;
