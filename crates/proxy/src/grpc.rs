//! What the gateway itself has to know of gRPC over HTTP/2: who speaks it, how long a caller waits, and in which words a
//! fault is told. Messages pass through like any other body.

use std::time::Duration;

use gwanmun_core::{Code, Fault, Reason};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Version};

use crate::exchange::Request;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Whether the caller understands a gRPC status. gRPC-Web does not: it is answered as HTTP.
pub(crate) fn is_spoken(request: &Request) -> bool {
    request.version == Version::HTTP_2 && is_grpc(&request.headers)
}

/// Whether these headers announce gRPC messages.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let Some(media_type) = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes) else { return false };
    media_type.strip_prefix(b"application/grpc").is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// How long the caller waits for the end of the answer; `None` if it does not say so.
///
/// # Errors
/// `malformed-request` if there are two `grpc-timeout`s, or one that is not 1 to 8 digits and a unit.
pub(crate) fn timeout(request: &Request) -> Result<Option<Duration>, Fault> {
    if !is_spoken(request) {
        return Ok(None);
    }
    let mut values = request.headers.get_all(GRPC_TIMEOUT).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let read = parse(value.as_bytes()).filter(|_| values.next().is_none());
    let malformed = || {
        Fault::new(
            Code::MalformedRequest,
            format!("found grpc-timeout {value:?}, wanted 1 to 8 digits and one of H M S m u n, once"),
        )
    };
    read.map(Some).ok_or_else(|| malformed().because(Reason::MalformedGrpcTimeout))
}

fn parse(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(match unit {
        b'H' => Duration::from_secs(number * 3600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

/// Adds what tells a gRPC caller of a fault: as headers of an answer without messages ("Trailers-Only"), or as trailers of
/// one that has begun.
pub(crate) fn tell(headers: &mut HeaderMap, fault: &Fault) {
    headers.insert(GRPC_STATUS, HeaderValue::from_static(status(fault)));
    // Titles are ASCII without a percent sign: nothing in them has to be encoded.
    headers.insert(GRPC_MESSAGE, HeaderValue::from_static(fault.code().title()));
}

/// gRPC's mapping of HTTP statuses to its own, finer where we know more than a status says: a limit is `RESOURCE_EXHAUSTED`
/// (8), an answer that did not come in time `DEADLINE_EXCEEDED` (4), unless nobody was asked, and a fault of our own
/// `INTERNAL` (13).
fn status(fault: &Fault) -> &'static str {
    if matches!(fault.reason(), Some(Reason::ConnectTimeout | Reason::DnsTimeout)) {
        return "14";
    }
    match fault.code().status().as_u16() {
        400 | 500 => "13",
        401 => "16",
        403 => "7",
        404 | 501 => "12",
        408 | 504 => "4",
        413 | 414 | 429 | 431 => "8",
        502 | 503 => "14",
        _ => "2",
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use http::uri::PathAndQuery;

    use super::*;
    use crate::body::Body;

    fn request(version: Version, fields: &[(&'static str, &'static str)]) -> Request {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        Request::new(Method::POST, version, PathAndQuery::from_static("/a.B/C"), headers, Body::Empty)
    }

    fn asked(value: &'static str) -> Result<Option<Duration>, Fault> {
        timeout(&request(Version::HTTP_2, &[("content-type", "application/grpc"), ("grpc-timeout", value)]))
    }

    #[test]
    fn a_timeout_is_a_number_and_a_unit() {
        for (value, wanted) in [
            ("1H", Duration::from_secs(3600)),
            ("2M", Duration::from_secs(120)),
            ("99999999S", Duration::from_secs(99_999_999)),
            ("100m", Duration::from_millis(100)),
            ("7u", Duration::from_micros(7)),
            ("0n", Duration::ZERO),
        ] {
            assert_eq!(asked(value).unwrap(), Some(wanted), "{value}");
        }
        for value in ["", "S", "1", "1s", "123456789S", "-1S", "+1S", "1.5S", "1 S", " 1S", "1SS", "0x1S"] {
            let fault = asked(value).unwrap_err();
            assert_eq!((fault.code(), status(&fault)), (Code::MalformedRequest, "13"), "{value}");
        }
    }

    #[test]
    fn two_timeouts_are_none() {
        let fields = [("content-type", "application/grpc"), ("grpc-timeout", "1S"), ("grpc-timeout", "1S")];
        assert!(timeout(&request(Version::HTTP_2, &fields)).is_err());
    }

    #[test]
    fn who_does_not_speak_grpc_has_no_timeout() {
        for kind in ["application/json", "application/grpc-web", "application/grpc-web+proto"] {
            let fields = [("content-type", kind), ("grpc-timeout", "x")];
            assert_eq!(timeout(&request(Version::HTTP_2, &fields)).unwrap(), None, "{kind}");
        }
        let fields = [("content-type", "application/grpc"), ("grpc-timeout", "x")];
        assert_eq!(timeout(&request(Version::HTTP_11, &fields)).unwrap(), None);
        assert!(is_spoken(&request(Version::HTTP_2, &[("content-type", "application/grpc+proto")])));
    }

    #[test]
    fn no_title_needs_to_be_encoded() {
        for code in Code::ALL {
            assert!(code.title().bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'%'), "{}", code.name());
        }
    }

    #[test]
    fn a_timeout_before_anybody_was_asked_may_be_tried_again() {
        let late = Fault::new(Code::UpstreamTimeout, "late");
        assert_eq!(status(&late.clone().because(Reason::ConnectTimeout)), "14");
        assert_eq!(status(&late.because(Reason::GrpcTimeout)), "4");
    }
}
