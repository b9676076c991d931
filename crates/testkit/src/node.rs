//! Real servers of other makes come as npm packages, installed once under `target/`. Slow the first time: for the full
//! tier.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder whose `node_modules` has `packages`, each as `name@version`; `folder` is where to keep it. No script of a
/// package is run.
///
/// # Panics
/// When they cannot be installed.
pub fn node_with(packages: &[&str], folder: &Path) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    let wanted = packages.join("\n");
    let environment = folder.join(packages.join("-").replace(['@', '/'], "_"));
    let done = environment.join("installed");
    // Whoever comes second waits here.
    let lock = fs::File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    if fs::read_to_string(&done).is_ok_and(|installed| installed == wanted) {
        return environment;
    }
    let _ = fs::remove_dir_all(&environment);
    fs::create_dir_all(&environment).unwrap();
    let mut npm = Command::new("npm");
    npm.args(["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]);
    npm.arg(&environment).args(packages);
    let output = npm.output().unwrap_or_else(|error| panic!("{npm:?}: {error}"));
    assert!(output.status.success(), "{npm:?}:\n{}", String::from_utf8_lossy(&output.stderr));
    fs::write(done, wanted).unwrap();
    environment
}

/// Where packages are kept for all tests: `target/tmp/NAME`.
pub(crate) fn kept(name: &str) -> PathBuf {
    // target/debug/deps/TEST
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(3).unwrap_or_else(|| panic!("no target folder above {}", test.display()));
    target.join("tmp").join(name)
}
