//! The opening handshake of WebSocket (RFC 6455 section 4), where the gateway speaks it for an HTTP/2 client.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use http::HeaderValue;

/// What a server adds to the key before it hashes it.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A fresh `Sec-WebSocket-Key`. It keeps caches away and is no secret.
pub(crate) fn key() -> HeaderValue {
    HeaderValue::try_from(base64(&fastrand::u128(..).to_be_bytes())).unwrap_or(HeaderValue::from_static(""))
}

/// Whether `accept` is the answer to `key`.
pub(crate) fn is_answer(accept: Option<&HeaderValue>, key: &HeaderValue) -> bool {
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key.as_bytes(), GUID.as_bytes()].concat());
    accept.is_some_and(|accept| accept.as_bytes() == base64(hash.as_ref()).as_bytes())
}

/// RFC 4648 section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut word = [0; 4];
        word.iter_mut().skip(1).zip(chunk).for_each(|(to, from)| *to = *from);
        let word = u32::from_be_bytes(word);
        for place in 0..4 {
            let digit = usize::try_from(word >> (18 - 6 * place) & 63).unwrap_or_default();
            let digit = ALPHABET.get(digit).filter(|_| place <= u32::try_from(chunk.len()).unwrap_or(4));
            text.push(digit.map_or('=', |digit| char::from(*digit)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification_is_accepted_and_nothing_else() {
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        let accept = HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(is_answer(Some(&accept), &key));
        assert!(!is_answer(Some(&key), &key));
        assert!(!is_answer(None, &key));
    }

    #[test]
    fn keys_are_sixteen_bytes_and_differ() {
        let (one, other) = (key(), key());
        assert_eq!(one.len(), 24);
        assert_ne!(one, other);
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
