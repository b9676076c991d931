//! Health as Spring Boot tells it, which platforms know: `/health`, `/health/liveness`, `/health/readiness`.

use http::StatusCode;

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

/// The page at `path`, if it is one about health. Liveness asks for nothing but an answer.
pub(super) fn page(path: &str, readiness: Readiness) -> Option<(StatusCode, String)> {
    let (code, status) = readiness.status();
    match path {
        "/health" => Some((code, format!(r#"{{"status":"{status}","groups":["liveness","readiness"]}}"#))),
        "/health/readiness" => Some((code, format!(r#"{{"status":"{status}"}}"#))),
        "/health/liveness" => Some((StatusCode::OK, r#"{"status":"UP"}"#.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draining_gateway_is_alive_but_not_ready() {
        assert_eq!(page("/health/liveness", Readiness::Draining).map(|(code, _)| code), Some(StatusCode::OK));
        assert_eq!(
            page("/health/readiness", Readiness::Draining).map(|(code, _)| code),
            Some(StatusCode::SERVICE_UNAVAILABLE)
        );
        assert_eq!(page("/health", Readiness::Starting).map(|(code, _)| code), Some(StatusCode::SERVICE_UNAVAILABLE));
        assert_eq!(page("/health", Readiness::Ready).map(|(code, _)| code), Some(StatusCode::OK));
        assert_eq!(page("/metrics", Readiness::Ready), None);
    }
}
