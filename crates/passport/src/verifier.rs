//! Verifies Passports: signature, `typ`, `aud`, `iss`, `exp` and life; then what it says has types.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use gwanmun_core::Principal;
use gwanmun_jose::{Expect, JwkSet, Refusal, Verified, sha256};
use serde::Deserialize;
use serde_json::Value;

use crate::cache::Cache;
use crate::claims::Sections;
use crate::content::{Content, User};
use crate::{LONGEST, LONGEST_LIFE, TYP};

/// What is expected of a Passport.
#[derive(Debug, Clone)]
pub struct VerifierSpec {
    /// `aud` must be it.
    pub trust_domain: String,
    /// `iss` must be one of these.
    pub issuers: Vec<String>,
    /// How far the clocks may differ.
    pub leeway: Duration,
}

/// Verifies Passports with the keys of one set. For another set, make another one.
#[derive(Debug)]
pub struct Verifier {
    expect: Expect,
    keys: JwkSet,
    /// What caches know it by.
    number: u64,
}

/// A Passport that was verified.
#[derive(Debug, Clone, PartialEq)]
pub struct Passport {
    /// What it says.
    pub content: Content<'static>,
    /// Who made it (`iss`).
    pub issuer: String,
    /// The workload it was made for (`req_wl`).
    pub requesting_workload: String,
    /// `iat`.
    pub issued: SystemTime,
    /// `exp`, without leeway.
    pub expires: SystemTime,
    /// Who calls, with the credential `passport`, the user section's roles and level, and every claim.
    pub principal: Arc<Principal>,
}

impl Verifier {
    /// A verifier with these keys.
    pub fn new(spec: VerifierSpec, keys: JwkSet) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let expect = Expect {
            issuers: spec.issuers,
            audiences: vec![spec.trust_domain],
            typ: Some(TYP.to_owned()),
            leeway: spec.leeway,
            required: ["iss", "iat", "txn", "scope", "req_wl"].map(str::to_owned).to_vec(),
            longest_life: Some(LONGEST_LIFE),
            ..Expect::default()
        };
        Self { expect, keys, number: NEXT.fetch_add(1, Ordering::Relaxed) }
    }

    /// Verifies one, and reads what it says.
    ///
    /// # Errors
    /// The first thing that is not as expected. `UnknownKey` is worth a look at the issuer's newest set.
    pub fn verify(&self, token: &[u8], now: SystemTime) -> Result<Passport, Refusal> {
        read(self.expect.verify(token, LONGEST, &self.keys, now)?)
    }

    /// The same, but what was verified before and has not expired is taken from `cache`. Only what is accepted is kept.
    ///
    /// # Errors
    /// As [`Verifier::verify`].
    pub fn verify_cached(&self, cache: &mut Cache, token: &[u8], now: SystemTime) -> Result<Arc<Passport>, Refusal> {
        if token.len() > LONGEST {
            return Err(Refusal::TooLarge);
        }
        cache.belong_to(self.number);
        let hash = sha256(token);
        let is_alive = |passport: &Passport| {
            passport.issued.checked_sub(self.expect.leeway).is_none_or(|from| from <= now)
                && passport.expires.checked_add(self.expect.leeway).is_none_or(|end| now < end)
        };
        if let Some(known) = cache.find(&hash).filter(|known| is_alive(known)) {
            return Ok(known);
        }
        let passport = Arc::new(self.verify(token, now)?);
        cache.keep(hash, Arc::clone(&passport));
        Ok(passport)
    }
}

fn read(verified: Verified) -> Result<Passport, Refusal> {
    let Verified { subject, expires, issued, claims, .. } = verified;
    // What is expected has an issuer and a moment of issue.
    let issuer = claims.get("iss").and_then(Value::as_str).ok_or(Refusal::MissingClaim)?.to_owned();
    let issued = issued.ok_or(Refusal::MissingClaim)?;
    let claims = Value::Object(claims);
    let Sections { txn, scope, req_wl, tctx, rctx } = Sections::deserialize(&claims).map_err(|_| Refusal::BadClaim)?;
    let Value::Object(claims) = claims else { return Err(Refusal::BadClaim) };
    let scopes: Vec<String> = scope.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
    let user = match tctx.user.id.is_empty() {
        true => User { id: Cow::Owned(subject.clone()), ..tctx.user },
        false => tctx.user,
    };
    let principal = Principal {
        roles: user.roles.to_vec(),
        scopes: scopes.clone(),
        claims,
        expires: Some(expires),
        ..Principal::new(subject.clone(), "passport", user.level)
    };
    let content = Content {
        txn: txn.into(),
        subject: subject.into(),
        scopes: scopes.into(),
        user,
        device: tctx.device,
        actor: tctx.act.sub,
        requester: rctx,
    };
    let principal = Arc::new(principal);
    Ok(Passport { content, issuer, requesting_workload: req_wl, issued, expires, principal })
}
