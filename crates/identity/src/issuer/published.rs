//! Keys as issuers publish them: at a URL, or at the URL that the issuer's discovery document names.

use std::pin::Pin;

use gwanmun_client::{CallError, Client};
use gwanmun_jose::JwkSet;

use super::keys::FetchKeys;
use crate::endpoint::{Endpoint, NoEndpoint};
use crate::metadata::{Document, fetch_json};

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
                KeysAt::Discovery { issuer, document } => discovered(&fetch_json(&client, &document).await?, &issuer)?,
            };
            fetch_json(&client, &keys).await.map(Vec::from)
        })
    }
}

/// Where the document says that the keys are.
fn discovered(document: &[u8], issuer: &str) -> Result<Endpoint, CallError> {
    let keys = Document::read(document, issuer).and_then(|document| document.wanted("jwks_uri"));
    keys.map_err(|why| CallError::Malformed(format!("the discovery document: {why}").into()))
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
            (r#"{"issuer":"https://evil.example","jwks_uri":"https://evil.example/jwks"}"#, "not those of"),
            (r#"{"jwks_uri":"https://evil.example/jwks"}"#, "not those of"),
            (r#"{"issuer":"https://idp.example"}"#, "no jwks_uri"),
            (r#"{"issuer":"https://idp.example","jwks_uri":"http://idp.example/jwks"}"#, "wanted https"),
            (r#"{"issuer":"https://idp.example","jwks_uri":["a"]}"#, "no text"),
            (r#"{"issuer":"https://idp.example","issuer":"https://idp.example","jwks_uri":"https://a/"}"#, "document"),
            ("<html>", "document"),
        ] {
            assert!(found(document).unwrap_err().contains(why), "{document}");
        }
    }
}
