//! What h2 leaves to us of a request's head (RFC 9113 section 8): it refuses connection-specific fields, pseudo-header
//! fields in disorder, upper case and control characters by itself, and resets the stream or ends the connection.

use gwanmun_core::{Code, Fault};
use http::header::HOST;
use http::request::Parts;
use http::uri::Scheme;

use crate::plan::Limits;

/// A field counts for its name, its value and so much (RFC 9113 section 10.5.1).
const PER_FIELD: usize = 32;

/// Refuses a head that is too large or malformed.
pub(super) fn check(head: &Parts, limits: &Limits) -> Result<(), Fault> {
    let malformed = |why| Err(Fault::new(Code::MalformedRequest, why));
    let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    let mut size = target + head.uri.authority().map_or(0, |authority| authority.as_str().len()) + 4 * PER_FIELD;
    for (name, value) in &head.headers {
        size += name.as_str().len() + value.len() + PER_FIELD;
        if let [b' ' | b'\t', ..] | [.., b' ' | b'\t'] = value.as_bytes() {
            return malformed("a value begins or ends with a blank");
        }
    }
    if head.headers.len() > limits.header_count {
        return Err(Fault::new(Code::HeadersTooLarge, format!("more than {} fields", limits.header_count)));
    }
    if size > limits.header_bytes {
        return Err(Fault::new(Code::HeadersTooLarge, format!("a head of more than {} bytes", limits.header_bytes)));
    }
    if head.uri.scheme().is_some_and(|scheme| *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS) {
        return malformed("the scheme is neither http nor https");
    }
    if head.uri.authority().is_none() && !head.headers.contains_key(HOST) {
        return malformed("an HTTP/2 request has neither :authority nor host");
    }
    Ok(())
}
