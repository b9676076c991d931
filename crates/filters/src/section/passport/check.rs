//! Whose Passports are believed: our own, by our own keys, and those of the gateways that `accept` names, by theirs.

use std::pin::Pin;
use std::time::{Duration, SystemTime};

use gwanmun_core::Principal;
use gwanmun_identity::{PassportCheck, Refusal, unknown_gateway, verified};
use gwanmun_jose::Compact;
use gwanmun_passport::{LONGEST, Verifier};

use super::accept::Accepted;

/// How far the clocks of gateways may differ.
pub(super) const LEEWAY: Duration = Duration::from_secs(5);

/// Checks Passports that a trusted peer sent.
pub(super) struct Checks {
    pub(super) issuer: String,
    pub(super) own: Verifier,
    pub(super) accepted: Option<Accepted>,
}

impl Checks {
    /// Who checks a Passport that says it is of `issuer`.
    fn others(&self, passport: &str) -> Option<&Accepted> {
        let issuer = Compact::parse(passport.as_bytes(), LONGEST).ok()?.unverified_issuer()?;
        self.accepted.as_ref().filter(|accepted| accepted.issuers.contains(&issuer))
    }

    fn is_own(&self, passport: &str) -> bool {
        let issuer = Compact::parse(passport.as_bytes(), LONGEST).ok().and_then(|token| token.unverified_issuer());
        issuer.is_none_or(|issuer| issuer == self.issuer)
    }
}

impl PassportCheck for Checks {
    fn check(&self, passport: &str, now: SystemTime) -> Result<Principal, Refusal> {
        match self.others(passport) {
            Some(accepted) => accepted.check.check(passport, now),
            None if self.is_own(passport) => verified(&self.own, passport, now),
            None => Err(unknown_gateway()),
        }
    }

    fn prepare<'a>(&'a self, passport: &str) -> Option<Pin<Box<dyn Future<Output = ()> + 'a>>> {
        self.others(passport)?.check.prepare(passport)
    }
}
