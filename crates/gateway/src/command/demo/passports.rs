//! The keys that the demo's services verify Passports with: those that each gateway publishes.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use gwanmun_filters::section::passport::PassportOffice;
use gwanmun_jose::JwkSet;
use gwanmun_passport::{ALGORITHMS, Verifier, VerifierSpec};

/// What Passports are for (`aud`), in all of the demo.
pub(super) const TRUST_DOMAIN: &str = "demo.internal";

/// One verifier for each gateway; clones are the same.
#[derive(Clone, Default)]
pub(super) struct Passports(Rc<RefCell<Vec<Verifier>>>);

/// Whether a Passport is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Good,
    Bad,
}

impl Verdict {
    /// Its word in JSON.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Good => "verified",
            Self::Bad => "not verified",
        }
    }
}

impl Passports {
    /// From now on Passports of the gateway `issuer` are verified, with the keys that its `office` publishes.
    pub(super) async fn trust(&self, issuer: &str, office: &PassportOffice) -> std::io::Result<()> {
        let keys = office.published_keys().await;
        let keys = JwkSet::parse(keys.jwks.as_bytes(), &ALGORITHMS).map_err(std::io::Error::other)?;
        let spec = VerifierSpec {
            trust_domain: TRUST_DOMAIN.to_owned(),
            issuers: vec![issuer.to_owned()],
            leeway: Duration::from_secs(1),
        };
        self.0.borrow_mut().push(Verifier::new(spec, keys));
        Ok(())
    }

    /// Whether `token` is a Passport of one of the gateways.
    pub(super) fn verify(&self, token: &str) -> Verdict {
        let now = SystemTime::now();
        let is_good = self.0.borrow().iter().any(|verifier| verifier.verify(token.as_bytes(), now).is_ok());
        if is_good { Verdict::Good } else { Verdict::Bad }
    }
}
