//! What the tests of the gateway stand on: the real binary as a process ([`Gateway`]), services behind it ([`Upstream`],
//! [`Script`]), clients in front of it ([`Connection`], [`Http2`]) and certificates ([`Authority`]). Development only: a
//! failure here is a panic with the reason in it, and every wait ends at [`PATIENCE`].

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever goes wrong in a test is a failed test"
)]

mod body;
mod certificates;
mod connection;
pub mod frames;
mod gateway;
mod http2;
mod log;
mod message;
mod patience;
mod python;
mod script;
mod upstream;

pub use body::{Feed, Reply};
pub use certificates::{Authority, Identity};
pub use connection::Connection;
pub use gateway::{Gateway, Refusal, Setup};
pub use http2::Http2;
pub use log::Log;
pub use message::Message;
pub use patience::{PATIENCE, eventually, patiently};
pub use python::python_with;
pub use script::Script;
pub use upstream::{Speaks, Upstream};
