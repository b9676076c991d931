//! The Passport: one signed statement about the caller of a request (a profile of OAuth Transaction Tokens,
//! draft-ietf-oauth-transaction-tokens). A [`Mint`] makes it at the edge, a [`Verifier`] in a service turns it into a
//! [`Passport`] and its principal. No I/O happens here, and the time is handed in.

mod cache;
mod claims;
mod content;
mod mint;
mod transaction;
mod verifier;

use std::time::Duration;

use gwanmun_jose::Algorithm;

pub use cache::Cache;
pub use content::{Content, Device, Requester, User};
pub use mint::{Mint, MintError, MintSpec, Minted, Unminted};
pub use transaction::Transaction;
pub use verifier::{Passport, Verifier, VerifierSpec};

/// The header that carries it, exactly once.
pub const HEADER: &str = "Txn-Token";

/// Its `typ`.
pub const TYP: &str = "txntoken+jwt";

/// What it is signed with.
pub const ALGORITHMS: [Algorithm; 2] = [Algorithm::EdDsa, Algorithm::Es256];

/// The largest one that is made or read, bytes: it has to fit among the headers of a request.
pub const LONGEST: usize = 8 * 1024;

/// The longest that one may live.
pub const LONGEST_LIFE: Duration = Duration::from_secs(600);
