//! Why a task stopped. A task runner has one reader, a person, so its error is the sentence that person needs.

use std::fmt;

/// The reason a task stopped, ready to print.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    kind: Kind,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Usage,
    Task,
}

impl Failure {
    /// Something that was run or read did not work.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), kind: Kind::Task }
    }

    /// The command line was not understood.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), kind: Kind::Usage }
    }

    /// Whether the command line is at fault, so that the usage should be shown.
    pub(crate) fn is_usage(&self) -> bool {
        self.kind == Kind::Usage
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Says what was being done when an I/O error came.
pub(crate) trait While<T> {
    /// Turns an error into `what: error`.
    fn while_doing(self, what: impl fmt::Display) -> Result<T, Failure>;
}

impl<T, E: fmt::Display> While<T> for Result<T, E> {
    fn while_doing(self, what: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(format!("{what}: {error}")))
    }
}
