//! Why an OAuth server or an OpenID provider could not be asked: it is told to everybody who waited for the same call.

use std::sync::Arc;
use std::time::Duration;

use gwanmun_client::CallError;
use gwanmun_core::Reason;
use gwanmun_store::StoreError;

use crate::refusal::Refusal;

/// When it is worth trying again, where nobody says better.
pub(crate) const SOON: Duration = Duration::from_secs(1);

/// Why there is neither a yes nor a no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Down {
    pub(crate) trouble: Trouble,
    pub(crate) why: Arc<str>,
    pub(crate) retry_after: Duration,
}

/// Where the trouble is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The server cannot be asked.
    Unavailable,
    /// It answers what cannot be used.
    Malformed,
    /// It does not know the gateway.
    GatewayRefused,
    /// The store cannot be asked what the server said.
    StoreLost,
}

/// Who was asked, by the name in the configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asked<'a> {
    OauthServer(&'a str),
    Provider(&'a str),
}

impl Down {
    /// The server answered what cannot be used.
    pub(crate) fn malformed(why: impl Into<Arc<str>>) -> Self {
        Self { trouble: Trouble::Malformed, why: why.into(), retry_after: SOON }
    }

    /// The server does not know the gateway.
    pub(crate) fn gateway_refused(why: impl Into<Arc<str>>) -> Self {
        Self { trouble: Trouble::GatewayRefused, why: why.into(), retry_after: SOON }
    }

    /// What is said to who wanted to know.
    pub(crate) fn refusal(&self, asked: Asked<'_>) -> Refusal {
        let (who, name, unavailable, malformed) = match asked {
            Asked::OauthServer(name) => ("OAuth server", name, Reason::OauthUnavailable, Reason::OauthMalformed),
            Asked::Provider(name) => ("OpenID provider", name, Reason::ProviderUnavailable, Reason::ProviderMalformed),
        };
        let reason = match self.trouble {
            Trouble::Unavailable => unavailable,
            Trouble::Malformed => malformed,
            Trouble::GatewayRefused => Reason::GatewayRefused,
            Trouble::StoreLost => Reason::StoreLost,
        };
        let detail = format!("the {who} '{name}': {}", self.why);
        Refusal::Unavailable { reason, detail: detail.into(), retry_after: self.retry_after }
    }
}

impl From<CallError> for Down {
    fn from(error: CallError) -> Self {
        let retry_after = match error {
            CallError::BreakerOpen(after) => after.max(SOON),
            _ => SOON,
        };
        let trouble = match error {
            CallError::Malformed(_) | CallError::TooLarge(_) => Trouble::Malformed,
            _ => Trouble::Unavailable,
        };
        let why = match error {
            CallError::Offline => {
                "it is asked by a running gateway only: say who calls with --principal FILE (explain) \
                                   or request.principal (tests)"
                    .into()
            }
            error => error.to_string().into(),
        };
        Self { trouble, why, retry_after }
    }
}

impl From<StoreError> for Down {
    fn from(error: StoreError) -> Self {
        let why = format!("the store of its tokens: {error}").into();
        Self { trouble: Trouble::StoreLost, why, retry_after: SOON }
    }
}
