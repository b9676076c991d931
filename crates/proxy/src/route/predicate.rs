//! What decides whether a route takes a request. Path, host and weight are known to the engine, since the index is made
//! of them; everything else is a test it knows nothing about.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::exchange::Exchange;
use crate::parts::{Invalid, Parts};
use crate::route::{HostPatterns, PathPatterns};

/// A test of one request that captures nothing.
pub trait Predicate: Send + Sync + 'static {
    /// Whether it holds.
    fn holds(&self, exchange: &Exchange) -> bool;
}

/// What a predicate's specification becomes.
#[non_exhaustive]
pub enum Condition {
    /// Any of these patterns matches the path.
    Path(PathPatterns),
    /// Any of these patterns matches the host.
    Host(HostPatterns),
    /// This share of the requests that reach the routes of `group`.
    Weight {
        /// The routes that share.
        group: String,
        /// The share, relative to the others'.
        weight: u32,
    },
    /// Anything else.
    Test(Box<dyn Predicate>),
}

/// What people write for a predicate; its documentation is its doc comment.
pub trait PredicateSpec: DeserializeOwned + JsonSchema + 'static {
    /// The key in the configuration: Spring Cloud Gateway's name in kebab-case where it has one.
    const NAME: &'static str;

    /// A complete configuration with `tests` that shows the predicate at work: printed by `gwanmun filters NAME`, run by
    /// the test suite.
    const EXAMPLE: &'static str = "";

    /// Checks the arguments and makes what runs.
    ///
    /// # Errors
    /// [`Invalid`] names the argument at fault; the operator sees it at its line.
    fn build(self, parts: &Parts<'_>) -> Result<Condition, Invalid>;
}
