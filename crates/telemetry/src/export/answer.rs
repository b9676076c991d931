//! What the status of a collector's answer and its `Retry-After` say about another attempt.

use std::time::{Duration, SystemTime};

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};

/// Whether the same request may be taken later (OTLP, "Retryable response codes").
pub(crate) fn is_temporary(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}

/// How long it is until the time in `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3).
pub(crate) fn busy_until(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    httpdate::parse_http_date(value).ok()?.duration_since(now).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_time_to_come_again_is_read() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
        let read = |value: &'static str| {
            let headers = [(RETRY_AFTER, HeaderValue::from_static(value))].into_iter().collect();
            busy_until(&headers, now).map(|wait| wait.as_secs())
        };
        assert_eq!(read("120"), Some(120));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), Some(7));
        for nonsense in ["", "-1", "soon", "Sun, 06 Nov 1994 08:49:29 GMT", "99999999999999999999999"] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
    }
}
