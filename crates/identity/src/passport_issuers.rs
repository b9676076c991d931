//! Passports of other gateways: verified with the keys that these publish, which are fetched and kept like those of an
//! issuer of tokens.

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwapOption;
use gwanmun_core::{Clock, Principal, Reason};
use gwanmun_jose::{Compact, Refusal as Wrong};
use gwanmun_passport::{Cache, LONGEST, Passport, Verifier, VerifierSpec};

use crate::issuer::{KeySet, Keys, reason_of};
use crate::known;
use crate::passport_check::PassportCheck;
use crate::refusal::Refusal;

/// How many Passports a thread remembers of each of these.
const REMEMBERED: usize = 2_048;

/// Of how many of these a thread remembers Passports.
const MOST_CACHES: usize = 8;

thread_local! {
    /// By the number of whose they are, the latest last.
    static CACHES: RefCell<Vec<(u64, Cache)>> = const { RefCell::new(Vec::new()) };
}

/// Other gateways whose Passports are believed.
pub struct PassportIssuers {
    /// What this thread's caches know it by.
    number: u64,
    spec: VerifierSpec,
    keys: Keys,
    clock: Arc<dyn Clock>,
    /// For the key set of this mark.
    verifier: ArcSwapOption<(u64, Verifier)>,
}

/// What is known about a Passport at once.
#[derive(Debug)]
pub enum PassportLook {
    /// What it says, or why it is not believed.
    Decided(Result<Arc<Passport>, Refusal>),
    /// [`PassportIssuers::ask`] knows more: keys have to be fetched.
    Ask,
}

impl PassportIssuers {
    /// Believes Passports as `spec` expects them, signed with `keys`.
    pub fn new(spec: VerifierSpec, keys: Keys, clock: Arc<dyn Clock>) -> Self {
        Self { number: known::new_issuer(), spec, keys, clock, verifier: ArcSwapOption::empty() }
    }

    /// Who they are: `iss` of their Passports.
    pub fn issuers(&self) -> &[String] {
        &self.spec.issuers
    }

    /// What a Passport says, as far as that can be told without waiting. One that this thread has verified before costs a
    /// hash and a look into a map.
    pub fn look(&self, passport: &[u8]) -> PassportLook {
        let now = self.clock.wall();
        let Some(keys) = self.keys.at_hand(now) else { return PassportLook::Ask };
        match self.remembered(&keys, passport, now) {
            Err(refusal) if refusal.reason() == Reason::UnknownKey && self.keys.may_change() => PassportLook::Ask,
            outcome => PassportLook::Decided(outcome),
        }
    }

    /// What a Passport says. Keys are fetched if need be: because there are none yet, or once more because the Passport's
    /// is not among them.
    ///
    /// # Errors
    /// It is not believed, or the keys cannot be had.
    pub async fn ask(&self, passport: &[u8]) -> Result<Arc<Passport>, Refusal> {
        self.keys.verified(self.name(), |keys| self.remembered(keys, passport, self.clock.wall())).await
    }

    /// Fetches the keys, so that nobody has to wait for them later.
    ///
    /// # Errors
    /// They cannot be had.
    pub async fn prepare_keys(&self) -> Result<(), Refusal> {
        self.keys.verified(self.name(), |_| Ok(())).await
    }

    fn name(&self) -> &str {
        self.spec.issuers.first().map_or("", String::as_str)
    }

    fn remembered(&self, keys: &KeySet, passport: &[u8], now: SystemTime) -> Result<Arc<Passport>, Refusal> {
        let verifier = self.verifier(keys);
        CACHES
            .with_borrow_mut(|caches| {
                let place = match caches.iter().position(|(number, _)| *number == self.number) {
                    Some(place) => place,
                    None => {
                        if caches.len() >= MOST_CACHES {
                            caches.remove(0);
                        }
                        caches.push((self.number, Cache::new(REMEMBERED)));
                        caches.len().saturating_sub(1)
                    }
                };
                match caches.get_mut(place) {
                    Some((_, cache)) => verifier.1.verify_cached(cache, passport, now),
                    None => verifier.1.verify(passport, now).map(Arc::new),
                }
            })
            .map_err(refusal)
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

    /// What is published can change.
    struct Changes(Arc<std::sync::Mutex<Vec<u8>>>);

    impl FetchKeys for Changes {
        fn fetch(&self) -> Pin<Box<dyn Future<Output = Result<Vec<u8>, CallError>> + Send>> {
            let bytes = self.0.lock().unwrap().clone();
            Box::pin(async move { Ok(bytes) })
        }
    }

    #[test]
    fn a_passport_is_remembered_until_its_key_is_gone() {
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let clock = Arc::new(ManualClock::at(now));
        let outbound = Outbound::new(Arc::clone(&clock) as Arc<dyn Clock>, Tallies::default());
        let (first, second) = (mint("edge", "k1"), mint("edge", "k2"));
        let published = |mint: &Mint| mint.jwks().to_string().into_bytes();
        let document = Arc::new(std::sync::Mutex::new(published(&first)));
        let fetch = FetchSettings {
            issuer: "passport".to_owned(),
            algorithms: ALGORITHMS.to_vec(),
            cache: Duration::from_secs(300),
            stale: Duration::ZERO,
            cool_down: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
        };
        let keys = Keys::fetched(fetch, Arc::new(Changes(Arc::clone(&document))), &outbound);
        let spec = VerifierSpec { trust_domain: "a".into(), issuers: vec!["edge".into()], leeway: Duration::ZERO };
        let issuers = PassportIssuers::new(spec, keys, Arc::clone(&clock) as Arc<dyn Clock>);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();

        let old = passport(&first, now);
        assert!(matches!(issuers.look(old.as_bytes()), PassportLook::Ask), "there are no keys yet");
        let proven = runtime.block_on(issuers.ask(old.as_bytes())).unwrap();
        let PassportLook::Decided(Ok(again)) = issuers.look(old.as_bytes()) else { panic!("it is known") };
        assert!(Arc::ptr_eq(&proven, &again));

        *document.lock().unwrap() = published(&second);
        clock.advance(Duration::from_secs(10));
        let new = passport(&second, now + Duration::from_secs(10));
        assert!(matches!(issuers.look(new.as_bytes()), PassportLook::Ask), "newer keys may have it");
        assert_eq!(runtime.block_on(issuers.ask(new.as_bytes())).unwrap().principal.subject, "u1");
        let gone = runtime.block_on(issuers.ask(old.as_bytes())).unwrap_err();
        assert_eq!(gone.reason(), Reason::UnknownKey);
    }
}
