//! What a key is made of, whatever it was read from: what is verified with, published and hashed to a thumbprint.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents, VerificationAlgorithm};

use super::KeyError;
use crate::{Algorithm, base64url, sha256};

/// A curve for ECDSA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
}

impl Curve {
    pub(super) const ALL: [Self; 2] = [Self::P256, Self::P384];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
        }
    }

    /// The bytes of a coordinate.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
        }
    }
}

/// A public key. Coordinates have their full length, RSA's numbers no leading zeroes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Material {
    Ec { curve: Curve, x: Vec<u8>, y: Vec<u8> },
    Ed25519 { x: Vec<u8> },
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

impl Material {
    /// From an uncompressed point (SEC 1 section 2.3.3).
    pub(super) fn of_point(curve: Curve, point: &[u8]) -> Result<Self, KeyError> {
        let coordinates = point.strip_prefix(&[4]).filter(|rest| rest.len() == 2 * curve.bytes());
        let (x, y) = coordinates.and_then(|rest| rest.split_at_checked(curve.bytes())).ok_or(KeyError::NotAKey)?;
        Ok(Self::Ec { curve, x: x.to_vec(), y: y.to_vec() })
    }

    /// From modulus and exponent, big-endian.
    pub(super) fn of_rsa(n: &[u8], e: &[u8]) -> Self {
        Self::Rsa { n: without_zeroes(n).to_vec(), e: without_zeroes(e).to_vec() }
    }

    /// The algorithms that a key of this type can do.
    pub(super) fn fitting(&self) -> &'static [Algorithm] {
        use Algorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        match self {
            Self::Ec { curve: Curve::P256, .. } => &[Es256],
            Self::Ec { curve: Curve::P384, .. } => &[Es384],
            Self::Ed25519 { .. } => &[EdDsa],
            Self::Rsa { .. } => &[Rs256, Rs384, Rs512, Ps256, Ps384, Ps512],
        }
    }

    /// Checks it and makes it ready to verify with `algorithm`, one of the fitting.
    pub(super) fn prepare(&self, algorithm: Algorithm) -> Result<ParsedPublicKey, KeyError> {
        let unfit = KeyError::DoesNotFit(algorithm);
        match self {
            Self::Ec { curve, x, y } => {
                if x.len() != curve.bytes() || y.len() != curve.bytes() {
                    return Err(KeyError::NotAKey);
                }
                let verification: &'static dyn VerificationAlgorithm = match (algorithm, curve) {
                    (Algorithm::Es256, Curve::P256) => &signature::ECDSA_P256_SHA256_FIXED,
                    (Algorithm::Es384, Curve::P384) => &signature::ECDSA_P384_SHA384_FIXED,
                    _ => return Err(unfit),
                };
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                ParsedPublicKey::new(verification, point).map_err(|_| KeyError::NotAKey)
            }
            Self::Ed25519 { x } => match (algorithm, x.len()) {
                (Algorithm::EdDsa, 32) if has_small_order(x) => Err(KeyError::NotAKey),
                (Algorithm::EdDsa, 32) => ParsedPublicKey::new(&signature::ED25519, x).map_err(|_| KeyError::NotAKey),
                (Algorithm::EdDsa, _) => Err(KeyError::NotAKey),
                _ => Err(unfit),
            },
            Self::Rsa { n, e } => {
                let bits = bits(n);
                if !(2048..=8192).contains(&bits) {
                    return Err(KeyError::RsaSize(bits));
                }
                if !is_exponent(e) {
                    return Err(KeyError::Invalid("e"));
                }
                if !is_odd(n) {
                    return Err(KeyError::NotAKey);
                }
                let parameters = rsa(algorithm).ok_or(unfit)?;
                RsaPublicKeyComponents { n, e }.to_parsed_public_key(parameters).map_err(|_| KeyError::NotAKey)
            }
        }
    }

    /// The members that make the key what it is (RFC 7638 section 3.2), in the order of their names.
    pub(super) fn members(&self) -> Vec<(&'static str, String)> {
        let of = |bytes: &[u8]| base64url::encode(bytes);
        let said = |text: &str| text.to_owned();
        match self {
            Self::Ec { curve, x, y } => {
                vec![("crv", said(curve.name())), ("kty", said("EC")), ("x", of(x)), ("y", of(y))]
            }
            Self::Ed25519 { x } => vec![("crv", said("Ed25519")), ("kty", said("OKP")), ("x", of(x))],
            Self::Rsa { n, e } => vec![("e", of(e)), ("kty", said("RSA")), ("n", of(n))],
        }
    }

    /// SHA-256 over exactly these members without white space (RFC 7638 section 3.1), base64url.
    pub(super) fn thumbprint(&self) -> String {
        // They are base64url and names of curves: nothing in them wants escaping.
        let members: Vec<String> =
            self.members().iter().map(|(name, value)| format!("\"{name}\":\"{value}\"")).collect();
        base64url::encode(&sha256(format!("{{{}}}", members.join(",")).as_bytes()))
    }
}

/// The hash of an HMAC algorithm, and how long its secrets must be (RFC 7518 section 3.2).
pub(super) fn hmac(algorithm: Algorithm) -> Option<(hmac::Algorithm, usize)> {
    match algorithm {
        Algorithm::Hs256 => Some((hmac::HMAC_SHA256, 32)),
        Algorithm::Hs384 => Some((hmac::HMAC_SHA384, 48)),
        Algorithm::Hs512 => Some((hmac::HMAC_SHA512, 64)),
        _ => None,
    }
}

fn rsa(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        Algorithm::Rs256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Rs384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::Rs512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::Ps256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::Ps384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::Ps512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
        _ => None,
    }
}

/// Points of Ed25519 for which a signature over anything can be written down without a secret. RFC 8032 section 5.1.7
/// does not refuse them. They are known with either sign, and as they are spelled beyond the prime.
fn has_small_order(x: &[u8]) -> bool {
    const EIGHTH: [u8; 32] = [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ];
    const OTHER_EIGHTH: [u8; 32] = [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
        0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ];
    let [low, middle @ .., last] = x else { return true };
    let last = last & 0x7f;
    let is = |known: [u8; 32]| matches!(known, [a, ref b @ .., c] if a == *low && b == middle && c == last);
    // 0 and 1; then p - 1, and p and p + 1, which are 0 and 1 again.
    let is_near_zero = *low <= 1 && last == 0 && middle.iter().all(|byte| *byte == 0);
    let is_near_prime = matches!(low, 0xec..=0xee) && last == 0x7f && middle.iter().all(|byte| *byte == 0xff);
    is_near_zero || is_near_prime || is(EIGHTH) || is(OTHER_EIGHTH)
}

/// The length of a number without leading zeroes.
fn bits(number: &[u8]) -> usize {
    let unused = number.first().map_or(0, |first| usize::try_from(first.leading_zeros()).unwrap_or(0));
    8 * number.len() - unused
}

/// Odd, more than one, and not so large that verifying takes long.
fn is_exponent(e: &[u8]) -> bool {
    e.len() <= 4 && is_odd(e) && e != [1]
}

fn is_odd(number: &[u8]) -> bool {
    number.last().is_some_and(|last| last % 2 == 1)
}

fn without_zeroes(number: &[u8]) -> &[u8] {
    let zeroes = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeroes..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_of_small_order_are_no_keys() {
        let of = |low: u8, middle: u8, last: u8| {
            let mut x = vec![middle; 32];
            (x[0], x[31]) = (low, last);
            Material::Ed25519 { x }
        };
        for last in [0x00, 0x80] {
            for low in [0, 1] {
                assert_eq!(of(low, 0, last).prepare(Algorithm::EdDsa).err(), Some(KeyError::NotAKey));
            }
            for low in [0xec, 0xed, 0xee] {
                assert_eq!(of(low, 0xff, last | 0x7f).prepare(Algorithm::EdDsa).err(), Some(KeyError::NotAKey));
            }
        }
        let of_order_eight = [
            "JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU",
            "JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_IU",
            "xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA3o",
            "xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA_o",
        ];
        for x in of_order_eight {
            let x = base64url::decode(x.as_bytes()).unwrap();
            assert_eq!(Material::Ed25519 { x }.prepare(Algorithm::EdDsa).err(), Some(KeyError::NotAKey));
        }
    }

    #[test]
    fn with_a_key_of_order_one_one_signature_would_do_for_everything() {
        let mut neutral = [0; 64];
        neutral[0] = 1;
        let key = ParsedPublicKey::new(&signature::ED25519, &neutral[..32]).unwrap();
        assert!(key.verify_sig(b"anything", &neutral).is_ok());
    }
}
