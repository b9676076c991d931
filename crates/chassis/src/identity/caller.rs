//! Who sends the request that is worked on, as handlers take it: the Passport, the principal, or both with what can be
//! asked about them.

use std::convert::Infallible;
use std::ops::Deref;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, MatchedPath, OptionalFromRequestParts, OriginalUri};
use gwanmun_audit::{AuditLog, Decision, Event, Record, Unavailable};
use gwanmun_core::{Code, Fault, Reason};
use gwanmun_telemetry::scope;
use gwanmun_telemetry::trace::TraceContext;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Uri, header};

use super::audit::Audit;
use super::proof;
use super::{About, Identity};
use crate::problem::Problem;

tokio::task_local! {
    /// Who is worked for: outgoing calls ask here what they may pass on.
    static CURRENT: Caller;
}

/// Who calls, and what can be asked about them. An extractor; on public routes there may be nobody.
///
/// ```
/// use gwanmun_chassis::Problem;
/// use gwanmun_chassis::axum::extract::Path;
/// use gwanmun_chassis::identity::Caller;
///
/// async fn cancel(caller: Caller, Path(id): Path<u64>) -> Result<&'static str, Problem> {
///     caller.may("cancel", &format!("order/{id}")).await?;
///     caller.audit().record("order.cancelled").resource(format!("order/{id}")).await?;
///     Ok("cancelled")
/// }
/// ```
#[derive(Clone)]
pub struct Caller(Arc<Inner>);

struct Inner {
    identity: Identity,
    passport: Option<(Arc<gwanmun_passport::Passport>, HeaderValue)>,
    asked: Asked,
}

/// What a request asks for, as it came in.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) host: Option<HeaderValue>,
    /// The route that takes it, where one does.
    pub(super) route: Option<MatchedPath>,
    trace: Option<TraceContext>,
}

/// What was decided, for its record.
#[derive(Clone, Copy)]
pub(super) struct Outcome<'a> {
    pub(super) decision: Decision,
    pub(super) rule: Option<&'a str>,
    pub(super) fault: Option<Code>,
    /// Who acts, where that is not the caller.
    pub(super) actor: Option<&'a str>,
}

/// The Passport of the request, proven. An extractor; `Option<Passport>` on public routes.
#[derive(Debug, Clone)]
pub struct Passport(pub Arc<gwanmun_passport::Passport>);

/// Who calls, proven. An extractor; `Option<Principal>` on public routes.
#[derive(Debug, Clone)]
pub struct Principal(pub Arc<gwanmun_core::Principal>);

impl Caller {
    pub(super) fn new(
        identity: Identity,
        passport: Option<(Arc<gwanmun_passport::Passport>, HeaderValue)>,
        asked: Asked,
    ) -> Self {
        Self(Arc::new(Inner { identity, passport, asked }))
    }

    /// Who it is; nobody on a public route without a Passport.
    pub fn principal(&self) -> Option<&gwanmun_core::Principal> {
        self.passport().map(|passport| &*passport.principal)
    }

    /// The Passport, proven.
    pub fn passport(&self) -> Option<&Arc<gwanmun_passport::Passport>> {
        self.0.passport.as_ref().map(|(passport, _)| passport)
    }

    /// Whether this may be done to that, as `authorization.resources` says: `may("cancel", "order/7")`. Where nothing is
    /// said about it, it may not. A refusal is recorded.
    ///
    /// # Errors
    /// It may not: 403, or 401 where nobody is there; 503 where that cannot be recorded.
    pub async fn may(&self, action: &str, resource: &str) -> Result<(), Problem> {
        let identity = &self.0.identity.0;
        let authorization = identity.authorization.load_full();
        let decided = authorization.of_resource(self, action, resource, identity.clock.wall());
        let about = About { event: Event::Authorize, action: Some((action, resource)) };
        let outcome = self.0.identity.conclude(self, about, decided.rule.as_deref(), decided.outcome).await;
        outcome.map_err(Problem::from)
    }

    /// Refuses by a rule of business code, `not the owner`: recorded, then a 403 that does not say why.
    pub async fn refuse(&self, rule: &'static str, action: &str, resource: &str) -> Problem {
        let about = About { event: Event::Authorize, action: Some((action, resource)) };
        let fault = Fault::new(Code::Forbidden, rule).because(Reason::RuleRefused);
        match self.0.identity.conclude(self, about, Some(rule), Err(fault)).await {
            Err(fault) => Problem::from(fault),
            Ok(()) => Problem::from(Fault::new(Code::Forbidden, rule).because(Reason::RuleRefused)),
        }
    }

    /// Where business code records what it does for this caller.
    pub fn audit(&self) -> Audit {
        Audit::new(self.0.identity.0.audit.clone(), Some(self.clone()))
    }

    /// The Passport's text, for calls within the trust domain. It does not print itself.
    pub(crate) fn token(&self) -> Option<&HeaderValue> {
        self.0.passport.as_ref().map(|(_, token)| token)
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.0.identity
    }

    pub(super) fn asked(&self) -> &Asked {
        &self.0.asked
    }

    /// Has it recorded what was decided about this request, or what business code does for it.
    pub(super) fn record(
        &self,
        log: &AuditLog,
        about: About<'_>,
        outcome: Outcome<'_>,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send + use<> {
        let asked = &self.0.asked;
        let trace = scope::current().or(asked.trace).map(|trace| trace.trace_id_hex());
        let told = self.passport().and_then(|passport| passport.content.requester.trace_id.as_deref());
        let mut record = Record::new(about.event, outcome.decision);
        record = match about.action {
            Some((action, resource)) => record.action(action).resource("", resource),
            None => record.action(asked.method.as_str()).resource(asked.host(), asked.uri.path()),
        };
        if let Some(passport) = self.passport() {
            record = record.actor(&passport.principal.subject).credential(&passport.principal.credential);
            if let Some(client) = passport.content.requester.address {
                record = record.client(client);
            }
        }
        if let Some(route) = &asked.route {
            record = record.route(route.as_str());
        }
        if let Some(trace) = trace.as_deref().or(told) {
            record = record.trace_id(trace);
        }
        log.record(&outcome.tell(record))
    }
}

impl<'a> Outcome<'a> {
    /// Adds what was decided to a record.
    pub(super) fn tell(&self, mut record: Record<'a>) -> Record<'a> {
        if let Some(actor) = self.actor {
            record = record.actor(actor);
        }
        if let Some(rule) = self.rule {
            record = record.rule(rule);
        }
        match self.fault {
            Some(code) => record.fault(code),
            None => record,
        }
    }
}

impl Asked {
    pub(super) fn of(request: &Request<Body>) -> Self {
        let extensions = request.extensions();
        Self {
            method: request.method().clone(),
            uri: extensions.get::<OriginalUri>().map_or_else(|| request.uri().clone(), |uri| uri.0.clone()),
            host: request.headers().get(header::HOST).cloned(),
            route: extensions.get::<MatchedPath>().cloned(),
            trace: scope::current(),
        }
    }

    /// The host that is asked for, with its port; empty where it is not said.
    pub(super) fn host(&self) -> &str {
        let authority = || self.uri.authority().map(http::uri::Authority::as_str);
        self.host.as_ref().and_then(|host| host.to_str().ok()).or_else(authority).unwrap_or_default()
    }

    /// The pattern of the route; empty where none takes the request.
    pub(super) fn route(&self) -> &str {
        self.route.as_ref().map_or("", MatchedPath::as_str)
    }
}

/// Who the present task works for. Tasks that a handler spawns work for nobody.
pub(crate) fn current() -> Option<Caller> {
    CURRENT.try_with(Caller::clone).ok()
}

/// `future`, which works for `caller`.
pub(super) async fn within<F: Future>(caller: Caller, future: F) -> F::Output {
    CURRENT.scope(caller, future).await
}

impl Deref for Passport {
    type Target = gwanmun_passport::Passport;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Deref for Principal {
    type Target = gwanmun_core::Principal;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// The caller of a request, which the layer has left there.
pub(super) fn of(extensions: &http::Extensions) -> Option<&Caller> {
    extensions.get()
}

/// What is said where there is none.
pub(super) fn misplaced() -> Problem {
    Problem::from(Fault::new(Code::Internal, "who calls is asked for where no route of a service is"))
}

/// What is said where a handler of a public route wants somebody, and nobody is there.
async fn nobody(caller: &Caller) -> Problem {
    let about = About::request(Event::Authenticate);
    let refused = caller.identity().conclude(caller, about, None, Err(proof::missing())).await;
    Problem::from(refused.err().unwrap_or_else(proof::missing))
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        of(&parts.extensions).cloned().ok_or_else(misplaced)
    }
}

impl<S: Sync> FromRequestParts<S> for Passport {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = of(&parts.extensions).ok_or_else(misplaced)?;
        match caller.passport() {
            Some(passport) => Ok(Self(Arc::clone(passport))),
            None => Err(nobody(caller).await),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Principal {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = of(&parts.extensions).ok_or_else(misplaced)?;
        match caller.passport() {
            Some(passport) => Ok(Self(Arc::clone(&passport.principal))),
            None => Err(nobody(caller).await),
        }
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Passport {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Problem> {
        Ok(of(&parts.extensions).ok_or_else(misplaced)?.passport().map(|passport| Self(Arc::clone(passport))))
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Principal {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Problem> {
        Ok(of(&parts.extensions)
            .ok_or_else(misplaced)?
            .passport()
            .map(|passport| Self(Arc::clone(&passport.principal))))
    }
}

impl<S: Sync> FromRequestParts<S> for Audit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        of(&parts.extensions).map(Caller::audit).ok_or_else(misplaced)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get().cloned())
    }
}
