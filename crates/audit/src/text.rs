//! JSON strings in one form only. Whatever a client sends stays inside its quotes, cannot begin a line, add a member or
//! steer a terminal, and is bounded; who reads the log back refuses every other form of the same text.

use std::io::Write as _;

/// What stands at the end of a text that was cut.
const CUT: &str = "…";

/// Appends `text` as a JSON string, quotes included; what stands between them takes at most `limit` bytes. Invalid UTF-8
/// becomes U+FFFD.
pub(crate) fn push_string(out: &mut Vec<u8>, text: &[u8], limit: usize) {
    out.push(b'"');
    push_bounded(out, text, limit);
    out.push(b'"');
}

/// Whether a line is made of characters that stand in a log as they are.
pub(crate) fn is_clean(line: &str) -> bool {
    if line.is_ascii() { !line.bytes().any(|byte| byte < b' ' || byte == 0x7f) } else { !line.chars().any(is_hidden) }
}

/// The length of the canonical string whose opening quote `after` follows, without its quotes.
pub(crate) fn string_length(after: &[u8]) -> Option<usize> {
    let mut length = 0;
    loop {
        let rest = after.get(length..)?;
        let stop = memchr::memchr2(b'"', b'\\', rest)?;
        length += stop;
        if rest.get(stop) == Some(&b'"') {
            return Some(length);
        }
        length += escape_length(rest.get(stop..)?)?;
    }
}

fn push_bounded(out: &mut Vec<u8>, text: &[u8], limit: usize) {
    let begin = out.len();
    // Where a cut would have to be, so that the mark still fits.
    let mut fits = begin;
    for character in text.utf8_chunks().flat_map(characters) {
        push_character(out, character);
        let length = out.len() - begin;
        if length > limit {
            out.truncate(fits);
            out.extend_from_slice(CUT.as_bytes());
            return;
        }
        if length + CUT.len() <= limit {
            fits = out.len();
        }
    }
}

fn characters(chunk: std::str::Utf8Chunk<'_>) -> impl Iterator<Item = char> {
    let replacement = (!chunk.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER);
    chunk.valid().chars().chain(replacement)
}

fn push_character(out: &mut Vec<u8>, character: char) {
    match character {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        // Writing into a vector cannot fail.
        hidden if is_hidden(hidden) => drop(write!(out, "\\u{:04x}", u32::from(hidden))),
        other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// Control characters, and those that change the order in which others are shown; all below U+10000.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The length of the escape that `text` begins with, if it is one that [`push_character`] writes.
fn escape_length(text: &[u8]) -> Option<usize> {
    match text.get(1)? {
        b'"' | b'\\' | b'n' | b'r' | b't' => Some(2),
        b'u' => {
            let digits = text.get(2..6)?;
            let lower = |digit: &u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(digit);
            let code = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
            let character = char::from_u32(code)?;
            let canonical =
                digits.iter().all(lower) && is_hidden(character) && !matches!(character, '\n' | '\r' | '\t');
            canonical.then_some(6)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn string(text: &[u8], limit: usize) -> String {
        let mut out = Vec::new();
        push_string(&mut out, text, limit);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn awkward_characters_are_escaped() {
        assert_eq!(string(b"a \"b\" \\ \n\r\t\0\x7f", 99), r#""a \"b\" \\ \n\r\t\u0000\u007f""#);
        assert_eq!(string("é \u{9b}31m \u{202e}".as_bytes(), 99), r#""é \u009b31m \u202e""#);
        assert_eq!(string(b"/\xff/caf\xc3", 99), "\"/\u{fffd}/caf\u{fffd}\"");
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(string(b"abcdef", 6), r#""abcdef""#);
        assert_eq!(string(b"abcdefg", 6), r#""abc…""#);
        assert_eq!(string(b"ab\0\0\0", 9), r#""ab…""#);
        assert_eq!(string(b"ab\0\0\0", 11), r#""ab\u0000…""#);
    }

    #[test]
    fn another_form_of_a_text_is_none() {
        for other in [r"\/", r"\u0041", r"\u000a", r"\u001B", r"\b", r"\u00", r"\ud800", r"abc"] {
            assert_eq!(string_length(format!("{other}\"").as_bytes()).is_some(), other == "abc", "{other}");
        }
        assert!(
            !is_clean("a\tb")
                && !is_clean("a\u{7f}")
                && !is_clean("é\u{85}")
                && !is_clean("\u{2066}")
                && is_clean("é\u{fffd}")
        );
    }

    proptest! {
        #[test]
        fn any_bytes_become_one_string_that_reads_back(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let written = string(&bytes, 1000);
            prop_assert!(is_clean(&written));
            prop_assert_eq!(string_length(&written.as_bytes()[1..]), Some(written.len() - 2));
            let decoded: String = serde_json::from_str(&written).unwrap();
            prop_assert_eq!(decoded, String::from_utf8_lossy(&bytes).into_owned());
        }

        #[test]
        fn no_text_is_longer_than_its_limit(text in any::<String>(), limit in 3_usize..40) {
            let written = string(text.as_bytes(), limit);
            prop_assert!(written.len() <= limit + 2);
            prop_assert!(serde_json::from_str::<String>(&written).is_ok());
        }
    }
}
