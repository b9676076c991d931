//! Forms (`application/x-www-form-urlencoded`) for an OAuth server or an OpenID provider, and who we are in front of it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gwanmun_core::Secret;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Uri};

/// Fields of a form, encoded one after the other.
#[derive(Clone, Default)]
pub(crate) struct Form(String);

impl Form {
    /// The same with one more field.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        encode(name, &mut self.0);
        self.0.push('=');
        encode(value, &mut self.0);
        self
    }

    /// The same with one more field, if there is something in it.
    pub(crate) fn with_some(self, name: &str, value: &str) -> Self {
        if value.is_empty() { self } else { self.with(name, value) }
    }

    /// The URL of `endpoint` with the fields behind the query that it has already (RFC 6749 section 3.1).
    pub(crate) fn query_of(self, endpoint: &Uri) -> String {
        let separator = match endpoint.query() {
            None => "?",
            Some(query) if query.is_empty() || query.ends_with('&') => "",
            Some(_) => "&",
        };
        format!("{endpoint}{separator}{}", self.0)
    }

    /// A request that sends it to `endpoint` as the client that `authorization` names.
    pub(crate) fn post(self, endpoint: &Uri, authorization: &Secret<HeaderValue>) -> Request<Bytes> {
        let mut request = self.post_unproven(endpoint);
        request.headers_mut().insert(AUTHORIZATION, authorization.expose().clone());
        request
    }

    /// A request that sends it to `endpoint`; who sends it is said in it, or not at all.
    pub(crate) fn post_unproven(self, endpoint: &Uri) -> Request<Bytes> {
        let mut request = Request::new(Bytes::from(self.0));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = endpoint.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        request
    }
}

/// `Authorization` of a client (RFC 6749 section 2.3.1): id and secret are encoded as in a form first, so that a colon in
/// the id separates nothing.
pub(crate) fn basic(id: &str, secret: &str) -> Secret<HeaderValue> {
    let mut pair = String::with_capacity(id.len() + secret.len() + 1);
    encode(id, &mut pair);
    pair.push(':');
    encode(secret, &mut pair);
    let text = format!("Basic {}", STANDARD.encode(pair));
    // Base64 is always a header value.
    let mut value = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("Basic"));
    value.set_sensitive(true);
    Secret::new(value)
}

/// What is neither letter nor digit nor one of `*-._` is percent-encoded, a space becomes a plus sign.
fn encode(text: &str, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => {
                out.push('%');
                let digits = [byte >> 4, byte & 15];
                out.extend(
                    digits.iter().filter_map(|digit| HEX.get(usize::from(*digit))).map(|digit| char::from(*digit)),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_encoded_so_that_none_adds_another() {
        let form = Form::default().with("token", "a&scope=b").with_some("scope", "").with("c d", "é+");
        assert_eq!(form.0, "token=a%26scope%3Db&c+d=%C3%A9%2B");
    }

    #[test]
    fn fields_come_behind_the_query_that_is_there() {
        let url = |endpoint: &'static str| Form::default().with("a", "b c").query_of(&Uri::from_static(endpoint));
        assert_eq!(url("https://a/x"), "https://a/x?a=b+c");
        assert_eq!(url("https://a/x?tenant=1"), "https://a/x?tenant=1&a=b+c");
        assert_eq!((url("https://a/x?"), url("https://a")), ("https://a/x?a=b+c".into(), "https://a/?a=b+c".into()));
    }

    #[test]
    fn id_and_secret_are_encoded_before_they_are_joined() {
        let value = basic("a:b", "p w+%");
        let text = value.expose().to_str().unwrap().strip_prefix("Basic ").unwrap().to_owned();
        assert_eq!(String::from_utf8(STANDARD.decode(text).unwrap()).unwrap(), "a%3Ab:p+w%2B%25");
        assert_eq!(format!("{value:?} {:?}", value.expose()), "*** Sensitive");
    }
}
