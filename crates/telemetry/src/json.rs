//! JSON strings from any bytes. The access log and the application log write their lines with it, so that whatever a
//! client sends stays inside its quotes and cannot forge a line or steer a terminal.

use std::fmt;
use std::io::Write as _;

/// Appends `text` as a JSON string, quotes included. Control characters are escaped, invalid UTF-8 becomes U+FFFD.
pub(crate) fn push_string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    push_escaped(out, text);
    out.push(b'"');
}

/// Appends what stands between the quotes.
pub(crate) fn push_escaped(out: &mut Vec<u8>, text: &[u8]) {
    // No early exit: the loop becomes vector instructions, and almost every text is plain.
    let awkward = text.iter().fold(false, |found, byte| found | !is_plain(*byte));
    if awkward { push_awkward(out, text) } else { out.extend_from_slice(text) }
}

/// Escapes what a formatter prints.
pub(crate) struct Escaped<'a>(pub(crate) &'a mut Vec<u8>);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        push_escaped(self.0, text.as_bytes());
        Ok(())
    }
}

fn is_plain(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\'
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

    proptest! {
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
