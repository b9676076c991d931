//! Field lines (RFC 9112 section 5, RFC 9110 section 5): a name, a colon, a value. The values share the buffer they came
//! in. What stands in the way of an unambiguous reading is refused: blanks before the colon, folded lines, controls.

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};

use super::Malformed;
use super::head::place;

/// Which of the fields that frame a message or are about its connection are there, noted while they are read: most need
/// not be asked for by hash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Has {
    pub(crate) length: bool,
    pub(crate) coding: bool,
    pub(crate) connection: bool,
    pub(crate) expect: bool,
    pub(crate) te: bool,
    pub(crate) upgrade: bool,
}

/// The `Host` fields of a request, apart from the others: every request has one, and nobody forwards it as it is.
#[derive(Debug, Clone, Default)]
pub(crate) enum Hosts {
    /// There is none.
    #[default]
    None,
    /// There is one.
    One(HeaderValue),
    /// There are several.
    Several,
}

impl Hosts {
    /// Takes them out of `headers`.
    pub(crate) fn take_from(headers: &mut HeaderMap) -> Self {
        let mut hosts = Self::None;
        let values = headers.get_all(HOST).iter().cloned();
        values.for_each(|value| hosts.add(value));
        headers.remove(HOST);
        hosts
    }

    fn add(&mut self, value: HeaderValue) {
        *self = match self {
            Self::None => Self::One(value),
            Self::One(_) | Self::Several => Self::Several,
        };
    }
}

/// Reads the field lines of `block` that begin at `start` and end where `ends` says; those of `Host` go to `hosts`, where
/// they are wanted apart.
pub(crate) fn read(
    block: &Bytes,
    mut start: usize,
    ends: &[u32],
    mut hosts: Option<&mut Hosts>,
) -> Result<(HeaderMap, Has), Malformed> {
    let mut has = Has::default();
    // With room for what the gateway adds.
    let mut headers = HeaderMap::with_capacity(ends.len() + 8);
    for &end in ends {
        let end = place(end);
        let line = block.get(start..end).unwrap_or_default();
        let colon = memchr::memchr(b':', line).ok_or(Malformed("a header line has no colon"))?;
        let (name, value) = line.split_at(colon);
        let name = HeaderName::from_bytes(name).map_err(|_| Malformed("a header name is malformed"))?;
        let value = value.get(1..).unwrap_or_default();
        let (from, to) = match value {
            // As nearly everybody writes it.
            [b' ', first, .., last] if !is_blank(*first) && !is_blank(*last) => (end - value.len() + 1, end),
            _ => {
                let before = value.iter().take_while(|byte| is_blank(**byte)).count();
                let after = value.iter().skip(before).rev().take_while(|byte| is_blank(**byte)).count();
                (end - value.len() + before, end - after)
            }
        };
        let value = HeaderValue::from_maybe_shared(block.slice(from..to))
            .map_err(|_| Malformed("a header value has a control character"))?;
        start = end + 2;
        if let Some(hosts) = hosts.as_deref_mut().filter(|_| name == HOST) {
            hosts.add(value);
            continue;
        }
        has.note(&name);
        headers.append(name, value);
    }
    Ok((headers, has))
}

/// Optional white space (RFC 9110 section 5.6.3).
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

impl Has {
    fn note(&mut self, name: &HeaderName) {
        // One comparison of numbers each: these are names the library knows.
        self.length |= name == CONTENT_LENGTH;
        self.coding |= name == TRANSFER_ENCODING;
        self.connection |= name == CONNECTION;
        self.expect |= name == EXPECT;
        self.te |= name == TE;
        self.upgrade |= name == UPGRADE;
    }
}

/// Fields that would change the message if somebody merged the trailers into its head (RFC 9110 section 6.5.1).
pub(crate) fn frames_the_message(name: &HeaderName) -> bool {
    [CONTENT_LENGTH, TRANSFER_ENCODING, HOST].contains(name)
}

/// The elements of a list.
pub(crate) fn list(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}

/// Whether any `Connection` field has this option (RFC 9110 section 7.6.1).
pub(crate) fn connection_says(headers: &HeaderMap, option: &[u8]) -> bool {
    headers.get_all(CONNECTION).iter().flat_map(list).any(|said| said.eq_ignore_ascii_case(option))
}

/// The length that `Content-Length` tells: exactly one field with exactly one number.
pub(crate) fn length(headers: &HeaderMap) -> Result<u64, Malformed> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let only = lengths.next().filter(|_| lengths.next().is_none()).ok_or(Malformed("the message has two lengths"))?;
    decimal(only.as_bytes()).ok_or(Malformed("the length is no number"))
}

/// The only value of `Transfer-Encoding`, if it is exactly `chunked`.
pub(crate) fn is_chunked(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let only = codings.next().filter(|_| codings.next().is_none());
    only.is_some_and(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h1::head::{Bounds, Found, Search};

    fn parsed(lines: &str) -> Result<HeaderMap, Malformed> {
        let text = format!("{lines}\r\n\r\n");
        let mut search = Search::default();
        let found = search.look(text.as_bytes(), 0, Bounds { bytes: 1000, fields: 9 });
        assert!(matches!(found, Ok(Found::Whole(_))), "{lines:?}");
        read(&Bytes::from(text), 0, search.ends(), None).map(|(headers, _)| headers)
    }

    #[test]
    fn names_and_values_are_read_without_the_blanks_around_values() {
        let headers = parsed("A: 1\r\nb:2\r\nC: \t three  words \t\r\nd:\r\nA:again").unwrap();
        let fields: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap().to_owned())).collect();
        let wanted = [("a", "1"), ("a", "again"), ("b", "2"), ("c", "three  words"), ("d", "")];
        assert_eq!(fields, wanted.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn what_is_no_field_line_is_refused() {
        for line in [
            "a : 1",
            " a: 1",
            "\ta: 1",
            "a: 1\r\n folded",
            ": 1",
            "a",
            "a b: 1",
            "a: \u{1}",
            "a: \u{0}",
            "\u{e9}: 1",
            "a: \u{7f}",
            "(a): 1",
        ] {
            assert!(parsed(line).is_err(), "{line:?}");
        }
    }

    #[test]
    fn a_length_is_one_number() {
        let of = |values: &[&'static str]| {
            length(&values.iter().map(|value| (CONTENT_LENGTH, HeaderValue::from_static(value))).collect())
        };
        assert_eq!(of(&["0"]), Ok(0));
        assert_eq!(of(&["0012"]), Ok(12));
        for values in
            [&["5", "5"][..], &["5, 5"], &["+5"], &["-1"], &[""], &["5 5"], &["0x5"], &["99999999999999999999"]]
        {
            assert!(of(values).is_err(), "{values:?}");
        }
    }
}
