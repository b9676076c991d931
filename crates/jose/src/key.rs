//! Keys. Whatever they are read from, a JWK, a set of them or PEM, they end as one [`VerifyingKey`] or [`SigningKey`]
//! with exactly one algorithm, so that a token can never choose how it is verified.

mod der;
mod error;
mod jwk;
mod material;
mod set;
mod signing;
mod verifying;

pub use error::KeyError;
pub use set::{JwkSet, JwkSetError, UnusableKey};
pub use signing::{SigningFailed, SigningKey};
pub use verifying::{BadSignature, VerifyingKey};
