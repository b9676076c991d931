//! Why a call to another service came to nothing, with which service, what was asked and how often it was tried. In a
//! handler `?` makes of it the answer that fits: 502, 503 or 504.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gwanmun_client::CallError;
use gwanmun_core::{Code, Fault};
use http::{Method, StatusCode};

/// A call to another service came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallFailed {
    /// Who was called, by the name in the configuration.
    pub client: Arc<str>,
    /// What was asked.
    pub method: Method,
    /// Of what, without a query.
    pub path: Arc<str>,
    /// How often it was tried.
    pub attempts: u32,
    /// Why it came to nothing.
    pub why: Why,
}

/// Why a call came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// There is no answer.
    NoAnswer(CallError),
    /// The answer says that it went wrong; when it is worth asking again.
    Status(StatusCode, Option<Duration>),
    /// The answer is not what was wanted.
    Unreadable(Arc<str>),
    /// Nothing was left of the time for it.
    DeadlinePassed,
    /// It could not have been made: a mistake of ours.
    Invalid(Arc<str>),
}

impl fmt::Display for CallFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, method, path, attempts, why } = self;
        write!(f, "the call of '{client}', {method} {path}, came to nothing in {attempts} attempts: ")?;
        match why {
            Why::NoAnswer(error) => error.fmt(f),
            Why::Status(status, _) => write!(f, "answered {}", status.as_u16()),
            Why::Unreadable(why) => write!(f, "the answer cannot be used: {why}"),
            Why::DeadlinePassed => f.write_str("no time was left for it"),
            Why::Invalid(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for CallFailed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.why {
            Why::NoAnswer(error) => Some(error),
            _ => None,
        }
    }
}

impl From<CallFailed> for Fault {
    fn from(failed: CallFailed) -> Self {
        Self::from(&failed)
    }
}

impl From<&CallFailed> for Fault {
    fn from(failed: &CallFailed) -> Self {
        let soon = Duration::from_secs(1);
        let (code, retry_after) = match &failed.why {
            Why::NoAnswer(CallError::Timeout(_)) | Why::DeadlinePassed => (Code::UpstreamTimeout, None),
            Why::NoAnswer(CallError::BreakerOpen(after)) => (Code::Overloaded, Some((*after).max(soon))),
            Why::NoAnswer(CallError::Overloaded) => (Code::Overloaded, Some(soon)),
            Why::NoAnswer(CallError::Refused | CallError::Unreachable(_) | CallError::Tls(_)) => {
                (Code::UpstreamUnreachable, None)
            }
            Why::NoAnswer(CallError::TooLarge(_) | CallError::Malformed(_)) | Why::Unreadable(_) => {
                (Code::UpstreamMalformed, None)
            }
            Why::Status(StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS, after) => {
                (Code::Overloaded, Some(after.unwrap_or(soon)))
            }
            Why::Status(StatusCode::GATEWAY_TIMEOUT, _) => (Code::UpstreamTimeout, None),
            Why::Status(..) => (Code::UpstreamMalformed, None),
            Why::NoAnswer(_) | Why::Invalid(_) => (Code::Internal, None),
        };
        let fault = Self::new(code, failed.to_string());
        match retry_after {
            Some(wait) => fault.with_retry_after(wait),
            None => fault,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(why: Why) -> (u16, Option<u64>) {
        let failed = CallFailed { client: "menu".into(), method: Method::GET, path: "/a".into(), attempts: 3, why };
        let fault = Fault::from(failed);
        (fault.code().status().as_u16(), fault.retry_after().map(|wait| wait.as_secs()))
    }

    #[test]
    fn a_failure_becomes_the_answer_that_fits() {
        assert_eq!(status(Why::NoAnswer(CallError::Timeout(Duration::ZERO))), (504, None));
        assert_eq!(status(Why::DeadlinePassed), (504, None));
        assert_eq!(status(Why::NoAnswer(CallError::Refused)), (502, None));
        assert_eq!(status(Why::NoAnswer(CallError::BreakerOpen(Duration::from_secs(4)))), (503, Some(4)));
        assert_eq!(status(Why::NoAnswer(CallError::Overloaded)), (503, Some(1)));
        assert_eq!(status(Why::Status(StatusCode::SERVICE_UNAVAILABLE, Some(Duration::from_secs(7)))), (503, Some(7)));
        assert_eq!(status(Why::Status(StatusCode::NOT_FOUND, None)), (502, None));
        assert_eq!(status(Why::Status(StatusCode::INTERNAL_SERVER_ERROR, None)), (502, None));
        assert_eq!(status(Why::Unreadable("no JSON".into())), (502, None));
        assert_eq!(status(Why::Invalid("a slip".into())), (500, None));
    }

    #[test]
    fn it_tells_who_was_called_and_how_often() {
        let failed = CallFailed {
            client: "menu".into(),
            method: Method::GET,
            path: "/dishes/7".into(),
            attempts: 3,
            why: Why::NoAnswer(CallError::Refused),
        };
        let wanted = "the call of 'menu', GET /dishes/7, came to nothing in 3 attempts: connection refused";
        assert_eq!(failed.to_string(), wanted);
    }
}
