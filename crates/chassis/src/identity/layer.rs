//! The tower layer in front of a service's routes: it proves the Passport, decides what the configuration says about the
//! route, and lets the request in with its [`Caller`].

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use gwanmun_audit::Event;
use gwanmun_core::Fault;
use http::Request;
use tower::{Layer, Service};

use super::caller::{self, Asked, Caller};
use super::proof::{self, Brought};
use super::{About, Identity};
use crate::observe::Notes;
use crate::problem::Problem;

/// Whether a route can do without a Passport. There is no third way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Required,
    Optional,
}

/// Lets in who is believed.
#[derive(Debug, Clone)]
pub struct PassportLayer {
    identity: Identity,
    need: Need,
}

/// What [`PassportLayer`] makes of a service.
#[derive(Debug, Clone)]
pub struct PassportService<S> {
    inner: S,
    identity: Identity,
    need: Need,
}

impl PassportLayer {
    pub(super) fn required(identity: Identity) -> Self {
        Self { identity, need: Need::Required }
    }

    pub(super) fn optional(identity: Identity) -> Self {
        Self { identity, need: Need::Optional }
    }
}

impl<S> Layer<S> for PassportLayer {
    type Service = PassportService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        PassportService { inner, identity: self.identity.clone(), need: self.need }
    }
}

impl<S> Service<Request<Body>> for PassportService<S>
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

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        // The one that was asked whether it is ready goes with the request.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let (identity, need) = (self.identity.clone(), self.need);
        Box::pin(async move {
            match identity.admit(&mut request, need).await {
                Ok(caller) => caller::within(caller, inner.call(request)).await,
                Err(fault) => Ok(Problem::from(fault).into_response()),
            }
        })
    }
}

impl Identity {
    /// From a request to who sends it, if they may.
    async fn admit(&self, request: &mut Request<Body>, need: Need) -> Result<Caller, Fault> {
        let brought = match &self.0.proof {
            Some(proof) => proof.of(request.headers_mut()).await,
            None => {
                request.headers_mut().remove(proof::TXN_TOKEN);
                match need {
                    Need::Required => Err(proof::nobody_is_believed()),
                    Need::Optional => Ok(Brought::Nothing),
                }
            }
        };
        let asked = Asked::of(request);
        let (proven, refused) = match brought {
            Ok(Brought::Proven(passport, token)) => (Some((passport, token)), None),
            Ok(Brought::Nothing) if need == Need::Required => (None, Some(proof::missing())),
            Ok(Brought::Nothing) => (None, None),
            Err(fault) => (None, Some(fault)),
        };
        let caller = Caller::new(self.clone(), proven, asked);
        if let Some(fault) = refused {
            self.conclude(&caller, About::request(Event::Authenticate), None, Err(fault)).await?;
        }
        if let (Some(principal), Some(notes)) = (caller.principal(), Notes::of(request.extensions())) {
            notes.principal_is(principal.subject.as_str().into());
        }
        self.authorize(&caller, request.headers()).await?;
        request.extensions_mut().insert(caller.clone());
        Ok(caller)
    }

    /// What the configuration says about the route.
    async fn authorize(&self, caller: &Caller, headers: &http::HeaderMap) -> Result<(), Fault> {
        let authorization = self.0.authorization.load_full();
        match authorization.of_route(caller, headers, self.0.clock.wall()) {
            Some(decided) => {
                let about = About::request(Event::Authorize);
                self.conclude(caller, about, decided.rule.as_deref(), decided.outcome).await
            }
            // Nothing is said about the route: what is recorded is who came in.
            None if caller.principal().is_some() => {
                self.conclude(caller, About::request(Event::Authenticate), None, Ok(())).await
            }
            None => Ok(()),
        }
    }
}
