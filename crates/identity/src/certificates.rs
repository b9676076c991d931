//! Users' certificates: what a client showed in its TLS handshake, or a proxy in front wrote into a header, becomes a
//! principal. Here a certificate is verified, whoever may have done that before, and one of its names is found to be a
//! user's. Nothing here knows of connections or requests: certificates come as bytes.

mod client_cert;
mod der;
mod details;
mod forwarded;
mod name;
mod remembered;
mod rule;
mod trusted;
mod verify;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{Context, SHA256};
use gwanmun_core::{Clock, Level, Principal, Reason};
use serde_json::{Map, Value};

use crate::refusal::Refusal;
use crate::token::sha256;

use details::Details;
use forwarded::Element;
use name::San;
use remembered::{Key, Outcome};
use rule::user_of;
use verify::{Verified, verify};

pub use name::SanKind;
pub use rule::{NoRule, SanRule};
pub use trusted::{Trusted, Unusable};

/// A refused certificate is not verified again for so long: it costs as much as a good one.
const REFUSED_FOR: Duration = Duration::from_secs(10);
/// What proxies say of certificates that they keep to themselves is believed without another look for so long.
const SAID_FOR: Duration = Duration::from_secs(60);
/// How often it is told that a revocation list is overdue.
const OVERDUE_TOLD: u64 = 3600;

/// Under what a principal's claims carry the names of its certificate.
pub const SAN_CLAIM: &str = "san";

/// Who vouches for users' certificates, and how a certificate tells whose it is.
#[derive(Debug)]
pub struct CertificatesSettings {
    /// The name in the configuration.
    pub name: String,
    /// Who vouches, and what was revoked.
    pub trusted: Trusted,
    /// Whether a certificate has to be known as not revoked.
    pub revocation: RevocationCheck,
    /// Where in the names of a certificate the user stands; the first that fits decides.
    pub user_from: Vec<SanRule>,
    /// Whether a proxy's word is enough.
    pub proof: Proof,
    /// In which header trusted proxies write certificates, if it is said.
    pub header: Option<CertificateHeader>,
}

/// A header in which proxies write their client's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateHeader {
    /// `Client-Cert` and `Client-Cert-Chain` (RFC 9440).
    ClientCert,
    /// `X-Forwarded-Client-Cert`, as Envoy writes it.
    XForwardedClientCert,
}

/// What revocation lists are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationCheck {
    /// A certificate is good unless a list names it; a list that is overdue goes on to count.
    WhereKnown,
    /// A list that is not overdue has to speak of every certificate on the way to the authority.
    Required,
}

/// What has to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The certificate.
    Certificate,
    /// The certificate, or what a trusted proxy says is in it.
    CertificateOrWord,
}

/// What is shown of a certificate.
#[derive(Debug, Clone, Copy)]
pub enum Shown<'s> {
    /// In the TLS handshake, which proved that the client has the key.
    Handshake {
        /// DER, the client's own first.
        certificates: &'s [rustls_pki_types::CertificateDer<'s>],
        /// A SHA-256 that no other certificates have.
        hash: &'s [u8; 32],
    },
    /// In `Client-Cert` and `Client-Cert-Chain` (RFC 9440) of a trusted proxy: the field values.
    ClientCert {
        /// Of `Client-Cert`.
        certificate: &'s [u8],
        /// Of `Client-Cert-Chain`, in their order.
        chain: &'s [&'s [u8]],
    },
    /// In `X-Forwarded-Client-Cert` of a trusted proxy: the field values in their order.
    Forwarded(&'s [&'s [u8]]),
}

/// A field value that is not of its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Malformed;

/// Users by their certificates.
pub struct Certificates {
    /// Its number: no other in this process has it.
    number: u64,
    credential: String,
    settings: CertificatesSettings,
    clock: Arc<dyn Clock>,
    /// When it was last told that a list is overdue, seconds since 1970.
    told: AtomicU64,
}

impl Certificates {
    /// Users as `settings` say.
    pub fn new(settings: CertificatesSettings, clock: Arc<dyn Clock>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let credential = format!("client-cert:{}", settings.name);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { number, credential, settings, clock, told: AtomicU64::new(0) }
    }

    /// The credential of its principals: `client-cert:NAME`.
    pub fn credential(&self) -> &str {
        &self.credential
    }

    /// In which header trusted proxies write certificates, if it is said.
    pub fn header(&self) -> Option<CertificateHeader> {
        self.settings.header
    }

    /// Whose certificate it is. What this worker has verified before costs a look into a map.
    ///
    /// # Errors
    /// Nobody's: it is not good, or no rule finds a user in it.
    pub fn principal(&self, shown: &Shown<'_>) -> Result<Arc<Principal>, Refusal> {
        let now = self.clock.wall();
        let key = Key { certificates: self.number, hash: shown.hash() };
        if let Some(known) = remembered::recall(&key, now) {
            return known;
        }
        let found = self.examine(shown, now);
        let (outcome, until) = match found {
            Ok((principal, until)) => (Ok(Arc::new(principal)), until),
            Err(refusal) => (Err(refusal), now + REFUSED_FOR),
        };
        remembered::remember(key, Outcome::clone(&outcome), until);
        outcome
    }

    /// Who it is, and until when that is certain.
    fn examine(&self, shown: &Shown<'_>, now: SystemTime) -> Result<(Principal, SystemTime), Refusal> {
        match shown {
            Shown::Handshake { certificates, .. } => {
                let certificates: Vec<&[u8]> = certificates.iter().map(AsRef::as_ref).collect();
                self.proven(&certificates, now)
            }
            Shown::ClientCert { certificate, chain } => {
                let own = client_cert::certificate(certificate).map_err(|_| unreadable("Client-Cert"))?;
                let chain = client_cert::chain(chain).map_err(|_| unreadable("Client-Cert-Chain"))?;
                let others = chain.iter().filter(|other| **other != own);
                let certificates: Vec<&[u8]> = std::iter::once(&own).chain(others).map(Vec::as_slice).collect();
                self.proven(&certificates, now)
            }
            Shown::Forwarded(values) => {
                let element = forwarded::nearest(values).map_err(|_| unreadable("X-Forwarded-Client-Cert"))?;
                self.forwarded(&element, now)
            }
        }
    }

    fn forwarded(&self, element: &Element, now: SystemTime) -> Result<(Principal, SystemTime), Refusal> {
        let certificates = element.certificates();
        let Some(own) = certificates.first() else { return self.said(element, now) };
        if element.hash.as_ref().is_some_and(|hash| *hash != hex(&sha256(own))) {
            let detail = "the Hash in X-Forwarded-Client-Cert is not that of the certificate beside it";
            return Err(Refusal::invalid(Reason::ClientCertificateMalformed, detail));
        }
        self.proven(&certificates, now)
    }

    /// By a certificate that is verified here.
    fn proven(&self, certificates: &[&[u8]], now: SystemTime) -> Result<(Principal, SystemTime), Refusal> {
        self.tell_if_overdue(now);
        let settings = &self.settings;
        let Verified { leaf, until } = verify(certificates, &settings.trusted, settings.revocation, now)?;
        let Details { serial, not_after, names, .. } = leaf;
        let mut principal = self.named(&names, Level::Highest)?;
        let fingerprint = certificates.first().map(|own| hex(&sha256(own)));
        let end = not_after.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        principal.claims.extend([
            ("serial".to_owned(), Value::from(hex(serial))),
            ("fingerprint".to_owned(), Value::from(fingerprint)),
            ("not_after".to_owned(), Value::from(end)),
        ]);
        principal.expires = Some(until);
        Ok((principal, until))
    }

    /// By what a trusted proxy says stands in a certificate that it has verified and keeps to itself.
    fn said(&self, element: &Element, now: SystemTime) -> Result<(Principal, SystemTime), Refusal> {
        if self.settings.proof == Proof::Certificate {
            let detail = "X-Forwarded-Client-Cert has no certificate in it, and 'require-certificate' wants one";
            return Err(Refusal::invalid(Reason::ClientCertificateUnfit, detail));
        }
        let mut principal = self.named(&element.names, Level::High)?;
        if let Some(hash) = &element.hash {
            principal.claims.insert("fingerprint".to_owned(), Value::from(hash.as_str()));
        }
        Ok((principal, now + SAID_FOR))
    }

    fn named(&self, names: &[San], level: Level) -> Result<Principal, Refusal> {
        let user = user_of(&self.settings.user_from, names)?;
        let names: Vec<Value> = names.iter().map(|name| Value::from(name.to_string())).collect();
        let claims = Map::from_iter([(SAN_CLAIM.to_owned(), Value::from(names))]);
        Ok(Principal { claims, ..Principal::new(user, self.credential.as_str(), level) })
    }

    /// An authority that does not write its list anew may have revoked what is taken here.
    fn tell_if_overdue(&self, now: SystemTime) {
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let is_overdue = self.settings.trusted.next_update.is_some_and(|next| next <= now);
        if !is_overdue || seconds < self.told.load(Ordering::Relaxed).saturating_add(OVERDUE_TOLD) {
            return;
        }
        self.told.store(seconds, Ordering::Relaxed);
        tracing::warn!(event = "revocation-list-overdue", certificates = %self.settings.name, "a revocation list should have been replaced");
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificates({})", self.credential)
    }
}

impl Shown<'_> {
    /// A SHA-256 that nothing else has that could be shown.
    fn hash(&self) -> [u8; 32] {
        let (kind, first, rest): (&[u8], &[u8], &[&[u8]]) = match self {
            Self::Handshake { hash, .. } => return **hash,
            Self::ClientCert { certificate, chain } => (b"client-cert", certificate, chain),
            Self::Forwarded(values) => (b"x-forwarded-client-cert", b"", values),
        };
        let mut context = Context::new(&SHA256);
        for part in [kind, first].into_iter().chain(rest.iter().copied()) {
            context.update(&part.len().to_be_bytes());
            context.update(part);
        }
        let mut hash = [0; 32];
        hash.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
        hash
    }
}

fn unreadable(field: &str) -> Refusal {
    let detail = format!("{field} cannot be read");
    Refusal::invalid(Reason::ClientCertificateMalformed, detail)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
