//! OTLP over gRPC: one message in a frame, the outcome in trailers (gRPC over HTTP/2).

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use gwanmun_client::Trailers;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Request, Response, StatusCode, Uri};

use crate::export::answer::{busy_until, is_temporary};
use crate::export::protobuf::{self, Value};
use crate::export::shipper::Attempt;

/// A byte that says whether it is compressed, and four for the length.
const FRAME: usize = 5;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(super) fn request(url: &Uri, message: Vec<u8>) -> http::Result<Request<Bytes>> {
    let mut framed = Vec::with_capacity(FRAME + message.len());
    framed.push(0);
    framed.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    framed.extend_from_slice(&message);
    Request::post(url.clone()).header(CONTENT_TYPE, "application/grpc").body(Bytes::from(framed))
}

/// What an answer means.
pub(super) fn meaning(answer: &Response<Bytes>, now: SystemTime) -> Attempt {
    let status = answer.status();
    if status != StatusCode::OK {
        let why = format!("the answer is {}", status.as_u16()).into();
        return if is_temporary(status) {
            Attempt::Later(busy_until(answer.headers(), now), why)
        } else {
            Attempt::Refused(why)
        };
    }
    let trailers = answer.extensions().get::<Trailers>().map(|Trailers(trailers)| trailers);
    // Where there is no message, head and trailers are one.
    let told = trailers.filter(|trailers| trailers.contains_key("grpc-status")).unwrap_or(answer.headers());
    let Some(code) = told.get("grpc-status").and_then(|code| code.to_str().ok()?.parse::<u32>().ok()) else {
        return Attempt::Refused("the answer is not gRPC's".into());
    };
    if code == 0 {
        let said = message(answer.body()).and_then(super::taken);
        return said.unwrap_or_else(|| Attempt::Refused("the answer is not OTLP's".into()));
    }
    let words = told.get("grpc-message").map(|words| String::from_utf8_lossy(words.as_bytes())).unwrap_or_default();
    let why = format!("gRPC status {code}: {words}").into();
    let pause = pause(told);
    // CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS; RESOURCE_EXHAUSTED if it ends some day.
    if matches!(code, 1 | 4 | 10 | 11 | 14 | 15) || (code == 8 && pause.is_some()) {
        Attempt::Later(pause, why)
    } else {
        Attempt::Refused(why)
    }
}

/// The one message in the body.
fn message(body: &[u8]) -> Option<&[u8]> {
    let (head, message) = body.split_first_chunk::<FRAME>()?;
    let [compressed, length @ ..] = head;
    let is_whole = usize::try_from(u32::from_be_bytes(*length)).ok() == Some(message.len());
    (*compressed == 0 && is_whole).then_some(message)
}

/// `google.rpc.RetryInfo` among the details of a `google.rpc.Status`.
fn pause(told: &HeaderMap) -> Option<Duration> {
    let status = LENIENT.decode(told.get("grpc-status-details-bin")?.as_bytes()).ok()?;
    protobuf::fields(&status)?.into_iter().filter(|(field, _)| *field == 3).find_map(|(_, detail)| {
        let Value::Sized(detail) = detail else { return None };
        let any = protobuf::fields(detail)?;
        if !protobuf::sized(&any, 1).ends_with(b"/google.rpc.RetryInfo") {
            return None;
        }
        let info = protobuf::fields(protobuf::sized(&any, 2))?;
        let delay = protobuf::fields(protobuf::sized(&info, 1))?;
        let (seconds, nanos) = (protobuf::number(&delay, 1), protobuf::number(&delay, 2));
        let seconds = u64::try_from(i64::try_from(seconds).ok()?).ok()?;
        Some(Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanos.min(999_999_999))))
    })
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;
    use crate::export::protobuf::Writer;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        fields.iter().map(field).collect()
    }

    fn answer(
        status: u16,
        head: &[(&'static str, &str)],
        body: &'static [u8],
        trailers: Option<&[(&'static str, &str)]>,
    ) -> Attempt {
        let mut answer = Response::new(Bytes::from_static(body));
        *answer.status_mut() = StatusCode::from_u16(status).unwrap();
        *answer.headers_mut() = headers(head);
        if let Some(trailers) = trailers {
            answer.extensions_mut().insert(Trailers(headers(trailers)));
        }
        meaning(&answer, SystemTime::UNIX_EPOCH)
    }

    fn status(code: &str, details: &str) -> Attempt {
        answer(200, &[("grpc-status", code), ("grpc-message", "why"), ("grpc-status-details-bin", details)], b"", None)
    }

    fn retry_info(kind: &str, seconds: u64) -> String {
        let mut status = Writer::default();
        status.message(3, |any| {
            any.bytes(1, kind.as_bytes());
            any.message(2, |info| info.message(1, |delay| delay.number(1, seconds)));
        });
        LENIENT.encode(status.finish())
    }

    #[test]
    fn a_request_is_framed() {
        let request = request(&Uri::from_static("http://a/b"), b"abc".to_vec()).unwrap();
        assert_eq!(request.body(), &b"\0\0\0\0\x03abc"[..]);
    }

    #[test]
    fn who_says_zero_behind_a_message_has_it() {
        let fine: &[(&str, &str)] = &[("grpc-status", "0")];
        assert_eq!(answer(200, &[], b"\0\0\0\0\0", Some(fine)), Attempt::Sent);
        assert_eq!(answer(200, &[], b"\0\0\0\0\x04\x0a\x02\x08\x03", Some(fine)), Attempt::PartlyRefused(3, "".into()));
        for body in [&b""[..], b"\0\0\0\0\x01", b"\x01\0\0\0\0", b"\0\0\0\0\x06<html>", b"\0\0\0\0\0\0\0\0\0\0"] {
            assert!(matches!(answer(200, &[], body, Some(fine)), Attempt::Refused(_)), "{body:?}");
        }
    }

    #[test]
    fn an_answer_without_a_status_is_not_grpcs() {
        for trailers in [None, Some(&[("x", "y")][..]), Some(&[("grpc-status", "fine")])] {
            assert!(matches!(answer(200, &[], b"\0\0\0\0\0", trailers), Attempt::Refused(_)));
        }
    }

    #[test]
    fn some_codes_pass() {
        for code in 1..=16 {
            let is_later = matches!(status(&code.to_string(), ""), Attempt::Later(None, _));
            assert_eq!(is_later, [1, 4, 10, 11, 14, 15].contains(&code), "{code}");
        }
        assert_eq!(status("14", ""), Attempt::Later(None, "gRPC status 14: why".into()));
        assert!(matches!(answer(503, &[("retry-after", "3")], b"", None), Attempt::Later(Some(_), _)));
        assert!(matches!(answer(404, &[], b"", None), Attempt::Refused(_)));
    }

    #[test]
    fn who_is_exhausted_says_until_when() {
        let info = retry_info("type.googleapis.com/google.rpc.RetryInfo", 9);
        let nine = Attempt::Later(Some(Duration::from_secs(9)), "gRPC status 8: why".into());
        assert_eq!(status("8", &info), nine);
        assert_eq!(status("8", info.trim_end_matches('=')), nine);
        assert!(matches!(status("14", &info), Attempt::Later(Some(_), _)));
        assert!(matches!(status("8", &retry_info("type.googleapis.com/google.rpc.Help", 9)), Attempt::Refused(_)));
        assert!(matches!(status("8", &retry_info("x/google.rpc.RetryInfo", u64::MAX)), Attempt::Refused(_)));
        assert!(matches!(status("8", "%%%"), Attempt::Refused(_)));
    }
}
