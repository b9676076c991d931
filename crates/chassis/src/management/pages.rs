//! The pages of the management port, each also below `/actuator`, where Spring people look.

use std::time::SystemTime;

use axum::body::Body;
use gwanmun_telemetry::health::Audience;
use gwanmun_telemetry::metrics::CONTENT_TYPE;
use http::{Response, StatusCode};
use serde_json::json as value;

use super::{Shown, Shows, json, loggers, text};

/// What `/` lists.
const PAGES: [&str; 7] = ["/configprops", "/env", "/exceptions", "/health", "/info", "/loggers", "/metrics"];

/// A path without the word before it that Spring people write.
pub(super) fn plain(path: &str) -> &str {
    match path.strip_prefix("/actuator") {
        Some("" | "/") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}

/// The page at `path`.
pub(super) fn page(shown: &Shown, shows: Shows, path: &str) -> Response<Body> {
    if let Some(health) = health(shown, shows, path) {
        return health;
    }
    if shows == Shows::HealthOnly {
        return not_found();
    }
    if let Some((status, page)) = shown.telemetry.exceptions().answer(path) {
        return json(status, page);
    }
    match path {
        "/" => json(StatusCode::OK, index()),
        "/configprops" => json(StatusCode::OK, shown.record.load().properties(shown.name)),
        "/env" => json(StatusCode::OK, shown.record.load().environment()),
        "/info" => json(StatusCode::OK, info(shown)),
        "/metrics" | "/prometheus" => text(CONTENT_TYPE, shown.numbers.render()),
        _ if path.starts_with("/loggers") => loggers::page("GET", path, b""),
        _ => not_found(),
    }
}

pub(super) fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// What is shown, in the form of Actuator.
fn index() -> String {
    let links = PAGES.map(|page| (page.trim_start_matches('/').to_owned(), value!({ "href": page })));
    value!({ "_links": serde_json::Map::from_iter(links) }).to_string()
}

fn health(shown: &Shown, shows: Shows, path: &str) -> Option<Response<Body>> {
    let audience = match shows {
        Shows::Everything => Audience::Operators,
        Shows::HealthOnly => Audience::Platform,
    };
    let (status, page) = shown.health.page(path, audience)?;
    Some(json(self::status(status), page))
}

fn info(shown: &Shown) -> String {
    let uptime = SystemTime::now().duration_since(shown.since).unwrap_or_default().as_secs();
    let app = value!({"name": shown.name, "version": shown.version});
    let build = value!({"name": shown.name, "version": shown.version, "chassis": env!("CARGO_PKG_VERSION")});
    let profiles = &shown.record.load().profiles;
    value!({"app": app, "build": build, "profiles": profiles, "uptime-seconds": uptime}).to_string()
}

pub(super) fn not_found() -> Response<Body> {
    json(StatusCode::NOT_FOUND, r#"{"title":"nothing is shown here; / lists what is"}"#.to_owned())
}
