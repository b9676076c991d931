//! How long a client may be waited for while it sends a body: so long for each piece, and for all of them together no
//! longer than a body of this size may take. Otherwise one byte now and then would hold a connection for ever.

use std::num::NonZeroU64;
use std::task::{Context, Poll};
use std::time::Duration;

use gwanmun_core::{Code, Fault, Reason};
use tokio::time::Instant;

use crate::patience::Patience;

/// The time spent waiting for a body, and its bounds. Time in which nobody asked for more does not count: the client may
/// have been ready.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Between two pieces; all of them together have this as their grace.
    pause: Duration,
    /// Bytes a second, after that.
    rate: Option<NonZeroU64>,
    waited: Duration,
    since: Option<Instant>,
    timer: Patience,
}

impl Pace {
    /// Nothing has been waited for.
    pub(crate) fn new(pause: Duration, rate: Option<NonZeroU64>) -> Self {
        Self { pause, rate, waited: Duration::ZERO, since: None, timer: Patience::default() }
    }

    /// A piece has come.
    pub(crate) fn moved(&mut self) {
        if self.since.is_some() {
            self.moved_at(Instant::now());
        }
    }

    /// Nothing is here: ready with what is wrong when it has been waited for too long. `received` bytes came before.
    pub(crate) fn poll_late(&mut self, cx: &mut Context<'_>, received: u64) -> Poll<Fault> {
        let (until, why) = self.bound(Instant::now(), received);
        self.timer.poll_until(cx, until).map(|()| {
            match why {
                Reason::RequestTooSlow => {
                    Fault::new(Code::RequestTimeout, "the request's body comes slower than body-rate")
                }
                _ => Fault::new(Code::RequestTimeout, "the request's body paused for too long"),
            }
            .because(why)
        })
    }

    /// What was waited for so far is forgiven.
    pub(crate) fn begin_anew(&mut self) {
        self.since = None;
        self.waited = Duration::ZERO;
    }

    fn moved_at(&mut self, now: Instant) {
        if let Some(since) = self.since.take() {
            self.waited += now - since;
        }
    }

    /// Until when may be waited for more, and what is wrong then.
    fn bound(&mut self, now: Instant, received: u64) -> (Instant, Reason) {
        let since = *self.since.get_or_insert(now);
        let left = self.rate.map(|rate| (self.pause + earned(received, rate)).saturating_sub(self.waited));
        match left {
            Some(left) if left < self.pause => (since + left, Reason::RequestTooSlow),
            _ => (since + self.pause, Reason::RequestStalled),
        }
    }
}

/// The time that so many bytes may take.
fn earned(received: u64, rate: NonZeroU64) -> Duration {
    Duration::from_millis(received.saturating_mul(1000) / rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(30);
    const SECOND: Duration = Duration::from_secs(1);

    /// What becomes of a client that sends `piece` bytes every `every`, and after how long.
    fn outcome(rate: u64, piece: u64, every: Duration) -> Option<(Reason, Duration)> {
        let began = Instant::now();
        let mut now = began;
        let mut pace = Pace::new(PAUSE, NonZeroU64::new(rate));
        for received in (0..1000).map(|number| number * piece) {
            let (until, why) = pace.bound(now, received);
            now += every;
            if until < now {
                return Some((why, until - began));
            }
            pace.moved_at(now);
        }
        None
    }

    #[test]
    fn a_trickle_ends_after_its_grace() {
        let (why, after) = outcome(100, 1, SECOND * 29).unwrap();
        assert_eq!(why, Reason::RequestTooSlow);
        assert!(after >= PAUSE && after < PAUSE + SECOND, "{after:?}");
        assert_eq!(outcome(100, 50, SECOND), Some((Reason::RequestTooSlow, PAUSE * 2 - SECOND / 2)));
        assert_eq!(outcome(0, 1, SECOND * 29), None, "without a rate nothing but a pause counts");
        assert_eq!(outcome(0, 1, SECOND * 31), Some((Reason::RequestStalled, PAUSE)));
    }

    #[test]
    fn who_keeps_the_rate_may_pause() {
        assert_eq!(outcome(100, 100, SECOND), None);
        assert_eq!(outcome(100, 3000, SECOND * 29), None);
        assert_eq!(outcome(100, 3100, SECOND * 31), Some((Reason::RequestStalled, PAUSE)));
    }

    #[test]
    fn time_in_which_nobody_asked_for_more_does_not_count() {
        let mut now = Instant::now();
        let mut pace = Pace::new(PAUSE, NonZeroU64::new(100));
        for _ in 0..9 {
            assert_eq!(pace.bound(now, 0), (now + PAUSE, Reason::RequestStalled));
            pace.moved_at(now);
            now += PAUSE * 9;
        }
    }
}
