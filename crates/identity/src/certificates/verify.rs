//! Does somebody who is trusted vouch for a certificate, now, and for this use? webpki builds the path (RFC 5280 section 6);
//! here stand what it is asked and what its answers are called.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gwanmun_core::Reason;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{
    CertRevocationList, EndEntityCert, Error, ExpirationPolicy, KeyUsage, RevocationCheckDepth, RevocationOptions,
    RevocationOptionsBuilder, UnknownStatusPolicy,
};

use super::RevocationCheck;
use super::details::{Details, Illegible};
use super::trusted::Trusted;
use crate::refusal::Refusal;

/// The most certificates that are looked at, the user's own among them. Each more makes more paths that have to be tried.
const LONGEST: usize = 6;

/// A certificate for which somebody vouches.
#[derive(Debug)]
pub(super) struct Verified<'c> {
    pub(super) leaf: Details<'c>,
    /// When a certificate of the path ends, or the revocation lists have to be looked at again.
    pub(super) until: SystemTime,
}

/// Verifies the first of `certificates` with the help of the others.
///
/// # Errors
/// The certificate cannot be read, nobody who is trusted vouches for it, it is out of its time, was revoked, or is not
/// one of a client.
pub(super) fn verify<'c>(
    certificates: &[&'c [u8]],
    trusted: &Trusted,
    check: RevocationCheck,
    now: SystemTime,
) -> Result<Verified<'c>, Refusal> {
    let (own, others) = certificates.split_first().ok_or_else(|| malformed("there is no certificate"))?;
    if certificates.len() > LONGEST {
        return Err(malformed("there are more certificates than are looked at"));
    }
    let own_der = CertificateDer::from(*own);
    let others: Vec<CertificateDer<'_>> = others.iter().map(|other| CertificateDer::from(*other)).collect();
    let leaf = EndEntityCert::try_from(&own_der).map_err(|error| refusal(&error))?;
    let attempt = |lists: &[&CertRevocationList<'_>], check| {
        leaf.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &trusted.anchors,
            &others,
            UnixTime::since_unix_epoch(now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO)),
            KeyUsage::client_auth(),
            revocation(lists, check),
            None,
        )
    };
    // webpki asks the first list of an authority's name, also where an authority of that name with another key wrote it.
    let mut lists: Vec<_> = trusted.revoked.iter().collect();
    let mut outcome = attempt(&lists, check);
    let more = if trusted.has_namesakes { lists.len() - 1 } else { 0 };
    for _ in 0..more {
        if matches!(outcome, Ok(_) | Err(Error::CertRevoked)) {
            break;
        }
        lists.rotate_left(1);
        let next = attempt(&lists, check);
        if matches!(next, Ok(_) | Err(Error::CertRevoked)) {
            outcome = next;
        }
    }
    let path = outcome.map_err(|error| refusal(&error))?;
    // Those that were not asked may name it: of two lists of one key either may be the newer.
    let is_revoked_by = |list| matches!(attempt(&[list], RevocationCheck::WhereKnown), Err(Error::CertRevoked));
    if trusted.has_namesakes && trusted.revoked.iter().any(is_revoked_by) {
        return Err(refusal(&Error::CertRevoked));
    }
    let details = details(own)?;
    let mut until = details.not_after;
    for intermediate in path.intermediate_certificates() {
        until = until.min(self::details(&intermediate.der())?.not_after);
    }
    if check == RevocationCheck::Required {
        until = trusted.next_update.map_or(until, |overdue| until.min(overdue));
    }
    Ok(Verified { leaf: details, until })
}

/// Unless it is required, a certificate is good of which no list speaks, and a list that is overdue goes on to count.
fn revocation<'l>(lists: &'l [&'l CertRevocationList<'l>], check: RevocationCheck) -> Option<RevocationOptions<'l>> {
    let (status, expiration) = match check {
        RevocationCheck::Required => (UnknownStatusPolicy::Deny, ExpirationPolicy::Enforce),
        RevocationCheck::WhereKnown => (UnknownStatusPolicy::Allow, ExpirationPolicy::Ignore),
    };
    let options = RevocationOptionsBuilder::new(lists).ok()?.with_depth(RevocationCheckDepth::Chain);
    Some(options.with_status_policy(status).with_expiration_policy(expiration).build())
}

fn details(certificate: &[u8]) -> Result<Details<'_>, Refusal> {
    Details::of(certificate).map_err(|why| match why {
        Illegible::Structure => malformed("the certificate has no structure that is known"),
        Illegible::Name => malformed("a name in the certificate is empty or has bytes that no name has"),
    })
}

fn malformed(detail: &'static str) -> Refusal {
    Refusal::invalid(Reason::ClientCertificateMalformed, detail)
}

fn refusal(error: &Error) -> Refusal {
    Refusal::invalid(reason(error), format!("the certificate is refused: {}", words(error)))
}

/// What log and metric call webpki's answers.
fn reason(error: &Error) -> Reason {
    match error {
        Error::CertExpired { .. } | Error::CertNotValidYet { .. } | Error::InvalidCertValidity => {
            Reason::ClientCertificateExpired
        }
        Error::CertRevoked
        | Error::UnknownRevocationStatus
        | Error::CrlExpired { .. }
        | Error::IssuerNotCrlSigner
        | Error::InvalidCrlSignatureForPublicKey
        | Error::UnsupportedCrlSignatureAlgorithmContext(_)
        | Error::UnsupportedCrlSignatureAlgorithmForPublicKeyContext(_)
        | Error::UnsupportedCrlIssuingDistributionPoint
        | Error::UnsupportedRevocationReason => Reason::ClientCertificateRevoked,
        Error::CaUsedAsEndEntity
        | Error::EndEntityUsedAsCa
        | Error::EmptyEkuExtension
        | Error::RequiredEkuNotFoundContext(_)
        | Error::NameConstraintViolation
        | Error::PathLenConstraintViolated
        | Error::UnsupportedCriticalExtension => Reason::ClientCertificateUnfit,
        Error::UnknownIssuer
        | Error::InvalidSignatureForPublicKey
        | Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)
        | Error::CertDistrusted
        | Error::MaximumNameConstraintComparisonsExceeded
        | Error::MaximumPathBuildCallsExceeded
        | Error::MaximumPathDepthExceeded
        | Error::MaximumSignatureChecksExceeded => Reason::ClientCertificateUntrusted,
        _ => Reason::ClientCertificateMalformed,
    }
}

/// In words for the log. What the certificate itself says is not repeated there.
fn words(error: &Error) -> &'static str {
    match error {
        Error::CertExpired { .. } => "it is not valid any more",
        Error::CertNotValidYet { .. } => "it is not valid yet",
        Error::InvalidCertValidity => "it ends before it begins",
        Error::CertRevoked => "it was revoked",
        Error::UnknownRevocationStatus => "no revocation list speaks of it",
        Error::CrlExpired { .. } => "the revocation list is overdue",
        Error::InvalidCrlSignatureForPublicKey => "the revocation list is not signed by its authority",
        Error::CaUsedAsEndEntity => "it is an authority's",
        Error::EndEntityUsedAsCa => "it was signed by somebody who is no authority",
        Error::EmptyEkuExtension | Error::RequiredEkuNotFoundContext(_) => "it is not one for clients (extKeyUsage)",
        Error::NameConstraintViolation => "its authority may not vouch for its names",
        Error::PathLenConstraintViolated => "its authority may not vouch for authorities",
        Error::UnsupportedCriticalExtension => "it has a critical extension that is not known here",
        Error::UnknownIssuer => "no authority that is trusted vouches for it",
        Error::InvalidSignatureForPublicKey => "its authority has not signed it",
        Error::UnsupportedSignatureAlgorithmContext(_) | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            "it is signed by an algorithm that is not taken"
        }
        _ => "it cannot be verified",
    }
}
