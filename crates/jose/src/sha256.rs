//! SHA-256: what tokens are remembered by, so that a cache holds no credential.

use aws_lc_rs::digest::{SHA256, digest};

/// The hash of `bytes`.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    // Both have 32 bytes.
    hash.iter_mut().zip(digest(&SHA256, bytes).as_ref()).for_each(|(place, byte)| *place = *byte);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_has_its_known_hash() {
        let hex: String = sha256(b"").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
