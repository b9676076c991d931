//! Where an OAuth server is asked: at the URLs that are given, else at those that its metadata name (RFC 8414, OpenID
//! Connect Discovery 1.0), which are fetched once for all and kept.

use std::time::Duration;

use gwanmun_client::{Client, Outbound};

use crate::down::Down;
use crate::endpoint::{Endpoint, NoEndpoint};
use crate::metadata::{Discovered, Document};

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
#[derive(Debug)]
pub(super) struct Finder {
    given: Endpoints,
    found: Discovered<Metadata>,
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
        let from = given.metadata.clone();
        let found = Discovered::new("oauth-metadata", issuer, from, Metadata::read, client, outbound, timeout);
        Self { given, found }
    }

    /// The URL that is wanted; `None` where nobody says one.
    pub(super) async fn find(&self, which: Which) -> Result<Option<Endpoint>, Down> {
        let given = match which {
            Which::Token => &self.given.token,
            Which::Introspection => &self.given.introspection,
        };
        if given.is_some() || self.found.is_nowhere() {
            return Ok(given.clone());
        }
        let found = self.found.get().await?;
        Ok(match which {
            Which::Token => found.value.token.clone(),
            Which::Introspection => found.value.introspection.clone(),
        })
    }
}

impl Metadata {
    fn read(document: &Document) -> Result<Self, String> {
        let endpoint = |which: Which| document.endpoint(which.name());
        Ok(Self { token: endpoint(Which::Token)?, introspection: endpoint(Which::Introspection)? })
    }
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
    fn metadata_name_the_endpoints() {
        let read = |document: &str| Metadata::read(&Document::read(document.as_bytes(), "https://a").unwrap());
        let found = r#"{"issuer":"https://a","token_endpoint":"https://a/t","introspection_endpoint":"https://b/i"}"#;
        let found = read(found).unwrap();
        assert_eq!(found.token.unwrap().uri(), "https://a/t");
        assert_eq!(found.introspection.unwrap().uri(), "https://b/i");
        assert_eq!(read(r#"{"issuer":"https://a"}"#), Ok(Metadata { token: None, introspection: None }));
        assert!(read(r#"{"issuer":"https://a","token_endpoint":"http://a/t"}"#).is_err());
    }
}
