//! A login between its beginning and its answer. What has to be known then is sealed and kept by the browser, so that a
//! flood of beginnings fills nothing here and the answer is good in that browser only.

use std::sync::Arc;

use gwanmun_core::{Clock, Reason, Secret};

use super::{LoginAnswer, Visit};
use crate::refusal::Refusal;
use crate::seal::Seal;

/// Seals and opens logins.
pub(super) struct Logins {
    seal: Seal,
    clock: Arc<dyn Clock>,
}

/// A login that begins.
pub(super) struct Beginning {
    pub(super) state: String,
    pub(super) nonce: String,
    /// `code_challenge` (S256, RFC 7636 section 4.2).
    pub(super) challenge: String,
    pub(super) kept: Secret<String>,
}

/// A login that is answered.
pub(super) struct Login {
    pub(super) nonce: String,
    /// `code_verifier`.
    pub(super) verifier: Secret<String>,
    pub(super) return_to: String,
}

impl Logins {
    pub(super) fn new(seal: Seal, clock: Arc<dyn Clock>) -> Self {
        Self { seal, clock }
    }

    pub(super) fn begin(&self, visit: Visit<'_>) -> Result<Beginning, Refusal> {
        let _ = (&self.seal, &self.clock, visit.origin, visit.return_to);
        Err(Refusal::invalid(Reason::LoginUnknown, "not yet"))
    }

    /// The login that the browser has `kept`.
    pub(super) fn resume(&self, origin: &str, state: &str, kept: &str) -> Result<Login, Refusal> {
        let _ = (origin, state, kept);
        Err(Refusal::invalid(Reason::LoginUnknown, "not yet"))
    }
}

/// The code, unless the provider said no.
pub(super) fn code<'a>(answer: &LoginAnswer<'a>) -> Result<&'a str, Refusal> {
    answer.code.ok_or_else(|| Refusal::invalid(Reason::LoginRefused, "the provider gave no code"))
}

pub(super) fn replayed() -> Refusal {
    Refusal::invalid(Reason::LoginReplayed, "this login has been answered before")
}
