//! `introspect`: bearer tokens that an OAuth server is asked about. One that is known costs a hash and a look into a map.

use std::sync::Arc;

use gwanmun_config::Spanned;
use gwanmun_identity::{OAuth, Token};
use gwanmun_proxy::{Invalid, Parts};
use schemars::JsonSchema;
use serde::Deserialize;

use super::credential::{Carrier, Credential, Look};
use super::presented::Presented;
use crate::oauth_server::oauth_server;

/// The name of an OAuth server under `identity.oauth`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct IntrospectSpec(Spanned<String>);

struct Introspect(Arc<OAuth>);

impl IntrospectSpec {
    /// The server that is meant.
    pub(super) fn build(self, parts: &Parts<'_>) -> Result<Box<dyn Credential>, Invalid> {
        Ok(Box::new(Introspect(oauth_server(&self.0, parts)?)))
    }
}

impl Credential for Introspect {
    fn name(&self) -> &str {
        self.0.introspect_credential()
    }

    fn carriers(&self) -> &[Carrier] {
        &[Carrier::Bearer]
    }

    fn look<'a>(&'a self, presented: &Presented<'_>) -> Look<'a> {
        let Self(oauth) = self;
        let Some(token) = &presented.bearer else { return Look::NotOurs };
        match oauth.recall_token(token) {
            Some(principal) => Look::Decided(Ok(principal)),
            None => {
                let text = token.text().to_owned();
                Look::Ask(Box::pin(async move { oauth.ask_token(&Token::new(&text)).await }))
            }
        }
    }
}
