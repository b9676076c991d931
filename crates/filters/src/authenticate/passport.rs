//! `passport`: the Passport that a gateway in front sent, believed from trusted peers only: the door takes everybody else's
//! away.

use std::sync::Arc;
use std::time::SystemTime;

use gwanmun_core::{Clock, Reason};
use gwanmun_identity::{Passports, Refusal};
use gwanmun_proxy::{Invalid, Parts};
use schemars::JsonSchema;
use serde::Deserialize;

use super::credential::{Carrier, Credential, Look};
use super::presented::Presented;

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
        let checks = parts.sections.of::<Passports>().map_err(|absent| absent.needed("passport"))?;
        Ok(Box::new(Passport { checks, clock: Arc::clone(parts.clock) }))
    }
}

impl Passport {
    fn check(&self, passport: &[u8], now: SystemTime) -> Result<gwanmun_core::Principal, Refusal> {
        let text = str::from_utf8(passport)
            .map_err(|_| Refusal::invalid(Reason::MalformedToken, "the Passport is no text"))?;
        self.checks.0.check(text, now)
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
        match presented.passport {
            None => Look::NotOurs,
            Some(passport) => Look::Decided(self.check(passport.as_bytes(), self.clock.wall()).map(Arc::new)),
        }
    }
}
