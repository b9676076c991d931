//! What can go wrong with one request. A fault carries its code, whose doing it is, and for the log a reason and a detail;
//! the client is shown the code's own words only.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};

mod reason;

pub use reason::Reason;

/// Why the gateway answered by itself.
#[derive(Debug, Clone)]
pub struct Fault {
    code: Code,
    reason: Option<Reason>,
    detail: Cow<'static, str>,
    retry_after: Option<Duration>,
    challenge: Option<Box<str>>,
    fields: Vec<(HeaderName, HeaderValue)>,
}

impl Fault {
    /// A fault with what was found and what was wanted, for the log only.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, reason: None, detail: detail.into(), retry_after: None, challenge: None, fields: Vec::new() }
    }

    /// Says what exactly went wrong, for log and metric.
    #[must_use]
    pub fn because(mut self, reason: Reason) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Tells the client when to come back (`Retry-After`, RFC 9110 section 10.2.3).
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Tells the client which credentials would do (`WWW-Authenticate`, RFC 9110 section 11.6.1).
    #[must_use]
    pub fn with_challenge(mut self, challenge: impl Into<Box<str>>) -> Self {
        self.challenge = Some(challenge.into());
        self
    }

    /// Tells the client more in a field of the answer.
    #[must_use]
    pub fn with_field(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.fields.push((name, value));
        self
    }

    /// The stable name of what happened.
    pub fn code(&self) -> Code {
        self.code
    }

    /// What exactly went wrong, where that is more than the code says; for log and metric, never for the client.
    pub fn reason(&self) -> Option<Reason> {
        self.reason
    }

    /// For the log, never for the client.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Which credentials would do.
    pub fn challenge(&self) -> Option<&str> {
        self.challenge.as_deref()
    }

    /// Fields of the answer besides those that stand for what the fault knows itself.
    pub fn fields(&self) -> &[(HeaderName, HeaderValue)] {
        &self.fields
    }

    /// How long the client should wait before it tries again.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.detail)
    }
}

impl std::error::Error for Fault {}

/// Whose doing a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The request was wrong.
    Client,
    /// The gateway could not or would not.
    Gateway,
    /// The service behind failed.
    Upstream,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:ident, $blame:ident, $title:literal;)*) => {
        /// The faults of the contract. Each has one name, status and title for ever.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            /// Every code, for tables and metrics.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// The name in `type`, log and metric.
            pub const fn name(self) -> &'static str {
                match self { $(Code::$variant => $name,)* }
            }

            /// The HTTP status the client sees.
            pub const fn status(self) -> StatusCode {
                match self { $(Code::$variant => StatusCode::$status,)* }
            }

            /// Whose doing it is.
            pub const fn blame(self) -> Blame {
                match self { $(Code::$variant => Blame::$blame,)* }
            }

            /// The words the client sees.
            pub const fn title(self) -> &'static str {
                match self { $(Code::$variant => $title,)* }
            }
        }
    };
}

codes! {
    /// No route takes the request.
    NoRoute = "no-route", NOT_FOUND, Client, "no route takes this request";
    /// The message breaks the rules of HTTP or is ambiguous.
    MalformedRequest = "malformed-request", BAD_REQUEST, Client, "the request is malformed";
    /// A transfer coding we do not speak.
    UnsupportedCoding = "unsupported-coding", NOT_IMPLEMENTED, Client, "the transfer coding is not supported";
    /// An HTTP version we do not speak.
    UnsupportedVersion = "unsupported-version", HTTP_VERSION_NOT_SUPPORTED, Client, "the HTTP version is not supported";
    /// The request target is longer than the limit.
    UriTooLong = "uri-too-long", URI_TOO_LONG, Client, "the request target is too long";
    /// The header section is larger than the limit.
    HeadersTooLarge = "headers-too-large", REQUEST_HEADER_FIELDS_TOO_LARGE, Client, "the header section is too large";
    /// The body is larger than the limit.
    BodyTooLarge = "body-too-large", PAYLOAD_TOO_LARGE, Client, "the body is too large";
    /// The client expects something of us that we do not do (`Expect`, RFC 9110 section 10.1.1).
    ExpectationFailed = "expectation-failed", EXPECTATION_FAILED, Client, "the expectation cannot be met";
    /// The client was too slow.
    RequestTimeout = "request-timeout", REQUEST_TIMEOUT, Client, "the request took too long to arrive";
    /// Nobody has proven who calls, or what was brought as a proof is none.
    Unauthenticated = "unauthenticated", UNAUTHORIZED, Client, "a credential is needed that can be believed";
    /// Who calls is known, and may not do this.
    Forbidden = "forbidden", FORBIDDEN, Client, "this is not allowed";
    /// The client asks more often than it may.
    RateLimited = "rate-limited", TOO_MANY_REQUESTS, Client, "too many requests";
    /// No connection to the upstream could be made or kept.
    UpstreamUnreachable = "upstream-unreachable", BAD_GATEWAY, Upstream, "the service behind could not be reached";
    /// The upstream's answer breaks the rules of HTTP.
    UpstreamMalformed = "upstream-malformed", BAD_GATEWAY, Upstream, "the service behind answered with a malformed message";
    /// The upstream did not answer in time.
    UpstreamTimeout = "upstream-timeout", GATEWAY_TIMEOUT, Upstream, "the service behind did not answer in time";
    /// Who says who a caller is, or what is known about it, could not be asked.
    IdentityUnavailable = "identity-unavailable", SERVICE_UNAVAILABLE, Gateway, "it cannot be found out who calls";
    /// What must be recorded cannot be.
    AuditUnavailable = "audit-unavailable", SERVICE_UNAVAILABLE, Gateway, "what must be recorded cannot be";
    /// The state that replicas share could not be reached.
    StoreUnavailable = "store-unavailable", SERVICE_UNAVAILABLE, Gateway, "the gateway cannot reach its shared state";
    /// A limit of the gateway is reached.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, Gateway, "the gateway is overloaded";
    /// The gateway is going away.
    Draining = "draining", SERVICE_UNAVAILABLE, Gateway, "the gateway is going away";
    /// The gateway failed in a way it should not have.
    Internal = "internal", INTERNAL_SERVER_ERROR, Gateway, "the gateway failed";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kebab_case_and_distinct() {
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
        assert!(names.iter().all(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '-')));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
    }

    #[test]
    fn blame_agrees_with_the_class_of_the_status() {
        for code in Code::ALL {
            let client = code.status().is_client_error()
                || code.status() == StatusCode::NOT_IMPLEMENTED
                || code.status() == StatusCode::HTTP_VERSION_NOT_SUPPORTED;
            assert_eq!(client, code.blame() == Blame::Client, "{}", code.name());
        }
    }
}
