//! What is said about one thing: a status and details.

use serde_json::{Map, Value};

/// How many bytes of an error's text are kept.
const ERROR_BYTES: usize = 512;

/// How something does. The order is that in which Spring Boot looks for the worst, which comes last: what is not known
/// speaks against nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Nobody can tell.
    Unknown,
    /// It works.
    Up,
    /// It works, but is not to be used.
    OutOfService,
    /// It does not work.
    Down,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// How it does.
    pub status: Status,
    /// What is worth knowing, for operators only; no secrets all the same.
    pub details: Map<String, Value>,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Unknown, Self::Up, Self::OutOfService, Self::Down];

    /// Its name on pages and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Up => "UP",
            Self::OutOfService => "OUT_OF_SERVICE",
            Self::Down => "DOWN",
        }
    }

    /// The HTTP status of a page that says so.
    pub const fn code(self) -> u16 {
        match self {
            Self::Unknown | Self::Up => 200,
            Self::OutOfService | Self::Down => 503,
        }
    }
}

impl Outcome {
    /// A status alone.
    pub fn new(status: Status) -> Self {
        Self { status, details: Map::new() }
    }

    /// It works.
    pub fn up() -> Self {
        Self::new(Status::Up)
    }

    /// It does not, and this is why.
    pub fn down(error: &str) -> Self {
        Self::new(Status::Down).with("error", shortened(error))
    }

    /// Nobody can tell, and this is why.
    pub fn unknown(error: &str) -> Self {
        Self::new(Status::Unknown).with("error", shortened(error))
    }

    /// Adds a detail.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// Why it is as it is, where it says so.
    pub(super) fn error(&self) -> &str {
        self.details.get("error").and_then(Value::as_str).unwrap_or_default()
    }
}

fn shortened(text: &str) -> &str {
    text.get(..text.floor_char_boundary(ERROR_BYTES)).unwrap_or_default()
}
