//! The OpenAPI description of what orders answers, for people and for tools that try everything.

use gwanmun_chassis::axum::Json;
use utoipa::OpenApi;

use crate::handlers;

/// `GET /openapi.json`
pub(crate) async fn page() -> Json<utoipa::openapi::OpenApi> {
    Json(Description::openapi())
}

#[derive(OpenApi)]
#[openapi(paths(handlers::place, handlers::list, handlers::one, handlers::cancel))]
struct Description;
