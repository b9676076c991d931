//! docs/chassis/identity.md

use std::process::ExitCode;

use gwanmun_chassis::axum::Router;
use gwanmun_chassis::axum::extract::Path;
use gwanmun_chassis::axum::routing::{get, post};
use gwanmun_chassis::identity::{Caller, RequireRole};
use gwanmun_chassis::{App, Problem, Service};

async fn order() -> &'static str {
    "an order"
}

async fn reports() -> &'static str {
    "reports"
}

async fn cancel(caller: Caller, Path(id): Path<u64>) -> Result<&'static str, Problem> {
    caller.may("cancel", &format!("order/{id}")).await?;
    caller.audit().record("order.cancelled").resource(format!("order/{id}")).await?;
    Ok("cancelled")
}

fn run(menu: Router<App>) -> ExitCode {
    let routes = Router::new()
        .route("/orders/{id}", get(order))
        .route("/orders/{id}/cancel", post(cancel))
        .merge(Router::new().route("/reports", get(reports)).route_layer(RequireRole::any(["ops", "support"])));

    Service::new("orders").routes(routes).public_routes(menu).run()
}
