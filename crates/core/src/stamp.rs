//! RFC 3339 times in UTC. The part up to the second is kept, so that a busy worker computes a calendar once a second.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// Writes times; one per thread.
#[derive(Debug)]
pub struct Stamp {
    second: u64,
    prefix: String,
}

impl Stamp {
    /// One that has written nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// One moment as text, for who writes one seldom.
    pub fn text(time: SystemTime) -> String {
        let mut text = Vec::new();
        Self::new().push(&mut text, time);
        String::from_utf8(text).unwrap_or_default()
    }

    /// Appends `2026-01-02T03:04:05.678901Z`; moments before 1970 count as 1970.
    pub fn push(&mut self, out: &mut Vec<u8>, time: SystemTime) {
        let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        if since_epoch.as_secs() != self.second {
            self.second = since_epoch.as_secs();
            self.prefix = prefix(self.second);
        }
        out.extend_from_slice(self.prefix.as_bytes());
        let mut digits = *b"000000Z";
        let mut rest = since_epoch.subsec_micros();
        for digit in digits.iter_mut().take(6).rev() {
            *digit += u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
        }
        out.extend_from_slice(&digits);
    }
}

impl Default for Stamp {
    fn default() -> Self {
        Self { second: 0, prefix: prefix(0) }
    }
}

fn prefix(second: u64) -> String {
    let timestamp = i64::try_from(second).ok().and_then(|second| Timestamp::from_second(second).ok());
    let mut text = timestamp.unwrap_or(Timestamp::UNIX_EPOCH).to_string();
    text.truncate("2026-01-02T03:04:05".len());
    text.push('.');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(stamp: &mut Stamp, time: SystemTime) -> String {
        let mut out = Vec::new();
        stamp.push(&mut out, time);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_are_rfc_3339_with_microseconds() {
        let mut stamp = Stamp::new();
        assert_eq!(at(&mut stamp, UNIX_EPOCH), "1970-01-01T00:00:00.000000Z");
        let later = UNIX_EPOCH + Duration::new(1_767_323_045, 6_078_999);
        assert_eq!(at(&mut stamp, later), "2026-01-02T03:04:05.006078Z");
        assert_eq!(at(&mut stamp, later + Duration::from_micros(993_922)), "2026-01-02T03:04:06.000000Z");
        assert_eq!(at(&mut stamp, later), "2026-01-02T03:04:05.006078Z");
    }

    #[test]
    fn moments_no_calendar_has_do_not_fail() {
        let mut stamp = Stamp::new();
        assert_eq!(at(&mut stamp, UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00.000000Z");
        assert_eq!(at(&mut stamp, UNIX_EPOCH + Duration::from_secs(1 << 40)), "1970-01-01T00:00:00.000000Z");
    }
}
