//! OTLP over HTTP: Protocol Buffers in a POST.

use std::time::SystemTime;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Request, Response, StatusCode, Uri};

use crate::export::answer::{busy_until, is_temporary};
use crate::export::shipper::Attempt;

const PROTOBUF: &str = "application/x-protobuf";

pub(super) fn request(url: &Uri, message: Vec<u8>) -> http::Result<Request<Bytes>> {
    Request::post(url.clone()).header(CONTENT_TYPE, PROTOBUF).body(Bytes::from(message))
}

/// What an answer means. Who answers 200 with something else is no receiver: what it was sent is lost.
pub(super) fn meaning(answer: &Response<Bytes>, now: SystemTime) -> Attempt {
    let status = answer.status();
    if status.is_success() {
        return said(answer).unwrap_or_else(|| Attempt::Refused("the answer is not OTLP's".into()));
    }
    let why = format!("the answer is {}", status.as_u16());
    if is_temporary(status) {
        Attempt::Later(busy_until(answer.headers(), now), why.into())
    } else {
        Attempt::Refused(why.into())
    }
}

fn said(answer: &Response<Bytes>) -> Option<Attempt> {
    if answer.body().is_empty() || is_json(answer.headers()) {
        return Some(Attempt::Sent);
    }
    if media_type(answer.headers()) != PROTOBUF.as_bytes() || answer.status() != StatusCode::OK {
        return None;
    }
    super::taken(answer.body())
}

/// Some receivers answer in JSON whatever they are asked in.
fn is_json(headers: &HeaderMap) -> bool {
    media_type(headers) == b"application/json"
}

fn media_type(headers: &HeaderMap) -> &[u8] {
    let value = headers.get(CONTENT_TYPE).map(|value| value.as_bytes()).unwrap_or_default();
    value.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::header::RETRY_AFTER;

    use super::*;

    fn meaning_of(status: u16, media_type: &str, body: &'static [u8]) -> Attempt {
        let answer = Response::builder().status(status).header(CONTENT_TYPE, media_type).header(RETRY_AFTER, "7");
        meaning(&answer.body(Bytes::from_static(body)).unwrap(), SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn who_answers_as_a_receiver_has_it() {
        assert_eq!(meaning_of(200, PROTOBUF, b""), Attempt::Sent);
        assert_eq!(meaning_of(200, "text/html", b""), Attempt::Sent);
        assert_eq!(meaning_of(200, "application/json; charset=utf-8", b"{}"), Attempt::Sent);
        assert_eq!(meaning_of(200, PROTOBUF, b"\x0a\x02\x08\x03"), Attempt::PartlyRefused(3, "".into()));
    }

    #[test]
    fn who_answers_otherwise_has_not() {
        for (status, media_type, body) in [
            (200, "text/html", &b"<html>"[..]),
            (200, PROTOBUF, b"<html>"),
            (302, PROTOBUF, b""),
            (400, PROTOBUF, b""),
            (500, PROTOBUF, b""),
            (401, "", b""),
        ] {
            assert!(matches!(meaning_of(status, media_type, body), Attempt::Refused(_)), "{status}");
        }
    }

    #[test]
    fn who_is_busy_says_until_when() {
        for status in [429, 502, 503, 504] {
            let wanted = Attempt::Later(Some(Duration::from_secs(7)), format!("the answer is {status}").into());
            assert_eq!(meaning_of(status, "", b""), wanted);
        }
    }
}
