//! `session`: people who have logged in at a provider. The door has taken their cookie out of the request already; one whom
//! this worker has seen a moment ago costs a look into a map.

use std::sync::Arc;

use gwanmun_config::{Spanned, did_you_mean};
use gwanmun_core::Reason;
use gwanmun_identity::{Identity, Refusal};
use gwanmun_proxy::{Invalid, Parts};
use schemars::JsonSchema;
use serde::Deserialize;

use super::credential::{Carrier, Credential, Look};
use super::presented::Presented;
use crate::session::{Entrance, Entrances, origin};

/// The name of a provider under `identity.oidc`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SessionSpec(Spanned<String>);

struct Session {
    entrance: Arc<Entrance>,
    carriers: [Carrier; 1],
}

impl SessionSpec {
    /// The provider that is meant.
    pub(super) fn build(self, parts: &Parts<'_>) -> Result<Box<dyn Credential>, Invalid> {
        let Self(name) = self;
        let needed = |absent: gwanmun_proxy::NoSection| absent.needed("identity").or_within(name.span);
        parts.sections.of::<Identity>().map_err(needed)?;
        let entrances = parts.sections.of::<Entrances>().ok();
        let names = || entrances.iter().flat_map(|entrances| entrances.names());
        if let Some(entrance) = entrances.as_ref().and_then(|entrances| entrances.named(&name)) {
            let carriers = [Carrier::Cookie(entrance.challenge().into())];
            return Ok(Box::new(Session { entrance: Arc::clone(entrance), carriers }));
        }
        let message = format!("there is no provider '{}' under identity.oidc", name.value);
        let invalid = Invalid::within(name.span, message);
        Err(match did_you_mean(&name, names()) {
            Some(close) => invalid.with_hint(format!("did you mean '{close}'?")),
            None => invalid,
        })
    }
}

impl Credential for Session {
    fn name(&self) -> &str {
        self.entrance.oidc.credential()
    }

    fn carriers(&self) -> &[Carrier] {
        &self.carriers
    }

    fn look<'a>(&'a self, presented: &Presented<'_>) -> Look<'a> {
        let session = match self.entrance.session(presented.exchange) {
            Ok(Some(session)) => session,
            Ok(None) => return Look::NotOurs,
            Err(refusal) => return Look::Decided(Err(refusal)),
        };
        // The door leaves nothing of a value that is none of ours.
        let Some(origin) = origin(presented.exchange).filter(|_| !session.is_empty()) else {
            let detail = "the cookie is no session, or the request names no host that one could be for";
            return Look::Decided(Err(Refusal::invalid(Reason::SessionUnknown, detail)));
        };
        match self.entrance.oidc.recall(session, &origin) {
            Some(principal) => Look::Decided(Ok(principal)),
            None => {
                let session = session.to_owned();
                Look::Ask(Box::pin(async move { self.entrance.oidc.find(&session, &origin).await }))
            }
        }
    }

    fn entrance(&self) -> Option<&Arc<Entrance>> {
        Some(&self.entrance)
    }
}
