//! The application log: events of the gateway itself as lines on standard error. Lines are written in place until
//! `in_background` hands them to a thread, so that what goes wrong at the start is seen and a stalled pipe later on does
//! not stop a worker.

mod line;
mod output;
mod subscriber;

use std::io::{self, IsTerminal};
use std::sync::{Arc, OnceLock};

pub use output::{Background, dropped, in_background};

use line::Style;
use subscriber::{Dial, Subscriber};

/// Where the level of the process is set.
static DIAL: OnceLock<Arc<Dial>> = OnceLock::new();

/// How much is told; each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Level {
    /// What failed and needs a person.
    Error,
    /// What is wrong but was dealt with.
    Warn,
    /// What an operator wants to know.
    #[default]
    Info,
    /// What helps to find a mistake.
    Debug,
    /// Everything, that of the libraries too.
    Trace,
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Format {
    /// One JSON object: `time`, `level`, `target` where the event is not the gateway's, `message`, then the event's fields.
    #[default]
    Json,
    /// For a person; coloured on a terminal.
    Text,
}

/// Sends the events of the whole process to standard error from now on. The first call decides; later ones do nothing.
pub fn init(level: Level, format: Format) {
    let coloured = || io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let style = match format {
        Format::Json => Style::Json,
        Format::Text if coloured() => Style::Coloured,
        Format::Text => Style::Plain,
    };
    let subscriber = Subscriber::new(level, style, output::write);
    let dial = subscriber.dial();
    // An error says that another one is in place.
    if tracing::subscriber::set_global_default(subscriber).is_ok() {
        let _ = DIAL.set(dial);
    }
}

/// From now on so much is told; without `init` before, nothing happens.
pub fn set_level(level: Level) {
    if let Some(dial) = DIAL.get() {
        dial.turn_to(level);
    }
}

/// From now on spans of business code (`tracing::info_span!`) go to `taker`, which is never told of events. The first call
/// decides; without `init` before, nothing happens.
pub(crate) fn hand_spans_to(taker: impl tracing::Subscriber + Send + Sync) {
    if let Some(dial) = DIAL.get() {
        dial.hand_spans_to(Box::new(taker));
    }
}

impl Level {
    const ALL: [Self; 5] = [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    const fn filter(self) -> tracing::level_filters::LevelFilter {
        use tracing::level_filters::LevelFilter;
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }
}
