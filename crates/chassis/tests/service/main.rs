//! A service as its callers and operators meet it, over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever goes wrong in a test is a failed test"
)]

mod chaos;
mod exceptions;
mod life;
mod limits;
mod logs;
mod management;
mod numbers;
mod program;
mod requests;
mod scene;
mod time;
mod tls;
mod tracing;
