//! The `Date` of answers that came without one (RFC 9110 section 6.6.1), computed once a second.

use std::cell::RefCell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

thread_local! {
    static LATEST: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
}

/// Hands the date at `now` to `use_it`.
pub(super) fn with_date<T>(now: SystemTime, use_it: impl FnOnce(&[u8]) -> T) -> T {
    let second = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    LATEST.with_borrow_mut(|(latest, text)| {
        if *latest != second {
            *text = httpdate::fmt_http_date(now);
            *latest = second;
        }
        use_it(text.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_http() {
        let date = |seconds| {
            with_date(UNIX_EPOCH + Duration::from_secs(seconds), |date| String::from_utf8(date.to_vec()).unwrap())
        };
        assert_eq!(date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(date(784_111_778), "Sun, 06 Nov 1994 08:49:38 GMT");
        assert_eq!(date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
