//! Why a key cannot be used. Key sets come from elsewhere: what they say is quoted, escaped and cut.

use std::fmt;

use crate::Algorithm;

/// Why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// An entry of a set that is no object.
    NotAnObject,
    /// A `kty` that is not spoken here.
    UnknownType(String),
    /// A `crv`, or a curve in PEM, that is not spoken here.
    UnknownCurve(String),
    /// An `alg` that is not spoken here.
    UnknownAlgorithm(String),
    /// A member that must be there is not.
    Missing(&'static str),
    /// A member is not what it must be.
    Invalid(&'static str),
    /// `use` or `key_ops` give the key to something else than verifying signatures.
    NotForSignatures,
    /// A private key where a public one belongs: whoever can read the set can sign.
    Private,
    /// The key says an algorithm that is not allowed.
    NotAllowed(Algorithm),
    /// The key says an algorithm that its type cannot do.
    DoesNotFit(Algorithm),
    /// No allowed algorithm fits the key's type.
    NoneFits,
    /// The key says no algorithm and several that are allowed fit its type.
    SeveralFit(Vec<Algorithm>),
    /// An RSA modulus of so many bits; 2048 to 8192 are used.
    RsaSize(usize),
    /// A secret of so many bytes, shorter than the hash.
    ShortSecret {
        /// What it has.
        bytes: usize,
        /// What it needs.
        wanted: usize,
    },
    /// The numbers make no key: a point that is not on its curve, an even modulus.
    NotAKey,
    /// The set has a key of the same `kid` and algorithm already.
    SameKid,
    /// No PEM section of the kind that is wanted; an encrypted key is none.
    NoPem(&'static str),
    /// The randomness for a new key failed.
    NoRandomness,
}

impl KeyError {
    /// What a stranger wrote, short enough to be told.
    pub(super) fn quoted(text: &str) -> String {
        const LONGEST: usize = 40;
        text.chars().take(LONGEST).collect()
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnObject => f.write_str("wanted a JSON object"),
            Self::UnknownType(kty) => write!(f, "kty {kty:?}, wanted EC, OKP, RSA or oct"),
            Self::UnknownCurve(curve) => write!(f, "curve {curve:?}, wanted P-256, P-384 or Ed25519"),
            Self::UnknownAlgorithm(alg) => write!(f, "alg {alg:?}, {}", crate::UnknownAlgorithm),
            Self::Missing(member) => write!(f, "no {member}"),
            Self::Invalid(member) => write!(f, "{member} is not what RFC 7517 and 7518 want"),
            Self::NotForSignatures => f.write_str("use or key_ops give it to something else than verifying"),
            Self::Private => f.write_str("a private key where a public one belongs; take it back, it is known"),
            Self::NotAllowed(algorithm) => write!(f, "it is for {algorithm}, which is not allowed"),
            Self::DoesNotFit(algorithm) => write!(f, "it is for {algorithm}, which its type cannot do"),
            Self::NoneFits => f.write_str("no allowed algorithm fits its type"),
            Self::SeveralFit(algorithms) => {
                f.write_str("it says no alg, and several that are allowed fit:")?;
                algorithms.iter().try_for_each(|algorithm| write!(f, " {algorithm}"))
            }
            Self::RsaSize(bits) => write!(f, "an RSA modulus of {bits} bits, wanted 2048 to 8192"),
            Self::ShortSecret { bytes, wanted } => write!(f, "a secret of {bytes} bytes, wanted at least {wanted}"),
            Self::NotAKey => f.write_str("its numbers make no key"),
            Self::SameKid => f.write_str("another key of the set has the same kid and algorithm"),
            Self::NoPem(kind) => write!(f, "no PEM section of an unencrypted {kind}"),
            Self::NoRandomness => f.write_str("no randomness for a new key"),
        }
    }
}

impl std::error::Error for KeyError {}
