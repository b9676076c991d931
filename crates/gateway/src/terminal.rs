//! Writing for people and for pipes: colours on a terminal only, and a closed pipe is no panic.

use std::fmt::Display;
use std::io::{IsTerminal, Write};

use gwanmun_config::Style;

/// Writes a line to stdout.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Writes a line to stderr.
pub(crate) fn complain(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// How stdout wants to be written to.
pub(crate) fn stdout_style() -> Style {
    style(std::io::stdout().is_terminal())
}

/// How stderr wants to be written to.
pub(crate) fn stderr_style() -> Style {
    style(std::io::stderr().is_terminal())
}

fn style(terminal: bool) -> Style {
    let wanted = terminal && std::env::var_os("NO_COLOR").is_none();
    if wanted { Style::Coloured } else { Style::Plain }
}
