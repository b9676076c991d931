//! A principal and an action become a decision, with the rule that decided it. Nothing is read, asked or waited for here:
//! the gateway and services decide alike.

mod acl;
mod action;
mod decision;
mod invalid;
mod policy;
mod query;
mod rule;

pub use acl::LineSpec;
pub use action::Action;
pub use decision::{Cause, Decision, Explanation, Part};
pub use invalid::{Argument, Invalid};
pub use policy::{Policy, PolicySpec};
