//! What a server says of itself (RFC 8414, OpenID Connect Discovery 1.0): fetched once for all, kept, fetched anew in good
//! time. Another's metadata would send our secret to another's endpoint, so the issuer has to be the one that is meant.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use gwanmun_client::{CallError, Client, Fetched, Found, LookupSettings, Lookups, Outbound};
use gwanmun_jose::json::parse_object;
use http::header::{ACCEPT, HeaderValue};
use http::{Request, StatusCode};
use serde_json::{Map, Value};

use crate::down::{Down, SOON};
use crate::endpoint::{Endpoint, NoEndpoint};

/// How long metadata are used before they are fetched anew, and how long old ones serve where that fails.
const CACHE: Duration = Duration::from_secs(3600);
const STALE: Duration = Duration::from_secs(86_400);

/// The most bytes of metadata that are read.
const LONGEST: usize = 256 * 1024;

/// The metadata of one server, as an `M`.
pub(crate) struct Discovered<M> {
    source: Source<M>,
    found: Lookups<(), M, Down>,
}

/// Metadata that are the issuer's own.
pub(crate) struct Document(Map<String, Value>);

/// Where metadata are, and what is made of them.
struct Source<M> {
    from: Vec<Endpoint>,
    issuer: String,
    client: Client,
    read: fn(&Document) -> Result<M, String>,
}

impl<M: Send + Sync + 'static> Discovered<M> {
    /// Metadata of `issuer`, looked for in the order of `from` and made an `M` by `read`; called `name` in metrics.
    pub(crate) fn new(
        name: &str,
        issuer: &str,
        from: Vec<Endpoint>,
        read: fn(&Document) -> Result<M, String>,
        client: Client,
        outbound: &Outbound,
        timeout: Duration,
    ) -> Self {
        let settings = LookupSettings {
            capacity: 1,
            timeout,
            stale: STALE,
            refresh_ahead: CACHE / 4,
            cool_down: SOON,
            ..LookupSettings::default()
        };
        let source = Source { from, issuer: issuer.to_owned(), client, read };
        Self { source, found: Lookups::new(outbound, name, settings) }
    }

    /// Whether nobody says where they are.
    pub(crate) fn is_nowhere(&self) -> bool {
        self.source.from.is_empty()
    }

    /// The metadata, fetched if need be.
    pub(crate) async fn get(&self) -> Result<Found<M>, Down> {
        self.found.get(&(), || self.source.clone().fetch()).await
    }
}

impl<M> Source<M> {
    async fn fetch(self) -> Result<Fetched<M>, Down> {
        let mut last = Down::malformed("it is not said where its metadata are");
        for from in &self.from {
            match fetch_json(&self.client, from).await {
                Ok(document) => {
                    let metadata = Document::read(&document, &self.issuer).and_then(|document| (self.read)(&document));
                    let metadata = metadata.map_err(|why| Down::malformed(format!("its metadata: {why}")))?;
                    return Ok(Fetched::new(metadata, CACHE));
                }
                // It may be there elsewhere.
                Err(error @ CallError::Malformed(_)) => last = error.into(),
                Err(error) => return Err(error.into()),
            }
        }
        Err(last)
    }
}

impl Document {
    /// Reads metadata that must be those of `issuer`.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn read(bytes: &[u8], issuer: &str) -> Result<Self, String> {
        let members = parse_object(bytes, LONGEST).map_err(|error| error.to_string())?;
        if members.get("issuer").and_then(Value::as_str) != Some(issuer) {
            return Err(format!("they are not those of the issuer '{issuer}'"));
        }
        Ok(Self(members))
    }

    /// A URL, if there is one of that name.
    pub(crate) fn endpoint(&self, name: &str) -> Result<Option<Endpoint>, String> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => text.parse().map(Some).map_err(|error: NoEndpoint| format!("{name}: {error}")),
            Some(_) => Err(format!("{name} is no text")),
        }
    }

    /// A URL that has to be there.
    pub(crate) fn wanted(&self, name: &str) -> Result<Endpoint, String> {
        self.endpoint(name)?.ok_or_else(|| format!("they have no {name}"))
    }

    /// Whether the member is a JSON `true`.
    pub(crate) fn says(&self, name: &str) -> bool {
        self.0.get(name) == Some(&Value::Bool(true))
    }

    /// The texts of a list, if there is one of that name.
    pub(crate) fn list(&self, name: &str) -> Option<Vec<&str>> {
        let all = self.0.get(name)?.as_array()?;
        Some(all.iter().filter_map(Value::as_str).collect())
    }
}

/// The bytes of a JSON document.
///
/// # Errors
/// There is no answer, or one with another status than 200 (`Malformed`).
pub(crate) async fn fetch_json(client: &Client, from: &Endpoint) -> Result<Bytes, CallError> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = from.uri().clone();
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    let answer = client.call(request, None).await?;
    if answer.status() == StatusCode::OK {
        return Ok(answer.into_body());
    }
    Err(CallError::Malformed(format!("{from} answered with {}, wanted 200", answer.status()).into()))
}

impl<M> Clone for Source<M> {
    fn clone(&self) -> Self {
        let Self { from, issuer, client, read } = self;
        Self { from: from.clone(), issuer: issuer.clone(), client: client.clone(), read: *read }
    }
}

impl<M> fmt::Debug for Discovered<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Discovered").field("issuer", &self.source.issuer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_issuers_own_metadata_are_believed() {
        let read = |document: &str| {
            let document = Document::read(document.as_bytes(), "https://a")?;
            Ok::<_, String>((document.wanted("token_endpoint")?, document.endpoint("other")?))
        };
        let good = r#"{"issuer":"https://a","token_endpoint":"https://a/t","other":"https://b/i"}"#;
        let (token, other) = read(good).unwrap();
        assert_eq!((token.to_string(), other.unwrap().to_string()), ("https://a/t".into(), "https://b/i".into()));
        assert_eq!(read(r#"{"issuer":"https://a","token_endpoint":"https://a/t"}"#).unwrap().1, None);
        for (document, why) in [
            (r#"{"issuer":"https://evil","token_endpoint":"https://evil/t"}"#, "not those of"),
            (r#"{"issuer":"https://a/","token_endpoint":"https://a/t"}"#, "not those of"),
            (r#"{"token_endpoint":"https://a/t"}"#, "not those of"),
            (r#"{"issuer":["https://a"],"token_endpoint":"https://a/t"}"#, "not those of"),
            (r#"{"issuer":"https://a"}"#, "no token_endpoint"),
            (r#"{"issuer":"https://a","token_endpoint":"http://a/t"}"#, "wanted https"),
            (r#"{"issuer":"https://a","token_endpoint":["https://a/t"]}"#, "no text"),
            (r#"{"issuer":"https://a","issuer":"https://a"}"#, "twice"),
            ("<html>", "not JSON"),
        ] {
            assert!(read(document).unwrap_err().contains(why), "{document}");
        }
    }
}
