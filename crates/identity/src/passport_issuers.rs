//! Passports of other gateways: verified with the keys that these publish, which are fetched and kept like those of an
//! issuer of tokens.

use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwapOption;
use gwanmun_core::{Clock, Principal, Reason};
use gwanmun_jose::{Compact, Refusal as Wrong};
use gwanmun_passport::{LONGEST, Verifier, VerifierSpec};

use crate::issuer::{KeySet, Keys, reason_of};
use crate::passport_check::PassportCheck;
use crate::refusal::Refusal;

/// Other gateways whose Passports are believed.
pub struct PassportIssuers {
    spec: VerifierSpec,
    keys: Keys,
    clock: Arc<dyn Clock>,
    /// For the key set of this mark.
    verifier: ArcSwapOption<(u64, Verifier)>,
}

impl PassportIssuers {
    /// Believes Passports as `spec` expects them, signed with `keys`.
    pub fn new(spec: VerifierSpec, keys: Keys, clock: Arc<dyn Clock>) -> Self {
        Self { spec, keys, clock, verifier: ArcSwapOption::empty() }
    }

    fn verifier(&self, keys: &KeySet) -> Arc<(u64, Verifier)> {
        match self.verifier.load_full().filter(|known| known.0 == keys.mark) {
            Some(known) => known,
            None => {
                let made = Arc::new((keys.mark, Verifier::new(self.spec.clone(), keys.set.clone())));
                self.verifier.store(Some(Arc::clone(&made)));
                made
            }
        }
    }
}

impl PassportCheck for PassportIssuers {
    fn check(&self, passport: &str, now: SystemTime) -> Result<Principal, Refusal> {
        let Some(keys) = self.keys.at_hand(now) else {
            return Err(self.keys.unavailable("passport.accept", &gwanmun_client::CallError::Interrupted));
        };
        verified(&self.verifier(&keys).1, passport, now)
    }

    fn prepare<'a>(&'a self, passport: &str) -> Option<Pin<Box<dyn Future<Output = ()> + 'a>>> {
        let Some(keys) = self.keys.at_hand(self.clock.wall()) else {
            return Some(Box::pin(async { drop(self.keys.get().await) }));
        };
        let token = Compact::parse(passport.as_bytes(), LONGEST).ok()?;
        match keys.set.key_for(token.kid(), token.algorithm()) {
            Err(Wrong::UnknownKey) if self.keys.may_change() => {
                Some(Box::pin(async { drop(self.keys.renewed().await) }))
            }
            _ => None,
        }
    }
}

/// The principal of a Passport that `verifier` believes.
///
/// # Errors
/// It is not as expected.
pub fn verified(verifier: &Verifier, passport: &str, now: SystemTime) -> Result<Principal, Refusal> {
    match verifier.verify(passport.as_bytes(), now) {
        Ok(passport) => Ok(Arc::unwrap_or_clone(passport.principal)),
        Err(wrong) => Err(refusal(wrong)),
    }
}

/// A Passport of somebody who is not believed.
pub fn unknown_gateway() -> Refusal {
    Refusal::invalid(Reason::WrongIssuer, "the Passport is of a gateway that is not believed")
}

fn refusal(wrong: Wrong) -> Refusal {
    Refusal::invalid(reason_of(wrong), format!("the Passport is refused: {wrong}"))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use gwanmun_client::{CallError, Outbound};
    use gwanmun_core::{Level, ManualClock, Tallies};
    use gwanmun_jose::{Algorithm, SigningKey};
    use gwanmun_passport::{ALGORITHMS, Content, Mint, MintSpec, Requester, User};

    use super::*;
    use crate::issuer::{FetchKeys, FetchSettings};

    struct Keeps(Vec<u8>);

    impl FetchKeys for Keeps {
        fn fetch(&self) -> Pin<Box<dyn Future<Output = Result<Vec<u8>, CallError>> + Send>> {
            let bytes = self.0.clone();
            Box::pin(async move { Ok(bytes) })
        }
    }

    fn mint(issuer: &str, kid: &str) -> Mint {
        let active = Arc::new(SigningKey::generate(Algorithm::EdDsa).unwrap().with_kid(kid));
        let lifetime = Duration::from_secs(60);
        let (issuer, trust_domain) = (issuer.to_owned(), "a".to_owned());
        Mint::new(MintSpec { issuer, trust_domain, lifetime, active, published: Vec::new() }).unwrap()
    }

    fn passport(mint: &Mint, now: SystemTime) -> String {
        let user = User { id: "u1".into(), level: Level::High, ..User::default() };
        let content = Content {
            txn: "t".into(),
            subject: "u1".into(),
            scopes: Vec::new().into(),
            user,
            device: None,
            actor: None,
            requester: Requester::default(),
        };
        mint.mint(&content, now).unwrap()
    }

    #[test]
    fn keys_are_waited_for_once_and_only_what_they_signed_is_believed() {
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(now));
        let outbound = Outbound::new(Arc::clone(&clock), Tallies::default());
        let edge = mint("edge", "k1");
        let fetch = FetchSettings {
            issuer: "passport".to_owned(),
            algorithms: ALGORITHMS.to_vec(),
            cache: Duration::from_secs(300),
            stale: Duration::ZERO,
            cool_down: Duration::from_secs(30),
            timeout: Duration::from_secs(2),
        };
        let keys = Keys::fetched(fetch, Arc::new(Keeps(edge.jwks().to_string().into_bytes())), &outbound);
        let issuers = vec!["edge".to_owned()];
        let spec = VerifierSpec { trust_domain: "a".to_owned(), issuers, leeway: Duration::ZERO };
        let check = PassportIssuers::new(spec, keys, clock);

        let good = passport(&edge, now);
        assert_eq!(check.check(&good, now).unwrap_err().reason(), Reason::KeysUnavailable);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(check.prepare(&good).expect("keys have to be fetched"));
        assert!(check.prepare(&good).is_none(), "they are there now");
        let principal = check.check(&good, now).unwrap();
        assert_eq!((&*principal.subject, &*principal.credential, principal.level), ("u1", "passport", Level::High));

        let reason = |passport: &str| check.check(passport, now).unwrap_err().reason();
        assert_eq!(reason(&passport(&mint("edge", "k1"), now)), Reason::BadSignature);
        assert_eq!(reason(&passport(&edge, now - Duration::from_secs(60))), Reason::TokenExpired);
        let unknown = passport(&mint("edge", "k2"), now);
        runtime.block_on(check.prepare(&unknown).expect("newer keys may have it"));
        assert_eq!(reason(&unknown), Reason::UnknownKey);
        assert!(check.prepare("a.b.c").is_none(), "nothing is fetched for what is no token");
    }
}
