//! Which route takes a request is known only within the router: noted there.

use std::task::{Context, Poll};

use axum::Router;
use axum::extract::{MatchedPath, Request};
use tower::{Layer, Service};

use super::Notes;

/// `routes`, which note the route of each request.
pub(crate) fn note_route(routes: Router) -> Router {
    routes.layer(NoteRoute)
}

#[derive(Clone, Copy)]
struct NoteRoute;

/// The layer at work.
#[derive(Clone)]
struct Noting<S>(S);

impl<S> Layer<S> for NoteRoute {
    type Service = Noting<S>;

    fn layer(&self, inner: S) -> Noting<S> {
        Noting(inner)
    }
}

impl<S: Service<Request>> Service<Request> for Noting<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> S::Future {
        let extensions = request.extensions();
        if let (Some(notes), Some(route)) = (Notes::of(extensions), extensions.get::<MatchedPath>()) {
            notes.route_is(route);
        }
        self.0.call(request)
    }
}
