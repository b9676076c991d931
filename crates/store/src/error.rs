//! What can go wrong with an operation of the store.

use std::fmt;
use std::time::Duration;

/// Why an operation of the store has no result. Whether it was done all the same is not known where it says so.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// No answer in time; it may have been done.
    Timeout {
        /// The limit.
        after: Duration,
    },
    /// No connection, or it was lost; it may have been done in the latter case.
    Unreachable {
        /// What the last attempt came to.
        detail: String,
    },
    /// The server does not let us in, or does not let us do this.
    Refused {
        /// What the server said.
        detail: String,
    },
    /// As many operations as may wait are waiting.
    Overloaded {
        /// How many.
        waiting: usize,
    },
    /// The server cannot do it now: out of memory, loading, no slot.
    Failed {
        /// What the server said.
        detail: String,
    },
    /// The key holds a set where a value is wanted, or the other way round.
    WrongType,
    /// A key, a value or a set would be larger than allowed.
    TooLarge {
        /// What is too large: `key`, `value`, `member`, `set`.
        what: &'static str,
        /// Its size: bytes; members of a set.
        found: usize,
        /// The largest allowed.
        allowed: usize,
    },
}

impl StoreError {
    /// A stable name, for counters and logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Timeout { .. } => "timeout",
            Self::Unreachable { .. } => "unreachable",
            Self::Refused { .. } => "refused",
            Self::Overloaded { .. } => "overloaded",
            Self::Failed { .. } => "failed",
            Self::WrongType => "wrong-type",
            Self::TooLarge { .. } => "too-large",
        }
    }

    /// Whether the store is to blame, so that [`OnStoreError`](crate::OnStoreError) decides; otherwise the caller is.
    pub const fn is_outage(&self) -> bool {
        !matches!(self, Self::WrongType | Self::TooLarge { .. })
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout { after } => write!(f, "no answer from the store within {after:?}"),
            Self::Unreachable { detail } => write!(f, "the store is not reachable: {detail}"),
            Self::Refused { detail } => write!(f, "the store refused us: {detail}"),
            Self::Overloaded { waiting } => write!(f, "{waiting} operations already wait for the store"),
            Self::Failed { detail } => write!(f, "the store failed: {detail}"),
            Self::WrongType => f.write_str("the key holds a value of the other type"),
            Self::TooLarge { what, found, allowed } => {
                write!(f, "a {what} of {found} is too large for the store, at most {allowed} is allowed")
            }
        }
    }
}

impl std::error::Error for StoreError {}
