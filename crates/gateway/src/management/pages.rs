//! The pages about the gateway itself, as JSON.

use gwanmun_config::{Masked, Node};
use gwanmun_proxy::Plan;
use serde_json::json;

pub(super) fn index() -> String {
    json!({"pages": ["/health", "/health/liveness", "/health/readiness", "/metrics", "/info", "/routes", "/upstreams", "/loggers", "/jwks.json", "/exceptions", "/config"]}).to_string()
}

pub(super) fn info(plan: Option<&Plan>) -> String {
    let role = plan.and_then(|plan| plan.role);
    json!({"name": "gwanmun", "version": env!("CARGO_PKG_VERSION"), "role": role}).to_string()
}

/// The routes in the order they are asked.
pub(super) fn routes(plan: &Plan) -> String {
    let routes: Vec<_> = plan
        .routes
        .iter()
        .map(|route| {
            let filters: Vec<_> = route.filters.iter().map(|filter| filter.name).collect();
            let upstream = route.upstream.and_then(|index| plan.upstreams.get(index)).map(|upstream| &*upstream.name);
            json!({"id": &*route.id, "order": route.order, "filters": filters, "upstream": upstream})
        })
        .collect();
    json!({ "routes": routes }).to_string()
}

/// The upstreams with their endpoints.
pub(super) fn upstreams(plan: &Plan) -> String {
    let upstreams: Vec<_> = plan
        .upstreams
        .iter()
        .map(|upstream| {
            let endpoints: Vec<_> = upstream
                .endpoints
                .iter()
                .map(|endpoint| json!({"url": &*endpoint.label, "weight": endpoint.weight}))
                .collect();
            json!({"name": &*upstream.name, "endpoints": endpoints})
        })
        .collect();
    json!({ "upstreams": upstreams }).to_string()
}

/// The merged configuration; what came from the environment or a file, and what is called a secret, is masked.
pub(super) fn configuration(document: &Node) -> String {
    serde_json::to_string(&Masked::of(document)).unwrap_or_default()
}
