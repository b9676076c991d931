//! What consumers answers. Authorisation is in `application.yaml`: everybody sees themselves, the owner sees everybody.

use gwanmun_chassis::Problem;
use gwanmun_chassis::axum::Json;
use gwanmun_chassis::axum::extract::{Path, State};
use gwanmun_chassis::axum::http::StatusCode;
use serde::Serialize;

use crate::Consumers;

/// Somebody who eats.
#[derive(Debug, Serialize)]
pub(crate) struct Consumer {
    name: String,
    address: String,
}

/// `GET /consumers/{name}`
pub(crate) async fn one(State(app): State<Consumers>, Path(name): Path<String>) -> Result<Json<Consumer>, Problem> {
    match app.config().addresses.get(&name) {
        Some(address) => Ok(Json(Consumer { address: address.clone(), name })),
        None => Err(Problem::new(StatusCode::NOT_FOUND, "nobody of this name eats here")),
    }
}
