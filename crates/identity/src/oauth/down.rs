//! Why an OAuth server could not be asked: it is told to everybody who waited for the same call.

use std::sync::Arc;
use std::time::Duration;

use gwanmun_client::CallError;
use gwanmun_core::Reason;
use gwanmun_store::StoreError;

use crate::refusal::Refusal;

/// When it is worth trying again, where nobody says better.
pub(super) const SOON: Duration = Duration::from_secs(1);

/// Why there is neither a yes nor a no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Down {
    pub(super) reason: Reason,
    pub(super) why: Arc<str>,
    pub(super) retry_after: Duration,
}

impl Down {
    /// The server answered what cannot be used.
    pub(super) fn malformed(why: impl Into<Arc<str>>) -> Self {
        Self { reason: Reason::OauthMalformed, why: why.into(), retry_after: SOON }
    }

    /// The server does not know the gateway.
    pub(super) fn gateway_refused(why: impl Into<Arc<str>>) -> Self {
        Self { reason: Reason::GatewayRefused, why: why.into(), retry_after: SOON }
    }

    /// What is said to who asked the server called `name`.
    pub(super) fn refusal(&self, name: &str) -> Refusal {
        let detail = format!("the OAuth server '{name}': {}", self.why);
        Refusal::Unavailable { reason: self.reason, detail: detail.into(), retry_after: self.retry_after }
    }
}

impl From<CallError> for Down {
    fn from(error: CallError) -> Self {
        let retry_after = match error {
            CallError::BreakerOpen(after) => after.max(SOON),
            _ => SOON,
        };
        let reason = match error {
            CallError::Malformed(_) | CallError::TooLarge(_) => Reason::OauthMalformed,
            _ => Reason::OauthUnavailable,
        };
        let why = match error {
            CallError::Offline => {
                "it is asked by a running gateway only: say who calls with --principal FILE (explain) \
                                   or request.principal (tests)"
                    .into()
            }
            error => error.to_string().into(),
        };
        Self { reason, why, retry_after }
    }
}

impl From<StoreError> for Down {
    fn from(error: StoreError) -> Self {
        let why = format!("the store of its tokens: {error}").into();
        Self { reason: Reason::StoreLost, why, retry_after: SOON }
    }
}
