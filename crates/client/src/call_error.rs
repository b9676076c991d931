//! Why a call came to nothing. It is cloned for everybody who waited for the call, so its texts are shared.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Why a call came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError {
    /// It was not done within this time.
    Timeout(Duration),
    /// Nobody listens there.
    Refused,
    /// No connection, or it was lost before an answer came; why.
    Unreachable(Arc<str>),
    /// No secure connection: an unknown authority, a wrong name; why.
    Tls(Arc<str>),
    /// The answer, or its head, has more bytes than this.
    TooLarge(usize),
    /// The answer cannot be understood or was cut off; why.
    Malformed(Arc<str>),
    /// Too many calls are under way or waiting.
    Overloaded,
    /// Too many calls failed lately; when it is worth asking again.
    BreakerOpen(Duration),
    /// The network is not touched here.
    Offline,
    /// The call was given up before it was done: it panicked, or the gateway ends.
    Interrupted,
    /// It could not have been made: our own mistake; why.
    Invalid(Arc<str>),
}

impl CallError {
    /// Its name in kebab-case: stable, a label of a metric.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Timeout(_) => "timeout",
            Self::Refused => "refused",
            Self::Unreachable(_) => "unreachable",
            Self::Tls(_) => "tls",
            Self::TooLarge(_) => "too-large",
            Self::Malformed(_) => "malformed",
            Self::Overloaded => "overloaded",
            Self::BreakerOpen(_) => "breaker-open",
            Self::Offline => "offline",
            Self::Interrupted => "interrupted",
            Self::Invalid(_) => "invalid",
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout(limit) => write!(f, "no answer within {limit:?}"),
            Self::Refused => f.write_str("connection refused"),
            Self::Unreachable(why) => write!(f, "unreachable: {why}"),
            Self::Tls(why) => write!(f, "no secure connection: {why}"),
            Self::TooLarge(limit) => write!(f, "the answer has more than {limit} bytes"),
            Self::Malformed(why) => write!(f, "the answer is malformed: {why}"),
            Self::Overloaded => f.write_str("too many calls are under way"),
            Self::BreakerOpen(after) => write!(f, "too many calls failed lately, none is made for {after:?}"),
            Self::Offline => f.write_str("the network is not touched here"),
            Self::Interrupted => f.write_str("the call was given up"),
            Self::Invalid(why) => write!(f, "no such call can be made: {why}"),
        }
    }
}

impl std::error::Error for CallError {}
