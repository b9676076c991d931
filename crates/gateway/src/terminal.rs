//! Writing for people and for pipes: colours on a terminal only, and a closed pipe is no panic.

use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use gwanmun_config::Style;

/// Whether something for stdout is lost: there is one stdout, so there is one answer.
static LOST: AtomicBool = AtomicBool::new(false);

/// Writes a line to stdout. A reader that has left wanted no more; any other failure is told once.
pub(crate) fn say(line: impl Display) {
    match writeln!(std::io::stdout().lock(), "{line}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe && !LOST.swap(true, Ordering::Relaxed) => {
            complain(format_args!("error: stdout cannot be written: {error}"));
        }
        _ => {}
    }
}

/// Whether something that was said did not arrive, for another reason than that nobody reads it.
pub(crate) fn is_output_lost() -> bool {
    LOST.load(Ordering::Relaxed)
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
