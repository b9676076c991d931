//! `gwanmun check`: every mistake at once, and a line if there is none.

use std::path::{Path, PathBuf};

use gwanmun_filters::Registry;

use crate::cli::Outcome;
use crate::load::from_files;
use crate::terminal::say;

/// Says whether the configuration could run.
pub(crate) fn run(registry: &Registry, files: &[PathBuf]) -> Outcome {
    let mut configuration = from_files(registry, files);
    configuration.advise();
    configuration.complain();
    if configuration.plan.is_none() {
        return Outcome::AtFault;
    }
    let spec = &configuration.spec;
    let mut parts = vec![
        counted(spec.routes.len(), "route"),
        counted(spec.upstreams.len(), "upstream"),
        counted(spec.listeners.len(), "listener"),
    ];
    if let Some(role) = configuration.plan.as_ref().and_then(|plan| plan.role) {
        parts.insert(0, format!("role {role}"));
    }
    if !configuration.tests.is_empty() {
        parts.push(counted(configuration.tests.len(), "test"));
    }
    say(format_args!("{}: {}: good", names(files), parts.join(", ")));
    Outcome::Good
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

fn names(files: &[PathBuf]) -> String {
    files.iter().map(|file| Path::display(file).to_string()).collect::<Vec<_>>().join(" ")
}
