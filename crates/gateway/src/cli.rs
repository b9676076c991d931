//! The command line of the contract, and which exit code each outcome has.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use gwanmun_filters::Registry;

use crate::command;
use crate::terminal::is_output_lost;

/// What went well or wrong, as the shell sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Good,
    /// The configuration or its tests are at fault.
    AtFault,
    /// The command line is.
    WrongUsage,
    /// A port is taken, say.
    CouldNotStart,
    /// The disk is full, say.
    CouldNotWrite,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Good => Self::SUCCESS,
            Outcome::AtFault => Self::from(1),
            Outcome::WrongUsage => Self::from(2),
            Outcome::CouldNotStart | Outcome::CouldNotWrite => Self::from(3),
        }
    }
}

#[derive(Parser)]
#[command(name = "gwanmun", version, about = "An API gateway", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve; SIGTERM or Ctrl-C drains and stops
    Run {
        /// Configuration files, merged in this order
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Show every mistake of the configuration, with its place and a hint
    Check {
        /// Configuration files, merged in this order
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Show which route takes a request and why, and what each filter does to it
    Explain(command::explain::Arguments),
    /// Run the tests in the configuration, without the network
    Test {
        /// Configuration files, merged in this order
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// List the routes in the order they are asked
    Routes {
        /// Configuration files, merged in this order
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// List predicates and filters, or show one with its arguments and an example
    Filters {
        /// The name of a predicate or filter
        name: Option<String>,
    },
    /// Print the JSON Schema of the configuration
    Schema,
    /// Work with an audit log
    #[command(subcommand)]
    Audit(command::audit::Command),
    /// Write the files of something new
    #[command(subcommand)]
    New(command::new::Command),
    /// Start a gateway of each role with services behind, and a provider stub to log in at
    Demo,
}

/// Parses the arguments and runs the command.
pub(crate) fn run(registry: &Registry) -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run { files } => command::run::run(registry, &files),
        Command::Check { files } => command::check::run(registry, &files),
        Command::Explain(arguments) => command::explain::run(registry, &arguments),
        Command::Test { files } => command::test::run(registry, &files),
        Command::Routes { files } => command::routes::run(registry, &files),
        Command::Filters { name } => command::filters::run(registry, name.as_deref()),
        Command::Schema => command::schema::run(registry),
        Command::Audit(command) => command::audit::run(&command),
        Command::New(command) => command::new::run(&command),
        Command::Demo => command::demo::run(registry),
    };
    if is_output_lost() { Outcome::CouldNotWrite.into() } else { outcome.into() }
}
