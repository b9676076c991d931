//! The clients: wrk for HTTP/1.1, h2load for HTTP/2, and a small one of our own for full handshakes, because wrk resumes
//! its sessions and h2load opens all its connections at once. All run on the clients' core and on loopback only.

mod h2load;
mod handshakes;
mod wrk;

use std::path::Path;

use super::product::Setup;
use super::row::{Door, Row};
use crate::failure::Failure;

/// What a client saw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Seen {
    /// Good answers.
    pub(crate) requests: f64,
    /// Good answers in a second.
    pub(crate) rate: f64,
    /// The median time of a request in microseconds (of connection, handshake and request for handshakes).
    pub(crate) p50: f64,
    /// The 99th percentile, in microseconds.
    pub(crate) p99: f64,
    /// Answers that were no 2xx, and connections that failed.
    pub(crate) errors: f64,
}

/// Loads a proxy the way a row wants it for so many seconds.
pub(crate) fn run(row: Row, setup: &Setup, seconds: u32, scratch: &Path) -> Result<Seen, Failure> {
    match (row, setup.door) {
        (Row::Handshake, _) => handshakes::run(setup, seconds, scratch),
        (_, Door::H2c) => h2load::run(setup, seconds, scratch),
        (row, Door::H1 | Door::Tls) => wrk::run(row, setup, seconds, scratch),
    }
}
