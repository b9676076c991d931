//! API keys: long random texts that a partner sends with each request. The gateway knows their hashes only, so that who
//! reads its files cannot call.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use gwanmun_core::{Principal, Reason};

use crate::refusal::Refusal;
use crate::token::sha256;

/// The longest key that is looked up, bytes.
const LONGEST: usize = 1024;

/// The SHA-256 of a key, written `sha256:` and 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash([u8; 32]);

/// A text that is no [`KeyHash`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoHash;

/// One key: who has it, and until when.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// Its hash.
    pub hash: KeyHash,
    /// Who has it.
    pub principal: Arc<Principal>,
}

/// Keys by their hash.
///
/// What is compared are hashes: how long that takes tells of the hash of what was sent and nothing of any key, as nobody
/// can find a text that has a given beginning of a hash and is a key.
#[derive(Debug, Default)]
pub struct ApiKeys(HashMap<KeyHash, ApiKey>);

impl ApiKeys {
    /// These keys; of two with one hash the last counts.
    pub fn new(keys: impl IntoIterator<Item = ApiKey>) -> Self {
        Self(keys.into_iter().map(|key| (key.hash, key)).collect())
    }

    /// Who has the key that was sent.
    ///
    /// # Errors
    /// Nobody, or nobody any more.
    pub fn principal(&self, key: &[u8], now: SystemTime) -> Result<Arc<Principal>, Refusal> {
        let found = self.0.get(&KeyHash(sha256(key))).filter(|_| key.len() <= LONGEST);
        let Some(found) = found else { return Err(Refusal::invalid(Reason::UnknownApiKey, "nobody has this API key")) };
        if found.principal.expires.is_some_and(|end| end <= now) {
            let detail = format!("the API key of '{}' was good once", found.principal.subject);
            return Err(Refusal::invalid(Reason::ApiKeyExpired, detail));
        }
        Ok(Arc::clone(&found.principal))
    }

    /// Whether one of these keys made `principal`.
    pub fn vouch_for(&self, principal: &Arc<Principal>) -> bool {
        self.0.values().any(|key| Arc::ptr_eq(&key.principal, principal))
    }
}

impl FromStr for KeyHash {
    type Err = NoHash;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix("sha256:").ok_or(NoHash)?.as_bytes();
        if digits.len() != 64 {
            return Err(NoHash);
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair.iter().try_fold(0, |value, digit| Some(value << 4 | hex(*digit)?)).ok_or(NoHash)?;
        }
        Ok(Self(hash))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

impl fmt::Display for NoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wanted sha256: and 64 hex digits")
    }
}

impl std::error::Error for NoHash {}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use gwanmun_core::Level;

    use super::*;

    /// `printf %s abc | sha256sum`
    const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn keys(expires: Option<SystemTime>) -> ApiKeys {
        let principal = Principal { expires, ..Principal::new("p1", "api-key", Level::Highest) };
        ApiKeys::new([ApiKey { hash: ABC.parse().unwrap(), principal: Arc::new(principal) }])
    }

    #[test]
    fn a_key_is_found_by_what_its_hash_is_made_of() {
        let keys = keys(None);
        let found = keys.principal(b"abc", UNIX_EPOCH).unwrap();
        assert_eq!(found.subject, "p1");
        assert!(keys.vouch_for(&found));
        assert!(!keys.vouch_for(&Arc::new(Principal::clone(&found))));
        for sent in [&b""[..], b"abd", b"abc ", b"ABC", ABC.as_bytes(), &[0; 4096]] {
            assert_eq!(keys.principal(sent, UNIX_EPOCH).unwrap_err().reason(), Reason::UnknownApiKey);
        }
    }

    #[test]
    fn a_key_ends() {
        let end = UNIX_EPOCH + Duration::from_secs(10);
        let keys = keys(Some(end));
        assert!(keys.principal(b"abc", end - Duration::from_secs(1)).is_ok());
        assert_eq!(keys.principal(b"abc", end).unwrap_err().reason(), Reason::ApiKeyExpired);
    }

    #[test]
    fn hashes_are_whole_and_say_what_they_are() {
        assert_eq!(ABC.to_uppercase().replace("SHA256", "sha256").parse::<KeyHash>(), ABC.parse());
        for text in [
            "",
            "abc",
            &ABC[..70],
            &format!("{ABC}0"),
            &ABC.replace("sha256", "sha512"),
            &ABC[7..],
            &ABC.replace('b', "g"),
        ] {
            assert!(text.parse::<KeyHash>().is_err(), "{text}");
        }
        assert!(!format!("{:?}", ABC.parse::<KeyHash>()).contains("ba78"));
    }
}
