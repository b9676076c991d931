//! Sizes as people write them: `1000B`, `64KiB`, `5MB`.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// A number of bytes. Written with a unit: `B`, `kB`/`KB`, `MB`, `GB` (powers of 1000), `KiB`, `MiB`, `GiB` (of 1024);
/// a plain number is bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

const UNITS: [(&str, u64); 9] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("kB", 1_000),
    ("B", 1),
    ("", 1),
];

impl ByteSize {
    /// Reads what people write; `None` when it is not a size or beyond 64 bits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        number.parse::<u64>().ok()?.checked_mul(*factor).map(Self)
    }

    /// What was probably meant by a text that is no size: `1 MB`, `5mb`, `64k`.
    pub(crate) fn near(text: &str) -> Option<String> {
        let dense: String = text.split_whitespace().collect();
        let digits = dense.bytes().take_while(u8::is_ascii_digit).count();
        let (number, word) = dense.split_at(digits);
        let is = |unit: &str| {
            unit.eq_ignore_ascii_case(word)
                || unit.strip_suffix('B').is_some_and(|short| short.eq_ignore_ascii_case(word))
        };
        let (unit, _) = UNITS.iter().find(|(unit, _)| is(unit))?;
        let near = format!("{number}{unit}");
        Self::parse(&near).map(|_| near)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |factor: u64| self.0 >= factor && self.0.is_multiple_of(factor);
        let (unit, factor) = UNITS.iter().find(|(_, factor)| whole(*factor)).copied().unwrap_or(("B", 1));
        write!(f, "{}{}", self.0 / factor, unit)
    }
}

impl Deref for ByteSize {
    type Target = u64;

    fn deref(&self) -> &u64 {
        &self.0
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(ByteSizeVisitor)
    }
}

struct ByteSizeVisitor;

impl Visitor<'_> for ByteSizeVisitor {
    type Value = ByteSize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size like 64KiB")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ByteSize, E> {
        ByteSize::parse(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

impl JsonSchema for ByteSize {
    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number of bytes: B, kB, MB, GB are powers of 1000; KiB, MiB, GiB of 1024; no unit is bytes.",
            "anyOf": [
                { "type": "string", "pattern": "^\\d+([kK]B|[MG]B|[KMG]iB|B)?$" },
                { "type": "integer", "minimum": 0 }
            ],
            "examples": ["1000B", "64KiB", "5MB"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_probably_meant_is_a_size() {
        for (text, near) in [("1 MB", "1MB"), ("5mb", "5MB"), ("64k", "64KB"), ("64Ki", "64KiB"), ("1 gib", "1GiB")] {
            assert_eq!(ByteSize::near(text).as_deref(), Some(near), "{text}");
        }
        for text in ["", "many", "MB", "1.5MB", "-1B"] {
            assert_eq!(ByteSize::near(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_read_as_written() {
        for (text, bytes) in [
            ("1000B", 1000),
            ("64KiB", 65_536),
            ("5MB", 5_000_000),
            ("1GiB", 1 << 30),
            ("2kB", 2000),
            ("17", 17),
            ("0", 0),
        ] {
            assert_eq!(ByteSize::parse(text), Some(ByteSize(bytes)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "B", "1.5MB", "-1B", "5 MB", "5mb", "5TB", "99999999999999GiB", "1ö"] {
            assert_eq!(ByteSize::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_size_prints_in_its_largest_whole_unit() {
        for (bytes, text) in [(65_536, "64KiB"), (5_000_000, "5MB"), (1001, "1001B"), (0, "0B")] {
            assert_eq!(ByteSize(bytes).to_string(), text);
        }
    }
}
