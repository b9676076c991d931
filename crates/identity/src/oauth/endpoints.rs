//! Where an OAuth server is asked: at the URLs that are given, else at those that its metadata name (RFC 8414, OpenID
//! Connect Discovery 1.0), which are fetched once for all and kept.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gwanmun_client::{Client, Fetched, LookupSettings, Lookups, Outbound};
use gwanmun_jose::json::parse_object;
use http::header::{ACCEPT, HeaderValue};
use http::{Request, StatusCode};
use serde_json::Value;

use super::down::{Down, SOON};
use crate::endpoint::{Endpoint, NoEndpoint};

/// How long metadata are used before they are fetched anew, and how long old ones serve where that fails.
const CACHE: Duration = Duration::from_secs(3600);
const STALE: Duration = Duration::from_secs(86_400);

/// The most bytes of metadata that are read.
const LONGEST: usize = 256 * 1024;

/// The URLs of an OAuth server; what is not given is discovered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// Where tokens are issued.
    pub token: Option<Endpoint>,
    /// Where tokens are introspected.
    pub introspection: Option<Endpoint>,
    /// Where its metadata are, tried in this order.
    pub metadata: Vec<Endpoint>,
}

/// One of the URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Token,
    Introspection,
}

impl Which {
    /// Its name in metadata.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Token => "token_endpoint",
            Self::Introspection => "introspection_endpoint",
        }
    }
}

/// Finds the URLs.
#[derive(Debug, Clone)]
pub(super) struct Finder {
    given: Endpoints,
    issuer: String,
    found: Lookups<(), Metadata, Down>,
    client: Client,
}

/// What metadata say.
#[derive(Debug, PartialEq, Eq)]
struct Metadata {
    token: Option<Endpoint>,
    introspection: Option<Endpoint>,
}

impl Endpoints {
    /// Where the metadata of `issuer` are: as OpenID providers publish them, and as RFC 8414 section 3 says.
    ///
    /// # Errors
    /// The issuer is no URL, or not one to fetch from.
    pub fn metadata_of(issuer: &str) -> Result<Vec<Endpoint>, NoEndpoint> {
        let issuer = issuer.trim_end_matches('/');
        let provider: Endpoint = format!("{issuer}/.well-known/openid-configuration").parse()?;
        let (scheme, rest) = issuer.split_once("://").ok_or(NoEndpoint::NoUrl)?;
        let (host, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let server = format!("{scheme}://{host}/.well-known/oauth-authorization-server{path}").parse()?;
        Ok(vec![provider, server])
    }
}

impl Finder {
    pub(super) fn new(given: Endpoints, issuer: &str, client: Client, outbound: &Outbound, timeout: Duration) -> Self {
        let settings = LookupSettings {
            capacity: 1,
            timeout,
            stale: STALE,
            refresh_ahead: CACHE / 4,
            cool_down: SOON,
            ..LookupSettings::default()
        };
        Self { given, issuer: issuer.to_owned(), found: Lookups::new(outbound, "oauth-metadata", settings), client }
    }

    /// The URL that is wanted; `None` where nobody says one.
    pub(super) async fn find(&self, which: Which) -> Result<Option<Endpoint>, Down> {
        let given = match which {
            Which::Token => &self.given.token,
            Which::Introspection => &self.given.introspection,
        };
        if given.is_some() || self.given.metadata.is_empty() {
            return Ok(given.clone());
        }
        let found = self.found.get(&(), || self.clone().fetch()).await?;
        Ok(match which {
            Which::Token => found.value.token.clone(),
            Which::Introspection => found.value.introspection.clone(),
        })
    }

    async fn fetch(self) -> Result<Fetched<Metadata>, Down> {
        let mut last = Down::malformed("it is not said where its metadata are");
        for from in &self.given.metadata {
            let mut request = Request::new(Bytes::new());
            *request.uri_mut() = from.uri().clone();
            request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
            let answer = self.client.call(request, None).await?;
            if answer.status() == StatusCode::OK {
                return Ok(Fetched::new(read(answer.body(), &self.issuer)?, CACHE));
            }
            last = Down::malformed(format!("{from} answered with {}, wanted 200", answer.status()));
        }
        Err(last)
    }
}

/// Another's metadata would send our secret to another's endpoint: the issuer has to be the one that is meant.
fn read(document: &[u8], issuer: &str) -> Result<Metadata, Down> {
    let malformed = |why: String| Down::malformed(Arc::from(format!("its metadata: {why}")));
    let document = parse_object(document, LONGEST).map_err(|error| malformed(error.to_string()))?;
    if document.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return Err(malformed(format!("they are not those of the issuer '{issuer}'")));
    }
    let endpoint = |name: &str| match document.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => {
            text.parse().map(Some).map_err(|error: NoEndpoint| malformed(format!("{name}: {error}")))
        }
        Some(_) => Err(malformed(format!("{name} is no text"))),
    };
    Ok(Metadata { token: endpoint(Which::Token.name())?, introspection: endpoint(Which::Introspection.name())? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_lie_below_and_above_the_issuers_path() {
        let of = |issuer| Endpoints::metadata_of(issuer).map(|all| all.iter().map(Endpoint::to_string).collect());
        assert_eq!(
            of("https://idp.example/realms/a/"),
            Ok(vec![
                "https://idp.example/realms/a/.well-known/openid-configuration".to_owned(),
                "https://idp.example/.well-known/oauth-authorization-server/realms/a".to_owned(),
            ])
        );
        assert_eq!(of("http://idp.example"), Err(NoEndpoint::Cleartext));
        assert_eq!(of("corp"), Err(NoEndpoint::NoUrl));
    }

    #[test]
    fn only_the_issuers_own_metadata_are_believed() {
        let good = r#"{"issuer":"https://a","token_endpoint":"https://a/t","introspection_endpoint":"https://b/i"}"#;
        let found = read(good.as_bytes(), "https://a").unwrap();
        assert_eq!(found.token.unwrap().uri(), "https://a/t");
        assert_eq!(found.introspection.unwrap().uri(), "https://b/i");
        assert_eq!(read(br#"{"issuer":"https://a"}"#, "https://a").unwrap().introspection, None);
        for (document, why) in [
            (r#"{"issuer":"https://evil","token_endpoint":"https://evil/t"}"#, "not those of"),
            (r#"{"token_endpoint":"https://a/t"}"#, "not those of"),
            (r#"{"issuer":"https://a","token_endpoint":"http://a/t"}"#, "wanted https"),
            (r#"{"issuer":"https://a","token_endpoint":["https://a/t"]}"#, "no text"),
            (r#"{"issuer":"https://a","issuer":"https://a"}"#, "metadata"),
            ("<html>", "metadata"),
        ] {
            assert!(read(document.as_bytes(), "https://a").unwrap_err().why.contains(why), "{document}");
        }
    }
}
