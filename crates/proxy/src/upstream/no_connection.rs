//! Why there is no connection to an endpoint: what failed on the way to it, told apart by the step at which it failed.

use std::io;
use std::time::Duration;

use gwanmun_core::{Code, Fault, Reason};
use rustls::CertificateError;

/// A connection that did not come about.
#[derive(Debug)]
pub(crate) struct NoConnection {
    reason: Reason,
    error: io::Error,
}

impl NoConnection {
    /// The name did not resolve.
    pub(crate) fn unresolved(error: io::Error) -> Self {
        Self { reason: Reason::DnsFailure, error }
    }

    /// The transport did not come about.
    pub(crate) fn unreached(error: io::Error) -> Self {
        let reason = match error.kind() {
            io::ErrorKind::ConnectionRefused => Reason::ConnectionRefused,
            io::ErrorKind::TimedOut => Reason::ConnectTimeout,
            _ => Reason::ConnectFailed,
        };
        Self { reason, error }
    }

    /// TLS did not come about.
    pub(crate) fn unsecured(error: io::Error) -> Self {
        let refused = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let reason = match refused {
            Some(rustls::Error::InvalidCertificate(why)) => of_certificate(why),
            _ => Reason::TlsHandshake,
        };
        Self { reason, error }
    }

    /// HTTP/2 did not come about.
    pub(crate) fn without_http2(error: hyper::Error) -> Self {
        Self { reason: Reason::Http2Protocol, error: io::Error::other(error) }
    }

    /// `limit` was over before the connection was there.
    pub(crate) fn late(reason: Reason, limit: Duration) -> Self {
        Self { reason, error: io::Error::new(io::ErrorKind::TimedOut, format!("not within {limit:?}")) }
    }

    /// There is no such endpoint, or nothing to connect to.
    pub(crate) fn nowhere() -> Self {
        Self { reason: Reason::ConnectFailed, error: io::ErrorKind::NotFound.into() }
    }

    pub(crate) fn reason(&self) -> Reason {
        self.reason
    }

    /// What is told of the request that wanted to go to `endpoint`.
    pub(crate) fn into_fault(self, endpoint: &str) -> Fault {
        let code = match self.reason {
            Reason::ConnectTimeout | Reason::DnsTimeout => Code::UpstreamTimeout,
            _ => Code::UpstreamUnreachable,
        };
        Fault::new(code, format!("no connection to {endpoint}: {}", self.error)).because(self.reason)
    }
}

/// Whether TLS, and not what carries it, failed.
pub(crate) fn is_of_tls(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>())
}

fn of_certificate(why: &CertificateError) -> Reason {
    match why {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Reason::CertificateMismatch
        }
        // Signed by a namesake of an authority that is trusted.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Reason::UnknownAuthority,
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => Reason::CertificateExpired,
        _ => Reason::CertificateInvalid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_refused_for_reasons_of_their_own() {
        let reason = |why| NoConnection::unsecured(io::Error::other(rustls::Error::InvalidCertificate(why))).reason();
        assert_eq!(reason(CertificateError::NotValidForName), Reason::CertificateMismatch);
        assert_eq!(reason(CertificateError::UnknownIssuer), Reason::UnknownAuthority);
        assert_eq!(reason(CertificateError::NotValidYet), Reason::CertificateExpired);
        assert_eq!(reason(CertificateError::BadSignature), Reason::UnknownAuthority);
        assert_eq!(reason(CertificateError::Revoked), Reason::CertificateInvalid);
        assert_eq!(NoConnection::unsecured(io::ErrorKind::UnexpectedEof.into()).reason(), Reason::TlsHandshake);
    }

    #[test]
    fn only_what_was_late_is_a_time_out() {
        let late = NoConnection::late(Reason::DnsTimeout, Duration::from_secs(1)).into_fault("http://a");
        assert_eq!((late.code(), late.reason()), (Code::UpstreamTimeout, Some(Reason::DnsTimeout)));
        assert_eq!(late.detail(), "no connection to http://a: not within 1s");
        let refused = NoConnection::unreached(io::ErrorKind::ConnectionRefused.into()).into_fault("http://a");
        assert_eq!((refused.code(), refused.reason()), (Code::UpstreamUnreachable, Some(Reason::ConnectionRefused)));
    }
}
