//! Keys as issuers publish them: at a URL, or at the URL that the issuer's discovery document names.

use std::pin::Pin;

use bytes::Bytes;
use gwanmun_client::{CallError, Client};
use gwanmun_jose::JwkSet;
use gwanmun_jose::json::parse_object;
use http::header::{ACCEPT, HeaderValue};
use http::{Request, StatusCode};
use serde_json::Value;

use super::keys::FetchKeys;
use crate::endpoint::{Endpoint, NoEndpoint};

/// Where keys are published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeysAt {
    /// At this URL.
    Url(Endpoint),
    /// Where the issuer's discovery document says (OpenID Connect Discovery 1.0 section 4).
    Discovery {
        /// What the document must say that the issuer is.
        issuer: String,
        /// Where the document is.
        document: Endpoint,
    },
}

/// Fetches published keys.
#[derive(Debug)]
pub struct Published {
    at: KeysAt,
    client: Client,
}

impl KeysAt {
    /// Where the discovery document of `issuer` is.
    ///
    /// # Errors
    /// The issuer is no URL, or not one to fetch from.
    pub fn discovery(issuer: &str) -> Result<Self, NoEndpoint> {
        let document = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')).parse()?;
        Ok(Self::Discovery { issuer: issuer.to_owned(), document })
    }
}

impl Published {
    /// The most bytes that are read of a document.
    pub const LONGEST: usize = JwkSet::LONGEST;

    /// Fetches with `client`.
    pub fn new(at: KeysAt, client: Client) -> Self {
        Self { at, client }
    }
}

impl FetchKeys for Published {
    fn fetch(&self) -> Pin<Box<dyn Future<Output = Result<Vec<u8>, CallError>> + Send>> {
        let (at, client) = (self.at.clone(), self.client.clone());
        Box::pin(async move {
            let keys = match at {
                KeysAt::Url(url) => url,
                KeysAt::Discovery { issuer, document } => discovered(&read(&client, &document).await?, &issuer)?,
            };
            read(&client, &keys).await.map(Vec::from)
        })
    }
}

async fn read(client: &Client, from: &Endpoint) -> Result<Bytes, CallError> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = from.uri().clone();
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    let answer = client.call(request, None).await?;
    if answer.status() == StatusCode::OK {
        return Ok(answer.into_body());
    }
    Err(CallError::Malformed(format!("{from} answered with {}, wanted 200", answer.status()).into()))
}

/// Where the document says that the keys are.
fn discovered(document: &[u8], issuer: &str) -> Result<Endpoint, CallError> {
    let malformed = |why: String| CallError::Malformed(format!("the discovery document: {why}").into());
    let document = parse_object(document, Published::LONGEST).map_err(|error| malformed(error.to_string()))?;
    let text = |name| document.get(name).and_then(Value::as_str);
    // Another's document would bring another's keys (section 4.3).
    if text("issuer") != Some(issuer) {
        return Err(malformed(format!("it is not that of the issuer '{issuer}'")));
    }
    let keys = text("jwks_uri").ok_or_else(|| malformed("it has no jwks_uri".to_owned()))?;
    keys.parse().map_err(|error: NoEndpoint| malformed(format!("jwks_uri: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(document: &str) -> Result<String, String> {
        discovered(document.as_bytes(), "https://idp.example")
            .map(|url| url.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_document_lies_below_the_issuer() {
        for (issuer, document) in [
            ("https://idp.example", "https://idp.example/.well-known/openid-configuration"),
            ("https://idp.example/realms/a/", "https://idp.example/realms/a/.well-known/openid-configuration"),
        ] {
            let Ok(KeysAt::Discovery { document: found, .. }) = KeysAt::discovery(issuer) else { panic!("{issuer}") };
            assert_eq!(found.uri(), document);
        }
        assert_eq!(KeysAt::discovery("http://idp.example"), Err(NoEndpoint::Cleartext));
        assert_eq!(KeysAt::discovery("corp"), Err(NoEndpoint::NoUrl));
    }

    #[test]
    fn keys_are_where_the_issuers_own_document_says() {
        let good = r#"{"issuer":"https://idp.example","jwks_uri":"https://keys.example/jwks"}"#;
        assert_eq!(found(good).as_deref(), Ok("https://keys.example/jwks"));
        for (document, why) in [
            (r#"{"issuer":"https://evil.example","jwks_uri":"https://evil.example/jwks"}"#, "not that of"),
            (r#"{"jwks_uri":"https://evil.example/jwks"}"#, "not that of"),
            (r#"{"issuer":"https://idp.example"}"#, "no jwks_uri"),
            (r#"{"issuer":"https://idp.example","jwks_uri":"http://idp.example/jwks"}"#, "wanted https"),
            (r#"{"issuer":"https://idp.example","jwks_uri":["a"]}"#, "no jwks_uri"),
            (r#"{"issuer":"https://idp.example","issuer":"https://idp.example","jwks_uri":"https://a/"}"#, "document"),
            ("<html>", "document"),
        ] {
            assert!(found(document).unwrap_err().contains(why), "{document}");
        }
    }
}
