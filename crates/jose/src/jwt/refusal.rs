//! Why a token is refused: one name each for log, audit and metric.

use std::fmt;

gwanmun_core::names! {
    /// Why a token is refused.
    pub enum Refusal {
        /// More bytes than are read.
        TooLarge = "too-large",
        /// No three parts of canonical base64url, no JSON, no `alg`.
        Malformed = "malformed",
        /// Header or claims nest too deep.
        TooDeep = "too-deep",
        /// Header or claims name a member twice.
        DuplicateMember = "duplicate-member",
        /// `crit` names something, or `b64` is not true.
        UnknownCritical = "unknown-critical",
        /// `alg` is not the algorithm of the key that is meant.
        WrongAlgorithm = "wrong-algorithm",
        /// No key has this `kid`; or there is no `kid` and not exactly one key fits.
        UnknownKey = "unknown-key",
        /// The signature is not the key's.
        BadSignature = "bad-signature",
        /// `typ` is another, or missing.
        WrongType = "wrong-type",
        /// `iss` is another, or missing.
        WrongIssuer = "wrong-issuer",
        /// `aud` names others only, or is missing.
        WrongAudience = "wrong-audience",
        /// `exp` has passed.
        Expired = "expired",
        /// `nbf` is to come.
        NotYetValid = "not-yet-valid",
        /// `iat` is to come.
        IssuedInFuture = "issued-in-future",
        /// More lies between `iat` and `exp` than may.
        LivesTooLong = "lives-too-long",
        /// No `exp`.
        MissingExpiry = "missing-expiry",
        /// No `sub`, or an empty one.
        MissingSubject = "missing-subject",
        /// A claim that was asked for is not there.
        MissingClaim = "missing-claim",
        /// A registered claim of another type than RFC 7519 gives it.
        BadClaim = "bad-claim",
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::error::Error for Refusal {}
