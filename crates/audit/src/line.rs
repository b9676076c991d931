//! Reads a line back, and only in the one form in which it is written: every member once, in its place, nothing between
//! them. So there are no two readings of a line, and no two lines for one reading.

use crate::chain::Hash;
use crate::stamp::is_time;
use crate::text::{is_clean, string_length};

/// A line that is well-formed. Whether it is true is another matter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'a> {
    pub(crate) seq: u64,
    pub(crate) prev: Hash,
    pub(crate) event: &'a [u8],
    /// What stands after the member `event`.
    rest: &'a [u8],
}

/// The value of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// What stands between the quotes.
    Text(&'a [u8]),
    Number(u64),
    /// A flat object of strings, braces included.
    Object(&'a [u8]),
}

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
    Object,
}

/// Members after `event`, in the order in which they stand.
const MEMBERS: [(&str, Kind); 22] = [
    ("actor", Kind::Text),
    ("credential", Kind::Text),
    ("client", Kind::Text),
    ("action", Kind::Text),
    ("resource", Kind::Text),
    ("route", Kind::Text),
    ("decision", Kind::Text),
    ("rule", Kind::Text),
    ("fault", Kind::Text),
    ("trace_id", Kind::Text),
    ("lost", Kind::Number),
    ("bytes", Kind::Number),
    ("sha256", Kind::Text),
    ("text", Kind::Text),
    ("reason", Kind::Text),
    ("every", Kind::Number),
    ("count", Kind::Number),
    ("hash", Kind::Text),
    ("alg", Kind::Text),
    ("kid", Kind::Text),
    ("key", Kind::Object),
    ("signature", Kind::Text),
];

impl<'a> Line<'a> {
    /// Reads `line`, which has no newline. Fails with the place, in bytes, where it is not what is written.
    pub(crate) fn read(line: &'a [u8]) -> Result<Self, usize> {
        let text = std::str::from_utf8(line).map_err(|error| error.valid_up_to())?;
        if !is_clean(text) {
            return Err(0);
        }
        let mut cursor = Cursor { rest: line };
        let read = Self::read_with(&mut cursor);
        read.ok_or(line.len() - cursor.rest.len())
    }

    /// The members after `event`.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&'static str, Value<'a>)> {
        let mut cursor = Cursor { rest: self.rest };
        let mut place = 0;
        std::iter::from_fn(move || cursor.member(&mut place))
    }

    fn read_with(cursor: &mut Cursor<'a>) -> Option<Self> {
        cursor.take(b"{\"seq\":")?;
        let seq = cursor.number()?;
        cursor.take(b",\"time\":\"")?;
        is_time(cursor.until_quote(27)?).then_some(())?;
        cursor.take(b"\",\"prev\":\"")?;
        let prev = Hash::read(cursor.until_quote(64)?)?;
        cursor.take(b"\",\"event\":\"")?;
        let length = memchr::memchr(b'"', cursor.rest)?;
        let event = cursor.rest.get(..length)?;
        let named = !event.is_empty() && event.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b'-');
        named.then_some(())?;
        cursor.skip(length + 1)?;
        let line = Self { seq, prev, event, rest: cursor.rest };
        let mut place = 0;
        while cursor.member(&mut place).is_some() {}
        cursor.take(b"}")?;
        cursor.rest.is_empty().then_some(line)
    }
}

/// Walks through a line; stands still where something else was wanted.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// The next member; `place` is where in the order it may stand.
    fn member(&mut self, place: &mut usize) -> Option<(&'static str, Value<'a>)> {
        let mut ahead = Cursor { rest: self.rest };
        ahead.take(b",\"")?;
        let length = memchr::memchr(b'"', ahead.rest)?;
        let name = ahead.rest.get(..length)?;
        let later = MEMBERS.get(*place..)?;
        let skipped = later.iter().position(|(known, _)| known.as_bytes() == name)?;
        let (name, kind) = later.get(skipped)?;
        ahead.skip(length)?;
        ahead.take(b"\":")?;
        let value = match kind {
            Kind::Text => Value::Text(ahead.string()?),
            Kind::Number => Value::Number(ahead.number()?),
            Kind::Object => Value::Object(ahead.object()?),
        };
        *place += skipped + 1;
        self.rest = ahead.rest;
        Some((name, value))
    }

    fn take(&mut self, literal: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(literal)?;
        Some(())
    }

    fn skip(&mut self, length: usize) -> Option<()> {
        self.rest = self.rest.get(length..)?;
        Some(())
    }

    /// A value of known length; the quote after it stays.
    fn until_quote(&mut self, length: usize) -> Option<&'a [u8]> {
        let (value, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(value)
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let after = self.rest.strip_prefix(b"\"")?;
        let length = string_length(after)?;
        self.rest = after.get(length + 1..)?;
        after.get(..length)
    }

    /// A number without leading zeros.
    fn number(&mut self) -> Option<u64> {
        let length = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let digits = self.rest.get(..length)?;
        if digits.len() > 1 && digits.starts_with(b"0") {
            return None;
        }
        let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
        self.skip(length)?;
        Some(number)
    }

    fn object(&mut self) -> Option<&'a [u8]> {
        let begin = self.rest;
        self.take(b"{")?;
        loop {
            self.string()?;
            self.take(b":")?;
            self.string()?;
            if self.take(b",").is_none() {
                break;
            }
        }
        self.take(b"}")?;
        begin.get(..begin.len() - self.rest.len())
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

    use super::*;
    use crate::chain::Chain;
    use crate::record::{Decision, Event, Record};
    use gwanmun_core::Stamp;

    fn line(body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Chain::BEGINNING.push_begin(&mut out, &mut Stamp::new(), UNIX_EPOCH);
        out.extend_from_slice(body);
        out
    }

    #[test]
    fn what_is_written_is_read() {
        let line = line(br#""event":"authorize","actor":"a \"b\" \\","lost":17,"key":{"crv":"x","kty":"y"}}"#);
        let read = Line::read(&line).unwrap();
        assert_eq!((read.seq, read.prev, read.event), (1, Hash::ZEROS, &b"authorize"[..]));
        let members: Vec<_> = read.members().collect();
        let wanted = [
            ("actor", Value::Text(br#"a \"b\" \\"#)),
            ("lost", Value::Number(17)),
            ("key", Value::Object(br#"{"crv":"x","kty":"y"}"#)),
        ];
        assert_eq!(members, wanted);
    }

    #[test]
    fn every_other_form_is_refused() {
        let bodies = [
            r#""event":"a","actor":"x","actor":"x"}"#,
            r#""event":"a","route":"x","actor":"x"}"#,
            r#""event":"a","who":"x"}"#,
            r#""event":"a","seq":7}"#,
            r#""event":"a", "actor":"x"}"#,
            r#""event":"a","actor":"x"} "#,
            r#""event":"a","actor":"x"}}"#,
            r#""event":"a","actor":"x""#,
            r#""event":"a","actor":7}"#,
            r#""event":"a","lost":017}"#,
            r#""event":"a","lost":18446744073709551616}"#,
            r#""event":"a","actor":"\u0041"}"#,
            r#""event":"","actor":"x"}"#,
            r#""event":"A"}"#,
            r#""event":"a","key":{}}"#,
            r#""event":"a","key":{"a":1}}"#,
            "\"event\":\"a\",\"actor\":\"\t\"}",
        ];
        for body in bodies {
            assert!(Line::read(&line(body.as_bytes())).is_err(), "{body}");
        }
        for other in [&b""[..], b"{}", b"[]", b"\xff"] {
            assert!(Line::read(other).is_err());
        }
    }

    #[test]
    fn it_is_told_where_a_line_goes_wrong() {
        let line = line(br#""event":"a","who":"x"}"#);
        assert_eq!(Line::read(&line).unwrap_err(), line.len() - r#","who":"x"}"#.len());
    }

    proptest! {
        #[test]
        fn hostile_values_stay_values(actor: Vec<u8>, host: Vec<u8>, path: Vec<u8>, rule: String) {
            let record = Record::new(Event::Authorize, Decision::Deny);
            let record = record.actor(&actor).resource(&host, &path).rule(&rule);
            let line = line(&record.body());
            prop_assert!(!line.contains(&b'\n'));
            let names: Vec<_> = Line::read(&line).unwrap().members().map(|(name, _)| name).collect();
            prop_assert_eq!(names, ["actor", "resource", "decision", "rule"]);
            let decoded: serde_json::Value = serde_json::from_slice(&line).unwrap();
            prop_assert_eq!(decoded["actor"].as_str().unwrap(), String::from_utf8_lossy(&actor));
        }
    }
}
