//! `gwanmun new service NAME`: the files of a small service on the chassis, to be built, tested and changed.

mod chassis;
mod name;
mod service;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::Outcome;
use crate::terminal::{complain, say};

/// What can be written.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a service: code, tests, configuration, a Dockerfile, and a gateway to put in front
    Service(ServiceArguments),
}

/// What is written, and where.
#[derive(Debug, Args)]
pub(crate) struct ServiceArguments {
    /// The service's name: small letters, digits and '-'
    name: String,
    /// The folder that its folder is made in
    #[arg(long, default_value = ".")]
    directory: PathBuf,
    /// The checkout of Gwanmun whose chassis it is built with; by default the one that the folder is in
    #[arg(long)]
    checkout: Option<PathBuf>,
}

/// Why nothing was written, or not everything.
#[derive(Debug)]
enum Refused {
    /// The arguments are at fault: what, and what to do about it.
    Usage(String),
    /// A file could not be written.
    Write(PathBuf, std::io::Error),
}

/// Writes what is asked for.
pub(crate) fn run(command: &Command) -> Outcome {
    let Command::Service(arguments) = command;
    match service::write(arguments) {
        Ok(next) => {
            say(next.trim_end());
            Outcome::Good
        }
        Err(Refused::Usage(what)) => {
            complain(format_args!("error: {what}"));
            Outcome::WrongUsage
        }
        Err(Refused::Write(path, error)) => {
            complain(format_args!("error: '{}' cannot be written: {error}", path.display()));
            Outcome::CouldNotWrite
        }
    }
}
