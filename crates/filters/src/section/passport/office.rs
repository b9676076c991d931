//! Where Passports are made: one office for each configuration, shared by all workers. The filter `passport` asks it for
//! Passports, `authenticate` has them checked here, and the management port shows its keys.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gwanmun_core::{Clock, Code, Fault, Level, Principal, Tallies};
use gwanmun_identity::Passports;
use gwanmun_jose::JwkSet;
use gwanmun_passport::{Content, Mint, MintSpec, Requester, Transaction, User, Verifier, VerifierSpec};
use gwanmun_proxy::{Exchange, Ground};
use http::HeaderValue;
use serde_json::Value;

use super::accept::Accepted;
use super::check::{Checks, LEEWAY};
use super::device::{DeviceHeaders, Known};
use super::keys::Keys;
use super::map::About;
use super::reuse::{self, Asked};
use super::source::{Names, Source};

/// How long services may keep the keys.
const KEYS_AGE: Duration = Duration::from_secs(60);

/// What an office is founded on.
pub(super) struct Founding {
    pub(super) names: Names,
    pub(super) keys: Keys,
    pub(super) lifetime: Duration,
    pub(super) reuse: Duration,
    pub(super) devices: DeviceHeaders,
    pub(super) source: Option<Arc<Source>>,
    pub(super) accept: Option<Accepted>,
}

/// Makes Passports, checks them and publishes the keys.
pub struct PassportOffice {
    /// What memories know it by.
    number: u64,
    /// What the gateway is for.
    role: &'static str,
    mint: Mint,
    reuse: Duration,
    devices: DeviceHeaders,
    source: Option<Arc<Source>>,
    checks: Arc<Passports>,
    clock: Arc<dyn Clock>,
    counts: Counts,
}

/// The keys that Passports are verified with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedKeys {
    /// A JWK set (RFC 7517 section 5), as JSON.
    pub jwks: String,
    /// How long it may be kept.
    pub max_age: Duration,
}

/// `gwanmun_passports_total` of one office.
pub(crate) struct Counts {
    pub(crate) minted: Arc<AtomicU64>,
    pub(crate) reused: Arc<AtomicU64>,
    pub(crate) forwarded: Arc<AtomicU64>,
    pub(crate) principal_only: Arc<AtomicU64>,
    pub(crate) refused: Arc<AtomicU64>,
    pub(crate) unavailable: Arc<AtomicU64>,
    pub(crate) failed: Arc<AtomicU64>,
}

impl PassportOffice {
    /// Opens an office.
    pub(super) fn found(plan: Founding, ground: &Ground<'_>) -> Result<Self, String> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let Founding { names, keys, lifetime, reuse, devices, source, accept } = plan;
        let Keys { active, published } = keys;
        let all = std::iter::once(active.verifying_key()).chain(&published).cloned();
        let set = JwkSet::of(all).map_err(|error| error.to_string())?;
        let spec = VerifierSpec {
            trust_domain: names.trust_domain.clone(),
            issuers: vec![names.issuer.clone()],
            leeway: LEEWAY,
        };
        let checks = Checks { issuer: names.issuer.clone(), own: Verifier::new(spec, set), accepted: accept };
        let spec = MintSpec { issuer: names.issuer, trust_domain: names.trust_domain, lifetime, active, published };
        let tallies = ground.lasting.of(Tallies::default);
        Ok(Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            role: ground.role.unwrap_or("none"),
            mint: Mint::new(spec).map_err(|error| error.to_string())?,
            reuse,
            devices,
            counts: Counts::new(&tallies, source.as_ref().map_or("principal", |source| source.name())),
            source,
            checks: Arc::new(Passports(Arc::new(checks))),
            clock: Arc::clone(ground.clock),
        })
    }

    /// The keys that services verify with: our own, and those of an auth server whose tokens are forwarded.
    pub async fn published_keys(&self) -> PublishedKeys {
        let mut jwks = self.mint.jwks();
        if let Some(theirs) = self.source.as_ref().and_then(|source| source.keys())
            && let Some(keys) = jwks.get_mut("keys").and_then(Value::as_array_mut)
        {
            match theirs.get().await {
                Ok(theirs) => keys.extend(theirs.iter().cloned()),
                Err(error) => {
                    tracing::warn!(event = "passport-keys-missing", %error, "the auth server's keys cannot be fetched");
                    return PublishedKeys { jwks: jwks.to_string(), max_age: Duration::ZERO };
                }
            }
        }
        PublishedKeys { jwks: jwks.to_string(), max_age: KEYS_AGE }
    }

    /// Who checks Passports.
    pub(crate) fn checks(&self) -> &Arc<Passports> {
        &self.checks
    }

    /// Who is asked about callers.
    pub(crate) fn source(&self) -> Option<&Arc<Source>> {
        self.source.as_ref()
    }

    /// What a request says about the device.
    pub(crate) fn device<'h>(&self, exchange: &'h Exchange) -> Known<&'h str> {
        self.devices.of(&exchange.request.headers)
    }

    /// What is counted.
    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The Passport of `principal` for this request, as the value of the header; `about` is what the auth server says.
    pub(crate) fn passport(
        &self,
        exchange: &Exchange,
        principal: &Arc<Principal>,
        about: Option<&Arc<About>>,
    ) -> Result<HeaderValue, Fault> {
        let now = self.clock.wall();
        let device = self.device(exchange);
        let asked = Asked { principal, about, level: exchange.level, client: exchange.client, device: &device };
        if !self.reuse.is_zero()
            && let Some(known) = reuse::recall(self.number, &asked, self.reuse, now)
        {
            count(&self.counts.reused);
            return Ok(known);
        }
        let failed = |why: String| {
            count(&self.counts.failed);
            Fault::new(Code::Internal, why)
        };
        let txn = Transaction::unique().ok_or_else(|| failed("no randomness for a passport".to_owned()))?;
        let trace_id = exchange.record.trace.trace_id_hex();
        let device_section = match about.and_then(|about| about.device.as_ref()) {
            Some((known, level)) => known.section(*level, "auth-server"),
            None => device.section(Level::Low, "header"),
        };
        let alone = Content::of(principal, txn.as_str());
        let content = Content {
            user: User {
                id: about.and_then(|about| about.user.as_deref()).unwrap_or(&principal.subject).into(),
                roles: about.and_then(|about| about.roles.as_deref()).unwrap_or(&principal.roles).into(),
                level: exchange.level,
                ..alone.user
            },
            device: device_section,
            actor: actor(principal).map(Cow::Borrowed),
            requester: Requester {
                address: exchange.client,
                role: Cow::Borrowed(self.role),
                trace_id: Some((&*trace_id).into()),
                ..alone.requester
            },
            ..alone
        };
        let minted =
            self.mint.mint_until(&content, now, principal.expires).map_err(|unminted| failed(unminted.to_string()))?;
        let mut value = HeaderValue::try_from(minted.token).map_err(|error| failed(error.to_string()))?;
        value.set_sensitive(true);
        if !self.reuse.is_zero() {
            reuse::keep(self.number, &asked, value.clone(), now, minted.expires);
        }
        count(&self.counts.minted);
        Ok(value)
    }
}

impl fmt::Debug for PassportOffice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PassportOffice").field("kid", &self.mint.kid()).finish_non_exhaustive()
    }
}

impl Counts {
    fn new(tallies: &Tallies, source: &'static str) -> Self {
        let help = "Passports by where they come from and what became of them.";
        let tally = tallies.tally("gwanmun_passports_total", help, &["source", "outcome"]);
        let cell = |outcome| tally.cell(&[source, outcome]);
        Self {
            minted: cell("minted"),
            reused: cell("reused"),
            forwarded: cell("forwarded"),
            principal_only: cell("principal-only"),
            refused: cell("refused"),
            unavailable: cell("unavailable"),
            failed: cell("failed"),
        }
    }
}

/// One more.
pub(crate) fn count(cell: &AtomicU64) {
    cell.fetch_add(1, Ordering::Relaxed);
}

/// How a principal was authenticated.
pub(super) fn authn(principal: &Principal) -> String {
    format!("urn:gwanmun:authn:{}", principal.credential_kind())
}

/// Whoever acts for the principal, as its token says (RFC 8693 section 4.1).
fn actor(principal: &Principal) -> Option<&str> {
    principal.claims.get("act")?.get("sub")?.as_str()
}
