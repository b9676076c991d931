//! base64url without padding (RFC 7515, appendix C) and plain base64 (RFC 4648), written here so that no code under test
//! judges itself.

const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const PLAIN: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Without padding, in the alphabet of URLs.
pub(crate) fn encode(bytes: &[u8]) -> String {
    spell(bytes, URL)
}

/// With padding, in the plain alphabet.
pub(crate) fn encode_plain(bytes: &[u8]) -> String {
    let mut text = spell(bytes, PLAIN);
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

/// The bytes; `None` where the text is not exactly what [`encode`] would have written.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    read(text, URL).filter(|bytes| encode(bytes) == text)
}

/// The bytes; `None` where the text is not exactly what [`encode_plain`] would have written.
pub(crate) fn decode_plain(text: &str) -> Option<Vec<u8>> {
    read(text.trim_end_matches('='), PLAIN).filter(|bytes| encode_plain(bytes) == text)
}

fn spell(bytes: &[u8], alphabet: &[u8; 64]) -> String {
    let letters = bytes.chunks(3).flat_map(|chunk| {
        let group =
            chunk.iter().chain([0, 0].iter()).take(3).fold(0_usize, |group, byte| group << 8 | usize::from(*byte));
        (0..=chunk.len()).map(move |place| char::from(alphabet[group >> (18 - 6 * place) & 63]))
    });
    letters.collect()
}

fn read(text: &str, alphabet: &[u8; 64]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut group, mut bits) = (0_usize, 0);
    for letter in text.bytes() {
        group = (group << 6 | alphabet.iter().position(|other| *other == letter)?) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(group >> bits & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_the_standard_go_both_ways() {
        let vectors =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")];
        for (bytes, text) in vectors {
            assert_eq!(encode_plain(bytes.as_bytes()), text);
            assert_eq!(decode_plain(text).unwrap(), bytes.as_bytes());
            assert_eq!(encode(bytes.as_bytes()), text.trim_end_matches('='));
            assert_eq!(decode(text.trim_end_matches('=')).unwrap(), bytes.as_bytes());
        }
        assert_eq!(encode(&[0xfb, 0xff]), "-_8");
        assert_eq!(decode("-_8").unwrap(), [0xfb, 0xff]);
    }

    #[test]
    fn what_encoding_would_not_write_is_refused() {
        for text in ["Zg==", "Zh", "Z", "Zm9v\n", "+/8", "Zm 9"] {
            assert_eq!(decode(text), None, "{text}");
        }
        for text in ["Zg", "Zg=", "Zh==", "-_8=", "Zg==="] {
            assert_eq!(decode_plain(text), None, "{text}");
        }
    }
}
