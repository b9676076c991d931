//! TLS handshakes that are refused for what the client showed, or did not show. There is no request yet which could be
//! answered and recorded, so it is counted and, once a second, told.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use gwanmun_telemetry::metrics::Refusal;
use rustls::{CertificateError, Error};

use crate::plan::Listener;
use crate::worker::Worker;

/// Counts and tells it if the handshake failed for the client's certificate.
pub(crate) fn note(worker: &Worker, index: usize, listener: &Listener, client: SocketAddr, error: &io::Error) {
    let Some(why) = refusal(error) else { return };
    worker.plan().metrics.refused(index, why);
    if let Some(times) = worker.unproven.happened(Instant::now()) {
        tracing::warn!(
            event = "client-certificate-refused", listener = %listener.name, client = %client.ip(), reason = why.name(), times,
            "a TLS handshake was refused for the client's certificate"
        );
    }
}

fn refusal(error: &io::Error) -> Option<Refusal> {
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    match error {
        Error::NoCertificatesPresented => Some(Refusal::NoClientCertificate),
        // Nobody but clients shows a server certificates.
        Error::InvalidCertificate(why) => Some(of_certificate(why)),
        Error::InvalidCertRevocationList(_) => Some(Refusal::ClientCertificateRevoked),
        _ => None,
    }
}

fn of_certificate(why: &CertificateError) -> Refusal {
    match why {
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => Refusal::ClientCertificateExpired,
        CertificateError::Revoked
        | CertificateError::UnknownRevocationStatus
        | CertificateError::ExpiredRevocationList
        | CertificateError::ExpiredRevocationListContext { .. } => Refusal::ClientCertificateRevoked,
        CertificateError::BadEncoding => Refusal::ClientCertificateMalformed,
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Refusal::ClientCertificateUntrusted,
        _ => Refusal::ClientCertificateUnfit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_the_fault_of_a_certificate_is_told() {
        let of = |error: Error| refusal(&io::Error::other(error)).map(Refusal::name);
        assert_eq!(of(Error::NoCertificatesPresented), Some("client-certificate-missing"));
        for (why, wanted) in [
            (CertificateError::Expired, "client-certificate-expired"),
            (CertificateError::NotValidYet, "client-certificate-expired"),
            (CertificateError::Revoked, "client-certificate-revoked"),
            (CertificateError::BadEncoding, "client-certificate-malformed"),
            (CertificateError::UnknownIssuer, "client-certificate-untrusted"),
            (CertificateError::BadSignature, "client-certificate-untrusted"),
            (CertificateError::InvalidPurpose, "client-certificate-unfit"),
        ] {
            assert_eq!(of(Error::InvalidCertificate(why)), Some(wanted));
        }
        assert_eq!(of(Error::HandshakeNotComplete), None);
        assert_eq!(refusal(&io::ErrorKind::ConnectionReset.into()).map(Refusal::name), None);
    }
}
