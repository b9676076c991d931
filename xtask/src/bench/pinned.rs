//! Which core does what: the proxy has one to itself, clients and origin share the other.

use std::ffi::OsStr;
use std::process::Command;

use crate::signals;

/// A core of the machine.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Core {
    /// Where the proxy under test runs.
    Proxy,
    /// Where clients and the origin run.
    Around,
}

/// A command on one core, which ends when the task runner does.
pub(crate) fn pinned(core: Core, program: impl AsRef<OsStr>) -> Command {
    let mut command = signals::tied("taskset");
    let core = match core {
        Core::Proxy => "0",
        Core::Around => "1",
    };
    command.args(["-c", core]).arg(program);
    command
}

/// The same, around a command that is already complete.
pub(crate) fn pin(core: Core, inner: &Command) -> Command {
    let mut command = pinned(core, inner.get_program());
    command.args(inner.get_args());
    command
}
