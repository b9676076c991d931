//! base64url without padding (RFC 7515 section 2). One text for one value: anything else is refused, so that a token
//! cannot be spelled in two ways.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Encodes.
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Encodes behind what `text` holds already.
pub fn encode_into(bytes: &[u8], text: &mut String) {
    URL_SAFE_NO_PAD.encode_string(bytes, text);
}

/// Decodes the canonical form: no padding, no white space, no bits behind the end. `None` for anything else.
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_canonical_form_is_read() {
        assert_eq!(decode(b"Zg"), Some(b"f".to_vec()));
        assert_eq!(decode(b""), Some(Vec::new()));
        for text in ["Zg==", "Zg=", "Zh", "Z", "Z g", "Zg\n", "\nZg", "Zm9v\r\nZm9v", "+/+/", "Zg.", "Zé"] {
            assert_eq!(decode(text.as_bytes()), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_the_same(text in "[A-Za-z0-9_=+/ -]{0,24}") {
            if let Some(bytes) = decode(text.as_bytes()) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }

        #[test]
        fn what_is_written_is_read(bytes in any::<Vec<u8>>()) {
            let mut text = "before".to_owned();
            encode_into(&bytes, &mut text);
            prop_assert_eq!(decode(&text.as_bytes()[6..]), Some(bytes));
        }
    }
}
