//! `api-client`: id and secret of a client, which the OAuth server is asked for a token with. The client needs to know
//! nothing of tokens.

use std::sync::Arc;

use gwanmun_config::Spanned;
use gwanmun_core::Reason;
use gwanmun_identity::{ClientCredentials, OAuth, Refusal};
use gwanmun_proxy::{Invalid, Parts};
use http::HeaderValue;
use http::header::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;

use super::credential::{Carrier, Credential, Look};
use super::presented::Presented;
use crate::oauth_server::oauth_server;

const ID: HeaderName = HeaderName::from_static("x-client-id");
const SECRET: HeaderName = HeaderName::from_static("x-client-secret");

/// The name of an OAuth server under `identity.oauth`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ApiClientSpec(Spanned<String>);

struct ApiClient {
    oauth: Arc<OAuth>,
    /// What the server is asked for: no more and no less than the route wants.
    scope: Arc<str>,
    carriers: [Carrier; 3],
}

impl ApiClientSpec {
    /// The server that is meant, to be asked for `scope`.
    pub(super) fn build(self, scope: &[String], parts: &Parts<'_>) -> Result<Box<dyn Credential>, Invalid> {
        let oauth = oauth_server(&self.0, parts)?;
        let carriers = [Carrier::Basic, Carrier::Header(ID), Carrier::Header(SECRET)];
        Ok(Box::new(ApiClient { oauth, scope: scope.join(" ").into(), carriers }))
    }
}

impl Credential for ApiClient {
    fn name(&self) -> &str {
        self.oauth.client_credential()
    }

    fn carriers(&self) -> &[Carrier] {
        &self.carriers
    }

    fn look<'a>(&'a self, presented: &Presented<'_>) -> Look<'a> {
        let credentials = match credentials(presented) {
            Ok(Some(credentials)) => credentials,
            Ok(None) => return Look::NotOurs,
            Err(refusal) => return Look::Decided(Err(refusal)),
        };
        match self.oauth.recall_client(&credentials, &self.scope) {
            Some(principal) => Look::Decided(Ok(principal)),
            None => Look::Ask(Box::pin(self.oauth.ask_client(credentials, Arc::clone(&self.scope)))),
        }
    }
}

/// One id and one secret, in one way.
fn credentials(presented: &Presented<'_>) -> Result<Option<ClientCredentials>, Refusal> {
    match (presented.basic, presented.only(&ID)?, presented.only(&SECRET)?) {
        (None, None, None) => Ok(None),
        (Some(basic), None, None) => ClientCredentials::basic(basic).map(Some),
        (None, Some(id), Some(secret)) => ClientCredentials::new(text(id)?, text(secret)?).map(Some),
        (Some(_), _, _) => {
            let detail = "the request has Basic credentials beside X-Client-Id or X-Client-Secret";
            Err(Refusal::invalid(Reason::TwoCredentials, detail))
        }
        (None, _, _) => {
            let detail = "the request has X-Client-Id or X-Client-Secret without the other";
            Err(Refusal::invalid(Reason::MalformedCredential, detail))
        }
    }
}

fn text(value: &HeaderValue) -> Result<&str, Refusal> {
    str::from_utf8(value.as_bytes())
        .map_err(|_| Refusal::invalid(Reason::MalformedCredential, "the client's id or secret is not UTF-8"))
}
