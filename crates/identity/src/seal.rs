//! What the gateway's own client secret protects: under which names tokens are kept, and tokens in a store that others can
//! read. Replicas with the same secret share both; who has the store alone learns neither a token nor a client's secret.

use std::fmt::{self, Write};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use aws_lc_rs::rand;

/// What something is kept under: a hash.
pub(crate) type Name = [u8; 32];

/// Keys made of the gateway's client secret (HKDF, RFC 5869).
pub(crate) struct Seal {
    names: hmac::Key,
    /// Makes a key for each name: strangers can have any number of values sealed, and random nonces are good for a bounded
    /// number under one key.
    values: hmac::Key,
}

struct Bytes32;

impl KeyType for Bytes32 {
    fn len(&self) -> usize {
        32
    }
}

impl Seal {
    /// For the client `id` at the server `server`, and the one purpose that `label` names. `None` where the provider of
    /// cryptography refuses.
    pub(crate) fn new(label: &str, server: &str, id: &str, secret: &str) -> Option<Self> {
        let key = |purpose: &[u8]| {
            let lengths =
                [server.len(), id.len()].map(|length| u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes());
            let info = [purpose, &lengths.concat(), server.as_bytes(), id.as_bytes()];
            let mut key = [0; 32];
            let expanded = Salt::new(HKDF_SHA256, label.as_bytes()).extract(secret.as_bytes());
            expanded.expand(&info, Bytes32).ok()?.fill(&mut key).ok()?;
            Some(key)
        };
        let key = |purpose: &[u8]| Some(hmac::Key::new(HMAC_SHA256, &key(purpose)?));
        Some(Self { names: key(b"names")?, values: key(b"values")? })
    }

    /// The name of what `parts` stand for: nobody without the secret can tell whether a guess is right.
    pub(crate) fn name(&self, parts: &[&str]) -> Name {
        let mut context = hmac::Context::with_key(&self.names);
        for part in parts {
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut name = [0; 32];
        for (to, from) in name.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        name
    }

    /// `value` encrypted (AES-256-GCM, a random nonce in front), to be opened under the same name only.
    pub(crate) fn close(&self, name: &Name, value: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).ok()?;
        let mut sealed = value.to_vec();
        let key = self.key_of(name)?;
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(name), &mut sealed).ok()?;
        Some([&nonce[..], &sealed].concat())
    }

    /// What was closed under this name; `None` for anything else.
    pub(crate) fn open(&self, name: &Name, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut value = rest.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self.key_of(name)?.open_in_place(nonce, Aad::from(name), &mut value).ok()?.len();
        value.truncate(length);
        Some(value)
    }

    fn key_of(&self, name: &Name) -> Option<LessSafeKey> {
        let key = hmac::sign(&self.values, name);
        UnboundKey::new(&AES_256_GCM, key.as_ref()).ok().map(LessSafeKey::new)
    }
}

/// A name as text.
pub(crate) fn hex(name: &Name) -> String {
    name.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(secret: &str) -> Seal {
        Seal::new("test", "https://idp", "gw", secret).unwrap()
    }

    #[test]
    fn replicas_with_the_same_secret_share_names_and_values_and_others_do_not() {
        let (one, two, other) = (seal("s"), seal("s"), seal("t"));
        let name = one.name(&["client", "a", "b"]);
        assert_eq!(name, two.name(&["client", "a", "b"]));
        assert_ne!(name, other.name(&["client", "a", "b"]));
        let closed = one.close(&name, b"token").unwrap();
        assert_eq!(two.open(&name, &closed).unwrap(), b"token");
        assert_eq!(other.open(&name, &closed), None);
        let elsewhere = Seal::new("test", "https://idp2", "gw", "s").unwrap();
        assert_eq!(elsewhere.open(&name, &closed), None);
    }

    #[test]
    fn parts_do_not_run_into_one_another() {
        let seal = seal("s");
        assert_ne!(seal.name(&["a", "bc"]), seal.name(&["ab", "c"]));
        assert_ne!(seal.name(&["a", ""]), seal.name(&["a"]));
    }

    #[test]
    fn what_was_changed_or_stands_elsewhere_does_not_open() {
        let seal = seal("s");
        let (name, other) = (seal.name(&["a"]), seal.name(&["b"]));
        let closed = seal.close(&name, b"token").unwrap();
        assert_ne!(closed, seal.close(&name, b"token").unwrap());
        assert!(!closed.windows(5).any(|window| window == b"token"));
        assert_eq!(seal.open(&other, &closed), None);
        for place in 0..closed.len() {
            let mut changed = closed.clone();
            changed[place] ^= 1;
            assert_eq!(seal.open(&name, &changed), None, "{place}");
        }
        for short in 0..closed.len() {
            assert_eq!(seal.open(&name, &closed[..short]), None);
        }
    }
}
