//! Moments in configuration: RFC 3339, with Spring's optional zone.

use std::time::SystemTime;

use gwanmun_proxy::Invalid;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};

/// The moment that `text` names, as in `2017-01-20T17:42:47.789-07:00[America/Denver]`. The offset decides; a zone in
/// brackets is for people.
pub(crate) fn moment(text: &str, argument: &'static str) -> Result<SystemTime, Invalid> {
    text.parse::<Timestamp>().map(SystemTime::from).map_err(|_| refused(text, argument))
}

fn refused(text: &str, argument: &'static str) -> Invalid {
    let date = text.get(..10).filter(|date| is_date_shaped(date));
    if let Some(date) = date.filter(|date| date.parse::<Date>().is_err()) {
        return Invalid::at(argument, format!("found '{text}', but there is no such day as {date}"));
    }
    let invalid = Invalid::at(argument, format!("found '{text}', wanted a date and time with its offset from UTC"));
    let lacks_offset = text.split_once('T').is_some_and(|(_, time)| !time.contains(['Z', '+', '-', '[']))
        && text.parse::<DateTime>().is_ok();
    if lacks_offset {
        return invalid.with_hint(format!("add Z or an offset like +09:00: {text}Z"));
    }
    invalid.with_hint("like 2017-01-20T17:42:47Z or 2017-01-20T17:42:47.789-07:00[America/Denver]")
}

/// Whether `text` looks like `2017-01-20`.
fn is_date_shaped(text: &str) -> bool {
    text.bytes().enumerate().all(|(at, byte)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn seconds(text: &str) -> u64 {
        moment(text, "datetime").unwrap().duration_since(UNIX_EPOCH).unwrap().as_secs()
    }

    #[test]
    fn offset_and_zone_are_read() {
        assert_eq!(seconds("1970-01-01T00:00:01Z"), 1);
        assert_eq!(seconds("1970-01-01T02:00:01+02:00"), 1);
        assert_eq!(seconds("2017-01-20T17:42:47.789-07:00[America/Denver]"), 1_484_959_367);
    }

    #[test]
    fn fractions_count() {
        let found = moment("1970-01-01T00:00:00.25Z", "datetime").unwrap();
        assert_eq!(found.duration_since(UNIX_EPOCH).unwrap(), Duration::from_millis(250));
    }

    #[test]
    fn a_time_without_an_offset_is_refused() {
        let refusal = moment("2017-01-20T17:42:47", "datetime").unwrap_err();
        assert_eq!(refusal.argument(), Some("datetime"));
        assert!(refusal.message().contains("wanted a date and time with its offset"), "{refusal:?}");
        assert_eq!(refusal.hint(), Some("add Z or an offset like +09:00: 2017-01-20T17:42:47Z"));
    }

    #[test]
    fn a_day_that_no_calendar_has_is_told_as_that() {
        let refusal = moment("2024-02-30T00:00:00Z", "datetime").unwrap_err();
        assert_eq!(refusal.message(), "found '2024-02-30T00:00:00Z', but there is no such day as 2024-02-30");
        assert!(moment("tomorrow", "datetime").unwrap_err().hint().unwrap().starts_with("like 2017"));
    }
}
