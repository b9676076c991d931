//! Moments in claims: seconds since 1970 with or without a fraction (RFC 7519 section 2).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

/// The end of the year 9999. What lies behind it was not meant, milliseconds most of the time.
const LAST: u64 = 253_402_300_799;

/// The moment; one before 1970 counts as 1970. `None` for what is no number, or behind the year 9999.
pub(super) fn numeric_date(value: &Value) -> Option<SystemTime> {
    let Value::Number(number) = value else { return None };
    let since = match (number.as_u64(), number.as_f64()) {
        (Some(seconds), _) => Duration::from_secs(seconds),
        (None, Some(seconds)) => Duration::try_from_secs_f64(seconds.max(0.0)).ok()?,
        (None, None) => return None,
    };
    (since.as_secs() <= LAST).then(|| UNIX_EPOCH.checked_add(since)).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn millis(value: Value) -> Option<u128> {
        numeric_date(&value).map(|moment| moment.duration_since(UNIX_EPOCH).unwrap().as_millis())
    }

    #[test]
    fn whole_and_broken_seconds_are_moments() {
        assert_eq!(millis(json!(1_300_819_380)), Some(1_300_819_380_000));
        assert_eq!(millis(json!(1_300_819_380.5)), Some(1_300_819_380_500));
        assert_eq!(millis(json!(1.3e9)), Some(1_300_000_000_000));
        assert_eq!(millis(json!(0)), Some(0));
        assert_eq!(millis(json!(LAST)), Some(253_402_300_799_000));
    }

    #[test]
    fn moments_before_1970_count_as_1970() {
        assert_eq!(millis(json!(-1)), Some(0));
        assert_eq!(millis(json!(i64::MIN)), Some(0));
        assert_eq!(millis(json!(-1e300)), Some(0));
    }

    #[test]
    fn what_was_not_meant_is_no_moment() {
        for value in [json!(LAST + 1), json!(u64::MAX), json!(1e300), json!("1300819380"), json!(null), json!([1])] {
            assert_eq!(millis(value.clone()), None, "{value}");
        }
    }
}
