//! What the gateway wants to know of a certificate and webpki does not tell: its names with every byte in them, its serial
//! number, and when it ends.

use std::time::SystemTime;

use super::der::{BOOLEAN, Der, INTEGER, NoDer, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE};
use super::name::{San, SanKind};

/// id-ce-subjectAltName, 2.5.29.17.
const SUBJECT_ALT_NAME: [u8; 3] = [0x55, 0x1d, 0x11];
/// id-ce-basicConstraints, 2.5.29.19.
const BASIC_CONSTRAINTS: [u8; 3] = [0x55, 0x1d, 0x13];

/// `[0]`, the version, and `[3]`, the extensions, of a certificate (RFC 5280 section 4.1).
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;

/// The kinds of names that are texts (RFC 5280 section 4.2.1.6).
const RFC_822_NAME: u8 = 0x81;
const DNS_NAME: u8 = 0x82;
const URI: u8 = 0x86;

/// Parts of a certificate.
#[derive(Debug)]
pub(super) struct Details<'c> {
    /// As it stands there, big-endian.
    pub(super) serial: &'c [u8],
    /// The last moment at which it is good.
    pub(super) not_after: SystemTime,
    /// URIs, then DNS names, then addresses, each in the order of the certificate.
    pub(super) names: Vec<San>,
    /// Whether it may sign others.
    pub(super) is_authority: bool,
}

/// Why the parts cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Illegible {
    /// The structure is not that of a certificate.
    Structure,
    /// A name could be read in two ways.
    Name,
}

impl<'c> Details<'c> {
    /// Reads a certificate (DER). Nobody has verified it yet, or webpki has.
    pub(super) fn of(certificate: &'c [u8]) -> Result<Self, Illegible> {
        let mut body = Der::new(certificate).sequence()?.sequence()?;
        body.optional(VERSION)?;
        let serial = body.expect(INTEGER)?;
        let (_signature, _issuer, mut validity) = (body.sequence()?, body.sequence()?, body.sequence()?);
        let (_not_before, not_after) = (validity.time()?, validity.time()?);
        let (_subject, _key) = (body.sequence()?, body.sequence()?);
        let mut details = Self { serial, not_after, names: Vec::new(), is_authority: false };
        while !body.is_empty() {
            let (tag, content) = body.next()?;
            if tag == EXTENSIONS {
                details.read_extensions(Der::new(content).sequence()?)?;
            }
        }
        Ok(details)
    }

    fn read_extensions(&mut self, mut extensions: Der<'c>) -> Result<(), Illegible> {
        let mut has_names = false;
        while !extensions.is_empty() {
            let mut extension = extensions.sequence()?;
            let id = extension.expect(OBJECT_IDENTIFIER)?;
            extension.optional(BOOLEAN)?;
            let mut value = Der::new(extension.expect(OCTET_STRING)?);
            if id == BASIC_CONSTRAINTS {
                self.is_authority = value.sequence()?.optional(BOOLEAN)?.is_some_and(|value| value != [0]);
            }
            if id == SUBJECT_ALT_NAME {
                if std::mem::replace(&mut has_names, true) {
                    return Err(Illegible::Structure);
                }
                self.names = names(value.sequence()?)?;
            }
        }
        Ok(())
    }
}

fn names(mut written: Der<'_>) -> Result<Vec<San>, Illegible> {
    let mut names = Vec::new();
    while !written.is_empty() {
        let (tag, content) = written.next()?;
        let kind = match tag {
            URI => SanKind::Uri,
            DNS_NAME => SanKind::Dns,
            RFC_822_NAME => SanKind::Email,
            _ => continue,
        };
        names.push(San::new(kind, content).map_err(|_| Illegible::Name)?);
    }
    names.sort_by_key(|name| SanKind::ALL.iter().position(|kind| *kind == name.kind()));
    Ok(names)
}

/// The last moment at which a revocation list (DER) is the latest, as far as it says (RFC 5280 section 5.1).
pub(super) fn next_update(list: &[u8]) -> Option<SystemTime> {
    let mut body = Der::new(list).sequence().ok()?.sequence().ok()?;
    body.optional(INTEGER).ok()?;
    let (_signature, _issuer) = (body.expect(SEQUENCE).ok()?, body.expect(SEQUENCE).ok()?);
    let _this_update = body.time().ok()?;
    body.time().ok()
}

impl From<NoDer> for Illegible {
    fn from(_: NoDer) -> Self {
        Self::Structure
    }
}
