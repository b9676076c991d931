//! What can be wrong with a line of an audit log.

use std::fmt;

/// Why a line cannot stand where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flaw {
    /// It is no line of an audit log from this byte on.
    Malformed {
        /// How many bytes of it are good.
        at: usize,
    },
    /// It is longer than a line can be.
    TooLong,
    /// It does not end.
    Torn,
    /// It is another line's turn.
    OutOfTurn {
        /// The number that it has.
        found: u64,
        /// The number of the next line.
        wanted: u64,
    },
    /// It does not follow the line before.
    Unchained {
        /// What it says about the line before, in hex.
        found: String,
        /// The hash of the line before, in hex.
        wanted: String,
    },
    /// It is another than the line that the next one follows.
    Changed {
        /// Its hash, in hex.
        found: String,
        /// What the next line says about it, in hex.
        wanted: String,
    },
    /// The next line follows the one before instead.
    Inserted,
    /// It is the first line and follows something, or another and follows nothing.
    FalseBeginning,
    /// A head says that another number of lines stands before it.
    Count {
        /// What it says.
        found: u64,
        /// How many there are.
        wanted: u64,
    },
    /// A head signs another hash than that of the line before.
    SignedHash,
    /// A head names a key that is none, or not the one its `kid` and `alg` belong to.
    Key,
    /// A head is signed by another key than those that are accepted.
    OtherKey {
        /// The key that it names.
        found: String,
    },
    /// A head's signature is not that of its key.
    Signature,
    /// So many lines came without a head that one had to stand here.
    HeadDue {
        /// After how many lines.
        every: u64,
    },
    /// No head stands here or later, so nothing is signed.
    Unsigned,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { at } => write!(f, "no line of an audit log, from byte {at} on"),
            Self::TooLong => f.write_str("longer than a line of an audit log can be"),
            Self::Torn => f.write_str("the line does not end"),
            Self::OutOfTurn { found, wanted } => write!(f, "line {wanted} of the chain is wanted, found line {found}"),
            Self::Unchained { found, wanted } => write!(f, "the hash of the line before is {wanted}, found {found}"),
            Self::Changed { found, wanted } => {
                write!(f, "the line was changed: its hash is {found}, the line after it wants {wanted}")
            }
            Self::Inserted => f.write_str("the line was inserted: the one after it follows the one before it"),
            Self::FalseBeginning => f.write_str("only line 1 of a chain follows nothing"),
            Self::Count { found, wanted } => write!(f, "the head counts {found} lines before it, there are {wanted}"),
            Self::SignedHash => f.write_str("the head signs another hash than that of the line before"),
            Self::Key => f.write_str("the head does not name a key that fits its kid and alg"),
            Self::OtherKey { found } => write!(f, "the head is signed by another key, {found}"),
            Self::Signature => f.write_str("the signature of the head is wrong"),
            Self::HeadDue { every } => write!(f, "a head was due here, after {every} lines without one"),
            Self::Unsigned => f.write_str("no head stands here or later, so the key has signed nothing"),
        }
    }
}

impl std::error::Error for Flaw {}
