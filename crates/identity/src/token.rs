//! A bearer token and its hash, which is computed once for all who remember tokens.

use aws_lc_rs::digest::{SHA256, digest};
use gwanmun_jose::Compact;

/// A token as it was sent. It does not print itself.
#[derive(Clone)]
pub struct Token<'t> {
    text: &'t str,
    hash: [u8; 32],
}

impl<'t> Token<'t> {
    /// The longest token that is read, bytes.
    pub const LONGEST: usize = 16 * 1024;

    /// A token and its hash.
    pub fn new(text: &'t str) -> Self {
        Self { text, hash: sha256(text.as_bytes()) }
    }

    /// Its text.
    pub fn text(&self) -> &'t str {
        self.text
    }

    /// Its SHA-256: what caches know it by.
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// The issuer that it says, only to choose who is asked: nobody has verified it. `None` for what is no JWT.
    pub fn issuer_hint(&self) -> Option<String> {
        Compact::parse(self.text.as_bytes(), Self::LONGEST).ok()?.unverified_issuer()
    }
}

/// The SHA-256 of `bytes`.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    for (to, from) in hash.iter_mut().zip(digest(&SHA256, bytes).as_ref()) {
        *to = *from;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_sha_256_of_the_text() {
        let hex: String = Token::new("abc").hash().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn what_is_no_jwt_names_no_issuer() {
        for text in ["opaque", "a.b.c", "", "e30.e30.e30"] {
            assert_eq!(Token::new(text).issuer_hint(), None, "{text}");
        }
    }
}
