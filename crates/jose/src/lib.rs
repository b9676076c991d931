//! JSON Web Signatures, keys and key sets (RFC 7515, 7517, 7518): small and typed; a key carries its one algorithm.
//!
//! Bytes become a [`Compact`] token and a [`JwkSet`]; an [`Expect`] brings the two together and gives claims that may
//! be believed. No I/O happens here, and the time is handed in.

mod algorithm;
pub mod base64url;
mod compact;
pub mod json;
mod jwt;
mod key;
mod sha256;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use compact::{Compact, protected_header, sign};
pub use jwt::{Expect, Refusal, Subject, Verified};
pub use key::{BadSignature, JwkSet, JwkSetError, KeyError, SigningFailed, SigningKey, UnusableKey, VerifyingKey};
pub use sha256::sha256;
