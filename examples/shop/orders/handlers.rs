//! What orders answers.

use gwanmun_chassis::Problem;
use gwanmun_chassis::axum::Json;
use gwanmun_chassis::axum::extract::{Path, Query, State};
use gwanmun_chassis::axum::http::StatusCode;
use gwanmun_chassis::identity::{Audit, Principal};
use gwanmun_chassis::outgoing::{Answer, segment};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Orders;
use crate::book::Book;

/// What somebody wants.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    /// What to cook.
    #[schema(min_length = 1, max_length = 40)]
    dish: String,
    /// How many.
    #[schema(minimum = 1)]
    quantity: u32,
}

/// What was ordered.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Order {
    pub(crate) id: i64,
    pub(crate) by: String,
    pub(crate) dish: String,
    pub(crate) quantity: i64,
    pub(crate) cancelled: bool,
}

/// Of what the average is wanted.
#[derive(Debug, Deserialize)]
pub(crate) struct Average {
    dish: String,
}

/// What consumers tells.
#[derive(Debug, Deserialize)]
struct Consumer {
    address: String,
}

/// What the kitchen is told.
#[derive(Debug, Serialize)]
struct Ticket<'a> {
    order: i64,
    dish: &'a str,
    quantity: i64,
    address: &'a str,
}

/// Takes an order: asks consumers where to, keeps it, tells the kitchen.
#[utoipa::path(post, path = "/orders", request_body = Wish, responses((status = 201, body = Order), (status = 422, description = "too much, or nothing")))]
pub(crate) async fn place(
    State(app): State<Orders>,
    principal: Principal,
    audit: Audit,
    Json(wish): Json<Wish>,
) -> Result<(StatusCode, Json<Order>), Problem> {
    let most = app.config().max_quantity;
    if wish.quantity == 0 || wish.quantity > most {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("at least 1 and at most {most} of a dish")));
    }
    let dish = wish.dish.trim();
    if dish.is_empty() || dish.chars().count() > 40 || dish.chars().any(char::is_control) {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "a dish has a name of 1 to 40 characters"));
    }
    let path = format!("/consumers/{}", segment(&principal.subject));
    let consumer: Consumer = app.client("consumers")?.get(path).send().await?.json()?;
    let book = Book::of(&app)?;
    let (order, transaction) = book.add(&principal.subject, dish, wish.quantity).await?;
    // What cannot be recorded does not happen: the order is not there before this.
    audit.record("order.placed").resource(format!("order/{}", order.id)).await?;
    transaction.commit().await?;
    let ticket = Ticket { order: order.id, dish: &order.dish, quantity: order.quantity, address: &consumer.address };
    let told = app.client("kitchen")?.post("/tickets").json(&ticket).send().await.and_then(Answer::ok);
    if let Err(failed) = told {
        // Nobody cooks it, so nobody waits for it.
        audit.record("order.cancelled").resource(format!("order/{}", order.id)).await?;
        book.cancel(order.id, &principal.subject).await?;
        return Err(failed.into());
    }
    app.metrics().counter("orders_placed_total", "Orders that were taken.", &[])?.with(&[]).inc();
    Ok((StatusCode::CREATED, Json(order)))
}

/// The caller's orders.
#[utoipa::path(get, path = "/orders", responses((status = 200, body = [Order])))]
pub(crate) async fn list(State(app): State<Orders>, principal: Principal) -> Result<Json<Vec<Order>>, Problem> {
    let of = (!principal.has_role("owner")).then_some(principal.subject.as_str());
    Ok(Json(Book::of(&app)?.list(of).await?))
}

/// One order of the caller's; the owner sees everybody's.
#[utoipa::path(get, path = "/orders/{id}", params(("id" = i64, Path)), responses((status = 200, body = Order), (status = 404)))]
pub(crate) async fn one(
    State(app): State<Orders>,
    principal: Principal,
    Path(id): Path<i64>,
) -> Result<Json<Order>, Problem> {
    let order = Book::of(&app)?.one(id).await?;
    // Whose it is, is nobody else's business either.
    let visible = order.filter(|order| order.by == principal.subject || principal.has_role("owner"));
    visible.map(Json).ok_or_else(nothing)
}

/// Cancels an order of the caller's.
#[utoipa::path(post, path = "/orders/{id}/cancellation", params(("id" = i64, Path)), responses((status = 200, body = Order), (status = 404)))]
pub(crate) async fn cancel(
    State(app): State<Orders>,
    principal: Principal,
    audit: Audit,
    Path(id): Path<i64>,
) -> Result<Json<Order>, Problem> {
    let book = Book::of(&app)?;
    let order = book.one(id).await?.filter(|order| order.by == principal.subject).ok_or_else(nothing)?;
    audit.record("order.cancelled").resource(format!("order/{}", order.id)).await?;
    book.cancel(order.id, &principal.subject).await?.map(Json).ok_or_else(nothing)
}

/// How much of a dish is in an order, on average. It has a mistake in it, on purpose: a dish that nobody has ordered.
pub(crate) async fn average(State(app): State<Orders>, Query(of): Query<Average>) -> Result<Json<i64>, Problem> {
    let quantities = Book::of(&app)?.quantities(&of.dish).await?;
    let count = quantities.iter().map(|_| 1).sum::<i64>();
    Ok(Json(quantities.iter().sum::<i64>() / count))
}

fn nothing() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no such order of yours")
}
