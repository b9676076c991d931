//! JSON strings from any bytes. The access log and the application log write their lines with it, so that whatever a
//! client sends stays inside its quotes and cannot forge a line or steer a terminal.

use std::io::Write as _;

/// Appends `text` as a JSON string, quotes included. Control characters are escaped, invalid UTF-8 becomes U+FFFD.
pub(crate) fn push_string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    push_escaped(out, text);
    out.push(b'"');
}

/// Appends what stands between the quotes.
pub(crate) fn push_escaped(out: &mut Vec<u8>, text: &[u8]) {
    if are_plain(text) { out.extend_from_slice(text) } else { push_awkward(out, text) }
}

/// Whether nothing in `text` needs escaping: almost always, so eight bytes are looked at together.
fn are_plain(text: &[u8]) -> bool {
    let (words, rest) = text.as_chunks::<8>();
    let mut last = [b' '; 8];
    last.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
    let awkward = words.iter().fold(awkward_of(last), |found, word| found | awkward_of(*word));
    awkward == 0
}

/// Not zero if any of the bytes is a control character, DEL, a quote, a backslash or not ASCII.
fn awkward_of(word: [u8; 8]) -> u64 {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGH: u64 = ONES << 7;
    let word = u64::from_le_bytes(word);
    // With every high bit 0, the subtraction borrows from the high bit of a byte that is below, or that was equal.
    let below = |word: u64, bound: u8| word.wrapping_sub(ONES * u64::from(bound)) & !word & HIGH;
    let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (word & HIGH) | below(word, b' ') | equal(0x7f) | equal(b'"') | equal(b'\\')
}

fn push_awkward(out: &mut Vec<u8>, text: &[u8]) {
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' => out.extend_from_slice(b"\\\""),
                '\\' => out.extend_from_slice(b"\\\\"),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\t' => out.extend_from_slice(b"\\t"),
                // All control characters lie below U+00A0. Writing into a vector cannot fail.
                control if control.is_control() => drop(write!(out, "\\u{:04x}", u32::from(control))),
                other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice(b"\\ufffd");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn string(text: &[u8]) -> String {
        let mut out = Vec::new();
        push_string(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn awkward_characters_are_escaped() {
        assert_eq!(string(b"a \"b\" \\ \n\r\t\0\x7f"), r#""a \"b\" \\ \n\r\t\u0000\u007f""#);
        assert_eq!(string("é \u{9b}31m".as_bytes()), r#""é \u009b31m""#);
        assert_eq!(string(b"/\xff\xfe/caf\xc3"), r#""/\ufffd\ufffd/caf\ufffd""#);
    }

    fn is_plain(byte: u8) -> bool {
        (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\'
    }

    #[test]
    fn every_byte_is_told_apart_in_every_place() {
        for byte in 0..=255 {
            for place in 0..17 {
                let mut text = [b'a'; 17];
                text[place] = byte;
                assert_eq!(are_plain(&text), is_plain(byte), "{byte} at {place}");
            }
        }
    }

    proptest! {
        #[test]
        fn bytes_together_are_judged_as_one_by_one(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(are_plain(&bytes), bytes.iter().all(|byte| is_plain(*byte)));
        }

        #[test]
        fn any_bytes_become_one_valid_string(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let decoded: String = serde_json::from_str(&string(&bytes)).unwrap();
            prop_assert_eq!(decoded, String::from_utf8_lossy(&bytes).into_owned());
        }

        #[test]
        fn nothing_that_controls_a_terminal_survives(text in any::<String>()) {
            prop_assert!(!string(text.as_bytes()).chars().any(char::is_control));
        }
    }
}
