//! `jwt`: tokens that an issuer signed. A token that this worker knows costs a hash and a look into a map; another is
//! verified at once with the issuer's keys; only keys that have to be fetched are waited for.

use std::sync::Arc;

use gwanmun_config::{Spanned, did_you_mean};
use gwanmun_identity::{Identity, Issuer, Look as Known, Token};
use gwanmun_proxy::{Invalid, Parts};
use schemars::JsonSchema;
use serde::Deserialize;

use super::credential::{Carrier, Credential, Look};
use super::presented::Presented;

/// The name of an issuer under `identity.issuers`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct JwtSpec(Spanned<String>);

struct Jwt(Arc<Issuer>);

impl JwtSpec {
    /// The issuer that is meant.
    pub(super) fn build(self, parts: &Parts<'_>) -> Result<Box<dyn Credential>, Invalid> {
        let Self(name) = self;
        let identity =
            parts.sections.of::<Identity>().map_err(|absent| absent.needed("identity").or_within(name.span))?;
        if let Some(issuer) = identity.issuers.get(&name.value) {
            return Ok(Box::new(Jwt(Arc::clone(issuer))));
        }
        let invalid = Invalid::within(name.span, format!("there is no issuer '{}' under identity.issuers", name.value));
        Err(match did_you_mean(&name, identity.issuers.keys().map(String::as_str)) {
            Some(close) => invalid.with_hint(format!("did you mean '{close}'?")),
            None => invalid,
        })
    }
}

impl Credential for Jwt {
    fn name(&self) -> &str {
        self.0.credential()
    }

    fn carriers(&self) -> &[Carrier] {
        &[Carrier::Bearer]
    }

    fn look<'a>(&'a self, presented: &Presented<'_>) -> Look<'a> {
        let Self(issuer) = self;
        if let Some(token) = &presented.bearer
            && let Some(principal) = issuer.recall(token)
        {
            return Look::Decided(Ok(principal));
        }
        let Some(token) = presented.bearer_of(issuer) else { return Look::NotOurs };
        match issuer.look(token) {
            Known::Decided(outcome) => Look::Decided(outcome),
            Known::Ask => {
                let text = token.text().to_owned();
                Look::Ask(Box::pin(async move { issuer.ask(&Token::new(&text)).await }))
            }
        }
    }

    fn issuer(&self) -> Option<&Arc<Issuer>> {
        Some(&self.0)
    }
}
