//! What can be done with a key: the one vocabulary that memory and Redis understand. Every operation touches one key, so
//! that a cluster can do it.

use std::time::Duration;

use bytes::Bytes;

/// Something to be done with a key.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    Get,
    Take,
    Remove,
    Put {
        value: Bytes,
        ttl: Ttl,
    },
    PutIfAbsent {
        value: Bytes,
        ttl: Ttl,
    },
    /// Puts `value` if the present one is `expected`.
    Swap {
        expected: Bytes,
        value: Bytes,
        ttl: Ttl,
    },
    /// Removes the key if its value is `expected`.
    RemoveIf {
        expected: Bytes,
    },
    Touch {
        ttl: Ttl,
    },
    AddToSet {
        member: Bytes,
        ttl: Ttl,
    },
    RemoveFromSet {
        member: Bytes,
    },
    Members,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Value(Option<Bytes>),
    Done(bool),
    Members(Vec<Bytes>),
}

/// A time to live in whole milliseconds, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ttl(u64);

/// Ten years, far from what any arithmetic minds.
const LONGEST: u64 = 10 * 365 * 24 * 60 * 60 * 1000;

impl Ttl {
    pub(crate) fn millis(self) -> u64 {
        self.0
    }
}

impl From<Duration> for Ttl {
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_millis()).unwrap_or(LONGEST).clamp(1, LONGEST))
    }
}

impl Operation {
    /// How many kinds of operation there are.
    pub(crate) const KINDS: usize = 11;

    /// The name of the operation in counters.
    pub(crate) fn name(&self) -> &'static str {
        self.kind_and_name().1
    }

    /// The number of its kind, below [`Self::KINDS`].
    pub(crate) fn kind(&self) -> usize {
        self.kind_and_name().0
    }

    /// Whether doing it twice comes to the same as doing it once, so that it may be sent again when it is not known whether
    /// it was done.
    pub(crate) fn is_repeatable(&self) -> bool {
        !matches!(self, Self::Take | Self::PutIfAbsent { .. } | Self::Swap { .. } | Self::RemoveIf { .. })
    }

    fn kind_and_name(&self) -> (usize, &'static str) {
        match self {
            Self::Get => (0, "get"),
            Self::Take => (1, "take"),
            Self::Remove => (2, "remove"),
            Self::Put { .. } => (3, "put"),
            Self::PutIfAbsent { .. } => (4, "put-if-absent"),
            Self::Swap { .. } => (5, "compare-and-swap"),
            Self::RemoveIf { .. } => (6, "remove-if"),
            Self::Touch { .. } => (7, "touch"),
            Self::AddToSet { .. } => (8, "add-to-set"),
            Self::RemoveFromSet { .. } => (9, "remove-from-set"),
            Self::Members => (10, "members"),
        }
    }
}
