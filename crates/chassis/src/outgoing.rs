//! Calls to other services: each carries the caller's Passport, the trace and what is left of the deadline; bounded,
//! retried within a budget, cut off by a breaker.

use std::fmt;

/// Calls one other service. Clones are the same.
#[derive(Debug, Clone)]
pub struct HttpClient(());

/// The configuration has no client of this name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownClient(pub String);

impl fmt::Display for UnknownClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration has no `clients.{}`", self.0)
    }
}

impl std::error::Error for UnknownClient {}
