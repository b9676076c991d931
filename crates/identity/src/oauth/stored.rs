//! Issued tokens in the store that replicas share: what one has obtained the others need not ask for. They are encrypted
//! with the gateway's client secret, so that who reads the store learns nothing.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use gwanmun_core::Secret;
use gwanmun_store::{OnStoreError, Space, StoreError};
use serde_json::{Value, json};

use super::known::Key;
use crate::down::Down;
use crate::seal::{Seal, hex};
use crate::token::Token;

/// An issued token.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) token: Secret<String>,
    /// What it was given for.
    pub(super) scopes: Vec<String>,
    /// From here on somebody has to obtain another.
    due: SystemTime,
    /// Until when it is used.
    pub(super) until: SystemTime,
}

/// The store, if replicas share one.
pub(super) struct Shared(pub(super) Option<Space>);

impl Stored {
    /// Obtained at `now`.
    pub(super) fn new(token: Secret<String>, scopes: Vec<String>, now: SystemTime, until: SystemTime) -> Self {
        let life = until.duration_since(now).unwrap_or_default();
        Self { token, scopes, due: now + life / 4 * 3, until }
    }

    fn write(&self) -> Vec<u8> {
        let text = json!({
            "token": self.token.expose(), "scopes": self.scopes, "due": millis(self.due), "until": millis(self.until),
        });
        text.to_string().into_bytes()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        let moment = |name| UNIX_EPOCH.checked_add(Duration::from_millis(value.get(name)?.as_u64()?));
        let token = value.get("token")?.as_str().filter(|token| token.len() <= Token::LONGEST)?;
        let scopes = value.get("scopes")?.as_array()?.iter();
        let scopes = scopes.map(|scope| scope.as_str().map(str::to_owned)).collect::<Option<_>>()?;
        Some(Self { token: Secret::new(token.to_owned()), scopes, due: moment("due")?, until: moment("until")? })
    }
}

impl Shared {
    /// What another replica, or this one before, has obtained, if it is not time to obtain another.
    ///
    /// # Errors
    /// The store is lost and nothing goes on without it.
    pub(super) async fn find(&self, key: &Key, seal: &Seal, now: SystemTime) -> Result<Option<Stored>, Down> {
        let Self(Some(space)) = self else { return Ok(None) };
        let sealed = match space.get(&hex(key)).await {
            Ok(sealed) => sealed,
            Err(error) => return without(space, error).map(|()| None),
        };
        let stored = sealed.and_then(|sealed| Stored::read(&seal.open(key, &sealed)?));
        Ok(stored.filter(|stored| now < stored.due))
    }

    /// Keeps what was obtained, to its end.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub(super) async fn keep(&self, key: &Key, stored: &Stored, seal: &Seal, now: SystemTime) -> Result<(), Down> {
        let Self(Some(space)) = self else { return Ok(()) };
        let Some(sealed) = seal.close(key, &stored.write()) else { return Ok(()) };
        let life = stored.until.duration_since(now).unwrap_or_default();
        match space.put(&hex(key), Bytes::from(sealed), life).await {
            Ok(()) => Ok(()),
            Err(error) => without(space, error),
        }
    }
}

/// Goes on without the store, if that may be. What is wrong with one key alone costs a call, no more.
fn without(space: &Space, error: StoreError) -> Result<(), Down> {
    if error.is_outage() && space.on_error() == OnStoreError::Deny {
        return Err(error.into());
    }
    Ok(())
}

/// Milliseconds since 1970.
pub(crate) fn millis(moment: SystemTime) -> u64 {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
