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
    if target > limits.uri_bytes {
        // The door has a status of its own for that.
        return Ok(());
    }
    let mut size = target + head.uri.authority().map_or(0, |authority| authority.as_str().len()) + 4 * PER_FIELD;
    for (name, value) in &head.headers {
        size += name.as_str().len() + value.len() + PER_FIELD;
        if let [b' ' | b'\t', ..] | [.., b' ' | b'\t'] = value.as_bytes() {
            return malformed("a value begins or ends with a blank");
        }
        // No token has one (RFC 9110 section 5.6.2), but what h2 makes names with lets it pass.
        if name.as_str().contains('"') {
            return malformed("a header name has a quote in it");
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

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(target: &str, fields: &[(&'static str, &str)]) -> Option<Code> {
        let mut request = http::Request::builder().uri(target);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let limits = Limits { header_bytes: 1000, header_count: 4, ..Limits::default() };
        check(&request.body(()).unwrap().into_parts().0, &limits).err().map(|fault| fault.code())
    }

    #[test]
    fn a_decent_head_passes() {
        assert_eq!(checked("http://a/", &[("x", "a b"), ("y", "")]), None);
        assert_eq!(checked("https://a/", &[]), None);
        assert_eq!(checked("/", &[("host", "a")]), None);
    }

    #[test]
    fn blanks_around_values_other_schemes_and_no_host_are_refused() {
        for value in [" a", "a ", "\ta", "a\t", " "] {
            assert_eq!(checked("http://a/", &[("x", value)]), Some(Code::MalformedRequest), "{value:?}");
        }
        assert_eq!(checked("ftp://a/", &[]), Some(Code::MalformedRequest));
        assert_eq!(checked("/", &[]), Some(Code::MalformedRequest));
    }

    #[test]
    fn a_quote_in_a_name_is_refused() {
        let mut head = http::Request::builder().uri("http://a/").body(()).unwrap().into_parts().0;
        let name = http::HeaderName::from_lowercase(b"x\"y").unwrap();
        head.headers.insert(name, http::HeaderValue::from_static("1"));
        let refused = check(&head, &Limits::default()).unwrap_err();
        assert_eq!(refused.code(), Code::MalformedRequest);
    }

    #[test]
    fn fields_are_counted_and_weighed() {
        assert_eq!(checked("http://a/", &[("x", "1"); 4]), None);
        assert_eq!(checked("http://a/", &[("x", "1"); 5]), Some(Code::HeadersTooLarge));
        assert_eq!(checked("http://a/", &[("x", &"1".repeat(800))]), None);
        assert_eq!(checked("http://a/", &[("x", &"1".repeat(900))]), Some(Code::HeadersTooLarge));
        assert_eq!(checked(&format!("http://a/{}", "1".repeat(900)), &[]), Some(Code::HeadersTooLarge));
        assert_eq!(checked(&format!("http://a/{}", "1".repeat(9000)), &[]), None, "it is refused for its target");
    }
}
