//! `passport`: the Passport that a gateway in front sent, believed from trusted peers only: the door takes everybody else's
//! away.

use std::sync::Arc;

use gwanmun_core::{Clock, Principal, Reason};
use gwanmun_identity::{Passports, Refusal};
use gwanmun_proxy::{Invalid, Parts};
use schemars::JsonSchema;
use serde::Deserialize;

use super::credential::{Carrier, Credential, Look};
use super::presented::Presented;
use crate::section::passport::PassportOffice;

/// Passports are checked as the section `passport` says.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PassportSpec {}

struct Passport {
    checks: Arc<Passports>,
    clock: Arc<dyn Clock>,
}

impl PassportSpec {
    /// Finds who checks Passports.
    pub(super) fn build(self, parts: &Parts<'_>) -> Result<Box<dyn Credential>, Invalid> {
        let office = parts.sections.of::<PassportOffice>().map_err(|absent| absent.needed("passport"))?;
        Ok(Box::new(Passport { checks: Arc::clone(office.checks()), clock: Arc::clone(parts.clock) }))
    }
}

impl Passport {
    fn check(&self, passport: &str) -> Result<Arc<Principal>, Refusal> {
        self.checks.0.check(passport, self.clock.wall()).map(Arc::new)
    }
}

impl Credential for Passport {
    fn name(&self) -> &str {
        "passport"
    }

    fn carriers(&self) -> &[Carrier] {
        &[Carrier::Passport]
    }

    fn look<'a>(&'a self, presented: &Presented<'_>) -> Look<'a> {
        let Some(passport) = presented.passport else { return Look::NotOurs };
        let Ok(passport) = passport.to_str() else {
            return Look::Decided(Err(Refusal::invalid(Reason::MalformedToken, "the Passport is no text")));
        };
        match self.checks.0.prepare(passport) {
            None => Look::Decided(self.check(passport)),
            Some(ready) => {
                let passport = passport.to_owned();
                Look::Ask(Box::pin(async move {
                    ready.await;
                    self.check(&passport)
                }))
            }
        }
    }
}
