//! The gateway as a library: `gwanmun::main` is the whole binary, and with a registry of one's own it is a whole gateway
//! of one's own.

mod advice;
mod cli;
mod command;
mod explanation;
mod load;
mod management;
mod manual;
mod open_files;
mod paint;
mod schema;
mod terminal;
mod testing;

use std::process::ExitCode;

pub use gwanmun_config as config;
pub use gwanmun_core as core;
pub use gwanmun_filters::Registry;
pub use gwanmun_proxy as proxy;

/// Parses the command line and does what it says with the predicates and filters of `registry`. The exit code is the
/// contract's: 0 good, 1 the configuration or its tests are at fault, 2 wrong usage, 3 could not start.
pub fn main(registry: Registry) -> ExitCode {
    cli::run(&registry)
}
