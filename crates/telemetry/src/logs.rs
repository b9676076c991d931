//! The application log: events of the process itself as lines on standard error, and in a file and at a syslog receiver
//! where the configuration says so. Secrets in them are masked, and lines of a request tell its trace. Lines are written in place until
//! `in_background` hands them to a thread, so that what goes wrong at the start is seen and a stalled pipe later on does
//! not stop a worker.

mod check;
mod levels;
mod line;
mod output;
mod page;
mod subscriber;
mod syslog;

use std::io::{self, IsTerminal};
use std::sync::{Arc, OnceLock};

pub use check::check;
pub use output::{Background, collector, dropped, in_background, send_to};

use crate::redact;
use crate::spec::{LogFormat, LogLevel, LogsSpec};
use levels::Levels;
use line::Style;
use subscriber::{Dial, Subscriber};

/// Where the levels of the process are set.
static DIAL: OnceLock<Arc<Dial>> = OnceLock::new();

/// How much is told; each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Level {
    /// Nothing.
    Off,
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

/// From now on levels are what `spec` says, and what it calls a secret is masked; changes made at run time are taken back.
/// Without `init` before, nothing is told.
pub fn apply(spec: &LogsSpec) {
    redact::set_names(spec.redact.iter().map(|name| name.as_str()));
    if let Some(dial) = DIAL.get() {
        let targets = spec.levels.iter().map(|(name, level)| (name.as_str().into(), level.value.into()));
        dial.turn_to(Levels::new(spec.level.into(), targets));
    }
}

/// The page at `path` (`/loggers`, `/loggers/NAME`), if it is one about loggers, as Spring Boot has it: HTTP status and
/// JSON. `POST /loggers/NAME {"configuredLevel":"DEBUG"}` changes a level, `null` takes the change back; who may do that
/// is for the caller to decide. `body` is to be bounded by the caller too.
pub fn page(method: &str, path: &str, body: &[u8]) -> Option<(u16, String)> {
    page::answer(DIAL.get()?, method, path, body)
}

/// From now on spans of business code (`tracing::info_span!`) go to `taker`, which is never told of events. The first call
/// decides; without `init` before, nothing happens.
pub(crate) fn hand_spans_to(taker: impl tracing::Subscriber + Send + Sync) {
    if let Some(dial) = DIAL.get() {
        dial.hand_spans_to(Box::new(taker));
    }
}

impl Level {
    const ALL: [Self; 6] = [Self::Off, Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// As Spring Boot calls it.
    const fn name(self) -> &'static str {
        match self {
            Self::Off => "OFF",
            Self::Error => "ERROR",
            Self::Warn => "WARN",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
            Self::Trace => "TRACE",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name().eq_ignore_ascii_case(name))
    }

    const fn filter(self) -> tracing::level_filters::LevelFilter {
        use tracing::level_filters::LevelFilter;
        match self {
            Self::Off => LevelFilter::OFF,
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }
}

impl From<LogLevel> for Level {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Off => Self::Off,
            LogLevel::Error => Self::Error,
            LogLevel::Warn => Self::Warn,
            LogLevel::Info => Self::Info,
            LogLevel::Debug => Self::Debug,
            LogLevel::Trace => Self::Trace,
        }
    }
}

impl From<LogFormat> for Format {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Json => Self::Json,
            LogFormat::Text => Self::Text,
        }
    }
}
