//! Guards that the service's code puts before its routes: a role, a scope, a level. Layers for `route_layer`, or asked in
//! a handler; a refusal is 403 and recorded.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use gwanmun_audit::Event;
use gwanmun_core::{Code, Fault, Level, Reason};
use http::Request;
use tower::{Layer, Service};

use super::About;
use super::caller::{self, Caller};
use super::proof;
use crate::problem::Problem;

/// Lets in who has a role.
///
/// ```
/// use gwanmun_chassis::App;
/// use gwanmun_chassis::axum::{Router, routing::post};
/// use gwanmun_chassis::identity::{RequireRole, RequireScope};
///
/// let routes: Router<App> = Router::new()
///     .route("/orders/{id}/cancel", post(|| async { "cancelled" }))
///     .route_layer(RequireRole::any(["ops", "support"]))
///     .route_layer(RequireScope::all(["orders.write"]));
/// ```
#[derive(Debug, Clone)]
pub struct RequireRole(Arc<Condition>);

/// Lets in whose credential holds a scope.
#[derive(Debug, Clone)]
pub struct RequireScope(Arc<Condition>);

/// Lets in of whom it is sure enough who they are.
#[derive(Debug, Clone)]
pub struct RequireLevel(Arc<Condition>);

/// What a guard makes of a service.
#[derive(Debug, Clone)]
pub struct Required<S> {
    inner: S,
    condition: Arc<Condition>,
}

#[derive(Debug)]
struct Condition {
    wanted: Wanted,
    /// In the words of the audit record: `role ops|support`.
    label: String,
}

#[derive(Debug)]
enum Wanted {
    AnyRole(Vec<String>),
    AllRoles(Vec<String>),
    AnyScope(Vec<String>),
    AllScopes(Vec<String>),
    Level(Level),
}

impl RequireRole {
    /// One of these. With none, nobody.
    pub fn any(roles: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let roles = owned(roles);
        let label = format!("role {}", roles.join("|"));
        Self(Condition::new(Wanted::AnyRole(roles), label))
    }

    /// All of these.
    pub fn all(roles: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let roles = owned(roles);
        let label = format!("role {}", roles.join("&"));
        Self(Condition::new(Wanted::AllRoles(roles), label))
    }

    /// The same where a handler knows only later what is wanted.
    ///
    /// # Errors
    /// 403, or 401 where nobody is there.
    pub async fn check(&self, caller: &Caller) -> Result<(), Problem> {
        self.0.check(caller).await.map_err(Problem::from)
    }
}

impl RequireScope {
    /// One of these. With none, nobody.
    pub fn any(scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let scopes = owned(scopes);
        let label = format!("scope {}", scopes.join("|"));
        Self(Condition::new(Wanted::AnyScope(scopes), label))
    }

    /// All of these.
    pub fn all(scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let scopes = owned(scopes);
        let label = format!("scope {}", scopes.join(" "));
        Self(Condition::new(Wanted::AllScopes(scopes), label))
    }

    /// The same where a handler knows only later what is wanted.
    ///
    /// # Errors
    /// 403, or 401 where nobody is there.
    pub async fn check(&self, caller: &Caller) -> Result<(), Problem> {
        self.0.check(caller).await.map_err(Problem::from)
    }
}

impl RequireLevel {
    /// This, or a higher one.
    pub fn at_least(level: Level) -> Self {
        Self(Condition::new(Wanted::Level(level), format!("level {level}")))
    }

    /// The same where a handler knows only later what is wanted.
    ///
    /// # Errors
    /// 403, or 401 where nobody is there.
    pub async fn check(&self, caller: &Caller) -> Result<(), Problem> {
        self.0.check(caller).await.map_err(Problem::from)
    }
}

impl<S> Layer<S> for RequireRole {
    type Service = Required<S>;

    fn layer(&self, inner: S) -> Required<S> {
        Required { inner, condition: Arc::clone(&self.0) }
    }
}

impl<S> Layer<S> for RequireScope {
    type Service = Required<S>;

    fn layer(&self, inner: S) -> Required<S> {
        Required { inner, condition: Arc::clone(&self.0) }
    }
}

impl<S> Layer<S> for RequireLevel {
    type Service = Required<S>;

    fn layer(&self, inner: S) -> Required<S> {
        Required { inner, condition: Arc::clone(&self.0) }
    }
}

impl<S> Service<Request<Body>> for Required<S>
where
    S: Service<Request<Body>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let condition = Arc::clone(&self.condition);
        Box::pin(async move {
            let caller = match caller::of(request.extensions()) {
                Some(caller) => caller.clone(),
                None => return Ok(caller::misplaced().into_response()),
            };
            match condition.check(&caller).await {
                Ok(()) => inner.call(request).await,
                Err(fault) => Ok(Problem::from(fault).into_response()),
            }
        })
    }
}

impl Condition {
    fn new(wanted: Wanted, label: String) -> Arc<Self> {
        Arc::new(Self { wanted, label })
    }

    async fn check(&self, caller: &Caller) -> Result<(), Fault> {
        let outcome = self.decide(caller.principal());
        let rule = caller.principal().map(|_| self.label.as_str());
        caller.identity().conclude(caller, About::request(Event::Authorize), rule, outcome).await
    }

    fn decide(&self, principal: Option<&gwanmun_core::Principal>) -> Result<(), Fault> {
        let Some(principal) = principal else { return Err(proof::missing()) };
        let role = |role: &String| principal.has_role(role);
        let scope = |scope: &String| principal.has_scope(scope);
        let (holds, reason) = match &self.wanted {
            Wanted::AnyRole(roles) => (roles.iter().any(role), Reason::MissingRole),
            Wanted::AllRoles(roles) => (roles.iter().all(role), Reason::MissingRole),
            Wanted::AnyScope(scopes) => (scopes.iter().any(scope), Reason::MissingScope),
            Wanted::AllScopes(scopes) => (scopes.iter().all(scope), Reason::MissingScope),
            Wanted::Level(level) => (principal.level >= *level, Reason::LevelTooLow),
        };
        if holds {
            return Ok(());
        }
        Err(Fault::new(Code::Forbidden, format!("{}: it does not hold", self.label)).because(reason))
    }
}

fn owned(names: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    names.into_iter().map(Into::into).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(condition: &Condition) -> bool {
        let mut principal = gwanmun_core::Principal::new("ann", "passport", Level::High);
        principal.roles = vec!["ops".to_owned(), "staff".to_owned()];
        principal.scopes = vec!["orders.read".to_owned(), "orders.write".to_owned()];
        condition.decide(Some(&principal)).is_ok()
    }

    #[test]
    fn any_is_one_of_them_and_all_is_every_one() {
        assert!(allows(&RequireRole::any(["admin", "ops"]).0));
        assert!(!allows(&RequireRole::any(["admin", "Ops"]).0));
        assert!(!allows(&RequireRole::any(Vec::<String>::new()).0), "any of none is nobody");
        assert!(allows(&RequireRole::all(["staff", "ops"]).0));
        assert!(!allows(&RequireRole::all(["staff", "admin"]).0));
        assert!(allows(&RequireScope::any(["x", "orders.read"]).0));
        assert!(!allows(&RequireScope::any(["orders.rea"]).0));
        assert!(allows(&RequireScope::all(["orders.read", "orders.write"]).0));
        assert!(!allows(&RequireScope::all(["orders.read", "x"]).0));
    }

    #[test]
    fn a_level_is_that_or_a_higher_one() {
        assert!(allows(&RequireLevel::at_least(Level::Low).0));
        assert!(allows(&RequireLevel::at_least(Level::High).0));
        assert!(!allows(&RequireLevel::at_least(Level::Highest).0));
    }

    #[test]
    fn where_nobody_is_there_it_is_not_a_question_of_rights() {
        let fault = RequireLevel::at_least(Level::Low).0.decide(None).unwrap_err();
        assert_eq!(fault.code(), Code::Unauthenticated);
        assert!(fault.challenge().is_some());
    }
}
