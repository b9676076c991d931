//! What the UserInfo endpoint tells of a user (OpenID Connect Core 1.0 section 5.3).

use bytes::Bytes;
use gwanmun_client::Client;
use gwanmun_core::Secret;
use gwanmun_jose::json::parse_object;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use serde_json::{Map, Value};

use crate::down::Down;
use crate::endpoint::Endpoint;
use crate::token_answer::bearer;

/// The most bytes of an answer that are read.
const LONGEST: usize = 64 * 1024;

/// Asks for what the access token opens.
pub(super) async fn ask(
    client: &Client,
    endpoint: &Endpoint,
    access: &Secret<String>,
) -> Result<Map<String, Value>, Down> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = endpoint.uri().clone();
    let authorization = bearer(access).ok_or_else(|| Down::malformed("its access token cannot be sent"))?;
    request.headers_mut().insert(AUTHORIZATION, authorization);
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    read(&client.call(request, None).await?)
}

fn read(answer: &Response<Bytes>) -> Result<Map<String, Value>, Down> {
    if answer.status() != StatusCode::OK {
        return Err(Down::malformed(format!("UserInfo answered with {}, wanted 200", answer.status())));
    }
    let media_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/jwt") {
        let why = "UserInfo is a signed JWT, wanted JSON: set userinfo_signed_response_alg to none for this client";
        return Err(Down::malformed(why));
    }
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(Down::malformed("UserInfo is no application/json"));
    }
    parse_object(answer.body(), LONGEST).map_err(|error| Down::malformed(format!("UserInfo: {error}")))
}
