//! Finding the route of a request: patterns, the index over them, and the remaining predicates in order.

pub mod escape;
#[cfg(test)]
mod fixture;
pub mod host_pattern;
mod index;
pub mod matcher;
pub mod path_pattern;
pub mod predicate;
pub mod router;
mod segment;
mod shadow;
mod variables;

pub use host_pattern::{HostPattern, HostPatterns};
pub use matcher::{Matcher, Outcome};
pub use path_pattern::{PathPattern, PathPatterns, TrailingSlash};
pub use predicate::{Condition, Predicate, PredicateSpec};
pub use router::{NoWeight, Router};
pub use variables::Variables;
