//! As much DER (X.690) as stands around a key: the kind of a private key, the numbers of a public one (RFC 5208, 5280,
//! 5480, 8017, 8410).

use super::KeyError;
use super::material::{Curve, Material};

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];

/// What kind of key an `AlgorithmIdentifier` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Rsa,
    Ec(Curve),
    Ed25519,
}

/// The kind of key in a PKCS#8 document (RFC 5208 section 5).
pub(super) fn pkcs8(document: &[u8]) -> Result<Named, KeyError> {
    let mut info = Reader(document).only(SEQUENCE).ok_or(KeyError::NotAKey)?;
    info.take(INTEGER).ok_or(KeyError::NotAKey)?;
    named(info.take(SEQUENCE).ok_or(KeyError::NotAKey)?)
}

/// The key in a SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7).
pub(super) fn subject_public_key_info(document: &[u8]) -> Result<Material, KeyError> {
    let mut info = Reader(document).only(SEQUENCE).ok_or(KeyError::NotAKey)?;
    let kind = named(info.take(SEQUENCE).ok_or(KeyError::NotAKey)?)?;
    // The first byte counts unused bits, of which a key has none.
    let key = info.last(BIT_STRING).and_then(|bits| bits.strip_prefix(&[0])).ok_or(KeyError::NotAKey)?;
    match kind {
        Named::Ec(curve) => Material::of_point(curve, key),
        Named::Ed25519 => Ok(Material::Ed25519 { x: key.to_vec() }),
        Named::Rsa => rsa_public_key(key),
    }
}

/// An RSAPublicKey (RFC 8017 appendix A.1.1).
pub(super) fn rsa_public_key(document: &[u8]) -> Result<Material, KeyError> {
    let numbers = || {
        let mut key = Reader(document).only(SEQUENCE)?;
        Some((key.take(INTEGER)?, key.last(INTEGER)?))
    };
    let (n, e) = numbers().ok_or(KeyError::NotAKey)?;
    Ok(Material::of_rsa(n, e))
}

fn named(identifier: &[u8]) -> Result<Named, KeyError> {
    let mut identifier = Reader(identifier);
    match identifier.take(OBJECT) {
        Some(RSA) => Ok(Named::Rsa),
        Some(ED25519) => Ok(Named::Ed25519),
        Some(EC) => match identifier.last(OBJECT) {
            Some(P256) => Ok(Named::Ec(Curve::P256)),
            Some(P384) => Ok(Named::Ec(Curve::P384)),
            _ => Err(KeyError::UnknownCurve("of the PEM".to_owned())),
        },
        _ => Err(KeyError::UnknownType("of the PEM".to_owned())),
    }
}

/// Takes elements off the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The content of the next element, if it has this tag.
    fn take(&mut self, wanted: u8) -> Option<&'a [u8]> {
        let (tag, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(*first), rest),
            0x81 => rest.split_first().map(|(length, rest)| (usize::from(*length), rest))?,
            0x82 => rest.split_first_chunk().map(|(length, rest)| (usize::from(u16::from_be_bytes(*length)), rest))?,
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        (*tag == wanted).then_some(content)
    }

    /// The same, with nothing behind it.
    fn last(&mut self, wanted: u8) -> Option<&'a [u8]> {
        self.take(wanted).filter(|_| self.0.is_empty())
    }

    /// The elements within the only element.
    fn only(mut self, wanted: u8) -> Option<Self> {
        self.last(wanted).map(Self)
    }
}
