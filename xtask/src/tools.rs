//! Programs the tasks need beside Rust. What is missing is installed with apt when we are root; otherwise the person is
//! told the one command that does it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, While};
use crate::steps;

/// A program and the Debian package that brings it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tool {
    program: &'static str,
    package: &'static str,
}

/// A program of a package.
pub(crate) const fn tool(program: &'static str, package: &'static str) -> Tool {
    Tool { program, package }
}

/// Whether a program is in the `PATH` (or in the folders where Debian keeps daemons).
pub(crate) fn is_installed(program: &str) -> bool {
    find(program).is_some()
}

/// Installs what is missing of `tools`.
pub(crate) fn ensure(tools: &[Tool]) -> Result<(), Failure> {
    let mut missing: Vec<&str> =
        tools.iter().filter(|tool| !is_installed(tool.program)).map(|tool| tool.package).collect();
    missing.sort_unstable();
    missing.dedup();
    if missing.is_empty() {
        println!("    nothing is missing");
        return Ok(());
    }
    install(&missing)
}

/// Whether Python can make virtual environments, which Debian packages apart.
pub(crate) fn has_venv() -> bool {
    Command::new("python3").args(["-c", "import ensurepip, venv"]).output().is_ok_and(|output| output.status.success())
}

/// Installs Debian packages.
pub(crate) fn install(missing: &[&str]) -> Result<(), Failure> {
    let packages = missing.join(" ");
    let install = format!("apt-get install --no-install-recommends {packages}");
    if !is_installed("apt-get") {
        return Err(Failure::new(format!("these Debian packages or their like are wanted: {packages}")));
    }
    if !is_root()? {
        return Err(Failure::new(format!("packages are missing; run: sudo {install}")));
    }
    println!("    missing: {packages}");
    let _no_autostart = NoAutostart::begin()?;
    steps::run(apt(&["update", "-qq"]))?;
    let words = ["install", "-y", "-qq", "--no-install-recommends"];
    steps::run(apt(&[&words[..], missing].concat()))
}

/// Keeps apt from starting the daemons it installs, for as long as it lives; leaves a policy that was there alone.
struct NoAutostart {
    written: bool,
}

const POLICY: &str = "/usr/sbin/policy-rc.d";

impl NoAutostart {
    fn begin() -> Result<Self, Failure> {
        if Path::new(POLICY).exists() {
            return Ok(Self { written: false });
        }
        fs::write(POLICY, "#!/bin/sh\nexit 101\n").while_doing(POLICY)?;
        fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755)).while_doing(POLICY)?;
        Ok(Self { written: true })
    }
}

impl Drop for NoAutostart {
    fn drop(&mut self) {
        if self.written {
            let _ = fs::remove_file(POLICY);
        }
    }
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|file| {
        file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    })
}

fn is_root() -> Result<bool, Failure> {
    Ok(fs::metadata("/proc/self").while_doing("/proc/self")?.uid() == 0)
}

fn apt(arguments: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_and_a_made_up_one_is_not() {
        assert!(is_installed("sh"));
        assert!(!is_installed("no-such-program-here"));
    }
}
