//! Where a call goes, read from its URI, and what the request says about that.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::PathAndQuery;
use http::{Request, Uri};

use crate::call_error::CallError;
use crate::client::settings::Protocol;

/// What the connection decides, not who calls.
const OF_THE_CONNECTION: [HeaderName; 5] = [CONNECTION, CONTENT_LENGTH, TE, TRANSFER_ENCODING, UPGRADE];

/// Calls with the same destination may share a connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Destination {
    pub(crate) is_secure: bool,
    /// A name, or an address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Destination {
    /// Of an absolute `http` or `https` URI without user information.
    pub(crate) fn of(uri: &Uri) -> Result<Self, CallError> {
        let invalid = |why: &str| CallError::Invalid(format!("the URL {why}").into());
        let is_secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(invalid("is neither http nor https")),
        };
        let authority = uri.authority().ok_or_else(|| invalid("has no host"))?;
        if authority.as_str().contains('@') {
            return Err(invalid("has a user in it"));
        }
        let host = authority.host();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() {
            return Err(invalid("has no host"));
        }
        let port = match authority.as_str().strip_prefix(authority.host()) {
            None | Some("") => {
                if is_secure {
                    443
                } else {
                    80
                }
            }
            Some(_) => authority.port_u16().ok_or_else(|| invalid("has no such port"))?,
        };
        Ok(Self { is_secure, host: host.to_ascii_lowercase(), port })
    }

    /// Makes `request` one to be sent there. In HTTP/1.1 its target is the path and `Host` says the rest; in HTTP/2 the
    /// URI says everything, and trailers are welcome.
    pub(crate) fn address(&self, request: &mut Request<Bytes>, protocol: Protocol) -> Result<(), CallError> {
        let headers = request.headers_mut();
        for name in OF_THE_CONNECTION {
            headers.remove(name);
        }
        if protocol == Protocol::Http2 {
            headers.remove(HOST);
            headers.insert(TE, HeaderValue::from_static("trailers"));
            return Ok(());
        }
        let invalid = |error: http::Error| CallError::Invalid(error.to_string().into());
        let authority = request.uri().authority().map_or("", |authority| authority.as_str());
        let host = HeaderValue::from_str(authority).map_err(|error| invalid(error.into()))?;
        let target = request.uri().path_and_query().cloned();
        let target = target.unwrap_or_else(|| PathAndQuery::from_static("/"));
        *request.uri_mut() = Uri::from(target);
        request.headers_mut().insert(HOST, host);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(uri: &str) -> Result<(bool, String, u16), CallError> {
        Destination::of(&uri.parse().unwrap()).map(|to| (to.is_secure, to.host, to.port))
    }

    #[test]
    fn scheme_host_and_port_are_read() {
        assert_eq!(of("http://A.example/x"), Ok((false, "a.example".into(), 80)));
        assert_eq!(of("https://a.example"), Ok((true, "a.example".into(), 443)));
        assert_eq!(of("http://[::1]:8080/"), Ok((false, "::1".into(), 8080)));
    }

    #[test]
    fn what_cannot_be_called_is_refused() {
        for uri in ["/path", "ftp://a/", "http://user:secret@a/", "http://a:99999/", "http://a:/"] {
            assert!(matches!(of(uri), Err(CallError::Invalid(_))), "{uri}");
        }
    }

    #[test]
    fn the_request_says_the_host_and_leaves_framing_to_the_connection() {
        let builder = Request::get("http://a.example:81/x?y=1");
        let builder = builder.header("transfer-encoding", "chunked").header("content-length", "7");
        let mut request = builder.header("host", "other").body(Bytes::new()).unwrap();
        Destination::of(request.uri()).unwrap().address(&mut request, Protocol::Http1).unwrap();
        assert_eq!(request.uri(), "/x?y=1");
        assert_eq!(request.headers().len(), 1);
        assert_eq!(request.headers()["host"], "a.example:81");
    }
}
