//! Identity and calls of a service, as its callers, its operators and the services that it calls meet them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever goes wrong in a test is a failed test"
)]

mod authorization;
mod calls;
mod keys;
mod ledger;
mod refusals;
mod stand_in;
