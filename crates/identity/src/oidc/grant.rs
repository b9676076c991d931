//! What a provider gives for a code or a refresh token, checked.

use std::time::{Duration, SystemTime};

use gwanmun_core::{Principal, Secret};
use serde_json::{Map, Value};

use crate::down::Down;
use crate::token_answer::TokenAnswer;

/// The longest ID token and the longest refresh token, bytes. With an access token and a principal they are one record in
/// a store that takes 64 KiB.
pub(super) const LONGEST_ID_TOKEN: usize = 12 * 1024;
const LONGEST_REFRESH_TOKEN: usize = 8 * 1024;

/// No token lives longer, whatever is said of it.
const LONGEST_LIFE: Duration = Duration::from_secs(366 * 86_400);

/// Tokens of a user.
#[derive(Debug, Clone)]
pub(super) struct Tokens {
    /// For services behind (`token-relay`).
    pub(super) access: Secret<String>,
    /// When that ends; `None` where the provider does not say.
    pub(super) access_until: Option<SystemTime>,
    /// For new ones; none: the session lasts without.
    pub(super) refresh: Option<Secret<String>>,
    /// As the provider signed it; none where a refresh brought none.
    pub(super) id_token: Option<Secret<String>>,
}

/// Who an ID token is about.
#[derive(Debug, Clone)]
pub(super) struct Who {
    /// The credential is `session:NAME`, the level high; without end and token.
    pub(super) principal: Principal,
    /// `sub`, which logout tokens name; the principal's subject may be another claim.
    pub(super) subject: String,
    /// The provider's own session, if it tells.
    pub(super) sid: Option<String>,
    /// `iat`.
    pub(super) issued: SystemTime,
}

/// For a code.
#[derive(Debug, Clone)]
pub(super) struct Granted {
    pub(super) tokens: Tokens,
    pub(super) who: Who,
}

/// For a refresh token.
#[derive(Debug, Clone)]
pub(super) struct Refreshed {
    pub(super) tokens: Tokens,
    /// As the new ID token says, if there is one; it is about the same `sub`.
    pub(super) who: Option<Who>,
}

impl Tokens {
    /// What came at `now`. The ID token is not verified yet.
    ///
    /// # Errors
    /// One of the tokens cannot be used or kept.
    pub(super) fn read(answer: TokenAnswer, now: SystemTime) -> Result<Self, Down> {
        let TokenAnswer { token, life, members } = answer;
        if life.is_some_and(|life| life.is_zero()) {
            return Err(Down::malformed("its access token has expired when it comes"));
        }
        Ok(Self {
            access: token,
            access_until: life.and_then(|life| now.checked_add(life.min(LONGEST_LIFE))),
            refresh: token_in(&members, "refresh_token", LONGEST_REFRESH_TOKEN)?,
            id_token: token_in(&members, "id_token", LONGEST_ID_TOKEN)?,
        })
    }
}

/// Some servers say `null` or nothing at all for what there is not.
fn token_in(members: &Map<String, Value>, name: &str, longest: usize) -> Result<Option<Secret<String>>, Down> {
    let text = match members.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) if text.is_empty() => return Ok(None),
        Some(Value::String(text)) => text,
        Some(_) => return Err(Down::malformed(format!("its {name} is no text"))),
    };
    if text.len() > longest {
        return Err(Down::malformed(format!("its {name} has {} bytes, at most {longest} are kept", text.len())));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Down::malformed(format!("its {name} is none that can be sent")));
    }
    Ok(Some(Secret::new(text.clone())))
}
