//! docs/chassis/calls.md

use gwanmun_chassis::axum::Json;
use gwanmun_chassis::axum::extract::{Path, State};
use gwanmun_chassis::outgoing::segment;
use gwanmun_chassis::{App, Problem};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Price {
    won: u32,
}

async fn price(State(app): State<App>, Path(dish): Path<String>) -> Result<Json<Price>, Problem> {
    let menu = app.client("menu")?;
    Ok(Json(menu.get(format!("/dishes/{}/price", segment(&dish))).send().await?.json()?))
}
