//! Passports for tests: a key, what it signs, and where it is published.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use gwanmun_core::{Level, Principal};
use gwanmun_jose::{Algorithm, SigningKey, VerifyingKey};
use gwanmun_passport::{Content, Mint, MintSpec, Transaction};

use super::published::Published;

/// How long they live.
const LIFETIME: Duration = Duration::from_secs(60);

/// Makes Passports, and publishes the key that they are signed with at a URL of this machine.
///
/// ```
/// use gwanmun_chassis::testing::Passports;
///
/// let passports = Passports::new();
/// let token = passports.user("ann").roles(["ops"]).scopes(["orders.read"]).token();
/// assert!(passports.settings().starts_with("passport:"));
/// assert_eq!(token.split('.').count(), 3);
/// ```
#[derive(Debug)]
pub struct Passports {
    issuer: String,
    trust_domain: String,
    keys: Mutex<Keys>,
    published: Published,
}

#[derive(Debug)]
struct Keys {
    mint: Arc<Mint>,
    /// All that were active, the latest last.
    known: Vec<Arc<SigningKey>>,
    /// Published, and to be active.
    next: Option<Arc<SigningKey>>,
}

/// A Passport that is about to be made.
#[derive(Debug)]
#[must_use = "it is made by `token`"]
pub struct PassportFor<'p> {
    passports: &'p Passports,
    principal: Principal,
    at: SystemTime,
    issuer: Option<String>,
    trust_domain: Option<String>,
}

impl Default for Passports {
    fn default() -> Self {
        Self::new()
    }
}

impl Passports {
    /// Of the gateway `https://gateway.test`, for the trust domain `test.internal`.
    pub fn new() -> Self {
        Self::of("https://gateway.test", "test.internal")
    }

    /// Of another gateway, or for another trust domain.
    pub fn of(issuer: &str, trust_domain: &str) -> Self {
        let key = key(1);
        let mint = mint(issuer, trust_domain, &key, &[]);
        let published = Published::new(mint.jwks().to_string());
        let keys = Mutex::new(Keys { mint: Arc::new(mint), known: vec![key], next: None });
        Self { issuer: issuer.to_owned(), trust_domain: trust_domain.to_owned(), keys, published }
    }

    /// For somebody whose name is `subject`, with level `high`.
    pub fn user(&self, subject: &str) -> PassportFor<'_> {
        let principal = Principal::new(subject, "jwt:test", Level::High);
        PassportFor { passports: self, principal, at: SystemTime::now(), issuer: None, trust_domain: None }
    }

    /// The section `passport` of a service that believes these.
    pub fn settings(&self) -> String {
        format!("passport:\n  issuer: {}\n  jwks: {}\n  trust-domain: {}\n", self.issuer, self.url(), self.trust_domain)
    }

    /// Where the keys are.
    pub fn url(&self) -> String {
        self.published.url()
    }

    /// The keys.
    pub fn jwks(&self) -> String {
        self.lock().mint.jwks().to_string()
    }

    /// How often the keys were fetched.
    pub fn fetches(&self) -> usize {
        self.published.asked()
    }

    /// Publishes one more key, which [`Self::rotate`] will sign with.
    pub fn publish_next(&self) {
        let mut keys = self.lock();
        let next = key(keys.known.len() + 1);
        let mint = mint(&self.issuer, &self.trust_domain, &next, &keys.known);
        self.published.publish(mint.jwks().to_string());
        keys.next = Some(next);
    }

    /// Signs with the next key from now on; it is published now if it was not before, which is sooner than services know.
    pub fn rotate(&self) {
        if self.lock().next.is_none() {
            self.publish_next();
        }
        let mut keys = self.lock();
        let Some(next) = keys.next.take() else { return };
        keys.mint = Arc::new(mint(&self.issuer, &self.trust_domain, &next, &keys.known));
        keys.known.push(next);
    }

    /// Publishes the active key alone, as when the others are thrown away.
    pub fn forget_old_keys(&self) {
        let mut keys = self.lock();
        let Some(active) = keys.known.pop() else { return };
        let mint = mint(&self.issuer, &self.trust_domain, &active, &[]);
        self.published.publish(mint.jwks().to_string());
        *keys = Keys { mint: Arc::new(mint), known: vec![active], next: None };
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PassportFor<'_> {
    /// What the user may act as.
    pub fn roles(mut self, roles: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.principal.roles = roles.into_iter().map(Into::into).collect();
        self
    }

    /// What the credential was given for.
    pub fn scopes(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.principal.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// How sure it is who calls.
    pub fn level(mut self, level: Level) -> Self {
        self.principal.level = level;
        self
    }

    /// Made at another time: it lives for a minute from then on.
    pub fn at(mut self, moment: SystemTime) -> Self {
        self.at = moment;
        self
    }

    /// Made an hour ago.
    pub fn expired(self) -> Self {
        let before = self.at - Duration::from_secs(3600);
        self.at(before)
    }

    /// Of another gateway than the one that is believed, though signed with its key.
    pub fn issuer(mut self, issuer: &str) -> Self {
        self.issuer = Some(issuer.to_owned());
        self
    }

    /// For another trust domain than the service's.
    pub fn trust_domain(mut self, trust_domain: &str) -> Self {
        self.trust_domain = Some(trust_domain.to_owned());
        self
    }

    /// The value of the header `Txn-Token`.
    pub fn token(&self) -> String {
        let txn = Transaction::unique().expect("randomness");
        let content = Content::of(&self.principal, txn.as_str());
        let keys = self.passports.lock();
        let (issuer, trust_domain) = (self.issuer.as_ref(), self.trust_domain.as_ref());
        let mint = match keys.known.last() {
            Some(active) if issuer.is_some() || trust_domain.is_some() => {
                let issuer = issuer.unwrap_or(&self.passports.issuer);
                Arc::new(mint(issuer, trust_domain.unwrap_or(&self.passports.trust_domain), active, &[]))
            }
            _ => Arc::clone(&keys.mint),
        };
        drop(keys);
        mint.mint(&content, self.at).expect("a Passport")
    }
}

fn key(number: usize) -> Arc<SigningKey> {
    Arc::new(SigningKey::generate(Algorithm::EdDsa).expect("a key").with_kid(format!("test-{number}")))
}

fn mint(issuer: &str, trust_domain: &str, active: &Arc<SigningKey>, known: &[Arc<SigningKey>]) -> Mint {
    let published: Vec<VerifyingKey> = known.iter().map(|key| key.verifying_key().clone()).collect();
    let (issuer, trust_domain) = (issuer.to_owned(), trust_domain.to_owned());
    let spec = MintSpec { issuer, trust_domain, lifetime: LIFETIME, active: Arc::clone(active), published };
    Mint::new(spec).expect("a mint")
}
