//! Durations as people write them: `250ms`, `10s`, `1m30s`, `1h`.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// A duration. Written as whole numbers with units, largest first: `d`, `h`, `m`, `s`, `ms`, `us`, `ns`; `0` needs no
/// unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timespan(pub Duration);

const UNITS: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

impl Timespan {
    /// Reads what people write; `None` when it is not a duration or beyond 584 years.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "0" {
            return Some(Self::default());
        }
        let mut units = UNITS.iter();
        let mut rest = text;
        let mut total: u64 = 0;
        while !rest.is_empty() || rest.len() == text.len() {
            let (number, after) = leading(rest, |byte| byte.is_ascii_digit());
            let (name, after) = leading(after, |byte| byte.is_ascii_alphabetic());
            // Each unit once and in this order, so that `1s1h` is refused.
            let (_, nanoseconds) = units.find(|(unit, _)| *unit == name)?;
            total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(*nanoseconds)?)?;
            rest = after;
        }
        Some(Self(Duration::from_nanos(total)))
    }

    /// What was probably meant by a text that is no duration: `10`, `10 s`, `1.5s`, `5min`.
    pub(crate) fn near(text: &str) -> Option<String> {
        let dense: String = text.split_whitespace().collect::<String>().to_ascii_lowercase();
        let (number, word) = leading(&dense, |byte| byte.is_ascii_digit() || byte == b'.');
        let unit = match word {
            "" | "s" | "sec" | "secs" | "second" | "seconds" => "s",
            "ms" | "millis" | "millisecond" | "milliseconds" => "ms",
            "m" | "min" | "mins" | "minute" | "minutes" => "m",
            "h" | "hr" | "hour" | "hours" => "h",
            "d" | "day" | "days" => "d",
            _ => return Self::parse(&dense).map(|_| dense),
        };
        let Some((whole, fraction)) = number.split_once('.') else {
            let near = format!("{number}{unit}");
            return Self::parse(&near).map(|_| near);
        };
        let (_, nanoseconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let scale = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let whole = whole.parse::<u64>().ok()?.checked_mul(*nanoseconds)?;
        let part = fraction.parse::<u64>().ok()?.checked_mul(*nanoseconds)? / scale;
        let total = whole.checked_add(part)?;
        let (name, unit) = UNITS.iter().find(|(_, unit)| total.is_multiple_of(*unit))?;
        Some(format!("{}{name}", total / unit))
    }
}

fn leading(text: &str, belongs: impl Fn(u8) -> bool) -> (&str, &str) {
    let length = text.bytes().take_while(|&byte| belongs(byte)).count();
    text.split_at(length)
}

impl fmt::Display for Timespan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_nanos();
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, nanoseconds) in UNITS {
            let count = rest / u128::from(nanoseconds);
            rest %= u128::from(nanoseconds);
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
        }
        Ok(())
    }
}

impl Deref for Timespan {
    type Target = Duration;

    fn deref(&self) -> &Duration {
        &self.0
    }
}

impl From<Timespan> for Duration {
    fn from(timespan: Timespan) -> Self {
        timespan.0
    }
}

impl<'de> Deserialize<'de> for Timespan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TimespanVisitor)
    }
}

struct TimespanVisitor;

impl Visitor<'_> for TimespanVisitor {
    type Value = Timespan;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration like 250ms")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Timespan, E> {
        Timespan::parse(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

impl JsonSchema for Timespan {
    fn schema_name() -> Cow<'static, str> {
        "Timespan".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A duration: whole numbers with units, largest first (d, h, m, s, ms, us, ns).",
            "anyOf": [
                { "type": "string", "pattern": "^(0|(\\d+(d|h|ms|us|ns|m|s))+)$" },
                { "const": 0 }
            ],
            "examples": ["250ms", "10s", "1m30s", "1h"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_probably_meant_is_a_duration() {
        for (text, near) in [
            ("10", "10s"),
            ("10 s", "10s"),
            ("1.5s", "1500ms"),
            ("1.5h", "90m"),
            ("5min", "5m"),
            ("2 Seconds", "2s"),
            ("1M 30S", "1m30s"),
        ] {
            assert_eq!(Timespan::near(text).as_deref(), Some(near), "{text}");
            assert!(Timespan::parse(near).is_some(), "{near}");
        }
        for text in ["", "soon", "1.2.3s", ".s", "-1s", "99999999999999999999s", "1.5"] {
            assert!(Timespan::near(text).is_none_or(|near| Timespan::parse(&near).is_some()), "{text}");
        }
        assert_eq!(Timespan::near("soon"), None);
    }

    #[test]
    fn durations_read_as_written() {
        for (text, milliseconds) in [
            ("250ms", 250),
            ("1s", 1000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("1m30s", 90_000),
            ("0s", 0),
            ("0", 0),
            ("1d1ms", 86_400_001),
        ] {
            assert_eq!(Timespan::parse(text), Some(Timespan(Duration::from_millis(milliseconds))), "{text}");
        }
        assert_eq!(Timespan::parse("7us"), Some(Timespan(Duration::from_micros(7))));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "s", "10", "10 s", "1.5s", "-1s", "1s1h", "1s1s", "1x", "10S", "99999999999d", "1sö", "ms"] {
            assert_eq!(Timespan::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_timespan_prints_as_it_is_written() {
        for text in ["250ms", "1m30s", "1h", "0s", "1d1ms"] {
            assert_eq!(Timespan::parse(text).unwrap().to_string(), text);
        }
    }
}
