//! What is learned about a request on its way in: the layers inside write it down, and who observes from outside reads it
//! when the answer has left.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use axum::extract::MatchedPath;
use http::Extensions;

/// An extension of every request. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes(Arc<Noted>);

#[derive(Debug, Default)]
struct Noted {
    route: OnceLock<MatchedPath>,
    principal: OnceLock<Arc<str>>,
    bytes_in: AtomicU64,
    is_body_too_large: AtomicBool,
}

impl Notes {
    /// Those of a request.
    pub(crate) fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// The route that takes it.
    pub(crate) fn route_is(&self, route: &MatchedPath) {
        let _ = self.0.route.set(route.clone());
    }

    /// Who calls, when that is proven.
    pub(crate) fn principal_is(&self, name: Arc<str>) {
        let _ = self.0.principal.set(name);
    }

    /// So many bytes of its body have come so far.
    pub(crate) fn bytes_in_are(&self, bytes: u64) {
        self.0.bytes_in.store(bytes, Ordering::Relaxed);
    }

    /// Its body is larger than it may be.
    pub(crate) fn body_is_too_large(&self) {
        self.0.is_body_too_large.store(true, Ordering::Relaxed);
    }

    /// The pattern of the route: `/orders/{id}`.
    pub(crate) fn route(&self) -> Option<&str> {
        self.0.route.get().map(MatchedPath::as_str)
    }

    pub(crate) fn principal(&self) -> Option<&str> {
        self.0.principal.get().map(AsRef::as_ref)
    }

    pub(crate) fn bytes_in(&self) -> u64 {
        self.0.bytes_in.load(Ordering::Relaxed)
    }

    pub(crate) fn is_body_too_large(&self) -> bool {
        self.0.is_body_too_large.load(Ordering::Relaxed)
    }
}
