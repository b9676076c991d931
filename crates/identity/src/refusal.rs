//! Why a credential does not become a principal: for log, audit and metric exactly, for the client hardly at all.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use gwanmun_core::Reason;

/// Why a credential does not become a principal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// It is not good. The client is told that, the same whatever the reason.
    Invalid {
        /// What is wrong with it.
        reason: Reason,
        /// The same with names, for the log.
        detail: Cow<'static, str>,
    },
    /// It is good and does not reach: it was not given for what is asked.
    Insufficient {
        /// What is missing.
        reason: Reason,
        /// The same with names, for the log.
        detail: Cow<'static, str>,
    },
    /// Who would know cannot be asked.
    Unavailable {
        /// What cannot be had.
        reason: Reason,
        /// The same with names, for the log.
        detail: Cow<'static, str>,
        /// When it is worth trying again.
        retry_after: Duration,
    },
}

impl Refusal {
    /// A credential that is not good.
    pub fn invalid(reason: Reason, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid { reason, detail: detail.into() }
    }

    /// What exactly went wrong.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Invalid { reason, .. } | Self::Insufficient { reason, .. } | Self::Unavailable { reason, .. } => {
                *reason
            }
        }
    }

    /// The same with names, for the log.
    pub fn detail(&self) -> &str {
        match self {
            Self::Invalid { detail, .. } | Self::Insufficient { detail, .. } | Self::Unavailable { detail, .. } => {
                detail
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason().name(), self.detail())
    }
}

impl std::error::Error for Refusal {}
