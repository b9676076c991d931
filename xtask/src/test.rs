//! `cargo xtask test`: the one command for a newcomer and for CI. Installs what the tests need where it is missing, lints,
//! and runs every test. `--full` adds the slow tier.

use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::process::Command;

use crate::bench;
use crate::failure::{Failure, While};
use crate::lint;
use crate::shop;
use crate::steps::{self, Steps};
use crate::test_counts::TestCounts;
use crate::tools::{self, Tool, tool};
use crate::workspace;

/// What the tests drive the gateway with.
const TOOLS: &[Tool] = &[
    tool("curl", "curl"),
    tool("h2load", "nghttp2-client"),
    tool("nghttp", "nghttp2-client"),
    tool("node", "nodejs"),
    tool("npm", "npm"),
    tool("python3", "python3"),
    tool("openssl", "openssl"),
    tool("redis-server", "redis-server"),
    tool("redis-cli", "redis-tools"),
];

/// What the slow tier needs besides: others to compare with, an attacker, an authorization server. That one needs a package
/// for its database, and Debian would take another database's if it were not told.
const SLOW_TOOLS: &[Tool] = &[
    tool("nginx", "nginx"),
    tool("pg_ctlcluster", "postgresql"),
    tool("haproxy", "haproxy"),
    tool("slowhttptest", "slowhttptest"),
    tool("chromium", "chromium"),
    tool("glewlwyd", "glewlwyd"),
    tool("glewlwyd", "dbconfig-sqlite3"),
    tool("sqlite3", "sqlite3"),
    tool("prometheus", "prometheus"),
    tool("promtool", "prometheus"),
    tool("rsyslogd", "rsyslog"),
];

/// Set for tests of the slow tier, which are `#[ignore]`d otherwise.
const FULL: &str = "GWANMUN_FULL";

/// Runs everything and ends with a summary; the last line counts the tests.
pub(crate) fn run(arguments: &[&str]) -> Result<(), Failure> {
    let full = match arguments {
        [] => false,
        ["--full"] => true,
        other => return Err(Failure::usage(format!("test takes `--full` or nothing, found `{}`", other.join(" ")))),
    };
    let mut steps = Steps::default();
    let mut counts = TestCounts::default();
    let outcome = fast_tier(&mut steps, &mut counts, full).and_then(|()| match full {
        true => slow_tier(&mut steps, &mut counts),
        false => Ok(()),
    });
    if outcome.is_ok() {
        steps.summarize();
        println!("\nEverything passed.");
    }
    if counts != TestCounts::default() {
        println!("{counts}");
    }
    outcome
}

fn fast_tier(steps: &mut Steps, counts: &mut TestCounts, full: bool) -> Result<(), Failure> {
    steps.step("tools", || tools::ensure(TOOLS))?;
    steps.step("toolchain", toolchain)?;
    if full && !tools::is_installed("cargo-deny") {
        steps.command("install cargo-deny", workspace::cargo(["install", "--locked", "cargo-deny"]))?;
    }
    lint::add_steps(steps)?;
    if tools::is_installed("cargo-nextest") {
        let tests = workspace::cargo(["nextest", "run", "--workspace", "--no-fail-fast"]);
        steps.step("tests", || run_counted(tests, counts))?;
        steps.step("doc tests", || run_counted(workspace::cargo(["test", "--workspace", "--doc"]), counts))
    } else {
        let tests = workspace::cargo(["test", "--workspace", "--no-fail-fast"]);
        steps.step("tests", || run_counted(tests, counts))
    }
}

fn slow_tier(steps: &mut Steps, counts: &mut TestCounts) -> Result<(), Failure> {
    let targets = ["--lib", "--bins", "--tests", "--examples"];
    let mut ignored = workspace::cargo(["test", "--workspace", "--no-fail-fast"]);
    ignored.args(targets).args(["--", "--ignored"]);
    ignored.env(FULL, "1");
    steps.step("tools of the slow tests", || tools::ensure(SLOW_TOOLS))?;
    counts.forget_skipped();
    steps.step("slow tests", || run_counted(ignored, counts))?;
    steps.step("shop", || shop::run(&["--check"]))?;
    steps.step("bench smoke", || bench::run(&["--quick", "--only", "h1"]))
}

/// A toolchain may have come without these two; rustup adds them.
fn toolchain() -> Result<(), Failure> {
    for (component, probe) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if steps::output(workspace::cargo([probe, "--version"])).is_err() {
            println!("    {component} is missing");
            let mut add = Command::new("rustup");
            add.args(["component", "add", component]).current_dir(workspace::root());
            steps::run(add)?;
        }
    }
    println!("    {}", steps::output(workspace::cargo(["--version"]))?.trim());
    Ok(())
}

/// Runs a test command, passing its lines on as they come and counting the tests they speak of.
fn run_counted(mut command: Command, counts: &mut TestCounts) -> Result<(), Failure> {
    let line = steps::command_line(&command);
    println!("    $ {line}");
    let (reader, writer) = std::io::pipe().while_doing("making a pipe")?;
    let colour = if std::io::stdout().is_terminal() { "always" } else { "never" };
    command.env("CARGO_TERM_COLOR", colour);
    command.stdout(writer.try_clone().while_doing("making a pipe")?).stderr(writer);
    let mut child = command.spawn().while_doing(format_args!("starting `{line}`"))?;
    // The command holds the pipe's writing end; without it the reading below would never end.
    drop(command);
    let mut reader = BufReader::new(reader);
    let mut bytes = Vec::new();
    while reader.read_until(b'\n', &mut bytes).while_doing("reading the tests' output")? > 0 {
        let _ = std::io::stdout().lock().write_all(&bytes);
        counts.read_line(&String::from_utf8_lossy(&bytes));
        bytes.clear();
    }
    let status = child.wait().while_doing(format_args!("waiting for `{line}`"))?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("`{line}` ended with {status}"))) }
}
