//! WebSocket over HTTP/2 (RFC 8441): an extended CONNECT is turned into the upgrade that it would be in HTTP/1.1, so that
//! routes, filters and upstreams see one kind of WebSocket.

use gwanmun_core::{Code, Fault};
use http::header::{SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY};
use http::request::Parts;
use http::{HeaderValue, Method};
use hyper::ext::Protocol;

use crate::exchange::Upgrade;
use crate::tunnel::handshake;

/// Makes an upgrade of an extended CONNECT for `websocket`; there is no other.
pub(super) fn translate(head: &mut Parts) -> Result<Option<Upgrade>, Fault> {
    let Some(protocol) = head.extensions.remove::<Protocol>() else { return Ok(None) };
    if !protocol.as_str().eq_ignore_ascii_case("websocket") {
        return Err(Fault::new(Code::MalformedRequest, format!("':protocol' is '{}'", protocol.as_str())));
    }
    let key = handshake::key();
    head.method = Method::GET;
    head.headers.remove(SEC_WEBSOCKET_ACCEPT);
    head.headers.insert(SEC_WEBSOCKET_KEY, key.clone());
    Ok(Some(Upgrade { protocol: HeaderValue::from_static("websocket"), key: Some(key) }))
}
