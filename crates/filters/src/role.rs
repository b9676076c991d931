//! Roles: what a gateway is for. Each file is one; beside them stands what they look at: listeners, credentials, answers.

mod answers;
mod audited;
mod credentials;
pub mod internal;
mod kept;
mod listeners;
pub mod public;
pub mod secure;
mod traces;

#[cfg(test)]
mod tests;
