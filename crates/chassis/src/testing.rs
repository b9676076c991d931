//! What a service's own tests are written with: [`Passports`] makes Passports of a gateway that is not there, and
//! [`TestService`] runs the service on free ports of this machine. Whatever goes wrong here is a panic, which is a failed test.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "whatever goes wrong in a test is a failed test"
)]

mod passports;
mod published;
mod request;
mod service;

pub use passports::{PassportFor, Passports};
pub use request::{TestAnswer, TestRequest};
pub use service::TestService;
