//! Tokens that the provider signs for the gateway: what all of them have to be.

use std::time::SystemTime;

use gwanmun_core::Reason;
use gwanmun_jose::{Algorithm, Compact, Expect, JwkSet, Refusal as Wrong, Verified};
use serde_json::{Map, Value};

use crate::issuer::reason_of;
use crate::refusal::Refusal;

/// The longest `sub`, `sid` and `jti`, bytes (OpenID Connect Core 1.0 section 2 says so of `sub`).
const LONGEST_NAME: usize = 255;

/// What a kind of token is expected to be.
#[derive(Debug)]
pub(super) struct Kind {
    /// What it is called in the log.
    pub(super) called: &'static str,
    pub(super) expect: Expect,
    /// What `typ` may be, lower-case; it may always be missing.
    pub(super) types: &'static [&'static str],
    /// Bytes.
    pub(super) longest: usize,
}

impl Kind {
    /// What a token says that is of this kind, and how it was signed.
    pub(super) fn read(&self, token: &str, keys: &JwkSet, now: SystemTime) -> Result<(Verified, Algorithm), Refusal> {
        let read = || {
            let token = Compact::parse(token.as_bytes(), self.longest)?;
            let verified = self.expect.check(&token, keys.key_for(token.kid(), token.algorithm())?, now)?;
            match token.typ() {
                Some(typ) if !self.is_of(typ) => Err(Wrong::WrongType),
                _ => Ok((verified, token.algorithm())),
            }
        };
        read().map_err(|wrong| self.refused(reason_of(wrong), wrong.name()))
    }

    /// A name in the claims: of a user, a session, a token.
    pub(super) fn name(&self, claims: &Map<String, Value>, name: &str) -> Result<Option<String>, Refusal> {
        let is_good = |text: &str| !text.is_empty() && text.len() <= LONGEST_NAME && !text.contains(char::is_control);
        match claims.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if is_good(text) => Ok(Some(text.clone())),
            Some(_) => {
                let why = format!("{name} is no text of 1 to {LONGEST_NAME} bytes without control characters");
                Err(self.refused(Reason::MalformedToken, &why))
            }
        }
    }

    /// A token that is not what it should be.
    pub(super) fn refused(&self, reason: Reason, why: &str) -> Refusal {
        Refusal::invalid(reason, format!("the {} is refused: {why}", self.called))
    }

    /// RFC 7515 section 4.1.9.
    fn is_of(&self, typ: &str) -> bool {
        let typ = typ.to_ascii_lowercase();
        self.types.contains(&typ.strip_prefix("application/").unwrap_or(&typ))
    }
}
