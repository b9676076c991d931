//! Health as Spring Boot tells it, which platforms know: `/health`, `/health/liveness`, `/health/readiness`.

use std::time::SystemTime;

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Whether requests are welcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// There is no plan yet.
    Starting,
    /// They are.
    Ready,
    /// Not any more.
    Draining,
}

impl Readiness {
    fn status(self) -> (StatusCode, &'static str) {
        match self {
            Self::Ready => (StatusCode::OK, "UP"),
            Self::Starting | Self::Draining => (StatusCode::SERVICE_UNAVAILABLE, "OUT_OF_SERVICE"),
        }
    }
}

/// What has become of configurations.
#[derive(Debug)]
pub(super) struct Reloads {
    /// Since when the one in force is.
    taken: SystemTime,
    /// When a later one could not be taken over, and why.
    failed: Option<(SystemTime, String)>,
}

impl Reloads {
    /// One is in force since `now`.
    pub(super) fn begin(now: SystemTime) -> Self {
        Self { taken: now, failed: None }
    }

    /// A later one could not be taken over.
    pub(super) fn failed(&mut self, reason: String, now: SystemTime) {
        self.failed = Some((now, reason));
    }

    /// `UNKNOWN` is better than `UP` where the worst status counts: the old configuration serves as before.
    fn component(&self) -> Value {
        let taken = written(self.taken);
        match &self.failed {
            None => json!({"status": "UP", "details": {"in-force-since": taken}}),
            Some((at, reason)) => {
                let details =
                    json!({"in-force-since": taken, "last-reload": "failure", "at": written(*at), "reason": reason});
                json!({"status": "UNKNOWN", "details": details})
            }
        }
    }
}

/// The page at `path`, if it is one about health; `details` only for operators. Liveness asks for nothing but an answer.
pub(super) fn page(path: &str, readiness: Readiness, details: Option<&Reloads>) -> Option<(StatusCode, String)> {
    let (code, status) = readiness.status();
    match path {
        "/health" => {
            let mut page = json!({"status": status, "groups": ["liveness", "readiness"]});
            if let (Some(reloads), Some(page)) = (details, page.as_object_mut()) {
                page.insert("components".to_owned(), json!({"configuration": reloads.component()}));
            }
            Some((code, page.to_string()))
        }
        "/health/readiness" => Some((code, format!(r#"{{"status":"{status}"}}"#))),
        "/health/liveness" => Some((StatusCode::OK, r#"{"status":"UP"}"#.to_owned())),
        _ => None,
    }
}

/// RFC 3339, to the second.
fn written(time: SystemTime) -> String {
    Timestamp::try_from(time).map_or_else(|_| String::new(), |time| format!("{time:.0}"))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_draining_gateway_is_alive_but_not_ready() {
        let code = |path, readiness| page(path, readiness, None).map(|(code, _)| code);
        assert_eq!(code("/health/liveness", Readiness::Draining), Some(StatusCode::OK));
        assert_eq!(code("/health/readiness", Readiness::Draining), Some(StatusCode::SERVICE_UNAVAILABLE));
        assert_eq!(code("/health", Readiness::Starting), Some(StatusCode::SERVICE_UNAVAILABLE));
        assert_eq!(code("/health", Readiness::Ready), Some(StatusCode::OK));
        assert_eq!(code("/metrics", Readiness::Ready), None);
    }

    #[test]
    fn a_failed_reload_is_shown_to_operators_and_leaves_the_gateway_up() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let mut reloads = Reloads::begin(at(0));
        let shown = |details: Option<&Reloads>| {
            let (code, text) = page("/health", Readiness::Ready, details).unwrap();
            let page: Value = serde_json::from_str(&text).unwrap();
            assert_eq!((code, &page["status"]), (StatusCode::OK, &json!("UP")));
            page["components"]["configuration"].clone()
        };
        let good = json!({"status": "UP", "details": {"in-force-since": "1970-01-01T00:00:00Z"}});
        assert_eq!(shown(Some(&reloads)), good);
        reloads.failed("it has mistakes".to_owned(), at(61));
        let component = shown(Some(&reloads));
        assert_eq!(component["status"], "UNKNOWN");
        assert_eq!(
            (&component["details"]["reason"], &component["details"]["at"]),
            (&json!("it has mistakes"), &json!("1970-01-01T00:01:01Z"))
        );
        assert_eq!(shown(None), Value::Null);
        assert_eq!(shown(Some(&Reloads::begin(at(0)))), good);
    }
}
