//! Who calls a service, and whether they may: the Passport is proven once for each request, handlers take it or what it
//! says as arguments, and layers refuse who lacks a role, a scope or a level. What is decided goes to the audit log
//! before it takes effect.

mod audit;
mod authorization;
mod caller;
mod layer;
mod pattern;
mod proof;
mod require;

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use gwanmun_audit::{AuditLog, Decision, Event};
use gwanmun_config::Spanned;
use gwanmun_core::{Clock, Code, Fault, Reason, Tally};

pub use audit::{Audit, AuditSpec, Entry};
pub use authorization::{AuthorizationSpec, AuthorizeSpec};
pub use caller::{Caller, Passport, Principal};
pub use gwanmun_audit::Decision as AuditDecision;
pub use gwanmun_core::Level;
pub use layer::{PassportLayer, PassportService};
pub use proof::PassportSpec;
pub use require::{RequireLevel, RequireRole, RequireScope, Required};

pub(crate) use caller::current;

use crate::ground::Ground;
use authorization::Authorization;
use caller::Outcome;
use proof::Proof;

/// What of the configuration says who is believed, who may what, and where that is recorded.
#[derive(Clone, Copy)]
pub(crate) struct IdentitySpecs<'a> {
    pub(crate) passport: Option<&'a PassportSpec>,
    pub(crate) authorization: Option<&'a AuthorizationSpec>,
    pub(crate) audit: Option<&'a Spanned<AuditSpec>>,
}

/// What becomes of the audit log's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sink {
    /// It is written to.
    Opened,
    /// Nothing: the configuration is only looked at.
    Untouched,
}

/// Who may what, not in force yet.
pub(crate) struct Rules(Authorization);

/// Proves, decides, records. Clones are the same.
#[derive(Clone)]
pub(crate) struct Identity(Arc<Parts>);

struct Parts {
    proof: Option<Proof>,
    authorization: ArcSwap<Authorization>,
    audit: Option<AuditLog>,
    refusals: Tally,
    clock: Arc<dyn Clock>,
}

impl Identity {
    /// From what is written; every mistake goes to `ground`. With a mistake there is nothing, and no audit log is opened.
    pub(crate) fn build(specs: IdentitySpecs<'_>, sink: Sink, ground: &mut Ground<'_>) -> Option<Self> {
        let proof = specs.passport.map(|spec| Proof::build(spec, ground));
        let authorization = Self::rules(specs.authorization, ground).map(|rules| rules.0);
        let audit = specs.audit.map(|spec| spec.value.settings(ground));
        let proof = match proof {
            Some(proof) => Some(proof?),
            None => None,
        };
        let authorization = authorization?;
        if audit.as_ref().is_some_and(Option::is_none) || ground.diagnostics.has_errors() {
            return None;
        }
        let audit = match audit.flatten() {
            Some(settings) if sink == Sink::Opened => {
                let opened = AuditLog::open(settings, Arc::clone(ground.clock), ground.tallies);
                let span = specs.audit.map_or(gwanmun_config::Span::NOWHERE, |spec| spec.span);
                Some(opened.map_err(|why| ground.refuse(span, why.to_string())).ok()?)
            }
            _ => None,
        };
        let help = "Requests that identity refused, by code and by what exactly was wrong.";
        Some(Self(Arc::new(Parts {
            proof,
            authorization: ArcSwap::from_pointee(authorization),
            audit,
            refusals: ground.tallies.tally("gwanmun_identity_refusals_total", help, &["code", "reason"]),
            clock: Arc::clone(ground.clock),
        })))
    }

    /// What `spec` says about who may what, for [`Identity::adopt`]; every mistake goes to `ground`.
    pub(crate) fn rules(spec: Option<&AuthorizationSpec>, ground: &mut Ground<'_>) -> Option<Rules> {
        match spec {
            Some(spec) => Authorization::build(spec, ground).map(Rules),
            None => Some(Rules(Authorization::default())),
        }
    }

    /// Decides by `rules` from now on.
    pub(crate) fn adopt(&self, rules: Rules) {
        self.0.authorization.store(Arc::new(rules.0));
    }

    /// `routes`, whose every request must carry a Passport, and `public`, that everybody may call; a Passport that is there
    /// is proven all the same. What no route takes needs one where any route does, so that strangers do not learn which
    /// routes there are.
    pub(crate) fn guard<S: Clone + Send + Sync + 'static>(&self, routes: Router<S>, public: Router<S>) -> Router<S> {
        let needs_passports = routes.has_routes();
        let public = public.layer(PassportLayer::optional(self.clone()));
        let routes = routes.layer(PassportLayer::required(self.clone()));
        // Of two fallbacks that nobody has set, the second router's stays.
        if needs_passports { public.merge(routes) } else { routes.merge(public) }
    }

    /// Fetches the keys, so that the first request need not wait for them.
    ///
    /// # Errors
    /// They cannot be had just now; the first request will try again.
    pub(crate) async fn prepare_keys(&self) -> Result<(), String> {
        match &self.0.proof {
            Some(proof) => proof.prepare_keys().await.map_err(|refusal| refusal.to_string()),
            None => Ok(()),
        }
    }

    /// Where business code records what it does outside of requests.
    pub(crate) fn audit(&self) -> Audit {
        Audit::new(self.0.audit.clone(), None)
    }

    /// Writes what waits for the audit log and ends it.
    pub(crate) fn close(&self) {
        if let Some(log) = &self.0.audit {
            log.close();
        }
    }

    /// From a decision to what happens: counted where it is a refusal, recorded before it takes effect. What cannot be
    /// recorded does not happen, unless the log allows it.
    async fn conclude(
        &self,
        caller: &Caller,
        about: About<'_>,
        rule: Option<&str>,
        outcome: Result<(), Fault>,
    ) -> Result<(), Fault> {
        if let Err(fault) = &outcome {
            self.0.refusals.count(&[fault.code().name(), fault.reason().map_or("", Reason::name)]);
        }
        let is_told = outcome.is_err() || self.0.authorization.load().records_grants();
        if let Some(log) = self.0.audit.as_ref().filter(|_| is_told) {
            let decision = if outcome.is_ok() { Decision::Allow } else { Decision::Deny };
            let fault = outcome.as_ref().err();
            let rule = rule.or_else(|| Some(fault?.reason()?.name()));
            let told = Outcome { decision, rule, fault: fault.map(Fault::code), actor: None };
            let written = caller.record(log, about, told);
            written.await.map_err(|why| Fault::new(Code::AuditUnavailable, why.to_string()))?;
        }
        outcome
    }
}

/// What a decision was about, for its record.
#[derive(Clone, Copy)]
struct About<'a> {
    event: Event,
    /// Where it is not the request itself: what is done to what.
    action: Option<(&'a str, &'a str)>,
}

impl About<'_> {
    /// The request itself.
    fn request(event: Event) -> Self {
        Self { event, action: None }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
