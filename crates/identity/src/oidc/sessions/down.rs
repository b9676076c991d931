//! Why a session can neither be read nor refreshed: it is told to everybody who waited for the same.

use std::time::Duration;

use gwanmun_client::CallError;
use gwanmun_core::Reason;
use gwanmun_store::StoreError;

use crate::refusal::Refusal;

/// When it is worth trying again, where nobody says better.
const SOON: Duration = Duration::from_secs(1);

/// Why there is no answer.
#[derive(Debug, Clone)]
pub(super) enum Down {
    /// Nobody was asked, or not to the end.
    Call(CallError),
    /// Who was asked has no answer.
    Refused(Refusal),
}

impl Down {
    /// What is said to who asks; `reason` says who could not be asked.
    pub(super) fn refusal(self, reason: Reason) -> Refusal {
        match self {
            Self::Refused(refusal) => refusal,
            Self::Call(CallError::Offline) => unavailable(
                Reason::ProviderUnavailable,
                "sessions are read by a running gateway only: say who calls with --principal FILE (explain) or \
                 request.principal (tests)"
                    .to_owned(),
            ),
            Self::Call(error) => unavailable(reason, error.to_string()),
        }
    }
}

impl From<CallError> for Down {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<StoreError> for Down {
    fn from(error: StoreError) -> Self {
        Self::Refused(lost(&error))
    }
}

/// The store of sessions has no answer.
pub(super) fn lost(error: &StoreError) -> Refusal {
    unavailable(Reason::StoreLost, format!("the store of sessions: {error}"))
}

pub(super) fn unavailable(reason: Reason, detail: String) -> Refusal {
    Refusal::Unavailable { reason, detail: detail.into(), retry_after: SOON }
}
