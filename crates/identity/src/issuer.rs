//! An issuer of tokens: what is expected of them, with which keys they are verified, and whom they make of it. A token
//! that this worker has verified before costs a hash and a look into a map.

mod keys;
mod published;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gwanmun_core::{Clock, Level, Principal, Reason};
use gwanmun_jose::{Expect, Refusal as Wrong};

use crate::known::{self, Entry};
use crate::principal_map::PrincipalMap;
use crate::refusal::Refusal;
use crate::token::Token;
pub(crate) use keys::KeySet;
pub use keys::{FetchKeys, FetchSettings, Keys};
pub use published::{KeysAt, Published};

/// About how many bytes a principal takes beside the text of its claims, which takes a few times its length.
const PRINCIPAL_BYTES: usize = 512;
const BYTES_PER_LETTER: usize = 4;

/// What is expected of an issuer's tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerSettings {
    /// Its name in the configuration.
    pub name: String,
    /// `iss` must equal it.
    pub issuer: String,
    /// `aud` must hold one of these.
    pub audiences: Vec<String>,
    /// Pins `typ`.
    pub typ: Option<String>,
    /// How far the clocks may differ.
    pub leeway: Duration,
    /// Where the parts of a principal stand.
    pub principal: PrincipalMap,
}

/// An issuer of tokens.
pub struct Issuer {
    /// Its number: no other issuer in this process has it.
    number: u64,
    credential: String,
    expect: Expect,
    principal: PrincipalMap,
    keys: Keys,
    clock: Arc<dyn Clock>,
}

/// What is known about a token at once.
#[derive(Debug)]
pub enum Look {
    /// Whose it is, or why it is nobody's.
    Decided(Result<Arc<Principal>, Refusal>),
    /// [`Issuer::ask`] knows more: keys have to be fetched.
    Ask,
}

impl Issuer {
    /// An issuer whose tokens are verified with `keys`.
    pub fn new(settings: IssuerSettings, keys: Keys, clock: Arc<dyn Clock>) -> Self {
        let expect = Expect {
            issuers: vec![settings.issuer],
            audiences: settings.audiences,
            typ: settings.typ,
            leeway: settings.leeway,
            ..Expect::default()
        };
        Self {
            number: known::new_issuer(),
            credential: format!("jwt:{}", settings.name),
            expect,
            principal: settings.principal,
            keys,
            clock,
        }
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        self.credential.split_once(':').map_or("", |(_, name)| name)
    }

    /// What `iss` must be.
    pub fn issuer(&self) -> &str {
        self.expect.issuers.first().map_or("", String::as_str)
    }

    /// The credential of its principals: `jwt:NAME`.
    pub fn credential(&self) -> &str {
        &self.credential
    }

    /// Whose the token is, if this worker has verified it before and nothing has changed.
    pub fn recall(&self, token: &Token<'_>) -> Option<Arc<Principal>> {
        let now = self.clock.wall();
        known::recall(&self.known_by(token), self.keys.mark_at_hand(now)?, now)
    }

    /// Whose the token is, as far as that can be said without waiting.
    pub fn look(&self, token: &Token<'_>) -> Look {
        let now = self.clock.wall();
        let Some(keys) = self.keys.at_hand(now) else { return Look::Ask };
        match self.verify(token, &keys, now) {
            Err(refusal) if refusal.reason() == Reason::UnknownKey && self.keys.may_change() => Look::Ask,
            outcome => Look::Decided(outcome),
        }
    }

    /// Whose the token is. Keys are fetched if need be: because there are none yet, or once more because the token's is
    /// not among them.
    ///
    /// # Errors
    /// The token is not good, or the keys cannot be had.
    pub async fn ask(&self, token: &Token<'_>) -> Result<Arc<Principal>, Refusal> {
        self.keys.verified(self.name(), |keys| self.verify(token, keys, self.clock.wall())).await
    }

    fn verify(&self, token: &Token<'_>, keys: &KeySet, now: SystemTime) -> Result<Arc<Principal>, Refusal> {
        let text = token.text();
        let verified = self.expect.verify(text.as_bytes(), Token::LONGEST, &keys.set, now).map_err(|wrong| {
            Refusal::invalid(reason_of(wrong), format!("{} refuses the token: {wrong}", self.credential))
        })?;
        let expires = verified.expires;
        let principal = self.principal.principal(verified.claims, &self.credential, Level::High, expires)?;
        let principal = Arc::new(principal);
        let weight = PRINCIPAL_BYTES + text.len() * BYTES_PER_LETTER;
        let entry = Entry { principal: Arc::clone(&principal), keys: keys.mark, since: now, until: expires, weight };
        known::remember(self.known_by(token), entry);
        Ok(principal)
    }

    fn known_by(&self, token: &Token<'_>) -> known::Key {
        known::Key { issuer: self.number, hash: *token.hash() }
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("credential", &self.credential).field("keys", &self.keys).finish_non_exhaustive()
    }
}

/// The gateway's word for what is wrong with a token.
pub(crate) fn reason_of(wrong: Wrong) -> Reason {
    match wrong {
        Wrong::TooLarge => Reason::TokenTooLarge,
        Wrong::UnknownCritical => Reason::UnknownCritical,
        Wrong::WrongAlgorithm => Reason::WrongAlgorithm,
        Wrong::UnknownKey => Reason::UnknownKey,
        Wrong::BadSignature => Reason::BadSignature,
        Wrong::WrongType => Reason::WrongTokenType,
        Wrong::WrongIssuer => Reason::WrongIssuer,
        Wrong::WrongAudience => Reason::WrongAudience,
        Wrong::Expired => Reason::TokenExpired,
        Wrong::NotYetValid | Wrong::IssuedInFuture => Reason::TokenNotYetValid,
        // What is left is wrong with the form: no base64url, no JSON, a member twice, no `sub`, no `exp`.
        _ => Reason::MalformedToken,
    }
}

#[cfg(test)]
mod tests;
