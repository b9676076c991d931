//! docs/chassis/service.md

use std::fmt;
use std::pin::Pin;
use std::process::ExitCode;

use gwanmun_chassis::axum::extract::{Path, State};
use gwanmun_chassis::axum::http::StatusCode;
use gwanmun_chassis::axum::{Json, Router};
use gwanmun_chassis::health::{self, Check, CheckSettings, Outcome};
use gwanmun_chassis::{App, HookError, Problem, Service};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct OrdersConfig {
    redis: String,
}

struct Warehouse;

impl Warehouse {
    fn of(_: &App<OrdersConfig>) -> Self {
        Self
    }
}

impl Check for Warehouse {
    fn check(&self) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>> {
        Box::pin(async { Outcome::up() })
    }
}

async fn fill_cache(_: App<OrdersConfig>) -> Result<(), HookError> {
    Ok(())
}

async fn leave_queue(_: App<OrdersConfig>) -> Result<(), HookError> {
    Ok(())
}

fn run(routes: Router<App<OrdersConfig>>, pages: Router<App<OrdersConfig>>) -> ExitCode {
    Service::new("orders")
        .version(env!("CARGO_PKG_VERSION"))
        .config::<OrdersConfig>() // before what knows it
        .routes(routes) // every request carries a Passport
        .public_routes(pages) // a Passport is proven where there is one
        .check("warehouse", CheckSettings::default(), |app| Warehouse::of(app))
        .check("redis", CheckSettings::default(), |app| health::redis(&app.config().redis))
        .on_start(async |app| fill_cache(app).await)
        .on_stop(async |app| leave_queue(app).await)
        .run()
}

#[derive(Serialize)]
struct Order {
    day: u8,
}

impl Order {
    fn is_sent(&self) -> bool {
        self.day > 0
    }

    fn day(&self) -> u8 {
        self.day
    }
}

async fn find<C>(_: &App<C>, _: u64) -> Result<Order, fmt::Error> {
    Err(fmt::Error)
}

async fn cancel(State(app): State<App>, Path(id): Path<u64>) -> Result<Json<Order>, Problem> {
    let order = find(&app, id).await?; // any error: a 500 that does not say why, and an exception
    if order.is_sent() {
        return Err(
            Problem::new(StatusCode::CONFLICT, "the order was sent already").detail(format!("on {}", order.day()))
        );
    }
    Ok(Json(order))
}
