//! The authorities that are trusted for users' certificates, and what they have revoked: read once from the files of the
//! configuration, PEM or DER.

use std::fmt;
use std::time::SystemTime;

use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, TrustAnchor};
use webpki::{BorrowedCertRevocationList, CertRevocationList};

use super::details::{Details, next_update};

/// Authorities and revocation lists.
#[derive(Default)]
pub struct Trusted {
    pub(super) anchors: Vec<TrustAnchor<'static>>,
    pub(super) revoked: Vec<CertRevocationList<'static>>,
    /// When the first of the lists is overdue.
    pub(super) next_update: Option<SystemTime>,
    /// Whether two lists are of authorities with the same name: an authority with its old key and its new one.
    pub(super) has_namesakes: bool,
}

/// A file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unusable {
    /// There is no certificate in it.
    NoCertificate,
    /// There is no revocation list in it.
    NoList,
    /// It is no PEM.
    Pem(String),
    /// A certificate or list in it cannot be read.
    Structure(String),
    /// A certificate in it may not sign others: whoever has its key could become anybody.
    NoAuthority,
}

impl Trusted {
    /// Trusts the authorities in a file, and tells when the first of them ends.
    ///
    /// # Errors
    /// See [`Unusable`].
    pub fn add_authorities(&mut self, file: &[u8]) -> Result<SystemTime, Unusable> {
        let certificates: Vec<CertificateDer<'_>> = if is_der(file) { vec![file.into()] } else { all(file)? };
        let mut first_end = None;
        for certificate in &certificates {
            let unreadable = || Unusable::Structure("it has no structure that is known".to_owned());
            let anchor = webpki::anchor_from_trusted_cert(certificate);
            let anchor = anchor.map_err(|error| Unusable::Structure(error.to_string()))?;
            let details = Details::of(certificate).map_err(|_| unreadable())?;
            if !details.is_authority {
                return Err(Unusable::NoAuthority);
            }
            first_end = earlier(first_end, Some(details.not_after));
            self.anchors.push(anchor.to_owned());
        }
        first_end.ok_or(Unusable::NoCertificate)
    }

    /// Refuses what the lists in a file name, and tells when the first of them is overdue, as far as they say.
    ///
    /// # Errors
    /// See [`Unusable`].
    pub fn add_revocation_lists(&mut self, file: &[u8]) -> Result<Option<SystemTime>, Unusable> {
        let lists: Vec<CertificateRevocationListDer<'_>> = if is_der(file) { vec![file.into()] } else { all(file)? };
        if lists.is_empty() {
            return Err(Unusable::NoList);
        }
        let mut first_overdue = None;
        for list in &lists {
            let read = BorrowedCertRevocationList::from_der(list).and_then(|list| list.to_owned());
            let read = read.map_err(|error| Unusable::Structure(error.to_string()))?;
            first_overdue = earlier(first_overdue, next_update(list));
            let read = CertRevocationList::from(read);
            if self.revoked.iter().any(|other| other.issuer() == read.issuer()) {
                self.has_namesakes = true;
            }
            self.revoked.push(read);
        }
        self.next_update = earlier(self.next_update, first_overdue);
        Ok(first_overdue)
    }

    /// Whether no authority is trusted.
    pub fn is_empty(&self) -> bool {
        self.anchors.is_empty()
    }

    /// Whether there are no revocation lists.
    pub fn revokes_nothing(&self) -> bool {
        self.revoked.is_empty()
    }
}

/// DER begins with a sequence, and no text does.
fn is_der(file: &[u8]) -> bool {
    file.first() == Some(&0x30)
}

fn all<T: PemObject>(file: &[u8]) -> Result<Vec<T>, Unusable> {
    let found: Result<Vec<T>, pem::Error> = T::pem_slice_iter(file).collect();
    found.map_err(|error| Unusable::Pem(error.to_string()))
}

fn earlier(one: Option<SystemTime>, other: Option<SystemTime>) -> Option<SystemTime> {
    one.into_iter().chain(other).min()
}

impl fmt::Debug for Trusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} authorities, {} revocation lists", self.anchors.len(), self.revoked.len())
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCertificate => f.write_str("it has no certificate in it"),
            Self::NoList => f.write_str("it has no revocation list in it"),
            Self::Pem(why) => write!(f, "it cannot be read as PEM: {why}"),
            Self::Structure(why) => write!(f, "it cannot be read: {why}"),
            Self::NoAuthority => f.write_str("a certificate in it is no authority's (basicConstraints without CA)"),
        }
    }
}

impl std::error::Error for Unusable {}
