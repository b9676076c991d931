//! docs/chassis/sql.md

use std::process::ExitCode;

use gwanmun_chassis::axum::extract::{Path, State};
use gwanmun_chassis::axum::{Json, Router};
use gwanmun_chassis::sql::{Migration, sqlx};
use gwanmun_chassis::{App, Problem, Service, migrations};
use serde::Serialize;
use sqlx::Row;

#[derive(Serialize)]
struct Order {
    item: String,
    count: i64,
}

const MIGRATIONS: &[Migration] = migrations!["../migrations/0001_orders.sql", "../migrations/0002_index.sql"];

async fn order(State(app): State<App>, Path(id): Path<i64>) -> Result<Json<Order>, Problem> {
    let row = sqlx::query("SELECT item, count FROM orders WHERE id = $1").bind(id).fetch_optional(app.sql()?).await?;
    let row = row.ok_or(sqlx::Error::RowNotFound)?;
    Ok(Json(Order { item: row.try_get(0)?, count: row.try_get(1)? }))
}

fn run(routes: Router<App>) -> ExitCode {
    Service::new("orders").migrations(MIGRATIONS).routes(routes).run()
}
