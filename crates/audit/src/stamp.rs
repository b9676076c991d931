//! RFC 3339 times in UTC with microseconds. The part up to the second is kept, so that a calendar is computed once a
//! second.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

const SHAPE: &[u8; 27] = b"0000-00-00T00:00:00.000000Z";

/// Writes times.
#[derive(Debug)]
pub(crate) struct Stamp {
    second: u64,
    prefix: String,
}

impl Stamp {
    pub(crate) fn new() -> Self {
        Self { second: 0, prefix: prefix(0) }
    }

    /// Appends `2026-01-02T03:04:05.678901Z`; moments before 1970 count as 1970.
    pub(crate) fn push(&mut self, out: &mut Vec<u8>, time: SystemTime) {
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

/// Whether `text` has the form that [`Stamp`] writes.
pub(crate) fn is_time(text: &[u8]) -> bool {
    let fits = |(byte, shape): (&u8, &u8)| if *shape == b'0' { byte.is_ascii_digit() } else { byte == shape };
    text.len() == SHAPE.len() && text.iter().zip(SHAPE).all(fits)
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

    #[test]
    fn times_are_rfc_3339_with_microseconds() {
        let mut stamp = Stamp::new();
        let mut at = |time| {
            let mut out = Vec::new();
            stamp.push(&mut out, time);
            assert!(is_time(&out));
            String::from_utf8(out).unwrap()
        };
        assert_eq!(at(UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00.000000Z");
        let later = UNIX_EPOCH + Duration::new(1_767_323_045, 6_078_999);
        assert_eq!(at(later), "2026-01-02T03:04:05.006078Z");
        assert_eq!(at(later + Duration::from_micros(993_922)), "2026-01-02T03:04:06.000000Z");
        assert_eq!(at(UNIX_EPOCH + Duration::from_secs(1 << 40)), "1970-01-01T00:00:00.000000Z");
    }

    #[test]
    fn another_form_is_no_time() {
        for other in ["2026-01-02T03:04:05Z", "2026-01-02 03:04:05.006078Z", "2026-01-02T03:04:05.00607xZ", ""] {
            assert!(!is_time(other.as_bytes()), "{other}");
        }
    }
}
