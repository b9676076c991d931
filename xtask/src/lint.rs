//! `cargo xtask lint`: formatting, clippy, the arrows between crates, and cargo-deny where it is installed.

use crate::arrows;
use crate::failure::Failure;
use crate::steps::Steps;
use crate::tools;
use crate::workspace;

/// Runs every check and ends with a summary.
pub(crate) fn run(arguments: &[&str]) -> Result<(), Failure> {
    if let Some(other) = arguments.first() {
        return Err(Failure::usage(format!("lint takes no arguments, found `{other}`")));
    }
    let mut steps = Steps::default();
    add_steps(&mut steps)?;
    steps.summarize();
    Ok(())
}

/// The checks as steps of a longer task.
pub(crate) fn add_steps(steps: &mut Steps) -> Result<(), Failure> {
    steps.command("format", workspace::cargo(["fmt", "--all", "--check"]))?;
    steps.command("clippy", workspace::cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    steps.step("arrows between crates", arrows::check)?;
    if tools::is_installed("cargo-deny") {
        // The advisory database is fetched from elsewhere; what can be checked from the lock file alone is checked here.
        let check = ["deny", "--workspace", "check", "bans", "licenses", "sources"];
        steps.command("dependencies", workspace::cargo(check))?;
    } else {
        println!("\n    cargo-deny is not installed: dependencies are not checked (cargo install --locked cargo-deny)");
    }
    Ok(())
}
