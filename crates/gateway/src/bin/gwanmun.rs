//! The binary: the standard predicates and filters.

use std::process::ExitCode;

fn main() -> ExitCode {
    gwanmun::main(gwanmun::Registry::standard())
}
