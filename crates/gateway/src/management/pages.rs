//! The pages about the gateway itself, as JSON.

use std::borrow::Cow;

use gwanmun_config::{Node, Resolved, Value};
use gwanmun_proxy::Plan;
use serde_json::{Map, json};

/// Words in a key that say its value is a secret.
const SECRET_WORDS: [&str; 6] = ["secret", "password", "token", "dsn", "credential", "passphrase"];

pub(super) fn index() -> String {
    json!({"pages": ["/health", "/health/liveness", "/health/readiness", "/metrics", "/info", "/routes", "/upstreams", "/jwks.json", "/config"]}).to_string()
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
    masked(document, Trust::Plain).to_string()
}

/// `text`, where it is a URL without the user and the password in it.
fn without_user(text: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = text.split_once("://") else { return Cow::Borrowed(text) };
    // A password may have any character in it.
    match rest.rfind('@').and_then(|place| rest.get(place..)) {
        Some(behind) => Cow::Owned(format!("{scheme}://***{behind}")),
        None => Cow::Borrowed(text),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    Plain,
    Secret,
}

fn masked(node: &Node, trust: Trust) -> serde_json::Value {
    match &node.value {
        Value::Null => serde_json::Value::Null,
        Value::Scalar(scalar) if trust == Trust::Secret || scalar.is_injected() => json!("***"),
        Value::Scalar(scalar) => match scalar.resolve() {
            Resolved::Bool(value) => json!(value),
            Resolved::Integer(value) => {
                i64::try_from(value).map_or_else(|_| json!(scalar.text()), |value| json!(value))
            }
            _ => json!(without_user(scalar.text())),
        },
        Value::List(items) => items.iter().map(|item| masked(item, trust)).collect(),
        Value::Map(entries) => {
            let mut map = Map::new();
            for entry in entries {
                let key = entry.key.to_ascii_lowercase();
                let secret = trust == Trust::Secret || SECRET_WORDS.iter().any(|word| key.contains(word));
                map.insert(entry.key.clone(), masked(&entry.node, if secret { Trust::Secret } else { Trust::Plain }));
            }
            serde_json::Value::Object(map)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_user_and_password() {
        for (written, shown) in [
            ("redis://ann:s3/cr@t@redis.internal:6379/0", "redis://***@redis.internal:6379/0"),
            ("redis-cluster://:x@a:1,b:2", "redis-cluster://***@a:1,b:2"),
            ("http://127.0.0.1:9001/x", "http://127.0.0.1:9001/x"),
            ("ann@corp", "ann@corp"),
        ] {
            assert_eq!(without_user(written), shown);
        }
    }
}
