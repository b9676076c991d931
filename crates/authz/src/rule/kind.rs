//! Kinds of values, as far as they are known before there is a request.

use std::fmt;

/// What a part of an expression gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Only a request tells.
    Any,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    /// A word for how sure it is who calls: no order of letters is its order.
    Level,
    Bytes,
    Null,
    List,
    /// A list of texts.
    Texts,
    Map,
    /// A map of texts by text.
    TextMap,
}

impl Kind {
    /// Whether a value of each could be equal.
    pub(crate) fn may_equal(self, other: Self) -> bool {
        self.family() == other.family() || self == Self::Any || other == Self::Any
    }

    /// Whether it may be what is wanted.
    pub(crate) fn may_be(self, wanted: &[Self]) -> bool {
        self == Self::Any || wanted.iter().any(|wanted| wanted.family() == self.family())
    }

    pub(crate) fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Uint | Self::Double)
    }

    /// What a loop over it gives.
    pub(crate) fn element(self) -> Option<Self> {
        match self {
            Self::Any | Self::List | Self::Map => Some(Self::Any),
            Self::Texts | Self::TextMap => Some(Self::Text),
            _ => None,
        }
    }

    fn family(self) -> Self {
        match self {
            Self::Uint | Self::Double => Self::Int,
            Self::Level => Self::Text,
            Self::Texts => Self::List,
            Self::TextMap => Self::Map,
            other => other,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any value",
            Self::Bool => "true or false",
            Self::Int | Self::Uint | Self::Double => "a number",
            Self::Text | Self::Level => "a text",
            Self::Bytes => "bytes",
            Self::Null => "null",
            Self::List | Self::Texts => "a list",
            Self::Map | Self::TextMap => "a map",
        })
    }
}
