//! `cargo xtask`: the only task runner of the repository. Every sub-command is one file; this one only picks.
//! It stays small and nearly free of dependencies, because it is compiled before anything else can be done.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a task runner speaks to the person at the terminal")]

mod arrows;
mod bench;
mod failure;
mod free_port;
mod fuzz;
mod lint;
mod profile;
mod shop;
mod signals;
mod steps;
mod test;
mod test_counts;
mod tools;
mod wait_listening;
mod workspace;

use std::process::ExitCode;

use failure::Failure;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  test [--full]     install missing tools, lint, run every test; --full adds the slow tier
  lint              fmt, clippy, the arrows between crates, cargo-deny where it is installed
  bench [--quick] [--only ROW]... [--rounds N] [--no-build]
                    gwanmun beside nginx, haproxy and envoy; report in target/bench/report.md
  fuzz [TIME] [--only TARGET]... [--minimise | --replay FILE]
                    coverage-guided fuzzing on the stable toolchain; TIME (90s, 10m, 2h) is shared by the targets;
                    --minimise takes the best of what was found into fuzz/corpus
  profile ROW [--of PROXY] [--seconds N] [--no-build]
                    top symbols and system calls of one proxy (default: gwanmun) under the load of a row
  shop [--check]    starts examples/shop, services and gateways, and prints a tour; --check goes on the tour itself
                    and looks at the trace, all numbers and the API's description

rows: h1, h1-tls, h2c, h1-64k-down, h1-1m-down, h1-64k-up, h1-1m-up, handshake, routes-path, routes-host, identity, spans,
      chassis, attack, memory, check
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.split_first() {
        Some((&"test", rest)) => test::run(rest),
        Some((&"lint", rest)) => lint::run(rest),
        Some((&"bench", rest)) => bench::run(rest),
        Some((&"fuzz", rest)) => fuzz::run(rest),
        Some((&"profile", rest)) => profile::run(rest),
        Some((&"shop", rest)) => shop::run(rest),
        Some((&bench::BACKEND_COMMAND, rest)) => bench::serve_backend(rest),
        Some((&bench::FLOOD_COMMAND, rest)) => bench::flood(rest),
        Some((&("help" | "--help" | "-h"), _)) => {
            print!("{USAGE}");
            Ok(())
        }
        Some((other, _)) => Err(Failure::usage(format!("unknown command `{other}`"))),
        None => Err(Failure::usage("a command is wanted")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if failure.is_usage() {
                eprint!("{USAGE}\nxtask: {failure}\n");
                return ExitCode::from(2);
            }
            println!("xtask: FAILED: {failure}");
            ExitCode::FAILURE
        }
    }
}
