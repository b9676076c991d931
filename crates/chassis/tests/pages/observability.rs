//! docs/observability/

use std::process::ExitCode;

use gwanmun_chassis::axum::Router;
use gwanmun_chassis::health::{CheckSettings, Outcome, from_fn};
use gwanmun_chassis::metrics::InvalidInstrument;
use gwanmun_chassis::{App, Service};

fn run(routes: Router<App>) -> ExitCode {
    Service::new("orders")
        .check("queue", CheckSettings::default(), |_| from_fn(|| async { Outcome::up().with("waiting", 3) }))
        .routes(routes)
        .run()
}

fn count(app: &App) -> Result<(), InvalidInstrument> {
    let placed = app.metrics().counter("orders_placed_total", "Orders placed.", &["payment"])?;
    let by_card = placed.with(&["card"]); // to be kept where counting is frequent
    by_card.inc();

    let weight = app.metrics().histogram("order_weight_grams", "Weight of orders.", &[], &[100.0, 500.0, 2000.0])?;
    weight.with(&[]).observe(230.0);
    Ok(())
}

struct Database;

#[tracing::instrument(skip(database))]
async fn bake(order: u64, database: &Database) {
    let _ = database;
}
