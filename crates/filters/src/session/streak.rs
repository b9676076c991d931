//! How often one browser has logged in of late: a login that leads to the next one would go on for ever, unseen. The count
//! is the browser's to keep; who changes it harms nobody else.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Logins since a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Streak {
    logins: u8,
    /// Seconds since 1970.
    since: u64,
}

/// A text that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoStreak;

impl Streak {
    /// Within what time logins are counted.
    pub(super) const WINDOW: Duration = Duration::from_secs(10);
    /// After how many the next is a loop.
    const LONGEST: u8 = 3;
    /// After how many it is one although the last has led to a session: a browser may restore many tabs at once.
    const LONGEST_LOGGED_IN: u8 = 20;

    /// Whether a login at `now` would be one too many, for a browser that has no session.
    pub(super) fn is_loop(self, now: SystemTime) -> bool {
        self.logins >= Self::LONGEST && self.is_recent(now)
    }

    /// Whether it would be one too many whatever the browser has.
    pub(super) fn is_loop_in_any_case(self, now: SystemTime) -> bool {
        self.logins >= Self::LONGEST_LOGGED_IN && self.is_recent(now)
    }

    /// With a login at `now`.
    pub(super) fn and_one(before: Option<Self>, now: SystemTime) -> Self {
        match before.filter(|before| before.is_recent(now)) {
            Some(before) => Self { logins: before.logins.saturating_add(1), ..before },
            None => Self { logins: 1, since: seconds(now) },
        }
    }

    fn is_recent(self, now: SystemTime) -> bool {
        seconds(now).checked_sub(self.since).is_some_and(|age| age < Self::WINDOW.as_secs())
    }
}

impl FromStr for Streak {
    type Err = NoStreak;

    fn from_str(text: &str) -> Result<Self, NoStreak> {
        let (logins, since) = text.split_once('-').ok_or(NoStreak)?;
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(logins) || !is_number(since) {
            return Err(NoStreak);
        }
        Ok(Self { logins: logins.parse().map_err(|_| NoStreak)?, since: since.parse().map_err(|_| NoStreak)? })
    }
}

impl fmt::Display for Streak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.logins, self.since)
    }
}

fn seconds(moment: SystemTime) -> u64 {
    moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn the_fourth_login_within_ten_seconds_is_a_loop() {
        let mut streak = None;
        for second in [100, 103, 109] {
            assert!(!streak.is_some_and(|streak: Streak| streak.is_loop(at(second))));
            streak = Some(Streak::and_one(streak, at(second)));
        }
        let streak = streak.unwrap();
        assert!(streak.is_loop(at(109)) && !streak.is_loop(at(110)), "{streak}");
        assert!(!streak.is_loop_in_any_case(at(109)));
        let (many, since) = (Streak { logins: 20, since: 100 }, at(105));
        assert!(many.is_loop_in_any_case(since) && !many.is_loop_in_any_case(at(110)));
        assert_eq!(Streak::and_one(Some(streak), at(110)), Streak { logins: 1, since: 110 });
    }

    #[test]
    fn a_streak_is_read_as_it_is_written_and_nothing_else_is_one() {
        let streak = Streak { logins: 2, since: 1_700_000_000 };
        assert_eq!(streak.to_string().parse(), Ok(streak));
        for text in ["", "-", "1", "1-", "-1", "+1-2", "256-1", "1-2-3", "a-b", "1-18446744073709551616"] {
            assert_eq!(text.parse::<Streak>(), Err(NoStreak), "{text}");
        }
    }
}
