//! Real clients and servers of other makes come as Python packages, installed once into a virtual environment under
//! `target/`. Slow the first time: for the full tier.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A Python that has `packages`, each as `name==version`; `folder` is where to keep it.
///
/// # Panics
/// When it cannot be made or the packages cannot be installed.
pub fn python_with(packages: &[&str], folder: &Path) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    let wanted = packages.join("\n");
    let environment = folder.join(packages.join("-").replace(['=', '/'], "_"));
    let (python, done) = (environment.join("bin/python"), environment.join("installed"));
    // Whoever comes second waits here.
    let lock = fs::File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    if fs::read_to_string(&done).is_ok_and(|installed| installed == wanted) {
        return python;
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment));
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(packages));
    fs::write(done, wanted).unwrap();
    python
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}:\n{}", String::from_utf8_lossy(&output.stderr));
}
