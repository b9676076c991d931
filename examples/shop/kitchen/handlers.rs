//! What the kitchen answers. Tickets are gone when it closes. Who may is in `application.yaml`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use gwanmun_chassis::axum::http::StatusCode;
use gwanmun_chassis::axum::{Extension, Json};
use serde::{Deserialize, Serialize};

/// The oldest ticket is thrown away when there are more.
const MOST: usize = 1000;

/// What has to be cooked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ticket {
    order: i64,
    dish: String,
    quantity: u32,
    address: String,
}

/// The tickets on the wall.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tickets(Arc<Mutex<VecDeque<Ticket>>>);

/// `GET /tickets`
pub(crate) async fn list(Extension(tickets): Extension<Tickets>) -> Json<Vec<Ticket>> {
    Json(tickets.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect())
}

/// `POST /tickets`
pub(crate) async fn add(Extension(tickets): Extension<Tickets>, Json(ticket): Json<Ticket>) -> StatusCode {
    tracing::info!(event = "ticket", order = ticket.order, dish = ticket.dish, "a new ticket");
    let mut wall = tickets.0.lock().unwrap_or_else(PoisonError::into_inner);
    if wall.len() == MOST {
        wall.pop_front();
    }
    wall.push_back(ticket);
    StatusCode::NO_CONTENT
}
